"""The square field of view that is handed to the models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Pixels = TypeVar("Pixels", bound=np.generic)


@dataclass(frozen=True)
class View:
    """Upper left corner (may lie outside the slice) and size, in pixels."""

    row: int
    column: int
    rows: int
    columns: int


def field_of_view(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float],
    centre: tuple[float, float] | None,
    size_mm: float | None,
) -> View:
    """A square of `size_mm` around `centre` (row, column in pixels; None: the image's); the whole image for None."""
    if size_mm is None:
        return View(0, 0, shape[0], shape[1])
    row, column = centre or ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    rows, columns = max(1, round(size_mm / spacing_mm[0])), max(1, round(size_mm / spacing_mm[1]))
    return View(round(row - (rows - 1) / 2), round(column - (columns - 1) / 2), rows, columns)


def crop(image: NDArray[Pixels], view: View) -> NDArray[Pixels]:
    """Copy of the view's pixels; 0 (air, no mask) where it overhangs the image."""
    out = np.zeros((view.rows, view.columns), image.dtype)
    first_row, first_column = max(0, view.row), max(0, view.column)
    last_row, last_column = min(image.shape[0], view.row + view.rows), min(image.shape[1], view.column + view.columns)
    if last_row > first_row and last_column > first_column:
        inside = image[first_row:last_row, first_column:last_column]
        out[first_row - view.row : last_row - view.row, first_column - view.column : last_column - view.column] = inside
    return out
