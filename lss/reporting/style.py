"""One look for all figures: colours that colour-blind readers tell apart, sizes that survive print."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from lss.io import atomic_path

MODEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
"""Okabe and Ito (2008), by the order of the models."""

GRADE_LINES = {"A": ":", "BC": "--", "D": "-"}
"""Line style of each grade, so that no curve is told by colour alone."""

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = "#F0E442", "#0072B2", "#D55E00"
REFERENCE, PREDICTION = "#D55E00", "#009E73"

_CHARACTERS_PER_INCH = 17  # of the line under a figure

_GAP_INCHES = 0.06  # above it

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.bbox": "tight",
    "svg.hashsalt": "lss",
    "svg.fonttype": "path",
}


@contextmanager
def style() -> Iterator[None]:
    """The look, without a display, for the figures drawn inside."""
    matplotlib.use("Agg")
    with matplotlib.rc_context(_RC):
        yield


def sign(figure: Figure, about: dict[str, Any]) -> None:
    """Write under the figure what it rests on, so that it cannot be shown without.

    Args:
        about: as in statistics.json; the caveat that the cohort's owner set is part of it.
    """
    cohort = "Phantom cohort" if about["phantom"] else f"Cohort {about['cohort'] or 'not stated'}"
    weights = ", tiny backbones from random weights" if "tiny" in about["weights"].values() else ""
    lines = [f"{cohort}{weights}. Research software: a radiologist decides."]
    if about["cohort_caveat"]:
        lines += textwrap.wrap(about["cohort_caveat"], int(_CHARACTERS_PER_INCH * figure.get_figwidth()))
    text = "\n".join(lines).replace("$", r"\$")  # else matplotlib reads formulas
    figure.draw_without_rendering()  # only then is known how far down a legend below the panels reaches
    below = (figure.get_tightbbox().y0 - _GAP_INCHES) / figure.get_figheight()
    figure.text(0.5, min(below, 0), text, ha="center", va="top", fontsize=7, color="0.35")


def save(figure: Figure, stem: Path, dpi: int) -> list[Path]:
    """Write stem.png and stem.svg without dates or versions, so that equal figures are equal files."""
    paths = []
    for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        path = Path(f"{stem}.{suffix}")
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=suffix, dpi=dpi, metadata=metadata)
        paths.append(path)
    return paths
