"""McNemar, Wilcoxon, Holm against other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from lss.metrics.paired_tests import holm, mcnemar, patient_sign_flip, wilcoxon


def right(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return np.array(first), np.array(second)


@pytest.mark.parametrize("counts", [(20, 5, 1, 4), (50, 40, 22, 9), (3, 0, 7, 0), (10, 12, 12, 1), (9, 24, 0, 1)])
def test_mcnemar_same_as_statsmodels(counts: tuple[int, int, int, int]) -> None:
    both, only_first, only_second, neither = counts
    result = mcnemar(*right(*counts))
    exact = only_first + only_second < 25
    expected = statsmodels_mcnemar([[both, only_first], [only_second, neither]], exact=exact, correction=True)
    assert result.p == pytest.approx(expected.pvalue)
    assert ("exact" in result.test) == exact
    assert (result.first_better, result.second_better, result.ties) == (only_first, only_second, both + neither)


def test_mcnemar_without_a_difference() -> None:
    assert mcnemar(*right(5, 0, 0, 3)).p == 1.0


def test_wilcoxon_by_hand() -> None:
    """Differences 0, 1, 2, 3, -4: Pratt ranks 1 (left out), 2, 3, 4, 5; W+ = 9, W- = 5."""
    first = np.array([0.0, 1, 2, 3, -4])
    result = wilcoxon(first, np.zeros(5))
    mean = (5 * 6 - 1 * 2) / 4
    variance = (5 * 6 * 11 - 1 * 2 * 3) / 24
    expected = 2 * stats.norm.cdf(-abs(9 - mean) / np.sqrt(variance))
    assert result.p == pytest.approx(expected)
    assert (result.first_better, result.second_better, result.ties) == (3, 1, 1)


def test_wilcoxon_of_equal_scores_is_one() -> None:
    assert wilcoxon(np.ones(4), np.ones(4)).p == 1.0


def test_sign_flip_by_hand() -> None:
    """Sums per patient 3, 1, -1: of the absolute values 5, 3, 3, 1 of all patterns, three reach the observed 3."""
    difference = np.array([2.0, 1, 0.5, 0.5, -1])
    assert patient_sign_flip(difference, np.array([0, 0, 1, 1, 2]), 0) == pytest.approx(3 / 4)
    assert patient_sign_flip(np.ones(4), np.arange(4), 0) == pytest.approx(2 / 16)
    assert patient_sign_flip(np.zeros(4), np.arange(4), 0) == 1.0


@pytest.mark.parametrize("patients", [9, 40])
def test_sign_flip_same_as_scipy_s_permutation_test(patients: int) -> None:
    """Enumerated below 15 patients, drawn above; one value per patient is all scipy can flip."""
    random = np.random.default_rng(patients)
    sums = random.normal(0.3, 1, patients)
    expected = stats.permutation_test((sums, np.zeros(patients)), lambda a, b: np.sum(a - b), n_resamples=20_000,
                                      permutation_type="samples", rng=1).pvalue  # fmt: skip
    split = np.concatenate([sums / 2, sums / 2])  # two images of each patient
    result = patient_sign_flip(split, np.tile(np.arange(patients), 2), 5)
    assert result == pytest.approx(expected, abs=1e-12 if patients < 15 else 0.01)
    assert result == patient_sign_flip(split, np.tile(np.arange(patients), 2), 5)


def test_images_of_a_patient_do_not_count_as_independent() -> None:
    """Five patients of twenty equal images each, better in four: strong by images, nothing by patients."""
    first = np.repeat([True, True, True, True, False], 20)
    assert mcnemar(first, ~first).p < 1e-6
    assert patient_sign_flip(first * 2.0 - 1, np.repeat(np.arange(5), 20), 0) == pytest.approx(12 / 32)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_same_as_statsmodels(p_values: list[float]) -> None:
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], atol=1e-12)


def test_holm_of_nothing() -> None:
    assert holm([]) == []
