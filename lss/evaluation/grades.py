"""Classification from three sources: the head, the mask's area, the grade the report states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.calibration.probabilities import Prevalence
from lss.domain.grades import GRADES
from lss.evaluation.measures import Key, Measure, measure, measures, names_of, rounded
from lss.metrics import calibration
from lss.metrics import classification as metrics
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.plausibility import check_accuracy, check_confusion
from lss.model.severity import PAPER_THRESHOLDS, Thresholds, grade_by_area

Floats = NDArray[np.float64]
SEVERE = GRADES.index("D")
_DECISION_THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True)
class Answers:
    """The answers of one source for N cases.

    Attributes:
        grades: grade of each case, or None where it states none.
        scores: (N, 3), higher means rather this grade; for ROC curves.
        probabilities: (N, 3) at the natural prevalence of the grades, for calibration error and decision curve; None
            where the scores are no probabilities.
    """

    grades: list[str | None]
    scores: Floats
    probabilities: Floats | None = None

    @property
    def classes(self) -> NDArray[np.intp]:
        """Index of each grade; -1 for none."""
        return np.array([-1 if grade is None else GRADES.index(grade) for grade in self.grades], dtype=np.intp)


def answers_of_head(probabilities: Floats, prevalence: Prevalence | None = None) -> Answers:
    """Return the grade head's answers from its probabilities (N, 3).

    It answers as it was trained, on balanced grades; calibration error and decision curve go by its probabilities at
    the natural prevalence.
    """
    at_prevalence = probabilities if prevalence is None else prevalence.correct(probabilities)
    return Answers([GRADES[index] for index in probabilities.argmax(axis=1)], probabilities, at_prevalence)


def answers_of_area(areas: Floats, thresholds: Thresholds = PAPER_THRESHOLDS) -> Answers:
    """Return grades by affected area (N,) in percent.

    Scores: the smaller the area, the more A; the larger, the more D; the nearer to the middle between the
    thresholds, the more B&C.
    """
    middle = (thresholds.mild + thresholds.severe) / 2
    scores = np.stack([-areas, -np.abs(areas - middle), areas], axis=1)
    return Answers([grade_by_area(area, thresholds) for area in areas], scores)


def answers_of_text(grades: list[str | None]) -> Answers:
    """Return grades read from reports; the score is 1 for the stated grade, so a ROC curve has one corner."""
    scores = np.array([[float(grade == name) for name in GRADES] for grade in grades])
    return Answers(grades, scores)


def evaluate_answers(
    key: Key, answers: Answers, true: NDArray[np.intp], named: list[bool], bootstrap: PatientBootstrap
) -> tuple[list[Measure], dict[str, Any]]:
    """Return all measures of one source of grades, and its curves.

    Args:
        key: task, backbone, loss, source, reference of the measures.
        true: (N,) index of the true grade.
        named: whether the note names the disc of each case; a stratum of its own, for the averages.

    Returns:
        measures; {"confusion" [true][answered, last: none], "roc" per grade, and for probabilities "reliability"
        and "decision" (net benefit of calling severe, with its interval), both at the
        natural prevalence and "_uncorrected"}.

    Raises ImpossibleMetricsError where the numbers contradict each other.
    """
    one_hot = metrics.one_hot_confusion(true, answers.classes, len(GRADES))
    among = np.array(named)
    per_patient, of_named = (
        bootstrap.per_patient(of.reshape(len(true), -1)) for of in (one_hot, one_hot * among[:, None, None])
    )
    shape = one_hot.shape[1:]

    def statistics(weights_DP: Floats) -> dict[tuple[str, str], Floats]:
        confusion, confusion_named = ((weights_DP @ of).reshape(-1, *shape) for of in (per_patient, of_named))
        values = _all_metrics(confusion, "") | _all_metrics(metrics.balanced(confusion), "balanced")
        return values | (_all_metrics(confusion_named, "named") if among.any() else {})

    occurrences = {grade: true == index for index, grade in enumerate(GRADES)} | {"named": among}
    statistics_of = {
        name: bootstrap.estimate_of(of, occurrences.get(name[1]))
        for name, of in bootstrap.resampled(statistics).items()
    }
    rows = []
    for (metric, stratum), estimate in statistics_of.items():
        rows.append(measure(key, metric, stratum, estimate))
    for grade in GRADES:
        positive = occurrences[grade]
        statistic = metrics.auc_statistic(bootstrap, answers.scores[:, GRADES.index(grade)], positive)
        # the fewer patients of the two sides bear it: D against the rest is known no better than D is
        rarer = min((positive, ~positive), key=lambda side: len(np.unique(bootstrap.patient_of_case[side])))
        rows.append(measure(key, "auc", grade, bootstrap.estimate(statistic, rarer)))
    if answers.probabilities is not None:
        for suffix, probabilities in (("", answers.probabilities), ("_uncorrected", answers.scores)):
            confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
            statistic = calibration.ece_statistic(bootstrap, confidence, correct)
            rows += measures(key, "all", {f"ece{suffix}": bootstrap.estimate(statistic, method="shifted")})
        corrected_right = answers.probabilities.argmax(axis=1) == true
        rows += measures(key, "all", {"accuracy_corrected": bootstrap.mean(corrected_right.astype(np.float64))})

    where = "/".join(names_of(key))
    confusion = one_hot.sum(axis=0)
    check_confusion(where, confusion, len(true))
    recalls = metrics.class_metrics(confusion)["recall"]
    check_accuracy(where, statistics_of["accuracy", "all"].value, recalls)
    if not np.isnan(recalls).any():  # a grade that does not occur leaves it undefined
        check_accuracy(f"{where}/balanced", statistics_of["accuracy", "balanced"].value, recalls)
    return rows, _curves(answers, true, confusion, bootstrap)


def _all_metrics(confusion: Floats, weighting: str) -> dict[tuple[str, str], Floats]:
    """Return metrics of a stack of matrices, by metric and stratum; those re-weighted are averages only."""
    whole = weighting or "all"
    values = {("accuracy", whole): metrics.accuracy(confusion), ("kappa", whole): metrics.cohen_kappa(confusion)}
    for name, per_class in metrics.class_metrics(confusion).items():
        values[name, weighting or "macro"] = metrics.macro(per_class)
        if not weighting:
            values |= {(name, grade): per_class[:, index] for index, grade in enumerate(GRADES)}
    return values


def _curves(answers: Answers, true: NDArray[np.intp], confusion: Floats, bootstrap: PatientBootstrap) -> dict[str, Any]:
    roc = {}
    for index, grade in enumerate(GRADES):
        fpr, tpr = metrics.roc_curve(answers.scores[:, index], true == index)
        roc[grade] = {"fpr": _list(fpr), "tpr": _list(tpr)}
    curves: dict[str, Any] = {"confusion": confusion.astype(int).tolist(), "roc": roc}
    if answers.probabilities is not None:
        severe = true == SEVERE
        treated_all = calibration.net_benefit(np.ones(len(true)), severe, _DECISION_THRESHOLDS)
        for suffix, probabilities in (("", answers.probabilities), ("_uncorrected", answers.scores)):
            correct = probabilities.argmax(axis=1) == true
            reliability = calibration.reliability(probabilities.max(axis=1), correct)
            benefit = calibration.net_benefit_estimates(
                bootstrap, probabilities[:, SEVERE], severe, _DECISION_THRESHOLDS
            )
            curves[f"reliability{suffix}"] = {
                "confidence": _list(reliability.confidence),
                "accuracy": _list(reliability.accuracy),
                "cases": reliability.cases.tolist(),
            }
            curves[f"decision{suffix}"] = {
                "threshold": _list(_DECISION_THRESHOLDS),
                "model": [rounded(estimate.value) for estimate in benefit],
                "low": [rounded(estimate.low) for estimate in benefit],
                "high": [rounded(estimate.high) for estimate in benefit],
                "treat_all": _list(treated_all),
            }
    return curves


def _list(values: Floats) -> list[float | None]:
    return [rounded(value) for value in values]
