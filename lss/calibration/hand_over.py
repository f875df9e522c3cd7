"""Discs that a reader is asked to look at first, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lss.calibration.grade_sets import sets_of
from lss.calibration.model_calibration import SHOWN, Calibration
from lss.calibration.probabilities import Floats
from lss.domain.grades import GRADE_LABELS, GRADES

Bools = NDArray[np.bool_]


def is_outside(probabilities: Floats, calibration: Calibration) -> Bools:
    """Return, for each disc (M,), whether its highest probability is below the one expected of new patients' discs."""
    return probabilities.max(axis=1) < calibration.least_sure


def outside_or_open(probabilities: Floats, calibration: Calibration) -> Bools:
    """Return, for each disc (M,), whether a reader is asked to look at it: outside, or a set of more than one grade."""
    open_M = sets_of(probabilities, calibration.thresholds[SHOWN]).sum(axis=1) > 1
    return is_outside(probabilities, calibration) | open_M


def reasons_of(probabilities: Sequence[float], calibration: Calibration) -> list[str]:
    """Return the reasons for which a reader is asked to look at a disc, in words; [] where there is none.

    Args:
        probabilities: (3,) of the disc.
        calibration: of the model that predicted them.
    """
    reasons = []
    surest = max(probabilities)
    if is_outside(np.array([probabilities]), calibration)[0]:
        reasons.append(
            f"outside what the model knows: its surest grade has {surest:.2f}, less than on discs it was tried on "
            f"(at least {calibration.least_sure:.2f})"
        )
    left_open = calibration.grade_set(probabilities)
    if len(left_open) == len(GRADES):
        reasons.append("no grade is ruled out")
    elif len(left_open) > 1:
        reasons.append(f"{' and '.join(GRADE_LABELS[grade] for grade in left_open)} are both possible")
    return reasons


def urgency(probabilities: Sequence[float], calibration: Calibration) -> tuple[bool, int, float]:
    """Return a sorting key of a disc, the most urgent first: outside, more grades left open, lower probability."""
    outside = bool(is_outside(np.array([probabilities]), calibration)[0])
    return (not outside, -len(calibration.grade_set(probabilities)), max(probabilities))
