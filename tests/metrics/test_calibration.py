"""Calibration error and decision curve."""

from __future__ import annotations

import lss.runtime.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_calibration_error

from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.calibration import bin_of, ece_statistic, net_benefit, net_benefit_estimates, reliability


def test_ece_same_as_torchmetrics() -> None:
    random = np.random.default_rng(3)
    confidence = random.uniform(0, 1, 400)
    correct = random.random(400) < confidence**2
    bootstrap = PatientBootstrap([str(index % 20) for index in range(400)], 100, 0.95, 0)
    result = ece_statistic(bootstrap, confidence, correct)(np.ones((1, 20)))[0]
    expected = binary_calibration_error(torch.tensor(confidence), torch.tensor(correct).int(), n_bins=10)
    assert result == pytest.approx(float(expected), abs=1e-6)


def test_ece_of_a_draw_is_that_of_the_cases_drawn() -> None:
    random = np.random.default_rng(4)
    confidence, correct = random.uniform(0.3, 1, 30), random.random(30) < 0.6
    patients = np.arange(30) % 6
    bootstrap = PatientBootstrap([str(p) for p in patients], 8, 0.95, 0)
    for weights, value in zip(
        bootstrap.weights_DP, ece_statistic(bootstrap, confidence, correct)(bootstrap.weights_DP), strict=True
    ):
        cases = np.repeat(np.arange(30), weights.astype(int)[patients])
        drawn = reliability(confidence[cases], correct[cases])
        expected = (np.abs(drawn.confidence - drawn.accuracy) * drawn.cases).sum() / len(cases)
        assert value == pytest.approx(expected)


def test_bins_are_closed_on_the_right() -> None:
    assert bin_of(np.array([0.0, 0.1, 0.1001, 0.95, 1.0])).tolist() == [0, 0, 1, 9, 9]


def test_reliability_by_hand() -> None:
    result = reliability(np.array([0.92, 0.98, 0.55]), np.array([True, False, True]))
    np.testing.assert_allclose(result.confidence, [0.55, 0.95])
    np.testing.assert_allclose(result.accuracy, [1.0, 0.5])
    assert result.cases.tolist() == [1, 2]


def test_net_benefit_by_hand_and_of_treating_all() -> None:
    probability, positive = np.array([0.9, 0.6, 0.4, 0.1]), np.array([True, False, True, False])
    np.testing.assert_allclose(net_benefit(probability, positive, np.array([0.5])), [1 / 4 - 1 / 4])
    thresholds = np.array([0.2, 0.5])
    everyone = net_benefit(np.ones(4), positive, thresholds)
    np.testing.assert_allclose(everyone, 0.5 - 0.5 * thresholds / (1 - thresholds))


def test_interval_of_the_net_benefit_is_that_of_the_draws() -> None:
    random = np.random.default_rng(6)
    probability, positive, patients = random.random(60), random.random(60) < 0.4, np.arange(60) % 12
    bootstrap = PatientBootstrap([f"{p:02d}" for p in patients], 200, 0.9, 0, "percentile")
    thresholds = np.array([0.25, 0.6])
    drawn = []
    for weights in bootstrap.weights_DP:
        cases = np.repeat(np.arange(60), weights.astype(int)[patients])
        drawn.append(net_benefit(probability[cases], positive[cases], thresholds))
    result = net_benefit_estimates(bootstrap, probability, positive, thresholds)
    np.testing.assert_allclose([e.value for e in result], net_benefit(probability, positive, thresholds))
    expected = np.quantile(drawn, [0.05, 0.95], axis=0)
    np.testing.assert_allclose([[e.low for e in result], [e.high for e in result]], expected, atol=1e-12)
