"""Whether a report says what its mask, its classification head and its input say."""

from __future__ import annotations

from dataclasses import dataclass, field

from lss.grades import GRADE_LABELS
from lss.notes.clauses import separate_words, tokenise
from lss.notes.cleaning import clean_note
from lss.notes.grading import PERCENT, read_report

AREA_TOLERANCE = 1.0
"""Percentage points by which a stated area may differ from the mask's: it is written with one decimal, and a
language model that is off by less than a point describes the same mask."""


@dataclass(frozen=True)
class ReportCheck:
    """What a report states, held against what it was written from; None where it states nothing to compare."""

    text_grade: str | None
    agrees_with_mask: bool | None
    agrees_with_head: bool | None
    area_stated: float | None  # percent
    area_matches: bool | None
    level_stated_matches: bool | None
    disagreements: list[str] = field(default_factory=list)


def check_report(
    report: str, *, area_percent: float, mask_grade: str | None, head_grade: str | None, level: str | None
) -> ReportCheck:
    """Compare a report's statements with their sources.

    Args:
        report: generated or reference text.
        area_percent: share of the image that the mask covers, in percent.
        mask_grade: grade by the mask's area, a code of `lss.grades.GRADES`, or None.
        head_grade: grade by the classification head, or None.
        level: disc level of the image, or None if unknown.

    Returns:
        One entry in `disagreements` per contradiction, as a sentence a reader is shown; empty if there is none.
    """
    read = read_report(report)
    stated = stated_area(report)
    levels = stated_levels(report)
    with_mask = _same(read.grade, mask_grade)
    with_head = _same(read.grade, head_grade)
    area_matches = None if stated is None else abs(stated - area_percent) <= AREA_TOLERANCE
    level_matches = None if level is None or not levels else level in levels
    disagreements = []
    if read.grade is None:
        disagreements.append("The text states no grade.")
    if read.sentence and read.findings and read.sentence != read.findings:
        labels = GRADE_LABELS[read.sentence], GRADE_LABELS[read.findings]
        disagreements.append(f"The severity sentence says {labels[0]}, the findings say {labels[1]}.")
    for source, grade, agrees in (("mask's area", mask_grade, with_mask), ("classifier", head_grade, with_head)):
        if agrees is False and read.grade and grade:
            disagreements.append(f"The text says {GRADE_LABELS[read.grade]}, the {source} says {GRADE_LABELS[grade]}.")
    if area_matches is False:
        disagreements.append(f"The text states {stated:.1f} %, the mask covers {area_percent:.1f} %.")
    if level_matches is False:
        disagreements.append(f"The text is about {', '.join(levels)}, the image lies at {level}.")
    return ReportCheck(read.grade, with_mask, with_head, stated, area_matches, level_matches, disagreements)


def stated_area(report: str) -> float | None:
    """The first share in percent that a report states, or None."""
    match = PERCENT.search(report)
    return float("".join(match[1].split()).replace(",", ".")) if match else None


def stated_levels(report: str) -> list[str]:
    """Disc levels a report names, each once, in the order of the text."""
    tokens = tokenise(separate_words(clean_note(report)))
    return list(dict.fromkeys(level for token in tokens for level in token.levels or ()))


def _same(grade: str | None, other: str | None) -> bool | None:
    return None if grade is None or other is None else grade == other
