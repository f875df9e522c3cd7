"""Radiologists' notes of the phantom patients, in the wording habits of real ones.

What is drawn decides what is said: every finding of `findings.findings_of` is stated, and only those; chance chooses
among wordings of the same finding. The rubric's reading of a note gives `Note.level_grades` and `Note.grade`; they
are the true grades but for the levels a note leaves out (a small share) or does not mention because nothing is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lss.domain.grades import worst
from lss.phantom.anatomy import IMAGED_LEVELS, Disc, Patient

INCOMPLETE_SHARE = 0.06
"""Share of the notes that name no level, or leave out one affected level."""

_HEADS = (
    "LSS MRI",
    "LSS MRI :",
    "LSS MRI:",
    "Lumbosacral MRI",
    "MRI OF THE LSS",
    "MRI of the lumbosacral spine",
    "LSS MRI (without contrast):",
)
_SPASM = ("Feature of muscle spasm.", "Features of muscle spasm noted.", "Feature of muscle spasm")
_SPONDYLOSIS = (
    "Degenerative spondylotic changes noted.",
    "Degenerative spondylotic changes with marginal osteophytes noted.",
)
_ENDPLATES = ("Multilevel end plate degenerative changes noted.", "Degenerative end plate changes noted.")
_SCHMORL = ("Multilevel Schmorl's nodules noted.", "Schmorl's nodules noted.")
_NOTHING = (
    "No evidence of disc herniation.\nNo significant thecal sac or nerve root compression noted.",
    "No evidence of disc herniation noted.\nNo thecal sac or nerve root compression seen.",
    "No significant disc protrusion or herniation seen.\nAdequate thecal sac.",
    "No significant disc herniation.\nNo thecal sac or exit nerve roots compression.\nAdequate spinal canal.",
)
_DENIALS = (
    "No significant thecal sac or nerve root compression noted.",
    "No significant thecal sac or nerve root compression noted.\nAdequate spinal canal.",
    "Adequate spinal canal.",
)
_BULGES = ("diffuse disc bulge", "diffuse disc bulge", "wide base disc bulge")
_MILD_BULGES = ("mild disc bulge", "mild diffuse disc bulge")
_FOCAL = ("{side} disc {shape}", "{side} disc {shape}", "{side} focal disc {shape}")
_MILD_FOCAL = ("small {side} disc {shape}", "mild {side} disc {shape}")
_ABUTTING = ("abutting the thecal sac", "just abutting the thecal sac")
_COMPRESSION = {
    "B": ("mildly compressing the thecal sac", "mild compressing the thecal sac", "mildly indenting the thecal sac"),
    "C": ("compressing the thecal sac", "compressing the thecal sac", "relatively compressing the thecal sac"),
    "D": ("largely compressing the thecal sac", "significantly compressing the thecal sac"),
}
_FILLED = ("largely compressing and filling the thecal sac",)
_BOTH_FORAMINA = ("exit neural canals", "both exit neural canals", "both exit nerve roots", "both neural foramina")
_ONE_FORAMEN = ("the {side} exit neural canal", "the {side} exit nerve root", "the {side} neural foramen")
_FILLED_BELOW_MM2 = 42.0
_MILD_BELOW_MM = 2.9
_SLIPS = {
    "compressing": ("compresing", "comressing", "compressin"), "encroaching": ("enroaching", "encraoching"),
    "thecal": ("tehcal", "thercal"), "sac": ("sca",), "largely": ("largly",), "mildly": ("mildy",),
    "secondary": ("secandary",), "hypertrophy": ("hyperatrophy",), "protrusion": ("protruion",),
    "noticeably": ("noteceably",), "desiccated": ("dissicating",), "ligamentum": ("ligamnetum",),
    "noted": ("notred", "noed"), "herniation": ("heniation",), "significant": ("signifcant",),
}  # fmt: skip


@dataclass(frozen=True)
class Note:
    """A note's text and what the rubric reads in it."""

    text: str
    grade: str
    level_grades: dict[str, str]


def write_note(patient: Patient, draw: np.random.Generator) -> Note:
    """Return a note on this patient's discs that agrees with the true grades (see the module's text)."""
    hand = _Hand(draw)
    discs = {level: patient.discs[level] for level in IMAGED_LEVELS}
    grades = {level: disc.grade for level, disc in discs.items()}
    incomplete = draw.random() < INCOMPLETE_SHARE
    named = [level for level in IMAGED_LEVELS if grades[level] != "A"]
    lines = [hand.choose(_HEADS)] if draw.random() < 0.85 else []
    lines += _general(hand, patient)

    if incomplete and named and all(discs[level].shape == "bulge" and discs[level].grade == "BC" for level in named):
        level_grades = {}
        worst_kind = max(discs[level].schizas for level in named)
        lines.append(f"Multilevel diffuse disc bulges noted, {hand.choose(_COMPRESSION[worst_kind])}.")
    else:
        if incomplete and len(named) > 1:
            # the lesser finding is the one that is forgotten
            named.remove(min(named, key=lambda level: ("BC", "D").index(grades[level])))
        quiet = [level for level in IMAGED_LEVELS if grades[level] == "A" and discs[level].visible_bulge]
        level_grades = {level: grades[level] for level in named + quiet}
        lines += _lesions(hand, [discs[level] for level in named + quiet])
    if not named and not level_grades:
        lines.append(hand.choose(_NOTHING))
    elif not named:
        lines.append(hand.choose(_DENIALS))
    elif not any(disc.schizas in ("C", "D") for disc in discs.values()) and draw.random() < 0.3:
        lines.append("Adequate spinal canal.")
    lines += _remarks(patient)
    return Note(hand.scribble("\n".join(lines)), worst(list(grades.values())) or "A", level_grades)


def _general(hand: _Hand, patient: Patient) -> list[str]:
    """Return lines on what concerns muscles, bones and all discs."""
    lines = [hand.choose(_SPASM)] if patient.spasm else []
    dry = [level for level in IMAGED_LEVELS if patient.discs[level].desiccated]
    if len(dry) == len(IMAGED_LEVELS):
        lines.append("Multilevel desiccated disc materials noted.")
    elif dry == ["L4-L5", "L5-S1"] and hand.draw.random() < 0.5:
        lines.append("Dehydrated lower lumbar discs.")
    elif dry:
        material = "disc material" if len(dry) == 1 else "disc materials"
        lines.append(f"Desiccated {material} noted at {hand.levels(dry)}.")
    for present, words in (
        (patient.spondylosis, _SPONDYLOSIS), (patient.endplates, _ENDPLATES), (patient.schmorl, _SCHMORL)
    ):  # fmt: skip
        lines += [hand.choose(words)] if present else []
    return lines


def _remarks(patient: Patient) -> list[str]:
    """Return what stands at a note's end: findings beside the discs."""
    cyst = {-1: "Rt", 1: "Lt"}.get(patient.renal_cyst)
    remarks = (
        (patient.discs["L4-L5"].slip > 0, "NB: Grade I spondylolisthesis of L4 over L5."),
        (patient.scoliosis != 0, "NB: mild scoliosis of the lumbar spine."),
        (cyst is not None, f"NB: {cyst} renal cyst noted, correlate with US."),
        (patient.tarlov, "NB : small tarlov cyst noted at S2 level."),
        (patient.haemangioma, "NB:\nSmall hemangioma noted at L2 vertebral body."),
    )
    return [text for present, text in remarks if present]


def _lesions(hand: _Hand, discs: list[Disc]) -> list[str]:
    """Return one line per lesion, the worst first; discs that look alike may share a line."""
    groups: list[list[Disc]] = []
    for disc in sorted(discs, key=lambda disc: ("D", "BC", "A").index(disc.grade)):
        alike = [group for group in groups if disc.shape == "bulge" and _looks(group[0]) == _looks(disc)]
        if alike and hand.draw.random() < 0.7:
            alike[0].append(disc)
        else:
            groups.append([disc])
    return [hand.finding(group) for group in groups]


def _looks(disc: Disc) -> tuple[object, ...]:
    """Return all that a line says of a disc; lines are shared by discs that agree in it."""
    narrow = tuple(share > 0 for share in disc.foramina)
    size = disc.bulge < _MILD_BELOW_MM, disc.sac_area < _FILLED_BELOW_MM2
    return disc.shape, disc.schizas, *size, disc.abutting, disc.thick_flavum, disc.large_facets, narrow


class _Hand:
    """The habits of whoever writes this note: how levels are spelt, lines begun, words misspelt."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.draw = draw
        self._spelling = int(draw.integers(0, 4))
        self._bullet = self.choose(("", "", "", "-", "- "))
        self._level_first = bool(draw.random() < 0.3)
        self._slip = float(draw.choice([0.0, 0.03, 0.10], p=[0.4, 0.4, 0.2]))

    def choose(self, options: tuple[str, ...]) -> str:
        return str(options[int(self.draw.integers(len(options)))])

    def level(self, level: str) -> str:
        upper, lower = level.split("-")
        short = lower if lower.startswith("S") else lower[1:]
        return (level, f"{upper}/{lower}", f"{upper}-{short}", f"{upper}/{lower}")[self._spelling]

    def levels(self, levels: list[str]) -> str:
        """Return the levels as a phrase: "L4/L5 level", "L3/L4 & L4/L5 levels"."""
        return f"{self._joined(levels)} {'level' if len(levels) == 1 else 'levels'}"

    def _joined(self, levels: list[str]) -> str:
        names = [self.level(level) for level in levels]
        if len(names) < 3:
            return self.choose((" & ", " and ", "&")).join(names)
        return f"{names[0]}, {names[1]} and {names[2]}"

    def finding(self, discs: list[Disc]) -> str:
        """Return one line on discs that look alike."""
        disc, levels = discs[0], [disc.level for disc in discs]
        lesion = self._lesion(disc)
        if len(discs) > 1:
            lesion = re.sub(r"(bulge)\b", r"\1s", lesion)
        effect = self._effect(disc)
        tail = f", {effect}" if effect else ""
        if self._level_first:
            return f"{self._bullet}{self._joined(levels)}: {lesion} noted{tail}."
        place = self.choose(("at ", "at ", "at the ")) + self.levels(levels)
        sentence = f"{lesion} noted {place}{tail}."
        return self._bullet + sentence[0].upper() + sentence[1:]

    def _lesion(self, disc: Disc) -> str:
        if disc.shape == "normal":
            raise ValueError(f"disc {disc.level} of grade {disc.grade} has no lesion to name")
        mild = disc.grade == "A" and disc.bulge < _MILD_BELOW_MM
        if disc.shape == "bulge":
            return self.choose(_MILD_BULGES if mild else _BULGES)
        side = {-1.0: "Rt paracentral", 0.0: "central", 1.0: "Lt paracentral"}[disc.bulge_side]
        return self.choose(_MILD_FOCAL if mild else _FOCAL).format(side=side, shape=disc.shape)

    def _effect(self, disc: Disc) -> str:
        """Return what the disc does to sac and foramina, and what else narrows the canal."""
        if disc.grade == "A":
            return self.choose(_ABUTTING) if disc.abutting else ""
        filled = disc.schizas == "D" and disc.sac_area < _FILLED_BELOW_MM2
        effect = self.choose(_FILLED if filled else _COMPRESSION[disc.schizas])
        right, left = (share > 0 for share in disc.foramina)
        verb = self.choose(("encroaching", "encroaching", "narrowing"))
        if right and left:
            effect += f" and {verb} {self.choose(_BOTH_FORAMINA)}"
        elif right or left:
            effect += f" and {verb} {self.choose(_ONE_FORAMEN).format(side='Rt' if right else 'Lt')}"
        parts = {"facet joint": disc.large_facets, "ligamentum flavum": disc.thick_flavum}
        large = [name for name, present in parts.items() if present]
        if large:
            effect += f" {self.choose(('with', 'associated with'))} {' and '.join(large)} hypertrophy"
        if disc.thick_flavum and disc.schizas == "D":
            effect += ", all leading to secondary spinal canal stenosis"
        elif disc.thick_flavum and disc.schizas == "C":
            effect += ", with mild secondary spinal canal stenosis"
        return effect

    def scribble(self, text: str) -> str:
        """Return the text with this hand's misspellings and careless blanks."""

        def slip(match: re.Match[str]) -> str:
            word = match.group()
            if word in _SLIPS and self.draw.random() < self._slip:
                return self.choose(_SLIPS[word])
            return word

        text = re.sub(r"[a-z]+", slip, text)
        if self._slip and self.draw.random() < 0.5:
            text = text.replace(", ", " ,", 1)
        return text + self.choose(("", "", "\n", " "))
