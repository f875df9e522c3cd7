"""One look for all figures: colours that colour-blind readers tell apart, sizes that survive print."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from lss.storage.io import atomic_path

MODEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
"""Okabe and Ito (2008), by the order of the models."""

MODEL_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
"""With the colours, so that colour alone distinguishes no curve."""

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = "#F0E442", "#0072B2", "#D55E00"
REFERENCE, PREDICTION = "#D55E00", "#009E73"

DARK = "_dark"
"""Ends the name of a figure's picture for dark pages."""

_DARK_INK, _DARK_PAPER = to_rgb("#e4e8ec"), to_rgb("#14181d")  # of the page (page.css)

_NO_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")  # XML 1.0, production 2

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
    "text.parse_math": False,  # a report's dollars are no formula
}


@contextmanager
def style() -> Iterator[None]:
    """Yield the look, without a display, for the figures drawn inside."""
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
    text = "\n".join(lines)
    figure.draw_without_rendering()  # only then is known how far down a legend below the panels reaches
    below = (figure.get_tightbbox().y0 - _GAP_INCHES) / figure.get_figheight()
    figure.text(0.5, min(below, 0), text, ha="center", va="top", fontsize=7, color="0.35")


def save(figure: Figure, stem: Path, dpi: int, dark: bool = False) -> list[Path]:
    """Write stem.png and stem.svg without dates or versions, so that equal figures are equal files.

    With `dark` also stem_dark.png, for dark pages; the figure is dark afterwards.
    """
    paths = [Path(f"{stem}.png"), Path(f"{stem}.svg")]
    for path in paths:
        _write(figure, path, dpi)
    if dark:
        darken(figure)
        paths.append(Path(f"{stem}{DARK}.png"))
        _write(figure, paths[-1], dpi)
    return paths


def darken(figure: Figure) -> None:
    """Turn black on white into light on dark: neutral lines and letters are inverted, colours and pictures stay.

    What is written upon a picture stays too.
    """
    unchanged = {artist for axes in figure.axes if axes.images for artist in (*axes.texts, *axes.lines)}
    for artist in figure.findobj():
        if artist in unchanged:
            continue
        if isinstance(artist, Text):
            artist.set_color(_turned(artist.get_color()))
            if box := artist.get_bbox_patch():  # no child of the figure
                box.set(facecolor=_turned(box.get_facecolor()))
        elif isinstance(artist, Line2D):
            artist.set_color(_turned(artist.get_color()))
            artist.set_markeredgecolor(_turned(artist.get_markeredgecolor()))
        elif isinstance(artist, Patch):  # a spine is one
            artist.set(edgecolor=_turned(artist.get_edgecolor()), facecolor=_turned(artist.get_facecolor()))


def _turned(colour: Any) -> Any:
    """Return a neutral colour by its opposite between the dark page's ink and paper; others as they are."""
    red, green, blue, opacity = to_rgba(colour)
    if not red == green == blue:
        return colour
    return (*(ink + red * (paper - ink) for ink, paper in zip(_DARK_INK, _DARK_PAPER, strict=True)), opacity)


def _write(figure: Figure, path: Path, dpi: int) -> None:
    for artist in figure.findobj(Text):  # a note may hold what no XML file may
        artist.set_text(_NO_XML.sub("\ufffd", artist.get_text()))  # type: ignore[attr-defined]
    metadata = {"Software": None} if path.suffix == ".png" else {"Date": None, "Creator": None}
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=dpi, metadata=metadata)
