"""A sheet of slices on their way to a pseudo-mask: raw, denoised, region of interest, edges, mask; to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from lss.reporting.view_marks import View, mark_view

Mask = NDArray[np.bool_]
Extent = tuple[float, float, float, float]  # left, right, bottom, top, mm

REGION, EDGES, ABOVE, MASK = "#56B4E9", "#E69F00", "#0072B2", "#F0E442"
"""Okabe and Ito (2008); every line also has a dark rim, so that it shows on fluid and on muscle, in colour or not."""

PANELS = ("raw", "denoised", "region of interest", "edges", "mask")
_ZOOM_MM = 66.0
_ROWS = 6
_PANEL_INCHES, _BETWEEN = 1.4, 0.16  # the gap between two blocks in panels
_MARGIN, _HEAD, _FOOT = 0.3, 0.62, 0.55  # inches


@dataclass(frozen=True)
class SheetSlice:
    """One slice of the sheet; all images (rows, columns), grey levels or bool.

    `region` is where a mask may lie, `canal` the canal that was found, `otsu` and `edges` what Algorithm 1 makes of
    it, `mask` the pseudo-mask; `centre` (row, column) is what the small pictures are centred on, `label` says what the
    slice is; `sides` are the patient's sides at its left and right edge (`lss.imaging.geometry.edge_letters`).
    """

    label: str
    raw: NDArray[np.uint16]
    denoised: NDArray[np.uint16]
    region: Mask
    canal: Mask
    otsu: Mask
    edges: Mask
    mask: Mask
    centre: tuple[float, float]
    spacing_mm: tuple[float, float]
    sides: tuple[str, str] | None = None


def draw_sheet(slices: list[SheetSlice], title: str, footer: str) -> Figure:
    """Draw five panels per slice, in two blocks beside each other.

    The region of interest is shown on the whole slice, so that muscle and skin fat are seen too; the other panels show
    the frame drawn there, 66 mm wide.
    """
    blocks = -(-len(slices) // _ROWS)
    rows = min(len(slices), _ROWS)
    widths = [width for block in range(blocks) for width in ([_BETWEEN] if block else []) + [1.0] * len(PANELS)]
    width, height = _PANEL_INCHES * sum(widths) + 2 * _MARGIN, _PANEL_INCHES * rows + _HEAD + _FOOT
    figure = Figure(figsize=(width, height))
    figure.suptitle(title, fontsize=10, y=1 - 0.15 / height, va="top")
    grid = figure.add_gridspec(
        rows, len(widths), width_ratios=widths, wspace=0.03, hspace=0.03, left=_MARGIN / width,
        right=1 - _MARGIN / width, top=1 - _HEAD / height, bottom=_FOOT / height,
    )  # fmt: skip
    for number, one in enumerate(slices):
        block, row = divmod(number, _ROWS)
        first = block * (len(PANELS) + 1)
        axes = [figure.add_subplot(grid[row, first + column]) for column in range(len(PANELS))]
        _draw_slice(axes, one, head=row == 0)
    handles: list[Any] = [
        Line2D([], [], color=REGION, label="region, and (dotted) the canal found in it"),
        Patch(color=ABOVE, alpha=0.6, label="above Otsu's threshold"),
        Line2D([], [], color=EDGES, label="Canny's edges"),
        Line2D([], [], color=MASK, label="pseudo-mask"),
    ]
    figure.legend(
        handles=handles, loc="lower center", ncols=4, frameon=False, bbox_to_anchor=(0.5, 0.2 / height), fontsize=8
    )
    figure.text(0.5, 0.08 / height, footer, ha="center", fontsize=7, color="0.35")
    return figure


def _draw_slice(axes: list[Axes], one: SheetSlice, head: bool) -> None:
    down, right = one.spacing_mm
    rows, columns = one.raw.shape
    extent = (-0.5 * right, (columns - 0.5) * right, (rows - 0.5) * down, -0.5 * down)
    low, high = np.percentile(one.denoised, (1, 99.7))
    frame = _frame(one, rows * down, columns * right)
    for axis, name in zip(axes, PANELS, strict=True):
        image = one.raw if name == "raw" else one.denoised
        axis.imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(False)
        if head:
            axis.set_title(name, fontsize=8, pad=3)
        if name == "region of interest":
            axis.set(xlim=extent[:2], ylim=extent[2:])
        else:
            axis.set(xlim=(frame[0], frame[0] + _ZOOM_MM), ylim=(frame[1] + _ZOOM_MM, frame[1]))
        mark_view(axis, View(one.sides, columns * right), columns * right, 5.5)
    axes[0].set_ylabel(one.label, fontsize=7, labelpad=2)
    _outline(axes[2], one.region, extent, REGION, 1.0)
    axes[2].add_patch(Rectangle(frame, _ZOOM_MM, _ZOOM_MM, fill=False, edgecolor="white", linewidth=0.6, alpha=0.8))
    _shade(axes[3], one.otsu, extent, ABOVE, 0.45)
    _shade(axes[3], one.edges, extent, EDGES, 1.0)
    _outline(axes[3], one.region, extent, REGION, 0.8)
    _outline(axes[3], one.canal, extent, REGION, 0.8, style="dotted")
    if one.mask.any():
        _outline(axes[4], one.mask, extent, MASK, 1.2)
    else:
        axes[4].text(
            0.5, 0.94, "empty", transform=axes[4].transAxes, ha="center", va="top", fontsize=7,
            color="white", path_effects=[withStroke(linewidth=1.5, foreground="black")],
        )  # fmt: skip


def _frame(one: SheetSlice, height_mm: float, width_mm: float) -> tuple[float, float]:
    """Return left and upper end of the small pictures, mm, inside the slice where it is large enough."""
    left = one.centre[1] * one.spacing_mm[1] - _ZOOM_MM / 2
    top = one.centre[0] * one.spacing_mm[0] - _ZOOM_MM / 2
    return (
        float(np.clip(left, 0, max(0.0, width_mm - _ZOOM_MM))),
        float(np.clip(top, 0, max(0.0, height_mm - _ZOOM_MM))),
    )


def _outline(axis: Axes, mask: Mask, extent: Extent, colour: str, width: float, style: str = "solid") -> None:
    """Draw a mask's border as a line with a dark rim."""
    if not mask.any():
        return
    padded = np.pad(mask, 1).astype(float)  # a mask at the image's border is closed there
    down, right = (extent[2] - extent[3]) / mask.shape[0], (extent[1] - extent[0]) / mask.shape[1]
    x = extent[0] + right * (np.arange(padded.shape[1]) - 0.5)
    y = extent[3] + down * (np.arange(padded.shape[0]) - 0.5)
    lines = axis.contour(x, y, padded, [0.5], colors=[colour], linewidths=width, linestyles=style)
    lines.set_path_effects([withStroke(linewidth=width + 1.1, foreground="black", alpha=0.75)])


def _shade(axis: Axes, mask: Mask, extent: Extent, colour: str, strength: float) -> None:
    shaded = np.zeros((*mask.shape, 4))
    shaded[..., :3] = to_rgb(colour)
    shaded[..., 3] = strength * mask
    axis.imshow(shaded, extent=extent, interpolation="nearest")
