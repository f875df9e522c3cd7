"""Tests between two systems on the same cases, and the correction for making several."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lss.runtime.seeding import generator

_EXACT_BELOW = 25
_EXACT_PATIENTS = 14  # up to here all sign patterns are enumerated
_RANDOM_PATTERNS = 20_000


class PairedTest(NamedTuple):
    """Result of a paired test.

    Attributes:
        test: its name, with the variant used.
        first_better, second_better: cases in which only one was right, or one scored higher.
        ties: all other cases.
        p: two-sided.
    """

    test: str
    first_better: int
    second_better: int
    ties: int
    p: float


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> PairedTest:
    """Return McNemar's test on two classifiers' right answers (N,).

    Exact (binomial) below 25 discordant pairs, else chi-squared with continuity correction (Edwards 1948). It takes
    cases as independent, which images of one patient are not: `patient_sign_flip` stands beside it.
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    discordant = only_first + only_second
    ties = len(first_right) - discordant
    if discordant < _EXACT_BELOW:
        p = stats.binomtest(only_first, discordant, 0.5).pvalue if discordant else 1.0
        return PairedTest("McNemar, exact", only_first, only_second, ties, float(p))
    statistic = (abs(only_first - only_second) - 1) ** 2 / discordant
    name = "McNemar, chi-squared with continuity correction"
    return PairedTest(name, only_first, only_second, ties, float(stats.chi2.sf(statistic, 1)))


def wilcoxon(first: NDArray[np.float64], second: NDArray[np.float64]) -> PairedTest:
    """Return Wilcoxon's signed-rank test on two systems' scores (N,), zero differences by Pratt's rule.

    It takes cases as independent, as `mcnemar` does. Pratt (1959): zeros are ranked with the rest, then their ranks
    are left out; here many masks are both empty, and dropping them first would change the ranks. Normal approximation,
    no continuity correction. p is 1 where no pair differs.
    """
    difference = first - second
    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    p = 1.0
    if better + worse:
        p = float(stats.wilcoxon(difference, zero_method="pratt", method="asymptotic").pvalue)
    return PairedTest("Wilcoxon signed-rank, zeros by Pratt", better, worse, len(first) - better - worse, p)


def patient_sign_flip(difference: NDArray[np.float64], patient_of_case: NDArray[np.intp], seed: int) -> float:
    """Return two-sided p of a paired permutation test that flips whole patients.

    Where two systems are alike, a patient's differences could as well have the opposite sign, all of them together:
    images of one patient may be as alike as they like. The statistic is the sum of the differences. Up to 14 patients
    all patterns of signs are counted, above that 20,000 random ones and the one observed, so p is never 0 (Phipson and
    Smyth 2010). With P patients no p below 2 ** (1 - P) is possible: few patients cannot prove much.

    Args:
        difference: (N,) first minus second; for right and wrong answers 1, 0 or -1.
        patient_of_case: (N,) number of each case's patient, from 0.
        seed: of the random patterns.
    """
    sums_P = np.bincount(patient_of_case, difference.astype(np.float64))
    sums_P = sums_P[sums_P != 0]  # what a flip does not change
    count = len(sums_P)
    observed = abs(float(sums_P.sum()))
    least = observed - 1e-9 * float(np.abs(sums_P).sum())  # sums in another order differ in their last bits
    if count <= _EXACT_PATIENTS:
        patterns_DP = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return float((np.abs(patterns_DP @ sums_P) >= least).mean())
    random = generator(seed, "sign flips", count)
    patterns_DP = 1.0 - 2.0 * random.integers(0, 2, (_RANDOM_PATTERNS, count))
    return float((1 + (np.abs(patterns_DP @ sums_P) >= least).sum()) / (1 + _RANDOM_PATTERNS))


def holm(p_values: list[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979), in the same order, at most 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.minimum(np.maximum.accumulate(np.array(p_values)[order] * factors), 1.0)
    result = np.empty(len(p_values))
    result[order] = corrected
    return [float(p) for p in result]
