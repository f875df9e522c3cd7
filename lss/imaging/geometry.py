"""The geometry of a slice: its field of view, the networks' grid, and patient millimetres, with their inverses.

Three frames, each with pixel centres at whole numbers:

    slice (rows, columns)  --crop-->  field of view  --resample-->  grid of a network
      |
      +-- `SlicePlane` --> patient (x, y, z) in mm

Whatever puts an image or a mask from one frame into another calls this module: what a network is trained on, what it is
measured against and what a reader is shown are then the same pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = TypeVar("Pixels", bound=np.generic)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FieldOfView:
    """The rectangle of a slice that is handed to the models: upper left corner (may lie outside) and size, pixels."""

    row: int
    column: int
    rows: int
    columns: int

    def crop(self, image: NDArray[Pixels]) -> NDArray[Pixels]:
        """Return a copy of the rectangle's pixels (rows, columns); 0 (air, no mask) where it overhangs the slice."""
        out = np.zeros((self.rows, self.columns), image.dtype)
        of_view, of_slice = self._shared(image.shape)
        out[of_view] = image[of_slice]
        return out

    def paste(self, image: NDArray[Pixels], shape: tuple[int, int]) -> NDArray[Pixels]:
        """Return the inverse of `crop`: the rectangle's pixels in a slice of `shape`, 0 around them."""
        out = np.zeros(shape, image.dtype)
        of_view, of_slice = self._shared(shape)
        out[of_slice] = image[of_view]
        return out

    def mask_from_grid(self, mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return a network's mask as a mask of the whole slice of `shape`; displaced by half a pixel of the grid at
        most.
        """
        return self.paste(resample_mask(mask, (self.rows, self.columns)), shape)

    def points_from_grid(self, points_N2: Floats, grid: tuple[int, int]) -> Floats:
        """Return points (row, column) of a grid of size `grid` as points of the slice, (N, 2)."""
        scale = np.array([self.rows / grid[0], self.columns / grid[1]])
        return (np.asarray(points_N2, np.float64) + 0.5) * scale - 0.5 + [self.row, self.column]

    def _shared(self, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return what rectangle and slice have in common, as indices of the one and of the other; may be empty."""
        of_view, of_slice = [], []
        for first, size, length in ((self.row, self.rows, shape[0]), (self.column, self.columns, shape[1])):
            start = min(max(first, 0), length)
            stop = max(min(first + size, length), start)
            of_slice.append(slice(start, stop))
            of_view.append(slice(start - first, stop - first) if stop > start else slice(0, 0))
        return (of_view[0], of_view[1]), (of_slice[0], of_slice[1])


def field_of_view(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float],
    centre: tuple[float, float] | None,
    size_mm: float | None,
) -> FieldOfView:
    """Return a square of `size_mm` around `centre` (row, column in pixels; None: the image's); the whole image for
    None.
    """
    if size_mm is None:
        return FieldOfView(0, 0, shape[0], shape[1])
    row, column = centre or ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    rows, columns = max(1, round(size_mm / spacing_mm[0])), max(1, round(size_mm / spacing_mm[1]))
    return FieldOfView(round(row - (rows - 1) / 2), round(column - (columns - 1) / 2), rows, columns)


def resample_mask(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask (rows, columns) at another size: each new pixel takes the old one that holds its centre.

    The index is computed in whole numbers, so that no library's rounding decides.

    >>> resample_mask(np.array([[True, False, False]]), (1, 2))
    array([[ True, False]])
    """
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(mask.shape, size, strict=True))
    return mask[rows[:, None], columns[None, :]]


def resample_image(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return an image or map (rows, columns), float32, at another size: shrunk by area, enlarged linearly."""
    shrink = size[0] < image.shape[0] and size[1] < image.shape[1]
    method = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=method), np.float32)


def coverage(mask: NDArray[np.bool_], grid: tuple[int, int]) -> Floats:
    """Return the share of each cell of `grid` that the mask covers, in [0, 1]; the mask has at least as many pixels as
    cells.

    Weighted by area: a cell's border may run through pixels.

    >>> coverage(np.array([[1, 1, 0], [0, 0, 0], [0, 0, 0]], dtype=bool), (2, 2)).round(4).tolist()
    [[0.6667, 0.2222], [0.0, 0.0]]
    """
    return np.asarray(cv2.resize(mask.astype(np.float64), grid[::-1], interpolation=cv2.INTER_AREA), np.float64)


def edge_letters(orientation_6: Sequence[float] | None) -> tuple[str, str] | None:
    """Return the patient's sides at the left and right edge of a slice, by DICOM's letters; None where none is known.

    L, R: left, right; P, A: back, front; H, F: head, feet (DICOM C.7.6.1.1.1). A row that runs obliquely is named after
    the axis it is nearest to.

    Args:
        orientation_6: unit vectors along a row and down a column, mm to the left, back and head.

    >>> edge_letters([1, 0, 0, 0, 1, 0]), edge_letters([0, 0.9, 0.43, 0, 0.43, -0.9])
    (('R', 'L'), ('A', 'P'))
    """
    if orientation_6 is None:
        return None
    axis = int(np.argmax(np.abs(orientation_6[:3])))
    towards, against = (("L", "R"), ("P", "A"), ("H", "F"))[axis]
    return (against, towards) if orientation_6[axis] > 0 else (towards, against)


@dataclass(frozen=True)
class SlicePlane:
    """Where a slice lies in the patient (DICOM C.7.6.2.1.1), all in mm of the patient's left, posterior, head axes.

    Attributes:
        origin_mm: centre of the first pixel, ImagePositionPatient.
        row_direction, column_direction: unit vectors along a row and down a column, ImageOrientationPatient.
        spacing_mm: between rows, between columns, PixelSpacing.
    """

    origin_mm: tuple[float, float, float]
    row_direction: tuple[float, float, float]
    column_direction: tuple[float, float, float]
    spacing_mm: tuple[float, float]

    @classmethod
    def of_slice(cls, row: Mapping[str, Any]) -> SlicePlane | None:
        """Build the plane from a row of the slice table (`SLICES`); None where the header gave no position."""
        if row["origin_mm"] is None or row["orientation"] is None:
            return None
        spacing_mm = (row["row_spacing_mm"], row["column_spacing_mm"])
        return cls(tuple(row["origin_mm"]), tuple(row["orientation"][:3]), tuple(row["orientation"][3:]), spacing_mm)

    @classmethod
    def about_centre(
        cls, centre_3: Floats, orientation_6: Floats, spacing_mm: tuple[float, float], shape: tuple[int, ...]
    ) -> SlicePlane:
        """Return the plane of an image of `shape` whose centre lies at `centre_3` in the patient."""
        row_3, column_3 = np.asarray(orientation_6, np.float64)[:3], np.asarray(orientation_6, np.float64)[3:]
        across, down = (shape[1] - 1) / 2 * spacing_mm[1], (shape[0] - 1) / 2 * spacing_mm[0]
        origin_3 = np.asarray(centre_3, np.float64) - across * row_3 - down * column_3
        return cls(tuple(origin_3.tolist()), tuple(row_3.tolist()), tuple(column_3.tolist()), spacing_mm)

    @property
    def normal(self) -> Floats:
        """Unit vector across the slice, (3,)."""
        return np.cross(self.row_direction, self.column_direction)

    def to_patient(self, points_N2: Any) -> Floats:
        """Return points (row, column) in pixels as points in the patient, (N, 3) mm."""
        points = np.asarray(points_N2, np.float64) * self.spacing_mm
        return self.origin_mm + points[:, :1] * np.array(self.column_direction) + points[:, 1:] * self.row_direction

    def from_patient(self, points_N3: Any) -> Floats:
        """Return points in the patient (mm) put onto the slice along its normal: (row, column,
        distance in mm), (N, 3).
        """
        offset = np.asarray(points_N3, np.float64) - self.origin_mm
        axes = np.stack([self.column_direction, self.row_direction, self.normal], axis=1)
        return (offset @ axes) / [*self.spacing_mm, 1.0]
