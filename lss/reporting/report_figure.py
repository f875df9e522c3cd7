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
_WIDTH, _LINE, _MARGIN = 7.6, 0.101, 0.45  # inches: of the figure, of a line of text, above and below
_POINTS = 6.0
_CHARACTERS = 50  # of a line
_ROOM, _LEAST = 17, 15  # lines of a case: on average, so that 12 cases fill A4; with its picture and what is under it
_GENERATED, _MARK = 8, 3  # lines at most
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
    texts = [_Texts.of(case) for case in cases]
    lines = _lines_of_rows(texts)
    rows = len(lines)
    height = _LINE * sum(lines) + 2 * _MARGIN
    figure = Figure(figsize=(_WIDTH, height))
    figure.suptitle(title, fontsize=9, y=1 - 0.2 / height)
    grid = figure.add_gridspec(
        rows, 2 * _COLUMNS, width_ratios=(1.3, 2.5) * _COLUMNS, height_ratios=lines, left=0.01, right=0.99,
        bottom=0.05 / height, top=1 - _MARGIN / height, wspace=0.04, hspace=0.06,
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
        _write(figure.add_subplot(grid[row, 2 * column + 1]), texts[place], lines[row])
    return figure


@dataclass(frozen=True)
class _Texts:
    """The lines of one case: heading, generated text, marks; the reference as it is, since it may have to be cut."""

    place: str
    generated: list[str]
    noted: list[str]
    warn: bool
    reference: str

    @classmethod
    def of(cls, case: ReportCase) -> _Texts:
        report, marks = case.report, agreement_marks(case.report, case.grades)
        return cls(
            f"Grade {GRADE_LABELS[report['grade']]} by the note, {report['level'] or 'level unknown'}",
            _wrap(f"Generated: {report['report'] or '(empty)'}", _GENERATED),
            [line for mark in marks for line in _wrap(mark, _MARK)],
            len(marks) > 1,
            f"Reference: {report['reference']}",
        )

    def above_reference(self) -> int:
        return 1 + len(self.generated) + len(self.noted)

    def needed(self) -> int:
        """Return the lines of the whole case and one free one below it."""
        return self.above_reference() + len(_wrap(self.reference)) + 1


def _lines_of_rows(texts: list[_Texts]) -> list[int]:
    """Return lines of room for each row of cases: what the longer case needs; the longest rows share what there is."""
    rows = [texts[start : start + _COLUMNS] for start in range(0, len(texts), _COLUMNS)] or [[]]
    needed = [max([_LEAST, *(text.needed() for text in row)]) for row in rows]
    most = max(needed)
    while most > _ROOM and sum(min(lines, most) for lines in needed) > _ROOM * len(rows):
        most -= 1
    return [min(lines, most) for lines in needed]


def _write(axes: Axes, texts: _Texts, room: int) -> None:
    """Draw heading, generated text, marks and reference, from the top down; the reference is cut where room ends."""
    axes.axis("off")
    parts: list[tuple[list[str], dict[str, Any]]] = [
        ([texts.place], {"weight": "bold"}),
        (texts.generated, {}),
        (texts.noted, {"color": FALSE_NEGATIVE if texts.warn else _GREY}),
        (_wrap(texts.reference, max(room - 1 - texts.above_reference(), 2)), {"color": _GREY}),
    ]
    line, top = 1.0 / room, 1.0
    for lines, look in parts:
        axes.text(0, top, "\n".join(lines), va="top", fontsize=_POINTS, linespacing=1.15, transform=axes.transAxes,
                  **look)  # fmt: skip
        top -= line * (len(lines) + 0.25)


def _wrap(text: str, lines: int | None = None) -> list[str]:
    return textwrap.wrap(text.replace(" %", "\u00a0%"), _CHARACTERS, max_lines=lines, placeholder=" …")
