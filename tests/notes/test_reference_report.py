from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lss.domain.grades import GRADES
from lss.notes.grading import grade_report, read_report
from lss.notes.reference import reference_report, severity_sentence
from lss.notes.sides import swap_sides

NOTE = (
    "LSS MRI :\nFeature of muscle spasm.\nLt paracentral disc protrusion noted at L4/L5 level, compresing the thecal "
    "sac and Lt. exit canal.\nRt foraminal protrusion at L5/S1, largely compressing the thecal sac.\n"
    "Contrast study is advised.\nRT KNEE MRI:\nMeniscal tear."
)


@pytest.fixture(scope="module")
def notes(shared: Path) -> list[str]:
    table = pd.read_excel(shared / "data/mendeley-radiologists-notes/Radiologists Report.dev-subset.xlsx")
    return list(table["Clinician's Notes"].dropna().unique())


def test_only_the_level_of_the_image_is_written() -> None:
    assert reference_report("BC", 12.34, NOTE, "L4-L5") == (
        "Mild to moderate spinal canal compression, 12.3 % of the region is affected. Feature of muscle spasm. Left "
        "paracentral disc protrusion noted at L4-L5 level, compressing the thecal sac and left exit canal."
    )


def test_unknown_level_keeps_all_findings() -> None:
    report = reference_report("D", 30, NOTE, None)
    assert "L4-L5" in report and "L5-S1" in report
    assert "knee" not in report.lower() and "advised" not in report and "LSS" not in report


def test_level_of_a_heading_is_written() -> None:
    note = "L4-L5 level:\nDisc bulge compressing the sac.\nL5-S1 level:\nMild bulge."
    assert reference_report("A", 0, note, "L5-S1").endswith("affected. L5-S1: Mild bulge.")


def test_a_finding_of_a_heading_noticeable_at_one_level_counts_for_both() -> None:
    note = "L4-L5 & L5/S1:\nDisc bulges, noticeably at L4-L5 level,\nCompressing the sac."
    assert reference_report("BC", 20, note, "L5-S1").endswith("affected. L5-S1: Disc bulge, compressing the sac.")
    assert reference_report("BC", 20, note, "L4-L5").endswith(
        "Disc bulge, noticeably at L4-L5 level, compressing the sac."
    )


def test_a_finding_without_level_that_is_worse_than_the_image_is_left_out() -> None:
    note = "Lesion behind L1 body largely compressing the thecal sac.\nDisc bulge at L4-L5 compressing the sac."
    assert "Lesion" not in reference_report("BC", 15, note, "L4-L5")
    assert "Lesion" in reference_report("D", 35, note, None)


@pytest.mark.parametrize("note", [None, "", "LSS MRI", "Mild bulge at L2-L3."])
def test_without_a_finding_the_severity_sentence_stands_alone(note: str | None) -> None:
    assert reference_report("D", 31.25, note, "L4-L5") == severity_sentence("D", 31.25)


@given(st.sampled_from(GRADES), st.floats(0, 100))
def test_the_grade_of_a_severity_sentence_is_read_back(grade: str, area: float) -> None:
    assert grade_report(severity_sentence(grade, area)) == grade


@pytest.mark.parametrize("level", ["L3-L4", "L4-L5", "L5-S1", None])
@pytest.mark.parametrize("grade", GRADES)
def test_the_grade_of_every_reference_report_is_read_back(notes: list[str], grade: str, level: str | None) -> None:
    for note in notes:
        assert grade_report(reference_report(grade, 12.5, note, level)) == grade


def test_reading_reports() -> None:
    spaced = "severe spinal canal stenosis , 30 . 1 % of the region is affected . disc bulge compressing the sac ."
    assert (read_report(spaced).sentence, read_report(spaced).findings, read_report(spaced).grade) == ("D", "BC", "D")
    assert grade_report("Disc bulge at L4-L5 compressing the thecal sac.") == "BC"
    assert grade_report("38.6 % of the region is affected. No significant compression.") == "A"
    assert grade_report("the the the 12 %") is None
    assert grade_report(None) is None


def test_sides_are_swapped() -> None:
    text = "Lt paracentral, LEFT exit canal, right-sided, Rt. root, bilateral, Ltside, RT, upright, Rightward"
    swapped = "Rt paracentral, RIGHT exit canal, left-sided, Lt. root, bilateral, Rtside, LT, upright, Leftward"
    assert swap_sides(text) == swapped


@given(st.lists(st.sampled_from(["left", "Right", "LT", "rt", "Lt.", "LEFT", "sac", ",", "right-sided"])).map(" ".join))
def test_swapping_twice_changes_nothing(text: str) -> None:
    assert swap_sides(swap_sides(text)) == text


@given(st.text())
def test_swapping_any_text_twice_changes_only_case(text: str) -> None:
    assert swap_sides(swap_sides(text)).lower() == text.lower()


def test_swapping_sides_keeps_the_grade(notes: list[str]) -> None:
    for note in notes:
        assert grade_report(swap_sides(note)) == grade_report(note)
