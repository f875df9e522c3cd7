"""Classification metrics against scikit-learn, and the paper's Table 1 from its counts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from lss.metrics import classification as ours
from lss.metrics.bootstrap import PatientBootstrap

labels = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def confusion_of(true: np.ndarray, answered: np.ndarray) -> np.ndarray:
    return ours.one_hot_confusion(true, answered, 3).sum(axis=0)


@given(labels)
def test_same_as_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true, answered = np.array(pairs).T
    confusion = confusion_of(true, answered)
    np.testing.assert_array_equal(confusion[:, :3], sk.confusion_matrix(true, answered, labels=[0, 1, 2]))
    result = ours.class_metrics(confusion)
    arguments = {"labels": [0, 1, 2], "zero_division": 0}
    precision, recall, f1, occurs = sk.precision_recall_fscore_support(true, answered, **arguments)
    other = occurs > 0
    np.testing.assert_allclose(result["recall"][other], recall[other])
    np.testing.assert_allclose(result["f1"][other], f1[other])
    np.testing.assert_allclose(result["precision"][other], precision[other])
    assert np.isnan(result["recall"][~other]).all()
    assert ours.accuracy(confusion) == pytest.approx(sk.accuracy_score(true, answered))
    if len(set(true) | set(answered)) > 1:
        assert ours.cohen_kappa(confusion) == pytest.approx(sk.cohen_kappa_score(true, answered))


@given(labels)
def test_specificity_is_the_recall_of_the_rest(pairs: list[tuple[int, int]]) -> None:
    true, answered = np.array(pairs).T
    specificity = ours.class_metrics(confusion_of(true, answered))["specificity"]
    for grade in range(3):
        if (true != grade).any():
            expected = sk.recall_score(true == grade, answered == grade, pos_label=False, zero_division=0)
            assert specificity[grade] == pytest.approx(expected)


def test_an_answer_of_none_is_wrong_but_no_false_alarm() -> None:
    confusion = confusion_of(np.array([0, 0, 1, 2]), np.array([0, -1, 1, -1]))
    result = ours.class_metrics(confusion)
    np.testing.assert_allclose(result["recall"], [0.5, 1, 0])
    np.testing.assert_allclose(result["precision"], [1, 1, 0])
    np.testing.assert_allclose(result["specificity"], [1, 1, 1])
    assert ours.accuracy(confusion) == 0.5


def test_a_class_that_does_not_occur_is_undefined_not_zero() -> None:
    result = ours.class_metrics(confusion_of(np.array([0, 1]), np.array([0, 1])))
    assert np.isnan(result["recall"][2]) and np.isnan(result["f1"][2]) and np.isnan(result["precision"][2])
    assert np.isnan(ours.macro(result["recall"]))


def test_balanced_equals_duplicating_the_rare_classes() -> None:
    true = np.repeat([0, 1, 2], [60, 30, 10])
    answered = np.where(np.arange(100) % 4 == 0, (true + 1) % 3, true)
    confusion = confusion_of(true, answered)
    repeated = np.repeat(np.arange(100), np.array([1, 2, 6])[true])
    duplicated = confusion_of(true[repeated], answered[repeated])
    re_weighted = ours.balanced(confusion)
    assert ours.accuracy(re_weighted) == pytest.approx(ours.accuracy(duplicated))
    np.testing.assert_allclose(
        ours.class_metrics(re_weighted)["precision"], ours.class_metrics(duplicated)["precision"]
    )
    assert ours.cohen_kappa(re_weighted) == pytest.approx(ours.cohen_kappa(duplicated))


def test_metrics_of_a_stack_are_those_of_its_members() -> None:
    random = np.random.default_rng(0)
    stack = random.integers(0, 9, (5, 3, 4)).astype(float)
    together = ours.class_metrics(stack)
    for index, confusion in enumerate(stack):
        for name, values in ours.class_metrics(confusion).items():
            np.testing.assert_array_equal(together[name][index], values)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40), st.integers(0, 5))
def test_auc_and_roc_same_as_scikit_learn_with_ties(pairs: list[tuple[int, bool]], seed: int) -> None:
    scores, positive = np.array([p[0] for p in pairs], dtype=float), np.array([p[1] for p in pairs])
    if positive.all() or not positive.any():
        return
    patients = [str(index % 4) for index in range(len(pairs))]
    bootstrap = PatientBootstrap(patients, 20, 0.95, seed)
    statistic = ours.auc_statistic(bootstrap, scores, positive)
    whole = np.ones((1, bootstrap.patients))
    assert statistic(whole)[0] == pytest.approx(sk.roc_auc_score(positive, scores))
    drawn = statistic(bootstrap.weights_DP)
    for weights, value in zip(bootstrap.weights_DP[:, bootstrap.patient_of_case], drawn, strict=True):
        if positive[weights > 0].all() or not positive[weights > 0].any():
            assert np.isnan(value)
        else:
            assert value == pytest.approx(sk.roc_auc_score(positive, scores, sample_weight=weights))
    fpr, tpr = ours.roc_curve(scores, positive)
    assert np.trapezoid(tpr, fpr) == pytest.approx(sk.roc_auc_score(positive, scores))
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)


def test_interval_of_the_auc_is_like_delong_s() -> None:
    """DeLong 1988: variance of the AUC from each case's mean over the cases of the other side; one image a patient."""
    random = np.random.default_rng(8)
    positive = np.arange(240) % 3 == 0
    scores = random.normal(size=240) + 1.2 * positive
    wins = (scores[positive, None] > scores[None, ~positive]).astype(float)
    auc, of_positives, of_negatives = wins.mean(), wins.mean(axis=1), wins.mean(axis=0)
    error = np.sqrt(of_positives.var(ddof=1) / len(of_positives) + of_negatives.var(ddof=1) / len(of_negatives))
    bootstrap = PatientBootstrap([f"{index:03d}" for index in range(240)], 5000, 0.95, 0, "percentile")
    result = bootstrap.estimate(ours.auc_statistic(bootstrap, scores, positive))
    assert result.value == pytest.approx(auc)
    assert [result.low, result.high] == pytest.approx([auc - 1.96 * error, auc + 1.96 * error], abs=0.15 * error)


def test_roc_of_one_class_only_is_empty() -> None:
    assert [len(part) for part in ours.roc_curve(np.arange(3.0), np.ones(3, dtype=bool))] == [0, 0]


def test_table_1_of_the_paper_from_its_counts(shared: Path) -> None:
    """Hits follow from the recalls and 731, 730, 731 images, answers from the precisions; the rest is computed.

    SmolVLM's values are printed with three digits and its macro means are those of the rounded values, so only its
    grades and its accuracy can be given back.
    """
    images = np.array([731, 730, 731])
    with (shared / "paper/tables/table1_classification.csv").open() as file:
        rows = {(row["model"], row["metric"]): row for row in csv.DictReader(file)}
    for model, digits in (("LLaVA-Med", 4), ("BiomedCLIP", 4), ("SmolVLM", 3)):
        printed = {
            metric: np.array([float(rows[model, metric][g]) for g in ("grade_a", "grade_bc", "grade_d")])
            for metric in ("recall", "precision", "f1")
        }
        hits = np.round(printed["recall"] * images)
        confusion = _any_matrix_with(images, hits, np.round(hits / printed["precision"]))
        result = ours.class_metrics(confusion)
        for metric, values in printed.items():
            np.testing.assert_array_equal(np.round(result[metric], digits), values, err_msg=f"{model} {metric}")
            if digits == 4:
                assert round(float(ours.macro(result[metric])), 4) == float(rows[model, metric]["macro_average"])
        assert round(float(ours.accuracy(confusion)), 4) == float(rows[model, "recall"]["accuracy"])


def _any_matrix_with(images: np.ndarray, hits: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """A confusion matrix with these row sums, diagonal and column sums (unique up to one free number)."""
    misses, alarms = images - hits, answered - hits
    assert misses.sum() == alarms.sum()
    for first in range(int(misses[0]) + 1):
        a_b, a_d = first, misses[0] - first
        d_b = alarms[1] - a_b
        d_a = misses[2] - d_b
        b_a = alarms[0] - d_a
        b_d = misses[1] - b_a
        if min(a_d, d_b, d_a, b_a, b_d) >= 0:
            rows = [[hits[0], a_b, a_d, 0], [b_a, hits[1], b_d, 0], [d_a, d_b, hits[2], 0]]
            return np.array(rows, dtype=float)
    raise AssertionError("no such matrix")
