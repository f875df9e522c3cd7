"""Cross-sectional area and anteroposterior diameter of the thecal sac on an axial slice, with intervals.

The uncertainty of a mask is one length: how far its wall may stand from the true one, `WALL_MM`, the 95th percentile
over phantom slices of the area's error per length of the outline (`benchmarks/measures.py`, which also says how far
it falls short on other patients). Area and diameter get
their intervals from it: a wall displaced by w changes the area by w times the perimeter, the diameter by 2 w.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import perimeter_crofton

Mask = NDArray[np.bool_]

WALL_MM = 1.1
"""Displacement of the wall within which the area of 95 % of phantom slices lies, mm, after `BIAS_MM`."""

BIAS_MM = -0.32
"""Mean displacement of the wall on phantom slices, mm; positive where masks are too large."""

BAND_MM = 2.0
"""The diameter is the mean over columns this far from the middle: single pixels at the wall do not decide."""


@dataclass(frozen=True)
class Interval:
    """A measured value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SacMeasure:
    """The sac on one slice.

    `area_mm2` and `diameter_mm` with intervals; `ends_22` are the ends (row, column) of the diameter, pixels.
    """

    area_mm2: Interval
    diameter_mm: Interval
    ends_22: NDArray[np.float64]


def measure_sac(
    mask: Mask, spacing_mm: tuple[float, float], wall_mm: float = WALL_MM, bias_mm: float = BIAS_MM
) -> SacMeasure | None:
    """Measure a mask (rows, columns) of the sac; None where it is empty.

    The diameter runs along the columns of the slice, front to back, through the sac's middle.

    Args:
        mask: bool, anterior side up.
        spacing_mm: between rows, between columns.
        wall_mm: 95 % of walls stand within this of the true one, mm.
        bias_mm: mean displacement of the wall outwards; taken off the values, mm.
    """
    if not mask.any():
        return None
    down_mm, right_mm = spacing_mm
    pixels = float(mask.sum())
    # Crofton's perimeter counts pixels: of round shapes the mean of both spacings serves
    outline_mm = float(perimeter_crofton(mask, directions=4)) * float(np.sqrt(down_mm * right_mm))
    area = max(pixels * down_mm * right_mm - bias_mm * outline_mm, 0.0)
    columns = np.nonzero(mask)[1]
    middle = float(columns.mean())
    band = [c for c in range(mask.shape[1]) if abs(c - middle) * right_mm <= BAND_MM and mask[:, c].any()]
    band = band or [int(columns[np.argmin(np.abs(columns - middle))])]
    fronts = [float(np.flatnonzero(mask[:, c])[0]) - 0.5 for c in band]
    backs = [float(np.flatnonzero(mask[:, c])[-1]) + 0.5 for c in band]
    front, back = float(np.mean(fronts)), float(np.mean(backs))
    depth = max((back - front) * down_mm - 2 * bias_mm, 0.0)
    return SacMeasure(
        _interval(area, wall_mm * outline_mm),
        _interval(depth, 2 * wall_mm),
        np.array([[front, middle], [back, middle]]),
    )


def _interval(value: float, half: float) -> Interval:
    return Interval(value, max(value - half, 0.0), value + half)
