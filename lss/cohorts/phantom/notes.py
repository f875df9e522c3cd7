"""Radiologists' notes of the phantom patients, in the wording habits of real ones.

The rubric's reading of a note gives `Note.level_grades` and `Note.grade`; they are the true grades but for the
levels a note leaves out (a small share of the notes) or does not mention because nothing is wrong there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lss.cohorts.phantom.anatomy import IMAGED_LEVELS, Disc, Patient
from lss.grades import worst

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
_WEAR = (
    "Multilevel desiccated disc materials noted.",
    "Degenerative spondylotic changes noted.",
    "Dehydrated lower lumbar discs.",
    "Multilevel end plate degenerative changes noted.",
    "Multilevel Schmorl's nodules noted.",
)
_REMARKS = (
    "NB : small tarlov cyst noted at S2 level.",
    "NB: Lt renal cyst noted, correlate with US.",
    "NB :small Rt ovarian cyst seen.",
    "NB:\nSmall hemangioma noted at L2 vertebral body.",
    "NB: mild scoliosis of the lumbar spine.",
    "NB: Grade I spondylolisthesis of L4 over L5.",
)
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
_MILD_LESIONS = (
    "mild disc bulge",
    "mild diffuse disc bulge",
    "small {side} disc protrusion",
    "mild {side} disc protrusion",
)
_LESIONS = (
    "diffuse disc bulge", "diffuse disc bulge", "wide base disc bulge", "{side} disc protrusion",
    "broad based {side} disc protrusion", "diffuse disc bulge with facet joint hypertrophy",
    "degenerative annular disc bulge",
)  # fmt: skip
_EFFECTS = {
    "A": ("", "", "abutting the thecal sac", "just abutting the thecal sac"),
    "BC": (
        "compressing the thecal sac",
        "mildly compressing the thecal sac",
        "mild compressing the thecal sac and exit nerve roots",
        "compressing the thecal sac and exit canals",
        "compressing the thecal sac and encroaching exit neural canals",
        "mildly compressing the thecal sac and encroaching both exit nerve roots",
        "indenting the thecal sac and narrowing both neural foramina",
        "relatively compressing the thecal sac with ligamentum flavum hypertrophy",
        "compressing the thecal sac with mild secondary spinal canal stenosis",
    ),
    "D": (
        "largely compressing the thecal sac",
        "largely compressing the thecal sac and encroaching exit neural canals",
        "significantly compressing the thecal sac and both exit nerve roots",
        "compressing the thecal sac and both nerve roots associated with ligamentum flavum hypertrophy, all leading to "
        "secondary spinal canal stenosis",
        "largely compressing and filling the thecal sac",
    ),
}
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
    """A note on this patient's discs that agrees with the true grades (see the module's text)."""
    hand = _Hand(draw)
    discs = {level: patient.discs[level] for level in IMAGED_LEVELS}
    grades = {level: disc.grade for level, disc in discs.items()}
    incomplete = draw.random() < INCOMPLETE_SHARE
    named = [level for level in IMAGED_LEVELS if grades[level] != "A"]
    lines = [hand.choose(_HEADS)] if draw.random() < 0.85 else []
    if draw.random() < 0.5:
        lines.append(hand.choose(_SPASM))
    if patient.age > 50 and draw.random() < 0.4:
        lines.append(hand.choose(_WEAR))

    if incomplete and named and "D" not in grades.values():
        level_grades = {}
        lines.append(f"Multilevel diffuse disc bulges noted, {hand.choose(_EFFECTS['BC'][:6])}.")
    else:
        if incomplete and len(named) > 1:
            # the lesser finding is the one that is forgotten
            named.remove(min(named, key=lambda level: ("BC", "D").index(grades[level])))
        quiet = [level for level in IMAGED_LEVELS if grades[level] == "A" and draw.random() < 0.35]
        level_grades = {level: grades[level] for level in named + quiet}
        lines += _findings(hand, discs, named, quiet)
    if not named and not level_grades:
        lines.append(hand.choose(_NOTHING))
    elif not named:
        lines.append(hand.choose(_DENIALS))
    elif "D" not in level_grades.values() and draw.random() < 0.2:
        lines.append("Adequate spinal canal.")
    if draw.random() < 0.2:
        lines.append(hand.choose(_REMARKS))
    return Note(hand.scribble("\n".join(lines)), worst(list(grades.values())) or "A", level_grades)


def _findings(hand: _Hand, discs: dict[str, Disc], named: list[str], quiet: list[str]) -> list[str]:
    """One line per finding; levels of one grade may share a line."""
    groups: list[list[str]] = []
    for grade in ("D", "BC"):
        levels = [level for level in named if discs[level].grade == grade]
        together = len(levels) > 1 and hand.draw.random() < 0.5
        groups += [levels] if together else [[level] for level in levels]
    groups += [quiet] if len(quiet) > 1 and hand.draw.random() < 0.6 else [[level] for level in quiet]
    return [hand.finding([discs[level] for level in group]) for group in groups if group]


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

    def finding(self, discs: list[Disc]) -> str:
        """One line on discs of the same grade."""
        grade = discs[0].grade
        side = {-1.0: "Rt paracentral", 0.0: "central", 1.0: "Lt paracentral"}[discs[0].bulge_side]
        lesions = _MILD_LESIONS if grade == "A" else _LESIONS
        several = len(discs) > 1
        # one side cannot be said of several discs
        fitting = tuple(lesion for lesion in lesions if not several or "{side}" not in lesion)
        lesion = self.choose(fitting).format(side=side)
        if several:
            lesion = re.sub(r"(bulge)\b", r"\1s", lesion)
        effect = self.choose(_EFFECTS[grade])
        tail = f", {effect}" if effect else ""
        names = [self.level(disc.level) for disc in discs]
        joined = (
            self.choose((" & ", " and ", "&")).join(names)
            if len(names) < 3
            else f"{names[0]}, {names[1]} and {names[2]}"
        )
        if self._level_first:
            return f"{self._bullet}{joined}: {lesion} noted{tail}."
        word = "levels" if several else "level"
        place = self.choose((f"at {joined} {word}", f"at {joined} {word}", f"at the {joined} {word}"))
        sentence = f"{lesion} noted {place}{tail}."
        return self._bullet + sentence[0].upper() + sentence[1:]

    def scribble(self, text: str) -> str:
        """The text with this hand's misspellings and careless blanks."""

        def slip(match: re.Match[str]) -> str:
            word = match.group()
            if word in _SLIPS and self.draw.random() < self._slip:
                return self.choose(_SLIPS[word])
            return word

        text = re.sub(r"[a-z]+", slip, text)
        if self._slip and self.draw.random() < 0.5:
            text = text.replace(", ", " ,", 1)
        return text + self.choose(("", "", "\n", " "))
