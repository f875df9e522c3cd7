"""Which discs a reader is asked to look at first, and why."""

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
    """Discs (M,) whose most probable grade is less probable than new patients' discs let expect."""
    return probabilities.max(axis=1) < calibration.least_sure


def outside_or_open(probabilities: Floats, calibration: Calibration) -> Bools:
    """Discs (M,) that a reader is asked to look at: outside, or with a set of more than one grade."""
    open_M = sets_of(probabilities, calibration.thresholds[SHOWN]).sum(axis=1) > 1
    return is_outside(probabilities, calibration) | open_M


def reasons_of(probabilities: Sequence[float], calibration: Calibration) -> list[str]:
    """Why a reader is asked to look at a disc, in words; [] where nothing speaks for it.

    Args:
        probabilities: (3,) of the disc.
        calibration: of the model that gave them.
    """
    found = []
    surest = max(probabilities)
    if is_outside(np.array([probabilities]), calibration)[0]:
        found.append(
            f"outside what the model knows: its surest grade has {surest:.2f}, less than on discs it was tried on "
            f"(at least {calibration.least_sure:.2f})"
        )
    left_open = calibration.grade_set(probabilities)
    if len(left_open) == len(GRADES):
        found.append("no grade is ruled out")
    elif len(left_open) > 1:
        found.append(f"{' and '.join(GRADE_LABELS[grade] for grade in left_open)} are both possible")
    return found


def urgency(probabilities: Sequence[float], calibration: Calibration) -> tuple[bool, int, float]:
    """Sorts discs from the one to be looked at first: outside, then more grades left open, then the less sure."""
    outside = bool(is_outside(np.array([probabilities]), calibration)[0])
    return (not outside, -len(calibration.grade_set(probabilities)), max(probabilities))
