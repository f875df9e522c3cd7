"""Which cases a figure shows, and what it says of a report."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lss.evaluation.report_findings import finding_columns
from lss.reporting.report_figure import ReportCase, draw_reports
from lss.reporting.report_marks import agreement_marks, finding_marks, origin
from lss.reporting.selection import typical_cases
from lss.reporting.view_marks import View


def report(**changes: Any) -> dict[str, Any]:
    text = "Severe spinal canal stenosis, 3.0 % of the region is affected. " + "Bulge compressing the sac. " * 12
    return {
        "slice_key": "s1", "patient_key": "p1", "level": "L4-L5", "grade": "D", "report": text, "reference": text,
        "text_grade": "D", "mask_grade": "BC", "area_percent": 3.0, "contradictions": ["grade"],
        "disagreements": ["The text says D, the mask's area says B&C."], "origin": "first", "attempts": 1,
        "first_report": None, "unsupported": [],
    } | changes  # fmt: skip


def test_marks_tell_grades_disagreements_and_origin() -> None:
    assert agreement_marks(report(), {"head": "D"}) == [
        "Grade by text D ✓, mask area B&C ✗, head D ✓",
        "! The text says D, the mask's area says B&C.",
    ]
    invented = report(disagreements=[], unsupported=["muscle spasm", "disc bulge at L4-L5"])
    assert agreement_marks(invented, {"head": "D"})[1:] == [
        "! Neither the reference nor the image supports: muscle spasm, disc bulge at L4-L5."
    ]
    silent = report(text_grade=None, disagreements=[], origin="template", attempts=4, first_report="x")
    assert agreement_marks(silent, {"head": None}) == [
        "Grade by text none ✗, mask area B&C ✗, head none ✗",
        "Template in place of the generator's text, which contradicted its mask or image.",
    ]


@pytest.mark.parametrize(
    ("came_about", "mark"), [("first", ""), ("regenerated", "Written anew, attempt 3"), ("template", "Template in")]
)
def test_origin(came_about: str, mark: str) -> None:
    result = origin(report(origin=came_about, attempts=3))
    assert result.startswith(mark) and bool(result) == bool(mark)


def case(key: str, patient: str, grade: str, score: float) -> dict[str, Any]:
    return {"slice_key": key, "patient_key": patient, "grade": grade, "score": score}


def test_typical_cases_lie_at_the_median_with_complete_misses_counted() -> None:
    scores = [0.0, 0.0, 0.0, 0.7, 0.9]
    rows = [case(f"s{index}", f"p{index}", "BC", score) for index, score in enumerate(scores)]
    assert [row["score"] for row in typical_cases(rows, "score", 1)] == [0.0]
    assert [row["score"] for row in typical_cases(rows[1:], "score", 1)] == [0.7]


def test_typical_cases_are_of_different_patients_where_there_are_enough() -> None:
    rows = [case("a", "p1", "A", 0.5), case("b", "p1", "A", 0.5), case("c", "p2", "A", 0.1), case("d", "p3", "D", 0.4)]
    assert [row["slice_key"] for row in typical_cases(rows, "score", 2)] == ["a", "c", "d"]
    assert [row["slice_key"] for row in typical_cases(rows, "score", 3)] == ["a", "c", "b", "d"]
    assert typical_cases([], "score", 3) == []


def test_ties_go_by_key_whatever_the_order_of_the_rows() -> None:
    rows = [case(key, key, "A", 0.5) for key in "dbca"]
    assert [row["slice_key"] for row in typical_cases(rows, "score", 2)] == ["a", "b"]


@pytest.mark.parametrize("count", [0, 1, 3, 12])
def test_reports_fit_on_a_page_and_no_text_runs_into_another(count: int) -> None:
    image = np.random.default_rng(0).integers(0, 4000, (64, 64)).astype(np.uint16)
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:40, 20:40] = True
    shown = [ReportCase(image, View(None, 88.0), mask, report(), {"head": "A"}) for _ in range(count)]
    figure = draw_reports(shown, "Title")
    width, height = figure.get_size_inches()
    assert width <= 8.27 and height <= 11.69  # A4
    figure.canvas.draw()
    written = [axes for axes in figure.axes if len(axes.texts) == 4]
    assert len(written) == count
    for axes in written:
        boxes = [text.get_window_extent() for text in axes.texts]
        assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))
        assert boxes[-1].y0 >= axes.get_window_extent().y0 - 1
        assert max(box.x1 for box in boxes) <= axes.get_window_extent().x1 + 2


def test_a_long_report_is_whole_where_others_leave_room() -> None:
    """A case below the others: the rows of short ones give it their lines."""
    short = report() | {"report": "Normal canal.", "reference": "Normal canal."}
    long = report() | {"reference": "Severe stenosis by a large extrusion with thick ligaments. " * 8}
    view, pixels = View(None, 88.0), np.zeros((64, 64), dtype=np.uint16)
    cases = [ReportCase(pixels, view, pixels > 0, row, {"head": "A"}) for row in [*[short] * 10, long, long]]
    written = [text.get_text() for axes in draw_reports(cases, "Title").axes for text in axes.texts]
    assert sum("thick" in text and "…" not in text for text in written) == 2


def test_every_finding_has_its_support() -> None:
    text = "Severe spinal canal stenosis, 31.2 % of the region is affected. Disc bulge at L4-L5 compressing the sac."
    reference = (
        "Severe spinal canal stenosis, 30.0 % of the region is affected. Right disc bulge at L4-L5. No muscle spasm."
    )
    row = {"report": text + " Schmorl's nodules. Muscle spasm.", "level": "L4-L5", "mask_grade": "D"}
    columns = finding_columns(row, reference + " Facet arthropathy at L4-L5.")
    result = {name: (kind, words.partition("; ")[2]) for name, kind, words in finding_marks(row | columns)}
    assert result == {
        "disc bulge at L4-L5": ("reference", ""),
        "thecal sac compression at L4-L5": ("image", ""),
        "Schmorl's nodules": ("neither", ""),
        "muscle spasm": ("neither", "the other text denies it"),
        "facet arthropathy at L4-L5": ("missed", ""),
    }
    mirrored = {"report": "Left disc bulge at L4-L5.", "level": "L4-L5", "mask_grade": "A"}
    (mark,) = finding_marks(mirrored | finding_columns(mirrored, "Right disc bulge at L4-L5."))
    assert mark[1] == "reference" and mark[2].endswith("; another side or severity")
    without_mask = row | {"mask_grade": "A"}
    marks = finding_marks(without_mask | finding_columns(without_mask, reference))
    assert ("thecal sac compression at L4-L5", "neither") in [mark[:2] for mark in marks]
