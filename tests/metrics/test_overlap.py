"""Dice, IoU, precision, recall, specificity from pixel counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays
from monai.metrics import DiceMetric, MeanIoU
from sklearn import metrics as sk

from lss.metrics.segmentation import PixelCounts, emptiness, overlap, pixel_counts

masks = arrays(np.bool_, (2, 9, 7))


@pytest.mark.parametrize(
    ("tp", "fp", "fn", "dice", "iou"),
    [(24594, 46, 1467, 0.970, None), (16252, 106, 3834, 0.892, 0.805)],
)
def test_counts_of_the_paper_s_figure_4(tp: int, fp: int, fn: int, dice: float, iou: float | None) -> None:
    result = overlap(PixelCounts(*map(np.array, (tp, fp, fn, 256 * 256 - tp - fp - fn))))
    assert round(float(result["dice"]), 3) == dice
    if iou is not None:
        assert round(float(result["iou"]), 3) == iou


def test_counts_by_hand() -> None:
    predicted = np.array([[1, 1, 0], [0, 1, 0]], dtype=bool)
    reference = np.array([[1, 0, 0], [0, 1, 1]], dtype=bool)
    assert pixel_counts(predicted, reference) == (2, 1, 1, 2)


@given(masks)
def test_same_as_scikit_learn_where_both_masks_have_pixels(pair: np.ndarray) -> None:
    predicted, reference = pair
    if not predicted.any() or not reference.any():
        return
    result = overlap(pixel_counts(predicted, reference))
    flat = reference.ravel(), predicted.ravel()
    assert result["dice"] == pytest.approx(sk.f1_score(*flat, zero_division=0))
    assert result["iou"] == pytest.approx(sk.jaccard_score(*flat, zero_division=0))
    assert result["precision"] == pytest.approx(sk.precision_score(*flat, zero_division=0))
    assert result["recall"] == pytest.approx(sk.recall_score(*flat, zero_division=0))
    if not reference.all():
        assert result["specificity"] == pytest.approx(sk.recall_score(*flat, pos_label=False, zero_division=0))


def test_same_as_monai_on_a_batch() -> None:
    random = np.random.default_rng(0)
    predicted, reference = random.random((2, 20, 32, 32)) < 0.3
    result = overlap(pixel_counts(predicted, reference))
    tensors = [torch.tensor(masks)[:, None].float() for masks in (predicted, reference)]
    np.testing.assert_allclose(result["dice"], DiceMetric()(*tensors)[:, 0], rtol=1e-6)
    np.testing.assert_allclose(result["iou"], MeanIoU()(*tensors)[:, 0], rtol=1e-6)


@given(masks)
def test_bounds_and_relation_of_dice_and_iou(pair: np.ndarray) -> None:
    result = overlap(pixel_counts(*pair))
    assert all(0 <= value <= 1 for value in result.values())
    assert result["iou"] == pytest.approx(result["dice"] / (2 - result["dice"]))


@pytest.mark.parametrize(
    ("predicted", "reference", "kind", "score"),
    [(0, 0, "both", 1.0), (0, 1, "prediction", 0.0), (1, 0, "reference", 0.0), (1, 1, "none", 1.0)],
)
def test_empty_masks(predicted: int, reference: int, kind: str, score: float) -> None:
    counts = pixel_counts(np.full((4, 4), predicted, bool), np.full((4, 4), reference, bool))
    result = overlap(counts)
    assert emptiness(counts) == kind
    assert [result[name] for name in ("dice", "iou", "precision", "recall")] == [score] * 4


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        pixel_counts(np.zeros((2, 2), bool), np.zeros((2, 3), bool))
