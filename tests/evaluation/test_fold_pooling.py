"""Folds and repeats pooled: against scipy, scikit-learn, and draws counted by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score

from lss.domain.grades import GRADES
from lss.evaluation.ablation import CrossedBootstrap
from lss.evaluation.cross_validation import Folds, System, corrected_interval, grade_quotients, mean_over, measure
from lss.metrics.bootstrap import PatientBootstrap

PATIENTS = [name for name in "abcdefghijkl" for _ in range(3)]
FOLD = np.repeat([0, 1, 2], 12)
FOLDS = Folds(PATIENTS, FOLD, [8, 8, 8])
SYSTEM = System("classification", "biomedclip", "cross_entropy", "model", "image")


def test_without_shared_patients_the_corrected_interval_is_students():
    values = np.array([0.6, 0.7, 0.65, 0.8])
    mean, low, high = corrected_interval(values, 0.0, 0.95)
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values)))
    assert mean == pytest.approx(values.mean())


def test_the_correction_adds_the_share_of_tested_to_training_patients():
    values = np.array([0.6, 0.7, 0.65, 0.8, np.nan])  # a fold without such cases
    _, low, high = corrected_interval(values, 0.5, 0.9)
    error = np.nanstd(values, ddof=1) * np.sqrt(1 / 4 + 0.5)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.95, 3) * error)


def test_one_training_has_no_interval():
    mean, low, high = corrected_interval(np.array([0.6]), 0.5, 0.95)
    assert mean == 0.6 and np.isnan(low) and np.isnan(high)


def test_patients_are_drawn_within_their_fold():
    weights_DP = PatientBootstrap(PATIENTS, 200, 0.95, 3, strata=FOLD).weights_DP
    assert (weights_DP.reshape(200, 3, 4).sum(axis=2) == 4).all()
    assert len(np.unique(weights_DP, axis=0)) > 100
    everybody = PatientBootstrap(PATIENTS, 200, 0.95, 3).weights_DP
    assert not (everybody.reshape(200, 3, 4).sum(axis=2) == 4).all()


def test_a_difference_between_folds_alone_leaves_no_spread():
    """Every patient of a fold is alike: other patients of these folds change nothing; other patients at large would."""
    values_RN = np.array([0.2, 0.5, 0.9])[FOLD][None]
    bootstrap = CrossedBootstrap(PATIENTS, 1, 300, 0.95, 1, strata=FOLD)
    row = measure(SYSTEM, mean_over("x", "all", values_RN, np.ones(36, dtype=bool)), bootstrap, FOLDS, 0.95)
    assert row["interval"] == "no spread" and row["low"] is None
    assert row["value"] == pytest.approx(1.6 / 3, abs=1e-6) and row["trainings"] == 3
    assert row["sd_folds"] == pytest.approx(np.std([0.2, 0.5, 0.9], ddof=1), abs=1e-6)
    assert (row["low_of_trainings"], row["high_of_trainings"]) == (0, 1)  # three trainings say little, of a share
    apart = measure(
        SYSTEM._replace(source="difference"),
        mean_over("x", "all", values_RN, np.ones(36, dtype=bool)),
        bootstrap,
        FOLDS,
        0.95,
    )
    _, *limits = corrected_interval(np.array([0.2, 0.5, 0.9]), 0.5, 0.95)
    assert (apart["low_of_trainings"], apart["high_of_trainings"]) == pytest.approx(np.clip(limits, -1, 1), abs=1e-6)
    unstratified = CrossedBootstrap(PATIENTS, 1, 300, 0.95, 1)
    assert measure(SYSTEM, mean_over("x", "all", values_RN, np.ones(36, dtype=bool)), unstratified, FOLDS, 0.95)["low"]


def test_grades_are_scored_as_scikit_learn_scores_them():
    random = np.random.default_rng(2)
    true_N, answered_RN = random.integers(0, 3, 36), random.integers(0, 3, (2, 36))
    bootstrap = CrossedBootstrap(PATIENTS, 2, 100, 0.95, 1, strata=FOLD)
    rows = [measure(SYSTEM, of, bootstrap, FOLDS, 0.95) for of in grade_quotients(answered_RN, true_N, GRADES)]
    by_measure = {(row["metric"], row["stratum"]): row for row in rows}
    for key, score in ((("accuracy", "all"), accuracy_score), (("accuracy", "balanced"), balanced_accuracy_score)):
        of_repeats = [score(true_N, answered_N) for answered_N in answered_RN]
        assert by_measure[key]["value"] == pytest.approx(np.mean(of_repeats), abs=1e-6)
        assert by_measure[key]["sd_repeats"] == pytest.approx(np.std(of_repeats, ddof=1), abs=1e-6)
    recalls = np.mean([recall_score(true_N, answered_N, average=None) for answered_N in answered_RN], axis=0)
    assert [by_measure["recall", grade]["value"] for grade in GRADES] == pytest.approx(recalls, abs=1e-6)


def test_a_grade_that_does_not_occur_has_no_row():
    rows = grade_quotients(np.zeros((1, 36), dtype=int), np.repeat([0, 1], 18), GRADES)
    assert [(of.metric, of.stratum) for of in rows] == [
        ("accuracy", "all"), ("accuracy", "balanced"), ("recall", "A"), ("recall", "BC"),
    ]  # fmt: skip


def test_a_paired_difference_is_narrower_than_the_scores_it_is_of():
    random = np.random.default_rng(4)
    hard_P = random.random(12)
    values_RN = np.repeat(hard_P, 3)[None] + random.normal(0, 0.01, (1, 36))
    every = np.ones(36, dtype=bool)
    better = mean_over("dice", "all", values_RN + 0.05, every)
    bootstrap = CrossedBootstrap(PATIENTS, 1, 500, 0.95, 1, strata=FOLD)
    own = measure(SYSTEM, better, bootstrap, FOLDS, 0.95)
    apart = measure(SYSTEM, better.minus(mean_over("dice", "all", values_RN, every)), bootstrap, FOLDS, 0.95)
    assert apart["value"] == pytest.approx(0.05, abs=1e-6) and apart["interval"] == "no spread"
    assert own["high"] - own["low"] > 0.1
