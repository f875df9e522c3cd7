"""Probabilities of grades at their natural prevalence, with a temperature fitted on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lss.domain.discs import Discs, disc_means
from lss.domain.grades import GRADES

Floats = NDArray[np.float64]

LEAST = 1e-6
"""Smaller probabilities are raised to this: a head in float32 may give 0, of which there is no logarithm."""
TEMPERATURES = (0.1, 10.0)
"""Bounds of the temperature; a handful of validation patients who are all right, or all wrong, would send it beyond."""


@dataclass(frozen=True)
class Prevalence:
    """Shares of the grades, (3,) each: `natural` of the training part's slices, `trained` of the balanced samples."""

    natural: Floats
    trained: Floats

    def correct(self, probabilities: Floats, temperature: float = 1.0) -> Floats:
        """Return probabilities (N, 3) at the natural shares of a head trained on others (Saerens et al. 2002, eq. 4).

        p'(grade | x) is p(grade | x)^(1 / temperature) * natural(grade) / trained(grade), divided by its sum over the
        grades. The power is temperature scaling (Guo et al. 2017): above 1 it makes a head less sure.
        """
        logits = np.log(np.maximum(probabilities, LEAST)) / temperature + np.log(self.natural / self.trained)
        weighted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weighted / weighted.sum(axis=1, keepdims=True)


def prevalence_of(slices: Sequence[str], samples: Sequence[str]) -> Prevalence:
    """Return the shares of the grades among the training part's slices and among the samples made of them.

    One is added to each count, so that a grade of which the training part has no slice stays possible.
    """
    natural, trained = (np.array([grades.count(grade) + 1.0 for grade in GRADES]) for grades in (slices, samples))
    return Prevalence(natural / natural.sum(), trained / trained.sum())


def weights_of(patients: Sequence[str]) -> Floats:
    """Return the weight of each case (N,) where every patient counts alike: 1 / (patients * the patient's cases).

    >>> weights_of(["one", "two", "two"]).tolist()
    [0.5, 0.25, 0.25]
    """
    _, patient_of_case, cases = np.unique(np.array(patients), return_inverse=True, return_counts=True)
    return 1 / (cases.size * cases[patient_of_case])


def log_loss(probabilities: Floats, classes: NDArray[np.intp]) -> Floats:
    """Return minus the logarithm of the probability (N, 3) that each case gives to its own class: (N,)."""
    own = probabilities[np.arange(classes.size), classes]
    return -np.log(np.maximum(own, LEAST))


def fit_temperature(
    probabilities: Floats, prevalence: Prevalence, discs: Discs, classes: NDArray[np.intp], patients: Sequence[str]
) -> float:
    """Return the temperature of the least log loss over discs, every patient counting alike.

    Args:
        probabilities: (N, 3) of the head, per slice.
        prevalence: corrected for before the mean over a disc's slices is taken.
        discs: places of the slices through each of M discs.
        classes: (M,) index of each disc's grade.
        patients: of each disc.
    """
    weights_M = weights_of(patients)

    def loss(log_temperature: float) -> float:
        of_discs = disc_means(prevalence.correct(probabilities, float(np.exp(log_temperature))), discs)
        return float(weights_M @ log_loss(of_discs, classes))

    from scipy.optimize import minimize_scalar  # a second, and a new patient needs no fit

    low, high = np.log(TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))
