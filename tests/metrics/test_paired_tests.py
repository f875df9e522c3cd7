"""McNemar, Wilcoxon, Holm against other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from lss.metrics.paired_tests import holm, mcnemar, wilcoxon


def right(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return np.array(first), np.array(second)


@pytest.mark.parametrize("counts", [(20, 5, 1, 4), (50, 40, 22, 9), (3, 0, 7, 0), (10, 12, 12, 1), (9, 24, 0, 1)])
def test_mcnemar_same_as_statsmodels(counts: tuple[int, int, int, int]) -> None:
    both, only_first, only_second, neither = counts
    found = mcnemar(*right(*counts))
    exact = only_first + only_second < 25
    expected = statsmodels_mcnemar([[both, only_first], [only_second, neither]], exact=exact, correction=True)
    assert found.p == pytest.approx(expected.pvalue)
    assert ("exact" in found.test) == exact
    assert (found.first_better, found.second_better, found.ties) == (only_first, only_second, both + neither)


def test_mcnemar_without_a_difference() -> None:
    assert mcnemar(*right(5, 0, 0, 3)).p == 1.0


def test_wilcoxon_by_hand() -> None:
    """Differences 0, 1, 2, 3, -4: Pratt ranks 1 (left out), 2, 3, 4, 5; W+ = 9, W- = 5."""
    first = np.array([0.0, 1, 2, 3, -4])
    found = wilcoxon(first, np.zeros(5))
    mean = (5 * 6 - 1 * 2) / 4
    variance = (5 * 6 * 11 - 1 * 2 * 3) / 24
    expected = 2 * stats.norm.cdf(-abs(9 - mean) / np.sqrt(variance))
    assert found.p == pytest.approx(expected)
    assert (found.first_better, found.second_better, found.ties) == (3, 1, 1)


def test_wilcoxon_of_equal_scores_is_one() -> None:
    assert wilcoxon(np.ones(4), np.ones(4)).p == 1.0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_same_as_statsmodels(p_values: list[float]) -> None:
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], atol=1e-12)


def test_holm_of_nothing() -> None:
    assert holm([]) == []
