"""Figure 6: generated reports of single cases beside their references."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lss.grades import GRADE_LABELS
from lss.reporting.pictures import grey, outline, tint
from lss.reporting.style import PREDICTION

_SIDE = 320
_WIDTH = 48  # characters


@dataclass(frozen=True)
class ReportCase:
    """What one row of the figure shows.

    Attributes:
        image: stored grey levels (Y, X); predicted: the mask the report was written from.
        report: row of the report case table; grades: row of the classification case table.
    """

    image: NDArray[np.uint16]
    predicted: NDArray[np.bool_]
    report: dict[str, Any]
    grades: dict[str, Any]


def draw_reports(cases: list[ReportCase], title: str) -> Figure:
    """Per case: the image with the predicted mask's outline, generated text with agreement marks, reference text."""
    figure = Figure(figsize=(9.6, 2.75 * max(len(cases), 1) + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=10)
    if not cases:
        return figure
    grid = figure.subplots(len(cases), 3, squeeze=False, width_ratios=(1, 1.35, 1.35))
    for axes, case in zip(grid, cases, strict=True):
        report = case.report
        picture = grey(case.image, _SIDE)
        axes[0].imshow(tint(picture, outline(case.predicted, _SIDE), PREDICTION, 0.9))
        place = f"{report['level'] or 'level unknown'}, patient {report['patient_key']}"
        axes[0].set(xticks=[], yticks=[], xlabel=f"{place}\nmask {report['area_percent']:.1f} %")
        _text(axes[1], "Generated", report["report"] or "(empty)", agreement_marks(report, case.grades))
        grade = GRADE_LABELS[report["grade"]]
        _text(axes[2], "Reference", report["reference"], [f"grade of the note: {grade}"])
    return figure


def agreement_marks(report: dict[str, Any], grades: dict[str, Any]) -> list[str]:
    """Grade by text, by mask area and by head, whether each is the note's, and what the report contradicts."""
    said = {"text": report["text_grade"], "mask area": grades["area_calibrated"], "head": grades["head"]}
    parts = [
        f"{source} {GRADE_LABELS[grade] if grade else 'none'} {'✓' if grade == report['grade'] else '✗'}"
        for source, grade in said.items()
    ]
    return ["grade by " + ", ".join(parts), *(f"! {sentence}" for sentence in report["disagreements"])]


def _text(axes: Axes, title: str, text: str, marks: list[str]) -> None:
    axes.set(title=title, xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("0.8")
    filled = textwrap.fill(text.replace(" %", "\u00a0%"), _WIDTH, max_lines=12, placeholder=" …")
    axes.text(0.03, 0.96, filled, va="top", fontsize=8, transform=axes.transAxes)
    shown = "\n".join(textwrap.fill(mark, _WIDTH + 4) for mark in marks)
    axes.text(0.03, 0.04, shown, va="bottom", fontsize=7, color="0.25", transform=axes.transAxes)
