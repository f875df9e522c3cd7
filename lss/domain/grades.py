"""Stenosis grades and lumbar disc levels: the two vocabularies every stage shares."""

from __future__ import annotations

GRADES: tuple[str, ...] = ("A", "BC", "D")
"""Grade codes from mild to severe (Schizas A; B and C merged, as in the paper; D)."""

GRADE_LABELS: dict[str, str] = {"A": "A", "BC": "B&C", "D": "D"}
"""How a grade is printed in tables, figures and reports."""

LEVELS: tuple[str, ...] = ("T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
"""Disc levels from cranial to caudal, spelt as in every table."""


def worst(grades: list[str]) -> str | None:
    """Return the most severe of `grades`; None for an empty list.

    >>> worst(["A", "D", "BC"])
    'D'
    """
    return max(grades, key=GRADES.index, default=None)


def format_level_grades(level_grades: dict[str, str]) -> str:
    """Write grades per level as one string, cranial first.

    >>> format_level_grades({"L5-S1": "A", "L4-L5": "BC"})
    'L4-L5:BC;L5-S1:A'
    """
    return ";".join(f"{level}:{level_grades[level]}" for level in LEVELS if level in level_grades)


def parse_level_grades(text: str | None) -> dict[str, str]:
    """Read what `format_level_grades` wrote; an empty or missing text gives {}.

    Raises ValueError on an unknown level or grade.
    """
    level_grades = dict(item.split(":", 1) for item in (text or "").split(";") if item)
    for level, grade in level_grades.items():
        if level not in LEVELS or grade not in GRADES:
            raise ValueError(f"'{level}:{grade}': levels are {', '.join(LEVELS)}; grades are {', '.join(GRADES)}")
    return level_grades
