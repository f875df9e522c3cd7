"""What a reader could see of a phantom patient, in fixed words: the hidden truth behind the note and the pictures."""

from __future__ import annotations

from lss.phantom.anatomy import Patient

_SIDES = {-1: "right", 0: "central", 1: "left"}


def findings_of(patient: Patient, level: str) -> list[str]:
    """Return findings at that disc, sorted, e.g. `["desiccated", "foramen left", "protrusion right"]`.

    A lesion of the disc with its side, `abutting`, `thick flavum`, `large facets`, `foramen right` and `foramen left`
    for narrowed ones, `slip`, and what all discs of a patient share: `spasm`, `osteophytes`, `endplates`, `schmorl`.
    """
    disc = patient.discs[level]
    lesion = disc.shape if disc.shape == "bulge" else f"{disc.shape} {_SIDES[int(disc.bulge_side)]}"
    seen = {
        lesion: disc.visible_bulge,
        "abutting": disc.grade == "A" and disc.abutting,
        "desiccated": disc.desiccated,
        "thick flavum": disc.thick_flavum,
        "large facets": disc.large_facets,
        "foramen right": disc.foramina[0] > 0,
        "foramen left": disc.foramina[1] > 0,
        "slip": disc.slip > 0,
        "spasm": patient.spasm,
        "osteophytes": patient.spondylosis,
        "endplates": patient.endplates,
        "schmorl": patient.schmorl,
    }
    return sorted(name for name, present in seen.items() if present)
