"""Figure 6: generated reports of single cases beside their references, on one printed page."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lss.domain.grades import GRADE_LABELS
from lss.reporting.report_marks import agreement_marks
from lss.reporting.rgb_pictures import grey, outline, tint
from lss.reporting.style import FALSE_NEGATIVE, PREDICTION
from lss.reporting.view_marks import View, mark_view

_SIDE = 320
_COLUMNS = 2
_WIDTH, _HEIGHT, _MARGIN = 7.6, 1.72, 0.45  # inches: of the figure, of a case, above and below: 12 cases fill A4
_POINTS = 6.0
_CHARACTERS = 50  # of a line
_LINES = 16  # of a case
_GREY = "0.35"


@dataclass(frozen=True)
class ReportCase:
    """What one cell of the figure shows.

    Attributes:
        image: stored grey levels (Y, X), how it lies in `view`; predicted: the mask the report was written from.
        report: row of the report case table; grades: row of the classification case table.
    """

    image: NDArray[np.uint16]
    view: View
    predicted: NDArray[np.bool_]
    report: dict[str, Any]
    grades: dict[str, Any]


def draw_reports(cases: list[ReportCase], title: str) -> Figure:
    """Draw per case: the image with the predicted mask's outline, generated text, agreement marks, reference text."""
    rows = max(-(-len(cases) // _COLUMNS), 1)
    height = _HEIGHT * rows + 2 * _MARGIN
    figure = Figure(figsize=(_WIDTH, height))
    figure.suptitle(title, fontsize=9, y=1 - 0.2 / height)
    grid = figure.add_gridspec(
        rows, 2 * _COLUMNS, width_ratios=(1.3, 2.5) * _COLUMNS, left=0.01, right=0.99, bottom=0.05 / height,
        top=1 - _MARGIN / height, wspace=0.04, hspace=0.06,
    )  # fmt: skip
    for place, case in enumerate(cases):
        row, column = divmod(place, _COLUMNS)
        picture = figure.add_subplot(grid[row, 2 * column])
        outlined = tint(grey(case.image, _SIDE), outline(case.predicted, _SIDE), PREDICTION, 0.9)
        picture.imshow(outlined)
        picture.set_anchor("N")
        picture.axis("off")
        mark_view(picture, case.view, _SIDE, 5.5)
        report = case.report
        about = f"patient {report['patient_key']}\nmask {report['area_percent']:.1f} %"
        # a title, since texts within a picture's axes stay as they are on dark pages
        picture.set_title(about, loc="left", y=-0.03, va="top", pad=0, fontsize=_POINTS, color=_GREY)
        _write(figure.add_subplot(grid[row, 2 * column + 1]), report, agreement_marks(report, case.grades))
    return figure


def _write(axes: Axes, report: dict[str, Any], marks: list[str]) -> None:
    """Draw heading, generated text, marks and reference, from the top down; the reference is cut where room ends."""
    axes.axis("off")
    place = f"Grade {GRADE_LABELS[report['grade']]} by the note, {report['level'] or 'level unknown'}"
    generated = _wrap(f"Generated: {report['report'] or '(empty)'}", _LINES // 2)
    noted = [line for mark in marks for line in _wrap(mark, 3)]
    left = max(_LINES - 1 - len(generated) - len(noted), 2)
    reference = _wrap(f"Reference: {report['reference']}", left)
    warn = len(marks) > 1
    parts: list[tuple[list[str], dict[str, Any]]] = [
        ([place], {"weight": "bold"}),
        (generated, {}),
        (noted, {"color": FALSE_NEGATIVE if warn else _GREY}),
        (reference, {"color": _GREY}),
    ]
    line, gap = 1.0 / (_LINES + 1), 0.25 / (_LINES + 1)
    top = 1.0
    for lines, look in parts:
        axes.text(0, top, "\n".join(lines), va="top", fontsize=_POINTS, linespacing=1.15, transform=axes.transAxes,
                  **look)  # fmt: skip
        top -= line * len(lines) + gap


def _wrap(text: str, lines: int) -> list[str]:
    return textwrap.wrap(text.replace(" %", "\u00a0%"), _CHARACTERS, max_lines=lines, placeholder=" …")
