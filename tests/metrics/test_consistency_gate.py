"""Impossible combinations stop the evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lss.metrics.plausibility import (
    ImpossibleMetricsError,
    check_accuracy,
    check_confusion,
    check_counts,
    check_overlap,
    check_pixels,
    lowest_mean_iou,
)


def test_fires_on_the_paper_s_impossible_row() -> None:
    assert round(lowest_mean_iou(0.9754), 3) == 0.952
    with pytest.raises(ImpossibleMetricsError, match=r"0.9056.*0.9754"):
        check_overlap("Table 3, BiomedCLIP, A", 0.9754, 0.9056)


@pytest.mark.parametrize(("dice", "iou"), [(0.8, 0.81), (1.2, 0.9), (0.5, -0.1), (float("nan"), 0.5)])
def test_fires_on_other_impossible_overlaps(dice: float, iou: float) -> None:
    with pytest.raises(ImpossibleMetricsError):
        check_overlap("here", dice, iou)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_never_fires_on_real_means(dices: list[float]) -> None:
    dice = np.array(dices)
    check_overlap("here", float(dice.mean()), float((dice / (2 - dice)).mean()))


def test_confusion_must_hold_all_cases_in_whole_numbers() -> None:
    good = np.array([[2.0, 1, 0, 0], [0, 3, 0, 0], [0, 0, 4, 1]])
    check_confusion("here", good, 11)
    for bad, n in ((good, 12), (good + 0.5, 17), (good - np.eye(3, 4) * 5, -4)):
        with pytest.raises(ImpossibleMetricsError, match="do not add up"):
            check_confusion("here", bad, n)


def test_accuracy_lies_among_the_recalls() -> None:
    recalls = np.array([0.9, 0.7, np.nan])
    check_accuracy("here", 0.8, recalls)
    for accuracy in (0.69, 0.91):
        with pytest.raises(ImpossibleMetricsError, match="outside the recalls"):
            check_accuracy("here", accuracy, recalls)


def test_counts_add_up() -> None:
    check_counts("here", {"a": 1, "b": 2}, 3)
    with pytest.raises(ImpossibleMetricsError, match="add up to 3, not 4"):
        check_counts("here", {"a": 1, "b": 2}, 4)


def test_pixels_of_each_image_add_up() -> None:
    check_pixels("here", np.array([[1, 2, 3, 4], [10, 0, 0, 0]]), 10)
    for bad in ([1, 2, 3, 5], [11, -1, 0, 0]):
        with pytest.raises(ImpossibleMetricsError, match=r"image 1: counts .* of 10 pixels"):
            check_pixels("here", np.array([[1, 2, 3, 4], bad]), 10)
