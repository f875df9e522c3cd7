"""What the literature says of a measure, whether the cut allows it to be asked, and change against a prior study.

Cut-offs hold for axial T2 slices parallel to the disc. They are stated beside a measure with their source, never turned
into a grade: the grades of Schizas are about the look of sac and roots, not about its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lss.measures.sac import Interval

OBLIQUE_DEGREES = 15.0
"""A slice tilted more against the disc shows the sac larger by 1 / cos: 3.5 % at 15 degrees, 15 % at 30."""


@dataclass(frozen=True)
class Cutoff:
    """Below `limit` (mm2 or mm) a measure is called `name` by `source`."""

    limit: float
    name: str
    source: str


AREA_CUTOFFS = (
    Cutoff(75.0, "absolute stenosis", "Schonstrom 1985"),
    Cutoff(100.0, "relative stenosis", "Schonstrom 1985"),
)
DIAMETER_CUTOFFS = (
    Cutoff(10.0, "absolute stenosis", "Verbiest 1975"),
    Cutoff(12.0, "relative stenosis", "Verbiest 1975"),
)


def crossed(measure: Interval, cutoffs: tuple[Cutoff, ...]) -> tuple[Cutoff | None, bool]:
    """Return the lowest cut-off above the value, None where it is above all; and whether the interval holds another
    verdict.

    >>> found, open_question = crossed(Interval(95.0, 88.0, 104.0), AREA_CUTOFFS)
    >>> found.name, open_question
    ('relative stenosis', True)
    """

    def verdict(value: float) -> Cutoff | None:
        return next((cutoff for cutoff in cutoffs if value < cutoff.limit), None)

    lowest = verdict(measure.value)
    return lowest, verdict(measure.low) != lowest or verdict(measure.high) != lowest


def obliquity(slice_normal_3: NDArray[np.float64], disc_normal_3: NDArray[np.float64]) -> float:
    """Return the angle between a slice and a disc, 0 to 90 degrees, from their unit normals (3,)."""
    return float(np.degrees(np.arccos(np.clip(abs(slice_normal_3 @ disc_normal_3), 0, 1))))


@dataclass(frozen=True)
class Change:
    """Difference now - before with its 95 % interval, and what it amounts to in words."""

    difference: Interval
    words: str


def change(now: Interval, before: Interval) -> Change:
    """Return the change of a measure against a prior study; errors of the two count as independent.

    >>> change(Interval(80, 72, 88), Interval(101, 93, 109)).words
    'smaller'
    >>> change(Interval(80, 72, 88), Interval(85, 77, 93)).words
    'no change beyond the error of measurement'
    """
    half = float(np.hypot((now.high - now.low) / 2, (before.high - before.low) / 2))
    value = now.value - before.value
    words = "no change beyond the error of measurement"
    if value > half:
        words = "larger"
    elif value < -half:
        words = "smaller"
    return Change(Interval(value, value - half, value + half), words)
