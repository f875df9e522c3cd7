"""The midline curve of the spine in the sagittal plane: where its discs, vertebrae and canal lie.

Drawing coordinates: x is the patient's y (to the back), y is minus the patient's z (downwards), mm, with the disc
L3-L4 at the origin.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from lss.domain.grades import LEVELS
from lss.phantom.anatomy import LUMBARISED, Disc, Patient
from lss.phantom.shapes import smooth_open
from lss.runtime.seeding import generator

_WEDGE = {"L3-L4": 0.14, "L4-L5": 0.22, "L5-S1": 0.34}
"""How much higher than in its middle a disc is in front, as a share; so much lower is it behind."""


class Spine:
    """The midline curve: discs with their edges, the sacrum, and the canal behind them, in drawing coordinates."""

    def __init__(self, patient: Patient, aside: float = 0.0) -> None:
        """Bend the spine of a patient as a slice `aside` mm from the midline cuts it: its front recedes there."""
        self._aside = aside
        self.discs = [patient.discs[level] for level in LEVELS]
        self.size = patient.size
        tail = self.discs[-1]
        step = 30.0 * patient.size
        self.sacrum: list[tuple[np.ndarray, float, float]] = []  # centre, tilt, depth of the sacral discs
        position, tilt = point(tail), tail.tilt
        own = generator(patient.number, "sacrum")  # no two are bent alike
        shrinking = (
            (0.92 if patient.anatomy == LUMBARISED else own.uniform(0.62, 0.74)),
            own.uniform(0.46, 0.54),
            0.38,
            0.3,
        )
        bends = np.array([22.0, 13.0, -6.0, -28.0]) + own.normal(0, [3.0, 5.0, 7.0, 8.0])
        for bend, shrink in zip(bends, shrinking, strict=True):
            angle = np.radians(tilt + bend / 2)
            position = position + step * np.array([np.sin(angle), np.cos(angle)])
            tilt += bend
            step *= 0.86
            self.sacrum.append((position, tilt, tail.depth * shrink))

    def edge(self, disc: Disc, along: float, above: float) -> np.ndarray:
        """Return point of a disc: `along` in half depths from its centre to the back, `above` in half
        heights upwards; the lowest discs are higher in front than behind.
        """
        inside = min(max(above, -1.0), 1.0)
        slip = -0.5 * disc.slip * inside
        if along < 0:  # an oval from above: its front lies further back beside the midline
            along *= 1.3 * float(max(1 - (2 * self._aside / disc.width) ** 2, 0.2)) ** 0.5 - 0.3
        place = point(disc) + (along * disc.depth / 2 + slip) * back(disc.tilt)
        above -= _WEDGE.get(disc.level, 0.05) * along * inside
        return place + above * disc.height / 2 * up(disc.tilt)

    def behind(self, distance_mm: float) -> np.ndarray:
        """Return line that runs `distance_mm` behind the back edges of bodies and discs, from above
        downwards, (n, 2).
        """
        first = self.discs[0]
        points = [self.edge(first, 1, 0) + up(first.tilt) * 70 * step for step in (2, 1)]
        points += [self.edge(disc, 1, 0) for disc in self.discs]
        points += [centre + depth / 2 * back(tilt) for centre, tilt, depth in self.sacrum]
        tilts = [first.tilt] * 2 + [disc.tilt for disc in self.discs] + [tilt for _, tilt, _ in self.sacrum]
        # the canal tapers in the sacrum
        shares = [1.0] * (len(points) - len(self.sacrum)) + ([0.9, 0.6, 0.35, 0.2] if distance_mm > 0 else [1.0] * 4)
        moved = [p + share * distance_mm * back(t) for p, t, share in zip(points, tilts, shares, strict=True)]
        return smooth_open(np.array(moved), 8)

    def front(self, distance_mm: float) -> np.ndarray:
        """Return line that runs `distance_mm` in front of bodies, discs and sacrum, from above downwards, (n, 2)."""
        line, backwards = self._front
        return line - distance_mm * backwards

    @cached_property
    def _front(self) -> tuple[np.ndarray, np.ndarray]:
        """Line along the front of bodies, discs and sacrum, and the direction backwards at each point, both (n, 2).

        The smooth curve is linear in its points, so that lines before it follow from the two.
        """
        first = self.discs[0]
        points = [self.edge(first, -1, 0) + up(first.tilt) * 70 * step for step in (2, 1)]
        points += [self.edge(disc, -1, side) for disc in self.discs for side in (1, -1)]
        points += [centre - depth / 2 * back(tilt) for centre, tilt, depth in self.sacrum]
        tilts = [first.tilt] * 2 + [disc.tilt for disc in self.discs for _ in range(2)]
        tilts += [tilt for _, tilt, _ in self.sacrum]
        return smooth_open(np.array(points), 5), smooth_open(np.array([back(tilt) for tilt in tilts]), 5)


def point(disc: Disc) -> np.ndarray:
    """Return the centre of a disc."""
    return np.array([disc.centre_2[0], -disc.centre_2[1]])


def back(tilt: float) -> np.ndarray:
    """Return unit vector along a disc of that tilt towards the back."""
    angle = math.radians(tilt)
    return np.array([math.cos(angle), -math.sin(angle)])


def up(tilt: float) -> np.ndarray:
    """Return unit vector across a disc of that tilt towards the head."""
    angle = math.radians(tilt)
    return np.array([-math.sin(angle), -math.cos(angle)])
