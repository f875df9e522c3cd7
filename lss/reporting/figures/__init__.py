"""The figures of the results, a module each: `figure7_reliability` draws results/figures/figure7_reliability.png.

A module that is laid here is a figure: its paths (`lss.project.layout`), rules and its place on the page follow.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from lss.project import layout
from lss.reporting.figure_record import FigureRecord

MODULES = "lss.reporting.figures:*"
"""What is imported here, for `lss.project.code`."""


def figure_records() -> dict[int, FigureRecord]:
    """Return all figures by number."""
    folder, _, _ = MODULES.partition(":")
    return {number: import_module(f"{folder}.{Path(stem).name}").FIGURE for number, stem in layout.FIGURES.items()}
