"""Sets of grades: without gaps, the same as crepes' where that applies, covering discs of new patients."""

from __future__ import annotations

import numpy as np
import pytest
from crepes import ConformalClassifier
from hypothesis import given, settings
from hypothesis import strategies as st

from lss.calibration.grade_sets import grade_names, grade_scores, sets_of, threshold_over_patients
from lss.calibration.hand_over import outside_or_open, reasons_of, urgency
from lss.calibration.model_calibration import COVERAGES, Calibration, calibrate, from_json
from lss.calibration.probabilities import Prevalence, weights_of
from lss.domain.grades import GRADES, LEVELS

EVEN = Prevalence(np.full(3, 1 / 3), np.full(3, 1 / 3))


def softmax(logits):
    weighted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weighted / weighted.sum(axis=1, keepdims=True)


def patients_discs(random, patients, alike=2.0):
    """Head probabilities, grades, patients, levels of 1 to 6 discs a patient, alike in grade and error."""
    probabilities, classes, owners, places = [], [], [], []
    for patient in range(patients):
        grade, shared = random.choice(3, p=[0.55, 0.35, 0.1]), random.normal(0, alike, 3)
        count = int(random.integers(1, 7))
        probabilities.append(softmax(1.5 * np.eye(3)[grade] + shared + random.normal(0, 0.3, (count, 3))))
        classes += [grade] * count
        owners += [f"P{patient}"] * count
        places += LEVELS[:count]
    return np.concatenate(probabilities), np.array(classes), owners, places


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.001, 1), min_size=3, max_size=3), st.floats(0, 1.2))
def test_a_set_has_no_gap_holds_the_most_probable_grade_and_grows_with_the_threshold(values, threshold):
    probabilities = np.array([values]) / sum(values)
    inside = sets_of(probabilities, threshold)[0]
    assert inside[probabilities[0].argmax()] or np.ptp(np.sort(values)[-2:]) == 0
    places = np.flatnonzero(inside)
    assert len(places) >= 1 and places.tolist() == list(range(places[0], places[-1] + 1))
    assert (inside <= sets_of(probabilities, threshold + 0.1)[0]).all()
    assert sets_of(probabilities, np.inf).all()


def test_scores_by_hand():
    # the middle is surest: the more probable neighbour comes first, the other at the probability of both
    np.testing.assert_allclose(grade_scores(np.array([[0.3, 0.6, 0.1]])), [[0.6, 0.0, 0.9]])
    # an end is surest: its far neighbour cannot come before the near one, however probable
    np.testing.assert_allclose(grade_scores(np.array([[0.5, 0.1, 0.4]])), [[0.0, 0.5, 0.6]])
    assert grade_names(sets_of(np.array([[0.5, 0.1, 0.4]]), 0.55)[0]) == ["A", "BC"]


@pytest.mark.parametrize("count", [8, 10, 37])  # where (count + 1) * confidence is whole, crepes takes one score more
@pytest.mark.parametrize("confidence", [0.8, 0.9])
def test_with_a_disc_per_patient_the_sets_are_those_of_crepes(count, confidence):
    random = np.random.default_rng(count)
    fitted, classes, new = (
        random.dirichlet([2, 2, 1], count),
        random.integers(0, 3, count),
        random.dirichlet([1] * 3, 300),
    )
    own = grade_scores(fitted)[np.arange(count), classes]
    threshold = threshold_over_patients(own, [str(number) for number in range(count)], confidence)
    other = ConformalClassifier().fit(own).predict_set(grade_scores(new), confidence=confidence, smoothing=False)
    np.testing.assert_array_equal(sets_of(new, threshold), other.astype(bool))


def test_a_patient_with_many_discs_weighs_no_more_than_one_with_one():
    scores = np.array([0.9] * 50 + [0.1, 0.2, 0.3])
    owners = ["one"] * 50 + ["two", "three", "four"]
    assert threshold_over_patients(scores, owners, 0.6) == pytest.approx(0.3)  # three of five patients' weights
    assert threshold_over_patients(scores, owners, 0.61) == pytest.approx(0.9)
    assert threshold_over_patients(scores, owners, 0.81) == np.inf  # four patients promise 4 in 5 at most
    alone = threshold_over_patients(scores, [str(number) for number in range(53)], 0.6)
    assert alone == pytest.approx(0.9)  # discs taken as independent: the one patient decides


def covered(calibration, threshold, random):
    probabilities, classes, owners, _ = patients_discs(random, 200)
    inside = sets_of(calibration.probabilities(probabilities), threshold)[np.arange(len(classes)), classes]
    return float(weights_of(owners) @ inside)


def test_coverage_of_new_patients_with_the_temperature_fitted_on_the_same_ones():
    """100 validation parts of 12 patients each; discs of a patient are alike. What is promised is the mean."""
    random = np.random.default_rng(5)
    over_patients, over_discs = [], []
    for _ in range(100):
        probabilities, classes, owners, levels = patients_discs(random, 12)
        calibration = calibrate(probabilities, classes, owners, levels, EVEN)
        assert calibration is not None
        own = grade_scores(calibration.probabilities(probabilities))[np.arange(len(classes)), classes]
        each = threshold_over_patients(own, [str(number) for number in range(len(own))], 0.9)
        over_patients.append(covered(calibration, calibration.thresholds[0.9], random))
        over_discs.append(covered(calibration, each, random))
    error = np.std(over_patients) / np.sqrt(len(over_patients))
    assert np.mean(over_patients) > 0.9 - 3 * error
    assert np.mean(over_discs) < np.mean(over_patients)  # discs taken as independent promise too much
    assert np.mean(over_discs) < 0.9


def test_the_temperature_is_the_one_that_made_the_probabilities():
    random = np.random.default_rng(8)
    true = softmax(random.normal(0, 2, (4000, 3)))
    classes = np.array([random.choice(3, p=own) for own in true])
    sharpened = true**2.5 / (true**2.5).sum(axis=1, keepdims=True)
    owners, levels = [str(number) for number in range(4000)], ["L4-L5"] * 4000
    calibration = calibrate(sharpened, classes, owners, levels, EVEN)
    assert calibration is not None and calibration.temperature == pytest.approx(2.5, rel=0.08)
    np.testing.assert_allclose(calibration.probabilities(sharpened), true, atol=0.04)


def test_the_prevalence_is_corrected_as_by_bayes():
    random = np.random.default_rng(2)
    likelihood, natural, trained = random.random((20, 3)), np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    at_trained, at_natural = (
        (of := likelihood * shares) / of.sum(axis=1, keepdims=True) for shares in (trained, natural)
    )
    np.testing.assert_allclose(Prevalence(natural, trained).correct(at_trained), at_natural, atol=1e-6)


def test_too_few_patients_hold_all_grades_and_the_file_keeps_that():
    probabilities, classes, owners, levels = patients_discs(np.random.default_rng(1), 8)
    calibration = calibrate(probabilities, classes, owners, levels, EVEN)
    assert calibration is not None and calibration.patients == 8 and calibration.discs == len(classes)
    assert calibration.thresholds[0.95] == calibration.thresholds[0.9] == np.inf > calibration.thresholds[0.8]
    assert calibration.grade_set([0.98, 0.01, 0.01]) == list(GRADES) and calibration.least_sure == 0
    values = calibration.to_json()
    again = from_json(values)
    assert values["thresholds"] == {"0.8": calibration.thresholds[0.8], "0.9": None, "0.95": None}
    assert again.to_json() == values and again.thresholds == calibration.thresholds
    assert calibrate(probabilities, classes, owners, [None] * len(classes), EVEN) is None


def test_discs_that_are_handed_over_have_a_reason_and_the_outside_comes_first():
    calibration = Calibration(1.0, EVEN, dict.fromkeys(COVERAGES, 0.7), 0.45, 20, 60)
    discs = np.array([[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.4, 0.35, 0.25], [0.1, 0.65, 0.25]])
    assert outside_or_open(discs, calibration).tolist() == [False, True, True, True]
    assert reasons_of(discs[0].tolist(), calibration) == []
    assert reasons_of(discs[1].tolist(), calibration) == ["A and B&C are both possible"]
    outside, open_to = reasons_of(discs[2].tolist(), calibration)
    assert "0.40" in outside and "at least 0.45" in outside and open_to == "A and B&C are both possible"
    order = sorted(range(4), key=lambda place: urgency(discs[place].tolist(), calibration))
    assert order == [2, 1, 3, 0]
