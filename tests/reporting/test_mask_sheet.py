"""The sheet of masks: which panels, what is on them; and the same bytes twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lss.reporting.mask_sheet import PANELS, SheetSlice, draw_sheet
from lss.reporting.style import save, style

SIDE, MM = 96, 1.0


def sheet_slice(label: str, with_mask: bool = True) -> SheetSlice:
    r, c = np.mgrid[:SIDE, :SIDE]
    canal = np.hypot(r - 50, c - 40) < 8
    image = np.where(canal, 2000, 300).astype(np.uint16)
    mask = canal if with_mask else np.zeros_like(canal)
    ring = canal & ~(np.hypot(r - 50, c - 40) < 7)
    return SheetSlice(label, image, image, np.hypot(r - 50, c - 40) < 12, canal, canal, ring, mask, (50, 40), (MM, MM))


def panels(figure: Figure) -> list[Any]:
    return [axis for axis in figure.axes if axis.images]


def test_every_slice_has_five_panels_and_its_label() -> None:
    with style():
        figure = draw_sheet([sheet_slice(f"slice {n}", with_mask=n > 0) for n in range(8)], "title", "footer")
    axes = panels(figure)
    assert len(axes) == 8 * len(PANELS)
    assert [axis.get_ylabel() for axis in axes if axis.get_ylabel()] == [f"slice {n}" for n in range(8)]
    titles = [axis.get_title() for axis in axes if axis.get_title()]
    assert titles == 2 * list(PANELS)  # a head on each of two blocks
    assert [text.get_text() for axis in axes for text in axis.texts].count("empty") == 1


def test_lines_lie_where_the_masks_are() -> None:
    with style():
        figure = draw_sheet([sheet_slice("one")], "title", "footer")
    region, mask = panels(figure)[2], panels(figure)[4]
    for axis, radius in ((region, 12), (mask, 8)):
        path = axis.collections[0].get_paths()[0].vertices
        distance = np.hypot(path[:, 0] - 40 * MM, path[:, 1] - 50 * MM)
        assert np.abs(distance - radius).max() < 1
    assert region.get_xlim() == (-0.5, SIDE - 0.5)  # the whole slice
    assert mask.get_xlim()[1] - mask.get_xlim()[0] == 66 and mask.get_xlim()[0] == 40 - 33


def test_same_bytes_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with style():
            save(draw_sheet([sheet_slice("one")], "title", "footer"), tmp_path / name, 60)
    for suffix in ("png", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
