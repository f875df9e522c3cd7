"""The calibration fitted on the validation part: temperature, thresholds of the sets, least highest probability.

It stands in a classification model's model.json, under `facts.calibration`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.calibration.grade_sets import grade_names, grade_scores, sets_of, threshold_over_patients
from lss.calibration.probabilities import Floats, Prevalence, fit_temperature
from lss.domain.discs import disc_means, discs_of

COVERAGES = (0.8, 0.9, 0.95)
"""Shares of new discs whose grade the sets are to hold."""
PERCENT = tuple(f"{100 * coverage:.0f}" for coverage in COVERAGES)
SHOWN = 0.9
"""The coverage of the sets that are shown to a reader."""


@dataclass(frozen=True)
class Calibration:
    """The calibration of one classification model.

    Attributes:
        temperature: of the head's probabilities.
        prevalence: of the grades, natural and as trained.
        thresholds: by coverage; infinite where the validation part has too few patients: the set then holds all grades.
        least_sure: probability of the most probable grade that a disc of a new patient falls below with a probability
            of at most 1 - `SHOWN`; 0 with too few patients.
        patients, discs: of the validation part.
    """

    temperature: float
    prevalence: Prevalence
    thresholds: dict[float, float]
    least_sure: float
    patients: int
    discs: int

    def probabilities(self, of_head: Floats) -> Floats:
        """Return probabilities (N, 3) of slices at the natural prevalence, from those of the head."""
        return self.prevalence.correct(of_head, self.temperature)

    def grade_set(self, probabilities: Sequence[float], coverage: float = SHOWN) -> list[str]:
        """Return the neighbouring grades that a disc's probabilities (3,) leave open, from mild to severe."""
        return grade_names(sets_of(np.array([probabilities]), self.thresholds[coverage])[0])

    def to_json(self) -> dict[str, Any]:
        """Return the calibration as JSON values; an infinite threshold is null."""
        finite = {str(share): None if np.isinf(value) else value for share, value in self.thresholds.items()}
        return {
            "temperature": self.temperature,
            "natural": self.prevalence.natural.tolist(),
            "trained": self.prevalence.trained.tolist(),
            "thresholds": finite,
            "least_sure": self.least_sure,
            "patients": self.patients,
            "discs": self.discs,
        }


def from_json(values: dict[str, Any]) -> Calibration:
    """Return the calibration that `Calibration.to_json` wrote."""
    return Calibration(
        values["temperature"],
        Prevalence(np.array(values["natural"]), np.array(values["trained"])),
        {float(share): np.inf if value is None else value for share, value in values["thresholds"].items()},
        values["least_sure"],
        values["patients"],
        values["discs"],
    )


def calibrate(
    of_head: Floats,
    classes: NDArray[np.intp],
    patients: Sequence[str],
    levels: Sequence[str | None],
    prevalence: Prevalence,
) -> Calibration | None:
    """Fit on slices that the network was not trained on; None where no slice has a level, so that there are no discs.

    Temperature and thresholds see the same patients, and so did the choice of the best epoch. One number and a choice
    among few epochs can bend little; `tests/calibration/test_grade_sets.py` measures what the temperature costs.

    Args:
        of_head: (N, 3) probabilities of the grade head.
        classes: (N,) index of each slice's grade.
        patients, levels: of each slice.
        prevalence: of the training part.
    """
    discs = discs_of(patients, levels)
    if not discs:
        return None
    grades = np.array([classes[places].max() for places in discs])
    owners = [patients[places[0]] for places in discs]
    temperature = fit_temperature(of_head, prevalence, discs, grades, owners)
    probabilities = disc_means(prevalence.correct(of_head, temperature), discs)
    scores = grade_scores(probabilities)[np.arange(len(discs)), grades]
    thresholds = {coverage: threshold_over_patients(scores, owners, coverage) for coverage in COVERAGES}
    least_sure = -threshold_over_patients(-probabilities.max(axis=1), owners, SHOWN)
    return Calibration(temperature, prevalence, thresholds, max(float(least_sure), 0.0), len(set(owners)), len(discs))
