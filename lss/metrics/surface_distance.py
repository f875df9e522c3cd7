"""Hausdorff distances between the borders of two masks."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class BorderDistances(NamedTuple):
    """Distances between two borders, in the unit of the spacing.

    Attributes:
        hausdorff: the largest distance from a point of either border to the other border.
        hd95: the larger of the two directed 95th percentiles (linear interpolation), as in MONAI.
    """

    hausdorff: float
    hd95: float


def border_distances(
    predicted: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: tuple[float, float] = (1.0, 1.0)
) -> BorderDistances:
    """Return the symmetric distances between the borders of two masks (Y, X).

    Both empty: 0. One empty: the image's diagonal, so that missing everything is never better than finding
    something.

    Args:
        spacing: of rows and of columns; (1, 1) gives pixels.

    Raises ValueError where the shapes differ.
    """
    if predicted.shape != reference.shape:
        raise ValueError(f"masks of shape {predicted.shape} and {reference.shape} cannot be compared")
    points = [border_points(mask) * np.array(spacing) for mask in (predicted, reference)]
    if not len(points[0]) and not len(points[1]):
        return BorderDistances(0.0, 0.0)
    if not len(points[0]) or not len(points[1]):
        diagonal = float(np.hypot(predicted.shape[0] * spacing[0], predicted.shape[1] * spacing[1]))
        return BorderDistances(diagonal, diagonal)
    directed = [cKDTree(points[1]).query(points[0])[0], cKDTree(points[0]).query(points[1])[0]]
    return BorderDistances(
        float(max(distances.max() for distances in directed)),
        float(max(_percentile_95(distances) for distances in directed)),
    )


def border_points(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return row and column (K, 2) of the mask's pixels with a 4-neighbour outside it; beyond the image is outside."""
    pixels = mask.astype(np.uint8)
    inner = cv2.erode(pixels, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    columns_and_rows = cv2.findNonZero(pixels - inner)
    if columns_and_rows is None:
        return np.empty((0, 2), dtype=np.int32)
    return columns_and_rows.reshape(-1, 2)[:, ::-1].astype(np.int32)


def _percentile_95(values: NDArray[np.float64]) -> float:
    """Compute `np.percentile(values, 95)`, which takes longer than the distances themselves."""
    ordered = np.sort(values)
    place = 0.95 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))
