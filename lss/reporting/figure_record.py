"""The record of a figure that each module of `lss.reporting.figures` holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.figure import Figure

from lss.reporting.case_data import CaseData
from lss.reporting.plot_data import Course
from lss.reporting.results import Results
from lss.reporting.settings import FigureParams


class Drawn(NamedTuple):
    """The data a figure is drawn from.

    Attributes:
        params: the figures section.
        results: numbers of the run.
        data: images, masks and texts of single cases.
        courses: epochs of the trainings by (backbone, task, loss).
    """

    params: FigureParams
    results: Results
    data: CaseData
    courses: dict[tuple[str, str, str], Course]


@dataclass(frozen=True)
class FigureRecord:
    """One figure, as FIGURE in the module named after its files.

    Attributes:
        title: a sentence without the figure's number, which is that of the module.
        caption: sentences that stand under it on the page; those of `snakemake --report` are in workflow/report.
        draw: draws it.
        shown: whether the page has it, since there is something to see.
    """

    title: str
    caption: str
    draw: Callable[[Drawn], Figure]
    shown: Callable[[Results], bool] = lambda _: True
