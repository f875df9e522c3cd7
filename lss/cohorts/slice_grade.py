"""From a patient's grades to the grade of one slice, with the reason."""

from __future__ import annotations

from typing import Literal

from lss.cohorts.base import Grading
from lss.domain.grades import GRADES, worst


def slice_grade(
    level: str | None,
    grading: Grading,
    *,
    unnamed_level: Literal["A", "note", "none"],
    unknown_level: Literal["note", "none"],
) -> tuple[str | None, str]:
    """Return the grade of a slice at disc `level` (None: unknown) of a patient with `grading`.

    A level that is named has its own grade. Of a level that is not named two cases differ:
    the worst finding of the whole names no level, then it may lie here, and the whole's grade is taken; or
    the worst finding lies at a named level, then `unnamed_level` decides.

    Returns:
        A, BC, D or None, and the reason.
    """
    if grading.grade is None:
        return None, "no note" if grading.source == "nothing" else f"the {grading.source} gives no grade"
    source = grading.source
    if level is None:
        if grading.levels_are_complete:
            return None, f"level unknown: the {source} grades every level by its name"
        if unknown_level == "note":
            return grading.grade, f"level unknown: the {source}'s grade (unknown_level: note)"
        return None, f"level unknown: grade {grading.grade} of the {source} not taken (unknown_level: none)"
    if level in grading.level_grades:
        return grading.level_grades[level], f"{source} names {level}"
    if grading.levels_are_complete:
        return None, f"the {source} has no grade for {level}"
    named = worst(list(grading.level_grades.values()))
    if named is None or GRADES.index(grading.grade) > GRADES.index(named):
        return grading.grade, f"{source} names no level for its worst finding: its grade for {level} too"
    if unnamed_level == "A":
        return "A", f"{source} does not name {level} (unnamed_level: A)"
    if unnamed_level == "note":
        return grading.grade, f"{source} does not name {level}: its worst grade (unnamed_level: note)"
    return None, f"{source} does not name {level} (unnamed_level: none)"


_SPELLINGS = {
    "a": "A", "a1": "A", "a2": "A", "a3": "A", "a4": "A",
    "normal": "A", "normal/mild": "A", "b": "BC", "c": "BC", "bc": "BC", "b&c": "BC", "b/c": "BC",
    "b and c": "BC", "moderate": "BC", "d": "D", "severe": "D",
}  # fmt: skip


def parse_grade(text: str) -> str | None:
    """Return a grade as tables spell it, as one of A, BC, D; None for an empty cell or "none".

    Schizas' A1 to A4 are A.

    Raises ValueError for anything else.

    >>> parse_grade("B&C"), parse_grade("Normal/Mild"), parse_grade("none")
    ('BC', 'A', None)
    """
    word = text.strip().lower()
    if word in ("", "none", "nan", "na", "n/a"):
        return None
    if word not in _SPELLINGS:
        raise ValueError(f"{text!r} is no grade: use A, B, C, BC, B&C, D or none")
    return _SPELLINGS[word]
