from __future__ import annotations

import pytest

from lss.notes.consistency import check_report, stated_area, stated_levels

TEXT = "Severe spinal canal stenosis, 31.2 % of the region is affected. L4-L5: Protrusion largely compressing the sac."


def test_a_consistent_report() -> None:
    check = check_report(TEXT, area_percent=31.24, mask_grade="D", head_grade="D", level="L4-L5")
    assert (check.text_grade, check.area_stated) == ("D", 31.2)
    assert check.agrees_with_mask and check.agrees_with_head and check.area_matches and check.level_stated_matches
    assert check.disagreements == []


def test_every_contradiction_is_told() -> None:
    check = check_report(TEXT, area_percent=12, mask_grade="BC", head_grade="A", level="L3-L4")
    assert (check.agrees_with_mask, check.agrees_with_head, check.area_matches) == (False, False, False)
    assert check.level_stated_matches is False
    assert check.disagreements == [
        "The text says D, the mask's area says B&C.",
        "The text says D, the classifier says A.",
        "The text states 31.2 %, the mask covers 12.0 %.",
        "The text is about L4-L5, the image lies at L3-L4.",
    ]


def test_sentence_against_findings() -> None:
    text = "No significant spinal canal stenosis, 0.0 % of the region is affected. Bulge compressing the sac."
    check = check_report(text, area_percent=0, mask_grade="A", head_grade=None, level=None)
    assert check.disagreements == ["The severity sentence says A, the findings say B&C."]
    assert check.agrees_with_head is None and check.level_stated_matches is None


def test_a_report_that_says_nothing() -> None:
    check = check_report("", area_percent=5, mask_grade="A", head_grade="A", level="L4-L5")
    assert (check.text_grade, check.agrees_with_mask, check.area_stated, check.area_matches) == (None, None, None, None)
    assert check.disagreements == ["The text states no grade."]


@pytest.mark.parametrize(("text", "area"), [("12.5 %", 12.5), ("7%", 7), ("12 . 5 % of", 12.5), ("3,5 percent", 3.5)])
def test_stated_area(text: str, area: float) -> None:
    assert stated_area(text) == area


def test_stated_levels() -> None:
    assert stated_levels("At L4/L5 & L5-S1, L4-5") == ["L4-L5", "L5-S1"]
