"""Intervals by resampling patients."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from lss.evaluation.summary import SIMULATED_COVERAGE
from lss.metrics.bootstrap import NO_SPREAD, TOO_FEW_PATIENTS, Method, PatientBootstrap, divide, interval
from lss.metrics.calibration import ece_statistic


@pytest.fixture(scope="module")
def simulation(project_root: Path) -> ModuleType:
    """benchmarks/coverage.py, which made the numbers that the caveat tells."""
    spec = importlib.util.spec_from_file_location("coverage_benchmark", project_root / "benchmarks/coverage.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mean_equals_a_plain_loop_over_the_draws() -> None:
    random = np.random.default_rng(0)
    patients = [f"p{index % 7}" for index in range(40)]
    values = random.normal(size=40)
    bootstrap = PatientBootstrap(patients, 300, 0.9, 5, "percentile")
    names = sorted(set(patients))
    means = []
    for weights in bootstrap.weights_DP:
        drawn = [v for p, n in zip(names, weights, strict=True) for _ in range(int(n))
                 for v, owner in zip(values, patients, strict=True) if owner == p]  # fmt: skip
        means.append(np.mean(drawn))
    result = bootstrap.mean(values)
    assert result.value == pytest.approx(values.mean())
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))
    assert (result.n, result.patients) == (40, 7)


def test_bca_same_as_scipy_where_each_patient_has_one_case() -> None:
    values = np.random.default_rng(2).gamma(2.0, size=60)
    bootstrap = PatientBootstrap([f"{index:02d}" for index in range(60)], 20_000, 0.95, 1, "bca")
    result = bootstrap.mean(values)
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=3).confidence_interval
    spread = expected.high - expected.low
    assert result.low == pytest.approx(expected.low, abs=0.03 * spread)
    assert result.high == pytest.approx(expected.high, abs=0.03 * spread)


def test_seeded_and_paired() -> None:
    patients, values = ["a", "a", "b", "c", "d", "e"], np.arange(1.0, 7)
    first, again, other = (PatientBootstrap(patients, 200, 0.95, seed) for seed in (1, 1, 2))
    assert first.mean(values) == again.mean(values)
    assert not np.array_equal(first.weights_DP, other.weights_DP)
    # the same draws for every statistic: a constant difference has no spread
    difference = first.estimate(lambda w: _mean(w, first, values + 1) - _mean(w, first, values))
    assert difference.value == pytest.approx(1) and difference.interval == NO_SPREAD
    assert np.isnan(difference.low) and np.isnan(difference.high)


def test_a_difference_is_paired() -> None:
    """The same as the mean of the differences, not the difference of two independent means."""
    random = np.random.default_rng(4)
    patients = [f"p{index % 9}" for index in range(45)]
    shared = random.normal(size=45)
    first, second = shared + random.normal(0.3, 0.1, 45), shared
    bootstrap = PatientBootstrap(patients, 500, 0.95, 3)
    columns = bootstrap.resampled_means({"first": first, "second": second})
    result = bootstrap.estimate_of(columns["first"].minus(columns["second"]))
    np.testing.assert_allclose(result[:6], bootstrap.mean(first - second)[:6], atol=1e-12)
    assert result.high - result.low < 0.3 * (bootstrap.mean(first).high - bootstrap.mean(first).low)


def _mean(weights: np.ndarray, bootstrap: PatientBootstrap, values: np.ndarray) -> np.ndarray:
    return weights @ bootstrap.per_patient(values) / (weights @ bootstrap.per_patient(np.ones(len(values))))


def test_degenerate_input() -> None:
    with pytest.raises(ValueError, match="no cases"):
        PatientBootstrap([], 100, 0.95, 0)
    one = PatientBootstrap(["a", "a"], 100, 0.95, 0).mean(np.array([0.0, 1.0]))
    assert np.isnan(one.low) and one._replace(low=0, high=0) == (0.5, 0, 0, 2, 1, 0.0, TOO_FEW_PATIENTS)
    bootstrap = PatientBootstrap(["a", "b", "c"], 100, 0.95, 0)
    nobody = bootstrap.mean(np.ones(3), np.zeros(3, dtype=bool))
    assert np.isnan(nobody.value) and np.isnan(nobody.low) and nobody.n == 0
    # in one patient only: a third and more of the draws leave it undefined, the others decide
    alone = bootstrap.mean(np.array([0.25, 9, 9]), np.array([True, False, False]))
    assert (alone.value, alone.n, alone.patients, alone.interval) == (0.25, 1, 1, TOO_FEW_PATIENTS)
    assert alone.undefined == (bootstrap.weights_DP[:, 0] == 0).mean() and 0.2 < alone.undefined < 0.4
    assert interval(1.0, np.full(5, np.nan), None, 0.95) == pytest.approx((np.nan, np.nan), nan_ok=True)


def test_five_patients_are_enough_and_four_are_not() -> None:
    values = np.arange(20.0)
    for patients, words in ((4, TOO_FEW_PATIENTS), (5, "bca")):
        result = PatientBootstrap([str(case % patients) for case in range(20)], 200, 0.95, 0).mean(values)
        assert result.interval == words and np.isnan(result.low) == (patients == 4)


def test_the_calibration_error_s_interval_does_not_collapse() -> None:
    """A perfectly calibrated head: its error is noise, larger in nearly every draw, where BCa gives a width of none."""
    random = np.random.default_rng(5)
    patients = [str(case // 12) for case in range(108)]
    confidence = np.full(108, 0.75)
    correct = np.arange(108) % 4 > 0
    correct[random.integers(0, 108, 2)] ^= True
    bootstrap = PatientBootstrap(patients, 1000, 0.95, 0)
    result = bootstrap.estimate(ece_statistic(bootstrap, confidence, correct), method="shifted")
    assert result.interval == "shifted" and 0 <= result.low <= result.value <= result.high
    assert result.high - result.low > 0.01


def test_divide_gives_nan_only_where_the_denominator_is_zero() -> None:
    np.testing.assert_array_equal(divide(np.array([1.0, 0.0]), np.array([2.0, 0.0])), [0.5, np.nan])


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_coverage_by_simulation(method: Method) -> None:
    """Nominal 95 % of intervals over 60 patients hold the truth in 93 to 97 %: alike images within a patient."""
    random = np.random.default_rng(11)
    repetitions, patients, images = 1500, 60, 4
    names = [f"{patient:02d}" for patient in range(patients) for _ in range(images)]
    covered = 0
    bootstrap = PatientBootstrap(names, 1000, 0.95, 0, method)
    for _ in range(repetitions):
        of_patient = random.normal(0, 1, patients)
        values = np.repeat(of_patient, images) + random.normal(0, 0.5, patients * images)
        result = bootstrap.mean(values)
        covered += result.low <= 0 <= result.high
    assert 0.93 <= covered / repetitions <= 0.97


@pytest.mark.parametrize("statistic", ["mean Dice", "AUC"])
def test_intervals_over_nine_patients_are_too_narrow_as_the_caveat_says(simulation: ModuleType, statistic: str) -> None:
    low, high = SIMULATED_COVERAGE[9]
    assert low - 0.03 <= simulation.coverage(statistic, 9, "bca", 500) <= high + 0.03


@pytest.mark.slow
@pytest.mark.parametrize("statistic", ["mean Dice", "pooled Dice", "accuracy", "AUC"])
def test_coverage_by_number_of_patients(simulation: ModuleType, statistic: str) -> None:
    """The caveat's numbers, and 93 to 97 % from 60 patients on."""
    for patients, (low, high) in SIMULATED_COVERAGE.items():
        assert low - 0.02 <= simulation.coverage(statistic, patients, "bca", 1000) <= high + 0.02, patients
    for method in ("bca", "percentile"):
        assert 0.93 <= simulation.coverage(statistic, 60, method, 1000) <= 0.97, method


def test_resampling_images_instead_would_be_too_sure() -> None:
    random = np.random.default_rng(12)
    values = np.repeat(random.normal(0, 1, 30), 8)
    by_patient = PatientBootstrap([str(index // 8) for index in range(240)], 2000, 0.95, 0).mean(values)
    by_image = PatientBootstrap([str(index) for index in range(240)], 2000, 0.95, 0).mean(values)
    assert by_patient.high - by_patient.low > 2 * (by_image.high - by_image.low)
