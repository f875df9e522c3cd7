"""Hausdorff and HD95 against MONAI and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import HausdorffDistanceMetric
from scipy.ndimage import binary_opening

from lss.metrics.surface_distance import border_distances, border_points


def blob(random: np.random.Generator) -> np.ndarray:
    """A ragged mask with pixels."""
    y, x = np.mgrid[:48, :48]
    row, column, radius = random.uniform(15, 33), random.uniform(15, 33), random.uniform(4, 13)
    disc = (y - row) ** 2 + ((x - column) * random.uniform(0.6, 1.4)) ** 2 < radius**2
    return binary_opening(disc ^ (random.random(disc.shape) < 0.02)) | (disc & (abs(y - row) < 2))


@pytest.mark.parametrize("percentile", [None, 95])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.6875, 0.5)])
def test_same_as_monai(percentile: float | None, spacing: tuple[float, float]) -> None:
    random = np.random.default_rng(1)
    metric = HausdorffDistanceMetric(include_background=True, percentile=percentile)
    for _ in range(25):
        predicted, reference = blob(random), blob(random)
        result = border_distances(predicted, reference, spacing)
        tensors = [torch.tensor(mask)[None, None].float() for mask in (predicted, reference)]
        expected = float(metric(*tensors, spacing=list(spacing)))
        assert (result.hd95 if percentile else result.hausdorff) == pytest.approx(expected, rel=1e-5)


def test_by_hand_in_millimetres() -> None:
    one, other = np.zeros((2, 10, 10), dtype=bool)
    one[2, 2] = other[5, 6] = True
    assert border_distances(one, other).hausdorff == 5.0
    assert border_distances(one, other, (2.0, 0.5)).hausdorff == pytest.approx(np.hypot(6, 2))


def test_empty_masks() -> None:
    empty, filled = np.zeros((30, 40), dtype=bool), np.ones((30, 40), dtype=bool)
    assert border_distances(empty, empty) == (0.0, 0.0)
    assert border_distances(empty, filled) == (50.0, 50.0)
    assert border_distances(filled, empty, (2.0, 2.0)) == (100.0, 100.0)
    assert border_distances(filled, filled) == (0.0, 0.0)


def test_border_is_what_has_a_neighbour_outside() -> None:
    square = np.zeros((6, 6), dtype=bool)
    square[1:5, 1:5] = True
    assert len(border_points(square)) == 12
    assert len(border_points(np.ones((4, 4), dtype=bool))) == 12


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        border_distances(np.zeros((2, 2), bool), np.zeros((2, 3), bool))
