"""Levels of the discs of a chain, counted from the sacrum up, and the reasons to doubt that count.

The disc L5-S1 is the last full one: below it come rudiments between segments that have grown together, thin and
short, on a sacrum that leans backwards. A worn L5-S1 is thin too, so it is looked for among the discs that lean
as L5-S1 does. 4 to 30 % of people, by the definition taken, have a transitional vertebra
between the two (Konin and Walz 2010); a picture of the lumbar spine alone then cannot say which number is right. Such
a spine is called doubtful, and its levels are for a reader to settle.

Heights and tilts that part the two were set on 22 real mid-sagittal slices (SPIDER, the square ones, whose millimetres
are sure; L5-S1 pointed out by eye) and 44 phantom patients together, so that they hold on both: shares of the usual
height were 0.35 to 0.7 (real, tenth to ninetieth percentile) and 0.26 to 0.42 (phantom) between S1 and S2, 0.92 to 1.5
and 0.82 to 1.1 between L5 and S1; the smallest tilt of a real L5-S1 was 17 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lss.domain.grades import LEVELS
from lss.levels.discs import DetectedDisc, spacings

RUDIMENT = 0.75
"""Share of the usual height of the spine's discs below which a disc is a rudiment of the sacrum."""

DOUBTFUL_RUDIMENT, DOUBTFUL_BELOW_A_FLAT_DISC = 0.6, 0.5
"""A rudiment above this share is so well formed that its segment may be a free one; below a last full disc tilted by
less than `SURE_SACRAL_TILT_DEG` it may be a worn L5-S1."""

MIN_HEIGHT_MM = 4.0
"""A chain whose usual disc is thinner has not met the discs."""

MIN_SACRAL_TILT_DEG = 14.0
"""A last full disc tilted less is seldom L5-S1's: lumbosacral angles are 18 to 71 degrees."""

SURE_SACRAL_TILT_DEG = 20.0
"""A last full disc without a rudiment below it is L5-S1's if it is tilted by as much."""

MAX_L4_TILT_DEG = 26.0
"""A second disc from the sacrum tilted more asks whether it is L5-S1 and S1 is free."""

MIN_BELOW_MM = 22.0
"""Less of the picture below the last full disc does not show the sacrum."""

MAX_UNEVEN = 1.45
"""Largest credible distance between neighbouring discs, in those above it."""


@dataclass(frozen=True)
class NamedDiscs:
    """The discs from above downwards, the level of each (None above T12-L1 and in the sacrum), and the doubts."""

    discs: list[DetectedDisc]
    levels: list[str | None]
    doubts: list[str]


def name_discs(discs: list[DetectedDisc], rows: int) -> NamedDiscs:
    """Return the levels of a chain of discs on an image of `rows` rows of 1 mm, counted from the sacrum.

    With fewer than three discs all levels are None, and a doubt gives the reason.
    """
    if len(discs) < 3:
        return NamedDiscs(discs, [None] * len(discs), ["fewer than three discs found"])
    last = _last_full(discs)
    levels: list[str | None] = [None] * len(discs)
    for index in range(last + 1):
        above = last - index
        levels[index] = LEVELS[-1 - above] if above < len(LEVELS) else None
    return NamedDiscs(discs, levels, _doubts(discs, last, rows))


def _above_a_rudiment(discs: list[DetectedDisc]) -> list[int]:
    """Return indices of the discs that may be L5-S1: a disc that leans as L5-S1 does and is no clear rudiment, with a
    thin one below it.

    The lean is that of the disc itself: below a level disc a thin one is a worn L5-S1, or that of an L5 grown together
    with S1. Rudiments are looked for below the third disc only.
    """
    usual = _usual_height(discs)
    return [
        index
        for index, (disc, below) in enumerate(pairwise(discs))
        if index >= 2
        and disc.tilt > MIN_SACRAL_TILT_DEG
        and disc.height_mm >= DOUBTFUL_RUDIMENT * usual
        and below.height_mm < RUDIMENT * usual
    ]


def _last_full(discs: list[DetectedDisc]) -> int:
    """Return index of the disc taken for L5-S1."""
    if possible := _above_a_rudiment(discs):
        return possible[0]
    # the sacrum leans back ever more: a chain that turns forward again has left it
    steepest = max(range(len(discs)), key=lambda i: discs[i].tilt)
    return steepest if steepest >= 2 else len(discs) - 1


def _usual_height(discs: list[DetectedDisc]) -> float:
    flat = [disc.height_mm for disc in discs if disc.tilt <= MIN_SACRAL_TILT_DEG]
    return max(float(np.median(flat or [disc.height_mm for disc in discs])), 1.0)


def _doubts(discs: list[DetectedDisc], last: int, rows: int) -> list[str]:
    """Return what makes the count from the sacrum doubtful, in words."""
    doubts = []
    disc, usual = discs[last], _usual_height(discs)
    if usual < MIN_HEIGHT_MM:
        doubts.append(f"the usual disc is {usual:.0f} mm high: the discs were not met")
    if last < 2:
        doubts.append("fewer than three discs above the sacrum")
    if len(_above_a_rudiment(discs)) > 1:
        doubts.append("more than one disc may be L5-S1, with a thin one below it: S1 may be free, or L5-S1 worn")
    own = disc.height_mm / usual
    if own < DOUBTFUL_RUDIMENT:
        doubts.append(
            f"the last full disc has {100 * own:.0f} % of the usual height: L5 may have grown together with S1"
        )
    if disc.tilt < MIN_SACRAL_TILT_DEG:
        doubts.append(
            f"the last full disc is tilted by only {disc.tilt:.0f} degrees: the sacrum may be out of view, "
            "or L5 may have grown together with it"
        )
    elif last + 1 == len(discs) and disc.tilt < SURE_SACRAL_TILT_DEG:
        doubts.append(f"no disc of the sacrum is seen below the last one, which is tilted by {disc.tilt:.0f} degrees")
    if last >= 1 and discs[last - 1].tilt > MAX_L4_TILT_DEG:
        doubts.append(f"two discs are steep ({discs[last - 1].tilt:.0f}, {disc.tilt:.0f} degrees): S1 may be free")
    below = discs[last + 1].height_mm / usual if last + 1 < len(discs) else 0.0
    sure = disc.tilt >= SURE_SACRAL_TILT_DEG
    if below >= (DOUBTFUL_RUDIMENT if sure else DOUBTFUL_BELOW_A_FLAT_DISC):
        other = "S1 may be free" if sure else "it may be a worn L5-S1"
        doubts.append(f"the disc below the last full one has {100 * below:.0f} % of the usual height: {other}")
    if rows - disc.row < MIN_BELOW_MM:
        doubts.append("the picture ends below the last disc: the sacrum is not in view")
    gaps = spacings(discs[: last + 1])
    middle = float(np.median(gaps)) if gaps else 0.0
    if gaps and (max(gaps) > MAX_UNEVEN * middle or min(gaps) < middle / MAX_UNEVEN):
        doubts.append(f"uneven distances between discs ({min(gaps):.0f} to {max(gaps):.0f} mm): one may be missing")
    return doubts
