"""Cross-sectional area and anteroposterior diameter of the thecal sac on an axial slice, with intervals.

How far an outline may stand from the true one depends on how bright the sac is: one full of fluid has a clear wall,
one crowded with roots has not. So bias and half width of the intervals are set by brightness, in `ERRORS`, from errors
on phantom patients (`benchmarks/measures.py --fit`): the bias is the median, the half width the 95 % quantile over
patients, each of weight one, of the errors relative to their spread in that group. No grade and no model is used, so
they belong to no model's files. They hold for slices like the phantom's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import perimeter_crofton

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class OutlineError:
    """How far outlines stand from the true sac, mm.

    Attributes:
        wall_bias, wall_half: mean displacement of the wall outwards, taken off the area, and the half width about
            it that holds 95 % (a wall displaced by w changes the area by w times its length).
        depth_bias, depth_half: the same of the diameter.
    """

    wall_bias: float
    wall_half: float
    depth_bias: float
    depth_half: float


ERRORS = (
    (0.9, OutlineError(-0.24, 1.01, -0.64, 4.16)),
    (0.75, OutlineError(-0.07, 2.03, -0.17, 5.20)),
    (0.0, OutlineError(0.80, 3.51, 1.72, 5.00)),
)
"""Least brightness of a group (`lss.measures.outline.SacOutline.brightness`), and its error."""

VALID_FOR = (
    "The intervals were set on phantom patients and held the truth on 94 % of the measured slices of new ones, by area "
    "and by diameter; on patients they were never checked."
)
"""What every reading says of its intervals. Measured: `benchmarks/measures.py --seeds 13`, 10 patients, 120 slices."""

EXACT = OutlineError(0.0, 0.0, 0.0, 0.0)
"""Of a mask that is taken for the truth."""


def error_at(brightness: float) -> OutlineError:
    """Return the error of outlines of sacs of that brightness."""
    return next((error for least, error in ERRORS if brightness >= least), ERRORS[-1][1])


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

    @property
    def has_values(self) -> bool:
        """Whether neither interval reaches zero: such a value may be off by all of itself, and is an upper bound."""
        return min(self.area_mm2.low, self.diameter_mm.low) > 0


def measure_sac(mask: Mask, spacing_mm: tuple[float, float], error: OutlineError) -> SacMeasure | None:
    """Measure a mask (rows, columns) of the sac; None where it is empty.

    The diameter runs along the columns of the slice, front to back, through the sac's middle.

    Args:
        mask: bool, anterior side up.
        spacing_mm: between rows, between columns.
        error: of the outline; its bias is taken off, its half widths make the intervals.
    """
    if not mask.any():
        return None
    down_mm, right_mm = spacing_mm
    pixels = float(mask.sum())
    # Crofton's perimeter counts pixels: of round shapes the mean of both spacings serves
    outline_mm = float(perimeter_crofton(mask, directions=4)) * float(np.sqrt(down_mm * right_mm))
    area = max(pixels * down_mm * right_mm - error.wall_bias * outline_mm, 0.0)
    columns = np.nonzero(mask)[1]
    middle = float(columns.mean())
    band = [c for c in range(mask.shape[1]) if abs(c - middle) * right_mm <= BAND_MM and mask[:, c].any()]
    band = band or [int(columns[np.argmin(np.abs(columns - middle))])]
    fronts = [float(np.flatnonzero(mask[:, c])[0]) - 0.5 for c in band]
    backs = [float(np.flatnonzero(mask[:, c])[-1]) + 0.5 for c in band]
    front, back = float(np.mean(fronts)), float(np.mean(backs))
    depth = max((back - front) * down_mm - error.depth_bias, 0.0)
    return SacMeasure(
        _interval(area, error.wall_half * outline_mm),
        _interval(depth, error.depth_half),
        np.array([[front, middle], [back, middle]]),
    )


def _interval(value: float, half: float) -> Interval:
    return Interval(value, max(value - half, 0.0), value + half)
