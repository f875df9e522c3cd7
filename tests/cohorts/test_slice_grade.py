"""The grade of one slice, case by case, by hand."""

from __future__ import annotations

import pytest

from lss.cohorts.base import Grading
from lss.cohorts.slice_grade import parse_grade, slice_grade

NAMED = Grading("BC", {"L4-L5": "BC", "L5-S1": "A"}, "note")
WORST_HAS_NO_LEVEL = Grading("D", {"L4-L5": "BC"}, "note")
LABELS = Grading("BC", {"L4-L5": "BC"}, "table", levels_are_complete=True)


@pytest.mark.parametrize(
    ("level", "grading", "unnamed", "unknown", "grade", "words"),
    [
        ("L4-L5", NAMED, "A", "note", "BC", "note names L4-L5"),
        ("L5-S1", NAMED, "note", "note", "A", "note names L5-S1"),
        ("L3-L4", NAMED, "A", "note", "A", "unnamed_level: A"),
        ("L3-L4", NAMED, "note", "note", "BC", "unnamed_level: note"),
        ("L3-L4", NAMED, "none", "note", None, "unnamed_level: none"),
        (None, NAMED, "A", "note", "BC", "unknown_level: note"),
        (None, NAMED, "A", "none", None, "grade BC of the note not taken (unknown_level: none)"),
        (None, LABELS, "A", "note", None, "the table grades every level"),
        ("L3-L4", WORST_HAS_NO_LEVEL, "A", "note", "D", "no level for its worst finding"),
        ("L4-L5", WORST_HAS_NO_LEVEL, "A", "note", "BC", "note names L4-L5"),
        ("L3-L4", Grading("A", {}, "note"), "none", "note", "A", "no level for its worst finding"),
        ("L4-L5", Grading(None), "A", "note", None, "no note"),
        ("L4-L5", Grading(None, {}, "note"), "A", "note", None, "the note gives no grade"),
        ("L4-L5", LABELS, "A", "note", "BC", "table names L4-L5"),
        ("L3-L4", LABELS, "A", "note", None, "no grade for L3-L4"),
    ],
)
def test_rules(level, grading, unnamed, unknown, grade, words) -> None:  # type: ignore[no-untyped-def]
    result, reason = slice_grade(level, grading, unnamed_level=unnamed, unknown_level=unknown)
    assert result == grade and words in reason


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("A", "A"),
        ("A3", "A"),
        (" b&c ", "BC"),
        ("BC", "BC"),
        ("C", "BC"),
        ("Moderate", "BC"),
        ("Severe", "D"),
        ("", None),
    ],
)
def test_spellings(text: str, grade: str | None) -> None:
    assert parse_grade(text) == grade


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'E' is no grade"):
        parse_grade("E")
