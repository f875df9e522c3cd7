"""What a phantom's note states is drawn: each finding, switched on alone, changes the picture in its own place."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from lss.phantom import axial, sagittal
from lss.phantom.anatomy import IMAGED_LEVELS, Disc, Patient, draw_patient
from lss.phantom.archive import draw_notes, plan_cohort
from lss.phantom.spine import Spine
from lss.phantom.tissue import Textures
from lss.phantom.visible_findings import findings_of
from lss.runtime.seeding import generator

SEED, LEVEL = 20250, "L4-L5"
SIZE, FIELD_MM = 384, sagittal.FIELD_MM


def plain(grade: str = "A", number: int = 3) -> Patient:
    """A patient of that grade at L4-L5 in whom nothing else is to be found."""
    patient = draw_patient(number, {**dict.fromkeys(IMAGED_LEVELS, "A"), LEVEL: grade}, SEED)
    nothing = {"thick_flavum": False, "flavum": 3.2, "large_facets": False, "facets": 1.02, "foramina": (0.0, 0.0)}
    flat = {"shape": "bulge", "bulge": 3.5 if grade != "A" else 1.9, "bulge_side": 0.0, "degeneration": 0.2, "slip": 0}
    discs = {level: replace(disc, **nothing, **flat) for level, disc in patient.discs.items()}
    return replace(
        patient, discs=discs, spasm=False, spondylosis=False, endplates=False, schmorl=False, scoliosis=0.0,
        renal_cyst=0, tarlov=False, haemangioma=False, turn=0.0,
    )  # fmt: skip


def with_disc(patient: Patient, level: str = LEVEL, **changes: object) -> Patient:
    disc: Disc = replace(patient.discs[level], **changes)  # type: ignore[arg-type]
    return replace(patient, discs={**patient.discs, level: disc})


def axial_t2(patient: Patient, index: int = 1, level: str = LEVEL) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T2 of one slice with x and y of its pixels, mm from the disc's centre."""
    textures = Textures(generator(SEED, "test"), axial.SPACING_MM / 2)
    section = axial.draw_section(patient, level, index, 320, textures, SEED, ("T2",))
    rows, columns = np.mgrid[:320, :320] - 159.5
    return (
        section.signal["T2"],
        columns * axial.SPACING_MM + section.centre_mm[0],
        rows * axial.SPACING_MM + section.centre_mm[1],
    )


def sagittal_t2(patient: Patient, left_mm: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T2 of one sagittal slice with x and y of its pixels in drawing coordinates, mm."""
    textures = Textures(generator(SEED, "test"), axial.SPACING_MM / 2)
    centre = sagittal.field_centre(patient, FIELD_MM)
    section = sagittal.draw_section(patient, left_mm, SIZE, FIELD_MM, centre, textures, SEED, ("T2",))
    rows, columns = (np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2) * FIELD_MM / SIZE
    return section.signal["T2"], columns + centre[0], rows + centre[1]


def mean_at(picture: tuple[np.ndarray, np.ndarray, np.ndarray], x_mm: float, y_mm: float, radius: float) -> float:
    signal, x, y = picture
    return float(signal[np.hypot(x - x_mm, y - y_mm) < radius].mean())


def change_by_side(before: Patient, after: Patient, index: int = 1, lowest_mm: float = 0.0) -> tuple[float, float]:
    """Sum of the absolute change of the slice on the patient's right and left, behind the disc's centre."""
    old, x, y = axial_t2(before, index)
    change = np.abs(axial_t2(after, index)[0] - old) * (y > lowest_mm) * (y < 45) * (np.abs(x) < 40)
    return float(change[x < 0].sum()), float(change[x > 0].sum())


@pytest.mark.parametrize("grade", ["A", "BC", "D"])
@pytest.mark.parametrize("shape", ["protrusion", "extrusion"])
def test_a_lesion_lies_on_its_side(grade: str, shape: str) -> None:
    patient = plain(grade)
    back = patient.discs[LEVEL].depth / 2
    for side in (-1.0, 1.0):
        signal, x, y = axial_t2(with_disc(patient, shape=shape, bulge=4.0, bulge_side=side))
        strip = (y > back) & (y < back + 3.0)
        own, other = (signal[strip & (np.abs(x - s * 6.0) < 3)].mean() for s in (side, -side))
        assert own < 0.8 * other  # disc on its side, epidural fat or fluid on the other


def test_a_bulge_is_broad_and_a_protrusion_focal() -> None:
    patient = plain("BC")
    back = patient.discs[LEVEL].depth / 2

    def dark_width(shape: str) -> float:
        signal, x, y = axial_t2(with_disc(patient, shape=shape, bulge=4.0))
        row = (np.abs(y - back - 1.5) < 0.7) & (np.abs(x) < 13)
        return float((signal[row] < 0.35).mean())

    assert dark_width("bulge") > 1.3 * dark_width("protrusion")


def test_an_extrusion_has_a_fragment_below_the_disc() -> None:
    patient = plain("BC")
    focal = with_disc(patient, shape="protrusion", bulge=4.5, bulge_side=1.0)
    right, left = change_by_side(focal, with_disc(focal, shape="extrusion"), index=3)
    assert left > 5 and left > 2 * right


def test_fat_lies_between_sac_and_disc_unless_they_abut() -> None:
    patient = plain("A")
    touching = with_disc(patient, bulge=2.6)
    assert touching.discs[LEVEL].abutting and not patient.discs[LEVEL].abutting
    brightest = []
    for drawn in (patient, touching):
        signal, x, y = axial_t2(drawn)
        canal = axial.draw_section(
            drawn, LEVEL, 1, 320, Textures(generator(SEED, "test"), axial.SPACING_MM / 2), SEED, ("T2",)
        ).canal
        front = float(y[canal & (np.abs(x) < 1.5)].min())
        back = drawn.discs[LEVEL].depth / 2 + drawn.discs[LEVEL].bulge * 0.83  # at a third of the block's relief
        gap = (np.abs(x) < 1.5) & (y > back - 0.3) & (y < front - 0.4)
        brightest.append(float(signal[gap].max()) if gap.any() else 0.0)
    free, none = brightest
    assert free > 1.3 * none


@pytest.mark.parametrize("grade", ["BC", "D"])
def test_thick_flavum_and_large_facets_are_drawn(grade: str) -> None:
    patient = plain(grade)
    disc = patient.discs[LEVEL]
    changed = with_disc(patient, thick_flavum=True, flavum=5.9)
    signal, x, y = axial_t2(patient)
    thick = axial_t2(changed)[0]
    canal = (np.abs(x) < 11) & (y > disc.depth / 2 + 6) & (y < disc.depth / 2 + 18)
    assert thick[canal].mean() < 0.93 * signal[canal].mean()  # ligament instead of fat
    right, left = change_by_side(patient, with_disc(patient, large_facets=True, facets=1.26))
    assert right > 20 and left > 20


@pytest.mark.parametrize("side", [-1, 1])
def test_a_narrowed_foramen_loses_its_fat_on_its_side_in_both_planes(side: int) -> None:
    patient = plain("BC")
    disc = patient.discs[LEVEL]
    closed = with_disc(patient, foramina=(0.9, 0.0) if side < 0 else (0.0, 0.9))
    place = side * 18.5 * patient.size, disc.depth / 2 - 1.5
    for index in (0, 2):
        before, after = axial_t2(patient, index), axial_t2(closed, index)
        assert mean_at(after, *place, 4.0) < 0.85 * mean_at(before, *place, 4.0)
        assert mean_at(after, -place[0], place[1], 4.0) == pytest.approx(mean_at(before, -place[0], place[1], 4.0))
    spot = Spine(patient).edge(disc, 1.22, 2.4 * 9 / disc.height)
    seen, hidden = (sagittal_t2(closed, left_mm=left) for left in (side * 13.2, -side * 13.2))
    assert mean_at(seen, spot[0], spot[1] + 5, 2.5) < 0.7 * mean_at(hidden, spot[0], spot[1] + 5, 2.5)


def test_a_desiccated_disc_is_dark_in_both_planes() -> None:
    patient = plain()
    dry = with_disc(patient, degeneration=0.85)
    assert mean_at(axial_t2(dry), 0, 0, 6) < 0.75 * mean_at(axial_t2(patient), 0, 0, 6)
    x, y = Spine(patient).edge(patient.discs[LEVEL], 0.08, 0)
    assert mean_at(sagittal_t2(dry), x, y, 3) < 0.6 * mean_at(sagittal_t2(patient), x, y, 3)


def test_spasm_brightens_the_muscles_of_every_slice_and_straightens_the_spine() -> None:
    patient = plain()
    tense = replace(patient, spasm=True)
    for level in IMAGED_LEVELS:
        depth = patient.discs[level].depth / 2 + 28
        for index in (0, 2):
            before, after = (axial_t2(p, index, level) for p in (patient, tense))
            muscle = (np.hypot(np.abs(before[1]) - 32, before[2] - depth) < 8) & (before[0] < 0.25)
            assert after[0][muscle].mean() > 1.25 * before[0][muscle].mean()
    tilts: dict[bool, list[float]] = {True: [], False: []}
    for number in range(60):
        drawn = draw_patient(number, dict.fromkeys(IMAGED_LEVELS, "A"), SEED)
        tilts[drawn.spasm].append(drawn.discs["L5-S1"].tilt - drawn.discs["L1-L2"].tilt)
    assert np.mean(tilts[True]) < 0.75 * np.mean(tilts[False])


def test_changes_of_the_bones_are_drawn_in_both_planes() -> None:
    patient = plain()
    disc = patient.discs[LEVEL]
    spine = Spine(patient)
    bright = replace(patient, endplates=True)
    for index in (0, 3):  # the slices beside the disc
        assert mean_at(axial_t2(bright, index), 0, 0, 12) > 1.1 * mean_at(axial_t2(patient, index), 0, 0, 12)
    x, y = spine.edge(disc, 0.3, 1.9)
    assert mean_at(sagittal_t2(bright), x, y, 2) > 1.2 * mean_at(sagittal_t2(patient), x, y, 2)

    pitted = replace(patient, schmorl=True)
    assert mean_at(axial_t2(pitted, 0), 0, 2, 3) < 0.75 * mean_at(axial_t2(patient, 0), 0, 2, 3)
    x, y = spine.edge(disc, 0.1, 1.4)
    assert mean_at(sagittal_t2(pitted), x, y, 2) < 0.8 * mean_at(sagittal_t2(patient), x, y, 2)

    worn = replace(patient, spondylosis=True)
    signal, x, y = axial_t2(patient)
    radius = np.hypot(x / disc.width, y / disc.depth) * 2
    rim = (radius > 1.05) & (radius < 1.3) & (y < 2)
    assert np.abs(axial_t2(worn)[0] - signal)[rim].mean() > 0.03


def test_a_slip_moves_the_vertebra_above_forwards() -> None:
    patient = plain()
    slipped = with_disc(patient, slip=7.0)
    back = patient.discs[LEVEL].depth / 2
    above, before = axial_t2(slipped, 0), axial_t2(patient, 0)
    assert mean_at(above, 0, back - 3.0, 1.5) != pytest.approx(mean_at(before, 0, back - 3.0, 1.5), rel=0.15)
    spine = Spine(slipped)
    step = spine.edge(slipped.discs[LEVEL], 1, 1) - spine.edge(slipped.discs[LEVEL], 1, -1)
    level_step = Spine(patient).edge(patient.discs[LEVEL], 1, 1) - Spine(patient).edge(patient.discs[LEVEL], 1, -1)
    assert np.linalg.norm(step - level_step) == pytest.approx(7.0, abs=0.01)


def test_remarks_are_drawn() -> None:
    patient = plain()
    for side in (-1, 1):
        before, after = axial_t2(patient, 1, "L3-L4"), axial_t2(replace(patient, renal_cyst=side), 1, "L3-L4")
        change = np.abs(after[0] - before[0])[(np.abs(side * before[1] - 65) < 20) & (np.abs(before[2]) < 25)]
        assert (change > 0.5).sum() > 100
    x, y = sagittal_t2(patient)[1:]
    spine = Spine(patient)
    for name, place in (
        ("tarlov", spine.sacrum[0][0]),
        ("haemangioma", spine.edge(patient.discs["L2-L3"], 0, 1) * [1, 1] + [0, -12]),
    ):
        change = sagittal_t2(replace(patient, **{name: True}))[0] - sagittal_t2(patient)[0]
        bright = change > 0.3
        assert bright.sum() > 80
        assert np.hypot(x[bright].mean() - place[0], y[bright].mean() - place[1]) < 30
    turned = replace(patient, scoliosis=10.0)
    assert turned.turn_at("L3-L4") - turned.turn_at("L5-S1") == 10.0
    assert np.abs(axial_t2(turned, 1, "L3-L4")[0] - axial_t2(patient, 1, "L3-L4")[0]).mean() > 0.03


def test_the_note_says_what_is_drawn_and_nothing_else() -> None:
    """Words of each kind of finding stand in a note exactly where the hidden truth has it."""
    kinds = {
        "protrusion": r"protru\w*ion no",
        "extrusion": r"extrusion no",
        "thick flavum": r"lig\w+ flavum",
        "large facets": r"facet joint",
        "foramen": r"(encroaching|enroaching|encraoching|narrowing)",
        "desiccated": r"[Dd]esiccated|dissicating|Dehydrated|Desiccated",
        "spasm": "spasm",
        "osteophytes": "spondylotic",
        "endplates": "end plate",
        "schmorl": "Schmorl",
        "slip": "spondylolisthesis",
        "abutting": "abutting",
    }
    seen = dict.fromkeys(kinds, 0)
    for seed in range(6):
        plans, without = plan_cohort(48, seed)
        notes = draw_notes(plans, without, seed)
        for plan in plans:
            note = notes[plan.number]
            if note is None:
                continue
            patient = draw_patient(plan.number, plan.grades, seed)
            named = note.level_grades
            drawn = {level: findings_of(patient, level) for level in IMAGED_LEVELS}
            lesions = [level for level in IMAGED_LEVELS if patient.discs[level].visible_bulge]
            if set(lesions) != set(named):
                continue  # one of the few notes that leave out a level
            for kind, words in kinds.items():
                present = any(finding.startswith(kind) for result in drawn.values() for finding in result)
                assert bool(re.search(words, note.text)) == present, (kind, drawn, note.text)
                seen[kind] += present
            for side, short in (("right", "Rt"), ("left", "Lt")):
                stated = f"{short} paracentral" in note.text
                assert stated == any(f.endswith(f"ion {side}") for result in drawn.values() for f in result)
    assert min(seen.values()) >= 3, seen


def test_a_lesion_that_is_drawn_is_stated_for_its_disc() -> None:
    complete = total = 0
    for seed in range(6):
        plans, without = plan_cohort(48, seed)
        notes = draw_notes(plans, without, seed)
        for plan in plans:
            note, patient = notes[plan.number], draw_patient(plan.number, plan.grades, seed)
            lesions = {level for level in IMAGED_LEVELS if patient.discs[level].visible_bulge}
            if note is not None:
                assert set(note.level_grades) <= lesions
                complete += set(note.level_grades) == lesions
                total += 1
    assert 0.9 < complete / total < 1
