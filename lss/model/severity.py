"""Measures of a mask that a report states: affected area, its grade, side (eq. 10, section 3.6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lss.domain.area import affected_area
from lss.domain.grades import GRADES
from lss.notes.sides import AS_SEEN, MIRRORED

if TYPE_CHECKING:  # tables need the thresholds alone, and torch takes seconds to import
    from torch import Tensor


class Thresholds(NamedTuple):
    """Area thresholds in percent between the grades: below `mild` A, from it to `severe` B&C, above D."""

    mild: float
    severe: float


PAPER_THRESHOLDS = Thresholds(10.0, 25.0)
"""As published. The paper's own B&C examples (30.6 %, 38.6 %) contradict them."""

SIDE_SHARE = 0.75
"""Share of a mask's pixels on one side from which on it is called lateral. A mask of the whole sac is not, even where a
disc pushes the sac aside; one of a lesion beside it is."""


def area_percent(mask: Tensor, region_shares: list[float]) -> list[float]:
    """Return the affected area of each mask, eq. 10, in percent of its target region.

    Args:
        mask: (B, 1, Y, X); pixels above 0.5 count.
        region_shares: size of each target region in fields of view (column `region_share` of the shards).

    >>> import torch
    >>> area_percent(torch.tensor([[[[0.9, 0.1], [0.2, 0.5]]]]), [0.5])
    [50.0]
    """
    masked = (mask > 0.5).double().mean(dim=(1, 2, 3)).tolist()
    return [affected_area(share, region) for share, region in zip(masked, region_shares, strict=True)]


def grade_by_area(area: float, thresholds: Thresholds = PAPER_THRESHOLDS) -> str:
    """Return the grade of the severity template for an area in percent.

    >>> [grade_by_area(area) for area in (0.0, 10.0, 25.0, 25.1)]
    ['A', 'BC', 'BC', 'D']
    """
    if area < thresholds.mild:
        return "A"
    return "BC" if area <= thresholds.severe else "D"


def calibrate_thresholds(areas: np.ndarray, grades: list[str]) -> Thresholds:
    """Return thresholds under which the area tells the grades apart best on the images given.

    Best is the highest mean recall over the grades that occur (prevalence does not decide), among all pairs of
    cuts midway between neighbouring areas; of equally good pairs, the one with the widest gaps around its cuts.

    Args:
        areas: (N,) percent, finite.
        grades: N grades.

    Raises ValueError on empty or unequal input.
    """
    areas = np.asarray(areas, dtype=np.float64)
    if areas.size == 0 or areas.size != len(grades):
        raise ValueError(f"{areas.size} areas and {len(grades)} grades; need as many, more than none")
    values = np.unique(areas)
    # One cut below all areas and one above them: a grade may be found nowhere.
    edges = np.concatenate([[values[0] - 1.0], values, [values[-1] + 1.0]])
    cuts, gaps = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    # share_GC: share of a grade's areas below each cut; grades that do not occur do not count
    given = np.array(grades)
    of_grade = [areas[given == grade] for grade in GRADES]
    below = [np.searchsorted(np.sort(own), cuts) / own.size if own.size else None for own in of_grade]
    none = np.zeros_like(cuts)
    a, bc, d = (share if share is not None else none for share in below)
    d_above = 1 - d if below[2] is not None else none
    # recall sum of (mild, severe) = [a(mild) - bc(mild)] + [bc(severe) + d_above(severe)]: a sum over two cuts,
    # so for each severe cut the best mild cut at or below it is a running maximum.
    first, second = a - bc, bc + d_above
    best: tuple[float, float, int, int] = (-np.inf, -np.inf, 0, 0)
    best_mild = 0
    for severe in range(len(cuts)):
        if (first[severe], gaps[severe]) > (first[best_mild], gaps[best_mild]):
            best_mild = severe
        candidate = (first[best_mild] + second[severe], gaps[best_mild] + gaps[severe], best_mild, severe)
        if candidate[:2] > best[:2]:
            best = candidate
    return Thresholds(float(cuts[best[2]]), float(cuts[best[3]]))


def unreached_grades(thresholds: Thresholds, areas: Iterable[float]) -> list[str]:
    """Return grades that none of the areas (percent) stands for: a calibration that leaves B&C out tells two grades
    only.

    >>> unreached_grades(Thresholds(1.5, 1.5), [0.0, 1.2, 4.0])
    ['BC']
    """
    reached = {grade_by_area(area, thresholds) for area in areas}
    return [grade for grade in GRADES if grade not in reached]


def lateral_side(mask: np.ndarray, canal_column: float | None, sides: str | None) -> str | None:
    """Return the patient's side of the canal on which a mask clearly lies: "left", "right", or None.

    A side counts where at least `SIDE_SHARE` of the mask's pixels lie beyond the canal's centre.

    Args:
        mask: (Y, X), pixels above 0.5 count.
        canal_column: of the canal's centre, from 0 (left edge of the image) to 1; None where no canal was found: then
            no side is returned.
        sides: the patient's at the image's left and right edge, column `sides` of the shards: "RL" as radiologists look
            at it, "LR" stored mirrored. Any other (a sagittal slice, None without a header) gives None.
    """
    if canal_column is None or sides not in (AS_SEEN, MIRRORED):
        return None
    columns = (np.asarray(mask) > 0.5).sum(axis=0)
    offset = np.arange(columns.size) + 0.5 - canal_column * columns.size  # of each column's centre, in pixels
    at_edges = ("right", "left") if sides == AS_SEEN else ("left", "right")
    beyond = dict(zip(at_edges, (int(columns[offset < 0].sum()), int(columns[offset > 0].sum())), strict=True))
    side = max(beyond, key=beyond.__getitem__)
    return side if columns.any() and beyond[side] >= SIDE_SHARE * int(columns.sum()) else None
