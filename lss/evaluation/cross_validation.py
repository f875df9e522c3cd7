"""Out-of-fold results pooled: each patient is tested once, by models that never saw that patient.

Shapes: R repeats, N cases (of all folds, one after the other), K folds, J = R * K trainings, P patients, D draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from lss.evaluation.ablation import CrossedBootstrap
from lss.evaluation.measures import rounded
from lss.metrics.bootstrap import Floats, divide

INTERVAL = "percentile bootstrap over patients within their fold, and over repeats"
CORRECTED = "corrected resampled t over trainings (Nadeau and Bengio 2003)"


class System(NamedTuple):
    """What answers: a model, the table it is held against, or the difference of the two.

    Attributes:
        task: classification, segmentation or report.
        backbone, loss: of the model.
        source: model, table or difference.
        unit: image or disc.
    """

    task: str
    backbone: str
    loss: str
    source: str
    unit: str


class Quotient(NamedTuple):
    """A measure as sums over cases: a mean over those that count, or a mean of such means over the grades (Q > 1).

    Attributes:
        metric, stratum: its name, and of which cases it is.
        numerators, denominators: (Q, R, N).
    """

    metric: str
    stratum: str
    numerators: Floats
    denominators: Floats

    def minus(self, other: Quotient) -> Quotient:
        """Return the difference of two measures over the same cases."""
        return self._replace(numerators=self.numerators - other.numerators)


@dataclass(frozen=True)
class Folds:
    """Where cases come from.

    Attributes:
        patients: of each case.
        fold: (N,) number of the fold that each case is tested in.
        train_patients: patients of the training part of each fold, in the order of the folds.
    """

    patients: list[str]
    fold: NDArray[np.intp]
    train_patients: list[int]


def mean_over(metric: str, stratum: str, values_RN: Floats, among_N: NDArray[np.bool_]) -> Quotient:
    """Return the mean of `values_RN` over the cases chosen."""
    among_1RN = np.broadcast_to(among_N.astype(np.float64), values_RN.shape)[None]
    return Quotient(metric, stratum, values_RN[None] * among_1RN, among_1RN)


def grade_quotients(answered_RN: NDArray[np.intp], true_N: NDArray[np.intp], grades: tuple[str, ...]) -> list[Quotient]:
    """Return accuracy, recall of each grade that occurs, and their mean (balanced accuracy).

    Args:
        answered_RN: index of the grade answered by each repeat; -1 for none.
        true_N: index of the true grade.
    """
    right_RN = (answered_RN == true_N).astype(np.float64)
    recalls = [mean_over("recall", grade, right_RN, true_N == index) for index, grade in enumerate(grades)]
    recalls = [recall for recall in recalls if recall.denominators.any()]
    balanced = Quotient("accuracy", "balanced", *(np.concatenate(of) for of in zip(
        *((recall.numerators, recall.denominators) for recall in recalls), strict=True)))  # fmt: skip
    return [mean_over("accuracy", "all", right_RN, np.ones(len(true_N), dtype=bool)), balanced, *recalls]


def measure(
    system: System, of: Quotient, bootstrap: CrossedBootstrap, folds: Folds, confidence: float
) -> dict[str, Any]:
    """Return one row: the pooled value with the bootstrap's interval, the mean over trainings with the corrected one.

    Measures are shares: intervals end at 0 and 1, those of a difference at -1 and 1.
    """
    estimate, sd_repeats = bootstrap.quotients(of.numerators, of.denominators)
    by_training_RK = _by_training(of, folds)
    mean, *limits = corrected_interval(by_training_RK.ravel(), _test_by_train(folds), confidence)
    low, high = np.clip(limits, -1.0 if system.source == "difference" else 0.0, 1.0)
    return {
        **system._asdict(),
        "metric": of.metric,
        "stratum": of.stratum,
        "value": rounded(estimate.value),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
        "n": estimate.n,
        "patients": estimate.patients,
        "interval": estimate.interval,
        "trainings": int(np.isfinite(by_training_RK).sum()),
        "mean_of_trainings": rounded(mean),
        "low_of_trainings": rounded(low),
        "high_of_trainings": rounded(high),
        "sd_folds": rounded(_sd(_mean(by_training_RK, axis=0))),
        "sd_repeats": rounded(sd_repeats),
    }


def corrected_interval(values_J: Floats, test_by_train: float, confidence: float) -> tuple[float, float, float]:
    """Return the mean over trainings, with the interval for the mean over new ones.

    Trainings of different folds share most of their patients, so their results vary together, and their standard
    error is larger than S / sqrt(J): it is S * sqrt(1 / J + n_test / n_train), with Student's t of J - 1 degrees of
    freedom (Nadeau and Bengio 2003). No estimator of that variance is unbiased (Bengio and Grandvalet 2004).

    Args:
        values_J: one per training; NaN where it is undefined, which is left out.
        test_by_train: patients of the test part by those of the training part.
        confidence: e.g. 0.95.

    Returns:
        mean, low, high; NaN limits for fewer than two values.
    """
    values_J = values_J[np.isfinite(values_J)]
    if len(values_J) < 2:
        return (float(values_J.mean()) if len(values_J) else np.nan), np.nan, np.nan
    error = values_J.std(ddof=1) * np.sqrt(1 / len(values_J) + test_by_train)
    reach = float(student.ppf((1 + confidence) / 2, len(values_J) - 1) * error)
    return float(values_J.mean()), float(values_J.mean()) - reach, float(values_J.mean()) + reach


def _by_training(of: Quotient, folds: Folds) -> Floats:
    """Return the measure of every repeat and fold, (R, K); NaN where a fold has no such case."""
    in_fold_NK = (folds.fold[:, None] == np.unique(folds.fold)).astype(np.float64)
    return divide(of.numerators @ in_fold_NK, of.denominators @ in_fold_NK).mean(axis=0)


def _test_by_train(folds: Folds) -> float:
    tested = {(fold, patient) for fold, patient in zip(folds.fold.tolist(), folds.patients, strict=True)}
    return len(tested) / sum(folds.train_patients)


def _mean(values: Floats, axis: int) -> Floats:
    finite = np.isfinite(values)
    return divide(np.where(finite, values, 0).sum(axis=axis), finite.sum(axis=axis))


def _sd(values: Floats) -> float:
    values = values[np.isfinite(values)]
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan
