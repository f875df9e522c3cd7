"""What counts as a contradiction in a report, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lss.domain.grades import LEVELS
from lss.notes.grading import grade_note
from lss.notes.level_names import OUTSIDE
from lss.notes.reference import SEVERITY_TEMPLATES, reference_report, severity_sentence
from lss.notes.report_consistency import (
    CONTRADICTIONS,
    ReportCheck,
    check_report,
    stated_area,
    stated_levels,
    stated_sides,
)
from lss.notes.sides import swap_sides

TEXT = "Severe spinal canal stenosis, 31.2 % of the region is affected. L4-L5: Protrusion largely compressing the sac."
BULGE = "Mild to moderate spinal canal compression, 3.0 % of the region is affected. Bulge compressing the sac"


def check(text: str, **changes: Any) -> ReportCheck:
    """Against a mask of 3 %, grade B&C, at L4-L5."""
    return check_report(text, **({"area_percent": 3.0, "mask_grade": "BC", "level": "L4-L5"} | changes))


def test_a_consistent_report() -> None:
    result = check(TEXT, area_percent=31.24, mask_grade="D", head_grade="D")
    assert (result.text_grade, result.area_stated) == ("D", 31.2)
    assert result.agrees_with_mask and result.agrees_with_head and not result.contradicts
    assert result.disagreements == []


def test_every_contradiction_is_reported() -> None:
    result = check(TEXT, area_percent=12.0, level="L3-L4", head_grade="A")
    assert (result.agrees_with_mask, result.agrees_with_head) == (False, False)
    assert list(result.contradictions) == ["grade", "area", "level"]
    assert result.disagreements == [
        "The text says D, the mask's area says B&C.",
        "The text states 31.2 %, the mask covers 12.0 %.",
        "The text is about L4-L5, the image lies at L3-L4.",
        "The text says D, the classifier says A.",
    ]


def test_the_classifier_is_no_source_of_the_text() -> None:
    result = check(BULGE, head_grade="D")
    assert not result.contradicts and result.disagreements == ["The text says B&C, the classifier says D."]


def test_sentence_against_findings() -> None:
    text = "No significant spinal canal stenosis, 0.0 % of the region is affected. Bulge compressing the sac."
    result = check(text, area_percent=0, mask_grade="A", level=None)
    assert result.contradictions == {"findings": "The severity sentence says A, the findings say B&C."}
    assert result.agrees_with_head is None


def test_a_report_that_says_nothing() -> None:
    result = check("", head_grade="A")
    assert (result.text_grade, result.agrees_with_mask, result.area_stated) == (None, None, None)
    assert result.contradictions == {"no_grade": "The text states no grade."}


@pytest.mark.parametrize(
    ("stated", "area", "matches"),
    [(0.0, 0.0, True), (0.1, 0.0, False), (0.0, 0.3, False), (3.1, 3.0, True), (3.3, 3.0, False), (2.0, 3.0, False),
     (31.0, 30.0, True), (33.0, 30.0, False), (0.3, 0.349, True)],
)  # fmt: skip
def test_areas_match_relatively(stated: float, area: float, matches: bool) -> None:
    text = f"Mild to moderate spinal canal compression, {stated:.1f} % of the region is affected."
    assert ("area" not in check(text, area_percent=area).contradictions) == matches


@pytest.mark.parametrize(
    ("place", "stated"),
    [
        ("at L4-L5", None),
        ("", None),
        ("at L3-L4", "The text is about L3-L4, the image lies at L4-L5."),
        ("at L2-L3 and L4-L5", "The text also names L2-L3, the image lies at L4-L5."),
        ("at L3-S1", "The text also names L3-L4, L5-S1, the image lies at L4-L5."),
        ("at L5-L5", "The text is about L5-L5, the image lies at L4-L5."),
        ("at C5-C6", "The text is about a level outside the lumbar spine, the image lies at L4-L5."),
    ],
)
def test_levels(place: str, stated: str | None) -> None:
    assert check(f"{BULGE} {place}.").contradictions.get("level") == stated
    assert "level" not in check(f"{BULGE} {place}.", level=None).contradictions


@pytest.mark.parametrize(
    ("finding", "sides"),
    [
        ("Left paracentral protrusion compressing the sac", {"left"}),
        ("Protrusion compressing the sac and Rt. exit canal", {"right"}),
        ("Bulge compressing both exit canals, more to the left, and the right root", {"left", "right"}),
        ("Small left renal cyst", set()),
        ("Bulge compressing the sac", set()),
    ],
)
def test_sides(finding: str, sides: set[str]) -> None:
    assert stated_sides(f"{finding}.") == sides
    assert stated_sides(swap_sides(f"{finding}.")) == {{"left": "right", "right": "left"}[side] for side in sides}
    text = f"{severity_sentence('BC', 3.0)} {finding}."
    for mask_side in ("left", "right", None):
        contrary = mask_side is not None and len(sides) == 1 and mask_side not in sides
        assert ("side" in check(text, mask_side=mask_side).contradictions) == contrary


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("by about 6.5mm", "6.5mm"),
        ("of 6 mm and 1,5 cm", "6 mm, 1,5 cm"),
        ("in 40 percent of the canal", "40 %"),
        ("in 3 % of the region", None),  # the area again
        ("of L4 over L5, grade I, 2 discs", None),
    ],
)
def test_numbers_that_nothing_measured(text: str, stated: str | None) -> None:
    result = check(f"{BULGE}, {text}.").contradictions
    assert result.get("number") == (stated and f"The text states {stated}, which nothing measured.")


@given(st.sampled_from(list(SEVERITY_TEMPLATES)), st.floats(0, 100), st.sampled_from([*LEVELS, None]))
def test_the_filled_template_never_contradicts(grade: str, area: float, level: str | None) -> None:
    result = check(severity_sentence(grade, area), area_percent=area, mask_grade=grade, level=level, mask_side="left")
    assert not result.contradicts


def test_references_of_real_notes_hardly_contradict(shared: Path) -> None:
    """Otherwise a generator would be blamed for its training texts."""
    table = pd.read_excel(shared / "data/mendeley-radiologists-notes/Radiologists Report.dev-subset.xlsx")
    kinds = [
        list(check(reference_report(grade, 3.0, note, level), mask_grade=grade, level=level).contradictions)
        for note in table["Clinician's Notes"].dropna().unique()
        for level, grade in grade_note(note).level_grades.items()
    ]
    assert len(kinds) > 300 and {kind for result in kinds for kind in result} <= set(CONTRADICTIONS)
    assert sum(map(bool, kinds)) / len(kinds) < 0.02


@pytest.mark.parametrize(("text", "area"), [("12.5 %", 12.5), ("7%", 7), ("12 . 5 % of", 12.5), ("3,5 percent", 3.5)])
def test_stated_area(text: str, area: float) -> None:
    assert stated_area(text) == area


def test_stated_levels() -> None:
    assert stated_levels("At L4/L5 & L5-S1, L4-5") == ["L4-L5", "L5-S1"]
    assert stated_levels("At the L5-L5 level, L4 over L5, T2 signal, left S1 root, C3-C4") == ["L5-L5", OUTSIDE]
