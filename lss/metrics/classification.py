"""Classification metrics from confusion matrices, for one matrix or a stack of them (one per bootstrap draw).

A matrix (..., C, C + 1) counts cases by true class (rows) and by answer (columns); the last column counts cases
without a readable answer (a report that states no grade), which are wrong for every class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lss.metrics.bootstrap import PatientBootstrap, Statistic, divide

Floats = NDArray[np.float64]


def one_hot_confusion(true: NDArray[np.intp], answered: NDArray[np.intp], classes: int) -> Floats:
    """Return the confusion matrix of each single case, (N, C, C + 1), to be summed with any weights.

    Args:
        true: (N,) class 0 ... C - 1.
        answered: (N,) class, or -1 for none.
    """
    matrix = np.zeros((len(true), classes, classes + 1))
    matrix[np.arange(len(true)), true, np.where(answered < 0, classes, answered)] = 1.0
    return matrix


def class_metrics(confusion: Floats) -> dict[str, Floats]:
    """Return precision, recall, specificity, F1 of each class against the rest, (..., C).

    A class that was never answered has precision 0 (as in scikit-learn's zero_division=0); one that does not
    occur has recall and F1 NaN, as nothing can be said about it.
    """
    square = confusion[..., :-1]
    hits = np.diagonal(square, axis1=-2, axis2=-1)
    occurs = confusion.sum(axis=-1)
    answered = square.sum(axis=-2)
    total = occurs.sum(axis=-1, keepdims=True)
    false_alarms = answered - hits
    return {
        "precision": np.where((answered == 0) & (occurs > 0), 0.0, divide(hits, answered)),
        "recall": divide(hits, occurs),
        "specificity": divide(total - occurs - false_alarms, total - occurs),
        "f1": np.where(occurs == 0, np.nan, divide(2 * hits, answered + occurs)),
    }


def macro(per_class: Floats) -> Floats:
    """Return the mean over the classes, (..., C) to (...); NaN where one of them is undefined."""
    return per_class.mean(axis=-1)


def accuracy(confusion: Floats) -> Floats:
    """Return the share of right answers, (...)."""
    return divide(np.trace(confusion[..., :-1], axis1=-2, axis2=-1), confusion.sum(axis=(-2, -1)))


def cohen_kappa(confusion: Floats) -> Floats:
    """Return Cohen's kappa, unweighted, (...); NaN where chance agreement is complete."""
    total = confusion.sum(axis=(-2, -1))
    observed = accuracy(confusion)
    by_chance = (confusion.sum(axis=-1) * confusion[..., :-1].sum(axis=-2)).sum(axis=-1)
    expected = divide(by_chance, total**2)
    return divide(observed - expected, 1 - expected)


def balanced(confusion: Floats) -> Floats:
    """Return the matrix as if every class occurred equally often: each row divided by its sum (re-weighting)."""
    return divide(confusion, confusion.sum(axis=-1, keepdims=True))


def auc_statistic(bootstrap: PatientBootstrap, scores: Floats, positive: NDArray[np.bool_]) -> Statistic:
    """Return the area under the ROC curve as a statistic of patient weights.

    The AUC is the share of pairs (positive, negative) in which the positive scores higher, ties counting half
    (Mann-Whitney). Summed over the cases of each pair of patients it becomes a quadratic form in the weights.

    Args:
        bootstrap: of the N cases.
        scores: (N,) higher means rather positive.
        positive: (N,).
    """
    # How many negatives of each patient score below each case: from running counts over the negatives in order.
    negatives = np.flatnonzero(~positive)[np.argsort(scores[~positive], kind="stable")]
    running = np.zeros((len(negatives) + 1, bootstrap.patients))
    running[np.arange(1, len(negatives) + 1), bootstrap.patient_of_case[negatives]] = 1.0
    np.cumsum(running, axis=0, out=running)
    below, not_above = (np.searchsorted(scores[negatives], scores, side=side) for side in ("left", "right"))
    wins_NP = (running[below] + running[not_above]) / 2 * positive[:, None]
    wins_PP = bootstrap.per_patient(wins_NP)
    positives_P = bootstrap.per_patient(positive.astype(np.float64))
    negatives_P = bootstrap.per_patient((~positive).astype(np.float64))

    def statistic(weights_DP: Floats) -> Floats:
        pairs_D = (weights_DP @ positives_P) * (weights_DP @ negatives_P)
        return divide(np.einsum("dp,dp->d", weights_DP @ wins_PP, weights_DP), pairs_D)

    return statistic


def roc_curve(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return false and true positive rates at every distinct threshold, from (0, 0) to (1, 1).

    Corners only: points on a straight line between their neighbours are left out. Empty where one side has no case.
    """
    if positive.all() or not positive.any():
        return np.empty(0), np.empty(0)
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.diff(scores[order]) != 0, True)
    tp = np.concatenate([[0], np.cumsum(positive[order])[last_of_ties]])
    fp = np.concatenate([[0], np.cumsum(~positive[order])[last_of_ties]])
    turns = np.concatenate([[True], np.diff(tp[1:]) * np.diff(fp[:-1]) != np.diff(tp[:-1]) * np.diff(fp[1:]), [True]])
    return fp[turns] / fp[-1], tp[turns] / tp[-1]
