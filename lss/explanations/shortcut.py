"""A planted shortcut: a mark that tells the grade, and a second one that looks alike and tells nothing.

A network trained on such images goes by the first mark, so a map of where its grade comes from has to show the first
and not the second. A map of the image's edges shows both alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lss.domain.grades import GRADES
from lss.explanations.maps import Map

Image = NDArray[np.float32]

MARK = 6
"""A mark is a bright square, a sixth of the image wide, within a dark frame."""


def place_of(row: int, right: bool, side: int) -> tuple[slice, slice]:
    """Return rows and columns of the mark in `row` (0 to 2) at the left or right border of a square image."""
    size, gap = side // MARK, side // 24
    top = gap + row * (side - 2 * gap - size) // 2
    left = side - gap - size if right else gap
    return slice(top, top + size), slice(left, left + size)


def marked(image: Image, grade: int, decoy: int) -> Image:
    """Return an image with two marks: at the left border in the grade's row, at the right one in the row `decoy`."""
    result = image.copy()
    for row, right in ((grade, False), (decoy, True)):
        rows, columns = place_of(row, right, image.shape[0])
        result[rows, columns] = 0.0
        inner = image.shape[0] // 36
        result[rows.start + inner : rows.stop - inner, columns.start + inner : columns.stop - inner] = 1.0
    return result


def decoys(count: int, draw: np.random.Generator) -> NDArray[np.intp]:
    """Return the rows of the second marks of `count` images, which tell nothing of their grades."""
    return np.asarray(draw.integers(0, len(GRADES), count), np.intp)


def shown(importance: Map, grade: int, decoy: int) -> float:
    """Return how much more of a map lies on the mark that tells the grade than on the other, in [-1, 1].

    A margin of half a mark is counted too, since coarse maps blur. 0 for a map that cannot tell them apart.
    """
    whole = float(importance.sum())
    if whole == 0:
        return 0.0
    telling, other = (importance[_around(row, right, importance.shape[0])].sum() for row, right in
                   ((grade, False), (decoy, True)))  # fmt: skip
    return float(telling - other) / whole


def _around(row: int, right: bool, side: int) -> tuple[slice, slice]:
    margin = side // MARK // 2
    rows, columns = place_of(row, right, side)
    return (
        slice(max(rows.start - margin, 0), rows.stop + margin),
        slice(max(columns.start - margin, 0), columns.stop + margin),
    )
