"""Confidence intervals by resampling patients, vectorised.

A patient's images are alike, so patients are drawn, not images. A draw is a vector of weights (how often each
patient was drawn); a statistic that can be computed from weights is computed for all draws in a few matrix
products. Shapes: N cases, P patients, D draws.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import ndtr, ndtri

from lss.runtime.seeding import generator

Floats = NDArray[np.float64]
Name = TypeVar("Name", bound=Hashable)
Statistic = Callable[[Floats], Floats]
"""Weights of the patients (D, P) to the statistic of each draw (D,); NaN where a draw leaves it undefined."""
Method = Literal["bca", "percentile", "shifted"]

METHOD_NAMES: dict[Method, str] = {
    "bca": "bias-corrected and accelerated bootstrap (Efron 1987)",
    "percentile": "percentile bootstrap",
    "shifted": "percentile bootstrap of draws shifted by their bias",
}

FEWEST_PATIENTS = 5
"""Below so many patients no interval is given: the draws repeat the same few, and it would be far too narrow."""
TOO_FEW_PATIENTS = "too few patients"
NO_SPREAD = "no spread"
NOT_SAMPLED = "not sampled"
NO_INTERVAL = (TOO_FEW_PATIENTS, NO_SPREAD, NOT_SAMPLED)
"""Words that stand where there is no interval; no spread: all draws are equal, as where every case is right; not
sampled: the number is of one training (its epochs), not of patients."""


class Estimate(NamedTuple):
    """A number with its interval.

    Attributes:
        value, low, high: NaN where undefined.
        n, patients: cases and their patients that stand behind it.
        undefined: share of the draws that leave the number undefined (no case of that kind was drawn) and are not in
            its interval.
        interval: the method of the interval, or the words of `NO_INTERVAL` that stand in its place ("" where the
            value itself is undefined).
    """

    value: float
    low: float
    high: float
    n: int
    patients: int
    undefined: float = 0.0
    interval: str = ""


class Resampled(NamedTuple):
    """A statistic of all patients, of each draw, and with each patient left out (none where the method needs none)."""

    whole: float
    draws_D: Floats
    left_out_P: Floats

    def minus(self, other: Resampled) -> Resampled:
        """Return the difference of two statistics on the same draws: a paired one."""
        return Resampled(self.whole - other.whole, self.draws_D - other.draws_D, self.left_out_P - other.left_out_P)


class PatientBootstrap:
    """Draws over the patients of one set of cases, shared by all statistics on it.

    Sharing makes differences between two systems on the same cases paired.

    Args:
        patients: patient of each case, N >= 1.
        draws: D.
        confidence: of the intervals, e.g. 0.95.
        seed: of params.yaml.
        method: bca or percentile.
        strata: (N,) of each case, the same for all cases of a patient: as many patients are drawn from each as it has.
            None: from all at once.

    Raises ValueError where there are no cases.
    """

    def __init__(
        self,
        patients: list[str],
        draws: int,
        confidence: float,
        seed: int,
        method: Method = "bca",
        strata: NDArray[np.intp] | None = None,
    ) -> None:
        if not patients:
            raise ValueError("no cases to resample")
        names, self.patient_of_case = np.unique(np.array(patients), return_inverse=True)
        self.patients, self.cases = len(names), len(patients)
        self.draws, self.confidence, self.method, self.seed = draws, confidence, method, seed
        ones = np.ones(self.cases)
        self._of_patient = csr_array((ones, (self.patient_of_case, np.arange(self.cases))))  # (P, N)
        random = generator(seed, "bootstrap", draws)
        stratum_P = np.zeros(self.patients, dtype=np.intp)
        if strata is not None:
            stratum_P[self.patient_of_case] = strata
        self.weights_DP: Floats = np.empty((draws, self.patients))
        for stratum in np.unique(stratum_P):
            own = np.flatnonzero(stratum_P == stratum)
            self.weights_DP[:, own] = random.multinomial(len(own), np.full(len(own), 1 / len(own)), size=draws)
        self._whole: Floats = np.ones((1, self.patients))
        self._jackknife: Floats = 1.0 - np.eye(self.patients)

    def of(self, patients: list[str]) -> PatientBootstrap:
        """Return the same settings for other cases, by the patient of each."""
        return PatientBootstrap(patients, self.draws, self.confidence, self.seed, self.method)

    def per_patient(self, values: Floats) -> Floats:
        """Return sums of the cases' `values` (N, ...) over each patient: (P, ...)."""
        sums: Floats = self._of_patient @ values.reshape(self.cases, -1)
        return sums.reshape(self.patients, *values.shape[1:])

    def estimate(
        self, statistic: Statistic, among: NDArray[np.bool_] | None = None, method: Method | None = None
    ) -> Estimate:
        """Return the value and interval of one statistic; see `estimates` and `estimate_of`."""
        return self.estimate_of(self.resampled(lambda weights_DP: {"": statistic(weights_DP)})[""], among, method)

    def estimates(
        self, statistics: Callable[[Floats], dict[str, Floats]], among: NDArray[np.bool_] | None = None
    ) -> dict[str, Estimate]:
        """Return values and intervals of several statistics that are computed together.

        Args:
            statistics: weights of the patients (D, P) to (D,) per name; draws in which one is undefined (NaN) are
                left out of its interval.
            among: (N,) cases they rest on, for `n`; None means all.
        """
        return {name: self.estimate_of(of, among) for name, of in self.resampled(statistics).items()}

    def resampled(self, statistics: Callable[[Floats], dict[Name, Floats]]) -> dict[Name, Resampled]:
        """Return several statistics, as for `estimates`, before their intervals are taken: for differences between
        systems.
        """
        whole, draws = statistics(self._whole), statistics(self.weights_DP)
        left_out = statistics(self._jackknife) if self.method == "bca" else {}
        return {name: Resampled(float(whole[name][0]), draws[name], left_out.get(name, np.empty(0))) for name in whole}

    def estimate_of(
        self, of: Resampled, among: NDArray[np.bool_] | None = None, method: Method | None = None
    ) -> Estimate:
        """Return the value and interval of a resampled statistic that rests on the cases `among` (N,).

        `method` is that of the bootstrap unless given: "shifted" fits statistics that resampling biases. It is also
        taken where the method's own interval does not hold the value.
        """
        chosen = np.ones(self.cases, dtype=bool) if among is None else among
        n, patients = int(chosen.sum()), len(np.unique(self.patient_of_case[chosen]))
        low, high, name = self._interval(of, patients, method or self.method)
        return Estimate(of.whole, low, high, n, patients, float(np.isnan(of.draws_D).mean()), name)

    def _interval(self, of: Resampled, patients: int, method: Method) -> tuple[float, float, str]:
        """Return the interval and its method, or NaN and the words in its place."""
        if np.isnan(of.whole) or np.isnan(of.draws_D).all():
            return np.nan, np.nan, ""
        if patients < FEWEST_PATIENTS:
            return np.nan, np.nan, TOO_FEW_PATIENTS
        if np.nanmax(of.draws_D) - np.nanmin(of.draws_D) <= ROUNDING:
            return np.nan, np.nan, NO_SPREAD
        if method != "shifted":
            left_out = of.left_out_P if method == "bca" else None
            low, high = interval(of.whole, of.draws_D, left_out, self.confidence)
            if low <= of.whole <= high and high - low > ROUNDING:
                return low, high, method
        return *shifted_interval(of.whole, of.draws_D, self.confidence), "shifted"

    def mean(self, values: Floats, among: NDArray[np.bool_] | None = None) -> Estimate:
        """Return the mean of `values` (N,), finite, over the cases chosen."""
        return self.means({"": values}, among)[""]

    def means(self, values: dict[str, Floats], among: NDArray[np.bool_] | None = None) -> dict[str, Estimate]:
        """Return means of several columns (N,), finite, over the cases chosen."""
        return {name: self.estimate_of(of, among) for name, of in self.resampled_means(values, among).items()}

    def resampled_means(
        self, values: dict[str, Floats], among: NDArray[np.bool_] | None = None
    ) -> dict[str, Resampled]:
        """Return means as for `means`, before their intervals are taken."""
        chosen = np.ones(self.cases, dtype=bool) if among is None else among
        columns_NM = np.stack([*values.values(), np.ones(self.cases)], axis=1) * chosen[:, None]
        sums_PM = self.per_patient(columns_NM)

        def statistics(weights_DP: Floats) -> dict[str, Floats]:
            sums_DM = weights_DP @ sums_PM
            return {name: divide(sums_DM[:, m], sums_DM[:, -1]) for m, name in enumerate(values)}

        return self.resampled(statistics)


def interval(value: float, draws_D: Floats, jackknife_P: Floats | None, confidence: float) -> tuple[float, float]:
    """Return the bootstrap interval of `value`: percentile, or BCa where jackknife values are given.

    NaN draws are left out (`Estimate.undefined` counts them); (NaN, NaN) where none is left.

    BCa (Efron 1987) shifts the percentiles by the share of draws below the value (draws equal to it count half)
    and by the skewness of the jackknife values. Where it is undefined (all draws on one side, or all equal) the
    percentiles are taken unshifted.
    """
    draws_D = draws_D[~np.isnan(draws_D)]
    if draws_D.size == 0:
        return np.nan, np.nan
    levels = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if jackknife_P is not None:
        levels = _bca_levels(value, draws_D, jackknife_P, levels)
    low, high = np.quantile(draws_D, levels)
    return float(low), float(high)


def shifted_interval(value: float, draws_D: Floats, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of the draws, shifted so that their mean is the value.

    For statistics that resampling biases, such as the calibration error, a sum of absolute values that is larger in
    nearly every draw than in the sample: BCa then takes its percentiles from the end of the draws, and collapses. The
    mean of the draws less the value is the bootstrap's estimate of that bias (Efron and Tibshirani 1993, chapter 10).
    Where no draw is negative the interval ends at 0. It is widened where the draws are so skewed that
    it would not hold the value.
    """
    draws_D = draws_D[~np.isnan(draws_D)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws_D, [tail, 1 - tail]) - draws_D.mean() + value
    if draws_D.min() >= 0 and value >= 0:
        low = max(low, 0.0)
    return float(min(low, value)), float(max(high, value))


ROUNDING = 1e-9
"""Draws that differ from the value by less count as equal: sums in another order differ in their last bits."""


def _bca_levels(value: float, draws_D: Floats, jackknife_P: Floats, levels: Floats) -> Floats:
    equal_D = np.isclose(draws_D, value, rtol=0, atol=ROUNDING)
    below = float(((draws_D < value) & ~equal_D).mean() + equal_D.mean() / 2)
    if not 0 < below < 1:
        return levels
    bias = ndtri(below)
    jackknife_P = jackknife_P[~np.isnan(jackknife_P)]
    deviations = jackknife_P.mean() - jackknife_P if jackknife_P.size else np.zeros(1)
    spread = float((deviations**2).sum())
    acceleration = float((deviations**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    shifted = bias + ndtri(levels)
    return ndtr(bias + shifted / (1 - acceleration * shifted))


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """Return the element-wise quotient; NaN where the denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0, np.nan, np.asarray(numerator) / denominator)
