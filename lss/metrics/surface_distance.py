"""Hausdorff distances between the borders of two masks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


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
    """Symmetric distances between the borders of two masks (Y, X).

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
        float(max(np.percentile(distances, 95) for distances in directed)),
    )


def border_points(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Row and column (K, 2) of the mask's pixels with a 4-neighbour outside it; beyond the image is outside."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.argwhere(mask & ~inner)
