"""Do probabilities mean what they say: reliability, expected calibration error, decision curve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lss.metrics.bootstrap import Estimate, PatientBootstrap, Statistic

Floats = NDArray[np.float64]
BINS = 10


class Reliability(NamedTuple):
    """Of each non-empty bin of confidence: mean confidence, share of right answers, cases."""

    confidence: Floats
    accuracy: Floats
    cases: NDArray[np.int64]


def bin_of(confidence: Floats, bins: int = BINS) -> NDArray[np.intp]:
    """Return the index of the equally wide bin of [0, 1] each confidence falls into; bins are closed on the right."""
    return np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)


def reliability(confidence: Floats, correct: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Return reliability diagram of the answered class: its probability (N,), and whether it was right (N,)."""
    index = bin_of(confidence, bins)
    cases = np.bincount(index, minlength=bins)
    filled = cases > 0
    sums = [np.bincount(index, values, bins)[filled] / cases[filled] for values in (confidence, correct)]
    return Reliability(sums[0], sums[1], cases[filled])


def ece_statistic(
    bootstrap: PatientBootstrap, confidence: Floats, correct: NDArray[np.bool_], bins: int = BINS
) -> Statistic:
    """Return the expected calibration error (Naeini 2015; Guo 2017) as a statistic of patient weights.

    The mean over cases of |mean confidence - share right| of the case's bin.
    """
    gap = np.zeros((bootstrap.cases, bins))
    gap[np.arange(bootstrap.cases), bin_of(confidence, bins)] = confidence - correct
    gap_PB = bootstrap.per_patient(gap)
    cases_P = bootstrap.per_patient(np.ones(bootstrap.cases))
    return lambda weights_DP: np.abs(weights_DP @ gap_PB).sum(axis=1) / (weights_DP @ cases_P)


def net_benefit(probability: Floats, positive: NDArray[np.bool_], thresholds: Floats) -> Floats:
    """Return decision curve (Vickers and Elkin 2006): net benefit of treating cases at or above each threshold, (T,).

    Net benefit = TP / N - FP / N * t / (1 - t). Treating nobody has 0, treating all is `probability` = 1.

    Args:
        probability: (N,) of the positive class.
        positive: (N,).
        thresholds: (T,) in (0, 1).
    """
    return _benefit_of_cases(probability, positive, thresholds).mean(axis=0)


def net_benefit_estimates(
    bootstrap: PatientBootstrap, probability: Floats, positive: NDArray[np.bool_], thresholds: Floats
) -> list[Estimate]:
    """Return the net benefit at each threshold with its interval; pointwise, not a band that holds the whole curve."""
    benefit_PT = bootstrap.per_patient(_benefit_of_cases(probability, positive, thresholds))
    cases_P = bootstrap.per_patient(np.ones(bootstrap.cases))

    def statistics(weights_DP: Floats) -> dict[str, Floats]:
        mean_DT = (weights_DP @ benefit_PT) / (weights_DP @ cases_P)[:, None]
        return {str(index): mean_DT[:, index] for index in range(len(thresholds))}

    return list(bootstrap.estimates(statistics).values())


def _benefit_of_cases(probability: Floats, positive: NDArray[np.bool_], thresholds: Floats) -> Floats:
    """Return what each case adds to the net benefit, (N, T): 1 if rightly treated, minus the odds if wrongly."""
    treated_NT = probability[:, None] >= thresholds
    odds_T = thresholds / (1 - thresholds)
    return np.where(positive[:, None], 1.0, -odds_T) * treated_NT
