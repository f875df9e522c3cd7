"""Effect of the prompts: masks under exchanged prompts, against the masks under their own.

A text channel without effect leaves every number at 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.domain.grades import GRADES
from lss.evaluation.measures import Key, Measure, measures
from lss.metrics.bootstrap import Floats, PatientBootstrap, divide
from lss.metrics.segmentation import overlap, pixel_counts

EXCHANGES = ("A", "D", "shuffled", "empty")
"""Contents that replace the prompts', names of `lss.notes.prompts.PROMPT_CONTENTS`: all of grade A ("normal"), all of D
("severe"), each grade the words of another, nothing."""

EXCHANGE_METRICS = ("dice_change", "pixels_changed", "area_change")

Masks = list[NDArray[np.bool_]]


def measure_exchange(
    key: Key, own: Masks, exchanged: Masks, reference: Masks, grades: list[str], bootstrap: PatientBootstrap
) -> list[Measure]:
    """Return the measures of one model and one of EXCHANGES; strata: all, and each true grade of the images.

    - dice_change: mean Dice with exchanged prompts less mean Dice as it is;
    - pixels_changed: pixels that differ, as a share of those in either mask, pooled (undefined where none is drawn);
    - area_change: mean area with exchanged prompts less the area as it is, in percent of the field of view.
    """
    dice = np.array(
        [_dice(other, true) - _dice(mask, true) for mask, other, true in zip(own, exchanged, reference, strict=True)]
    )
    area = np.array([100 * (other.mean() - mask.mean()) for mask, other in zip(own, exchanged, strict=True)])
    pixels_N2 = np.array(
        [[(mask ^ other).sum(), (mask | other).sum()] for mask, other in zip(own, exchanged, strict=True)],
        dtype=np.float64,
    )
    collected: list[Measure] = []
    for stratum in (*GRADES, "all"):
        among = np.array([stratum in (grade, "all") for grade in grades])
        if not among.any():
            continue
        sums_P2 = bootstrap.per_patient(pixels_N2 * among[:, None])

        def share(weights_DP: Floats, sums_P2: Floats = sums_P2) -> Floats:
            changed_D, either_D = (weights_DP @ sums_P2).T
            return divide(changed_D, either_D)

        estimates: dict[str, Any] = bootstrap.means({"dice_change": dice, "area_change": area}, among)
        collected += measures(key, stratum, estimates | {"pixels_changed": bootstrap.estimate(share, among)})
    return collected


def _dice(mask: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    return float(overlap(pixel_counts(mask, reference))["dice"])
