"""What every slice that is shown carries: the patient's sides at its edges, and a bar of 10 mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

BAR_MM = 10.0
UNKNOWN_SIDES = "sides unknown"
"""Stands on a slice whose file does not say how it lies: left and right are not guessed."""

_FROM_EDGE, _BAR_HEIGHT = 0.03, 0.05  # shares of the picture's side


@dataclass(frozen=True)
class View:
    """How a shown slice lies and how large it is.

    Attributes:
        sides: the patient's sides at its left and right edge (`lss.imaging.geometry.edge_letters`), or None.
        width_mm: of the whole picture.
    """

    sides: tuple[str, str] | None
    width_mm: float


def mark_view(axes: Axes, view: View, width: float, size: float = 7.0) -> None:
    """Write the sides and draw the bar, in white with a dark rim, on the part of a picture that is seen.

    Args:
        axes: shows the picture, its limits set.
        width: of the whole picture in the units of the axes.
        size: of the letters, points.
    """
    place: dict[str, Any] = {
        "transform": axes.transAxes,
        "color": "white",
        "path_effects": [withStroke(linewidth=2.6, foreground="black")],
    }
    if view.sides:
        for x, letter, align in zip((_FROM_EDGE, 1 - _FROM_EDGE), view.sides, ("left", "right"), strict=True):
            axes.text(x, 0.5, letter, ha=align, va="center", fontsize=size, weight="bold", **place)
    else:
        axes.text(_FROM_EDGE, 1 - _FROM_EDGE, UNKNOWN_SIDES, ha="left", va="top", fontsize=0.8 * size, **place)
    left, right = axes.get_xlim()
    length = BAR_MM / view.width_mm * width / abs(right - left)
    end = 1 - _FROM_EDGE
    axes.plot([end - length, end], [_BAR_HEIGHT] * 2, linewidth=1.4, solid_capstyle="butt", scalex=False, scaley=False,
              **place)  # fmt: skip
    axes.text(end, 1.4 * _BAR_HEIGHT, f"{BAR_MM:.0f} mm", ha="right", va="bottom", fontsize=size,
              **place)  # fmt: skip
