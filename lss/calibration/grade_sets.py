"""Sets of neighbouring grades that hold the true one in a stated share of new patients' discs.

Conformal prediction for an ordinal label (Lu, Angelopoulos and Pomerantz 2022, on stenosis of the lumbar spine): a set
starts at the most probable grade and takes in the more probable neighbour until its probability exceeds a threshold. It
is never empty and has no gaps. The score of a grade is the probability already in the set when that grade's turn comes.

The threshold is calibrated over patients. Discs of one patient are alike, so discs are not exchangeable, patients are:
every patient's discs share one weight, and one further patient, the new one, has the weight of an infinite score
(Lee, Barber and Willett 2023, "Distribution-free inference with hierarchical data"). So the set holds the grade of a
disc of a new patient, any one of theirs, with at least the stated probability. The other way, one score per patient
(of the worst disc), promises all discs of a patient at once, more than a line of a report says, and no set of it is
smaller. With one disc per patient both are the ordinary split conformal threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lss.calibration.probabilities import weights_of
from lss.domain.grades import GRADES

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUNDING = 1e-9
"""Sums of probabilities and weights that differ by less count as equal."""


def grade_scores(probabilities: Floats) -> Floats:
    """Return the score of every grade, (N, 3): the probability that a growing set holds before the grade is added.

    The most probable grade has score 0. Of equally probable grades the worse comes first, as in
    `lss.evaluation.disc_pooling`.

    >>> grade_scores(np.array([[0.5, 0.25, 0.25], [0.25, 0.625, 0.125]])).tolist()
    [[0.0, 0.5, 0.75], [0.625, 0.0, 0.875]]
    """
    rows, count = np.arange(len(probabilities)), len(GRADES)
    padded = np.pad(probabilities, ((0, 0), (1, 1)), constant_values=-1.0)  # no neighbour beyond either end
    scores = np.zeros_like(probabilities)
    first = last = count - 1 - probabilities[:, ::-1].argmax(axis=1)
    held = probabilities[rows, first]
    for _ in range(count - 1):
        worse = padded[rows, last + 2] >= padded[rows, first]
        first, last = np.where(worse, first, first - 1), np.where(worse, last + 1, last)
        added = np.where(worse, last, first)
        scores[rows, added] = held
        held = held + probabilities[rows, added]
    return scores


def threshold_over_patients(scores: Floats, patients: Sequence[str], coverage: float) -> float:
    """Return the score that a new patient's disc exceeds with a probability of at most 1 - coverage.

    With K patients, each of their discs weighs 1 / ((K + 1) * the patient's discs); the least score up to which the
    weights sum to `coverage` is taken, infinity where they never do: fewer than coverage / (1 - coverage) patients.

    Args:
        scores: (N,) of each disc's true grade.
        patients: of each disc.
        coverage: in (0, 1).

    >>> threshold_over_patients(np.array([0.1, 0.3, 0.2]), ["one", "two", "three"], 0.75)
    0.3
    >>> threshold_over_patients(np.array([0.1, 0.3, 0.2]), ["one", "two", "three"], 0.8)
    inf
    """
    count = len(set(patients))
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights_of(patients)[order]) * count / (count + 1) >= coverage - ROUNDING
    return float(scores[order][reached.argmax()]) if reached.any() else np.inf


def sets_of(probabilities: Floats, threshold: float) -> Bools:
    """Return, for each case, which grades are in its set, (N, 3): those with a score up to the threshold."""
    return grade_scores(probabilities) <= threshold + ROUNDING


def grade_names(of_case: Bools) -> list[str]:
    """Return the grades of one case's set (3,), from mild to severe.

    >>> grade_names(np.array([False, True, True]))
    ['BC', 'D']
    """
    return [grade for grade, inside in zip(GRADES, of_case, strict=True) if inside]
