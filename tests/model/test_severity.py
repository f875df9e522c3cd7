"""Affected area, its grade, calibrated thresholds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from lss.model.severity import (
    PAPER_THRESHOLDS,
    Thresholds,
    area_percent,
    calibrate_thresholds,
    grade_by_area,
    lateral_side,
)


def test_area_counts_pixels_above_one_half():
    masks = torch.zeros(3, 1, 10, 10)
    masks[0, 0, :4, :5] = 0.6
    masks[1] = 0.5
    masks[2, 0, :2, :2] = 1
    np.testing.assert_allclose(area_percent(masks, [1.0, 1.0, 0.1]), [20.0, 0.0, 40.0])
    assert area_percent(masks[:1], [0.1]) == [100.0]  # a dilated mask may reach beyond its region


@pytest.mark.parametrize(("area", "grade"), [(0, "A"), (9.99, "A"), (10, "BC"), (25, "BC"), (25.01, "D"), (100, "D")])
def test_paper_thresholds(area, grade):
    assert grade_by_area(area, PAPER_THRESHOLDS) == grade


def _balanced_accuracy(areas, grades, thresholds):
    return balanced_accuracy_score(grades, [grade_by_area(area, thresholds) for area in areas])


@pytest.mark.parametrize("present", ["A BC D", "A BC", "BC D", "A D", "BC"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_calibration_finds_the_best_cuts_of_all(present, seed):
    random = np.random.default_rng(seed)
    grades = list(random.choice(present.split(), 25))
    centre = {"A": 1.0, "BC": 6.0, "D": 12.0}
    areas = np.array([max(0.0, random.normal(centre[grade], 4.0)) for grade in grades])
    result = calibrate_thresholds(areas, grades)
    cuts = np.concatenate([[areas.min() - 1], np.sort(areas) + 1e-6])
    best = max(
        _balanced_accuracy(areas, grades, Thresholds(*pair))
        for pair in itertools.combinations_with_replacement(cuts, 2)
    )
    assert result.mild <= result.severe
    assert _balanced_accuracy(areas, grades, result) == pytest.approx(best)


def test_calibration_cuts_in_the_middle_of_the_gap():
    assert calibrate_thresholds(np.array([0.0, 0.0, 4.0, 5.0, 9.0]), ["A", "A", "BC", "BC", "D"]) == (2.0, 7.0)


def test_calibration_needs_samples():
    with pytest.raises(ValueError, match="as many"):
        calibrate_thresholds(np.array([]), [])


def _disc(column: int, columns: int = 41) -> np.ndarray:
    y, x = np.mgrid[:41, :columns]
    return ((y - 20) ** 2 + (x - column) ** 2 < 49).astype(float)


@pytest.mark.parametrize(("column", "side"), [(10, "right"), (30, "left"), (20, None), (19, None), (22, None)])
def test_on_the_left_of_an_image_is_the_side_that_its_left_edge_shows(column, side):
    other = {"left": "right", "right": "left", None: None}[side]
    assert lateral_side(_disc(column), 0.5, "RL") == side
    assert lateral_side(_disc(column)[:, ::-1], 0.5, "RL") == other
    assert lateral_side(_disc(column), 0.5, "LR") == other
    assert lateral_side(_disc(column)[:, ::-1], 0.5, "LR") == side, "the same patient, stored mirrored"
    for unknown in (None, "AP", "PA", "HF"):
        assert lateral_side(_disc(column), 0.5, unknown) is None


def test_a_mask_is_lateral_from_three_quarters_on():
    mask = np.zeros((4, 10))
    mask[0, :3], mask[0, 9] = 1, 1
    assert lateral_side(mask, 0.5, "RL") == "right"
    mask[1, 9] = 1
    assert lateral_side(mask, 0.5, "RL") is None
    assert lateral_side(np.zeros((4, 10)), 0.5, "RL") is None


@pytest.mark.parametrize("canal", [6, 20, 33])
def test_sides_are_those_of_the_canal_wherever_it_lies_in_the_image(canal):
    """A mask in the image's left half is on the left of the patient if the canal lies further to the image's left."""
    at = (canal + 0.5) / 41
    assert lateral_side(_disc(canal - 5), at, "RL") == "right" and lateral_side(_disc(canal + 5), at, "RL") == "left"
    assert lateral_side(_disc(canal), at, "RL") is None
    flipped = _disc(canal - 5)[:, ::-1]
    assert lateral_side(flipped, 1 - at, "RL") == "left"
    assert lateral_side(_disc(canal - 5), None, "RL") is None
