"""A note on the whole spine, expected of one disc."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lss.domain.grades import LEVELS
from lss.notes.grading import grade_note
from lss.notes.reference import findings_of_level, reference_report

SAC = "compressing the thecal sac"
BOTH = f"Bulge at L3-L4 and protrusion at L4-L5, both {SAC}."


@pytest.mark.parametrize(
    ("note", "level", "expected"),
    [
        (f"Disc bulges noted at L3/4 & L4/5 levels, {SAC}.", "L4-L5", f"Disc bulge noted at L4-L5 level, {SAC}."),
        (f"L3-L4, L4-L5: diffuse disc bulges {SAC}", "L3-L4", f"L3-L4: diffuse disc bulge {SAC}."),
        (f"L3-L5: protrusions {SAC}", "L3-L4", f"L3-L4: protrusion {SAC}."),
        (f"Bulges at L2-L3 to L5-S1 levels {SAC}", "L4-L5", f"Bulge at L4-L5 level {SAC}."),
        (f"Disc bulge at L3-L4 {SAC}, also at L4-L5 level.", "L3-L4", f"Disc bulge at L3-L4 {SAC}."),
        (f"Bulges at L3-L4 and L4-L5 levels, mainly at L4-L5, {SAC}.", "L3-L4", f"Bulge at L3-L4 level, {SAC}."),
        # what is said of two levels at once stays whole, and so does a text that names one level only
        (BOTH, "L4-L5", BOTH),
        ("Wide disc bulges noted at L4-L5 levels", "L4-L5", "Wide disc bulges noted at L4-L5 levels."),
    ],
)
def test_of_several_levels_only_the_image_s_own_is_written(note: str, level: str, expected: str) -> None:
    assert findings_of_level(note, level, "BC") == [expected]


@pytest.mark.parametrize(
    ("note", "levels"),
    [
        ("Hemangioma of L2 vertebral body.", {"L1-L2", "L2-L3"}),
        ("Grade I spondylolisthesis of L4 over L5.", {"L4-L5"}),
        ("Small right ovarian cyst seen.", set()),
        ("Lt renal cyst noted", set()),
        ("Small tarlov cyst at S2.", set()),
        ("Feature of muscle spasm.", set(LEVELS)),
        ("T2 signal loss of the discs.", set(LEVELS)),
        ("Retropulsed fragment of L1 compressing the sac.", {"T12-L1", "L1-L2"}),
        ("Protrusion compressing the left L5 root.", {"L4-L5", "L5-S1"}),
    ],
)
def test_what_an_image_does_not_show_is_left_out(note: str, levels: set[str]) -> None:
    assert {level for level in LEVELS if findings_of_level(note, level, "D")} == levels


@pytest.mark.parametrize(
    ("note", "grade", "level", "expected"),
    [
        ("Bulge at L4-L5 compressing the sac.", "A", "L3-L4", ["No disc lesion is noted at L3-L4."]),
        ("Feature of muscle spasm.", "A", "L3-L4", ["Feature of muscle spasm.", "No disc lesion is noted at L3-L4."]),
        ("Adequate spinal canal.", "A", "L3-L4", ["Adequate spinal canal."]),
        ("No evidence of disc herniation.", "A", "L3-L4", ["No evidence of disc herniation."]),
        ("Mild bulge at L3-L4.", "A", "L3-L4", ["Mild bulge at L3-L4."]),
        # graded by something else than this note's silence, or no note at all
        ("Bulge at L4-L5 compressing the sac.", "BC", "L3-L4", []),
        ("Bulge at L4-L5 compressing the sac.", "A", None, ["Bulge at L4-L5 compressing the sac."]),
        ("", "A", "L3-L4", []),
    ],
)
def test_a_note_s_silence_on_the_disc_is_stated(note: str, grade: str, level: str | None, expected: list[str]) -> None:
    assert findings_of_level(note, level, grade) == expected
    assert grade_note(" ".join(expected)).level_grades.get("L3-L4", "A") == "A"


def test_without_a_level_all_statements_are_kept() -> None:
    note = "Bulges at L3-L4 and L4-L5. Small renal cyst."
    assert findings_of_level(note, None, "A") == ["Bulges at L3-L4 and L4-L5.", "Small renal cyst."]


def test_real_notes_hardly_name_another_level(shared: Path) -> None:
    """And what is left of a note has the grade that the note gives the level."""
    table = pd.read_excel(shared / "data/mendeley-radiologists-notes/Radiologists Report.dev-subset.xlsx")
    named, others, graded, kept = 0, 0, 0, 0
    for note in table["Clinician's Notes"].dropna().unique():
        for level, grade in grade_note(note).level_grades.items():
            report = reference_report(grade, 5.0, note, level)
            read = grade_note(report).level_grades
            named += bool(read)
            others += bool(set(read) - {level})
            graded += 1
            kept += read.get(level) == grade
    assert named > 300
    assert others / named < 0.02
    assert kept / graded > 0.98
