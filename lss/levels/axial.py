"""Levels of axial slices from the spine found on the sagittal ones, beside those counted from the blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lss.cohorts.base import Geometry, RawSlice
from lss.levels.spine import Spine, SpineDisc

REACH_MM = 13.0
"""A slice belongs to a disc that its plane passes no further than this from, along the spine: a block of 4 to 5
slices at 4.4 mm reaches 9 mm, discs lie 30 to 40 mm apart."""


@dataclass(frozen=True)
class SliceLevel:
    """The level of one axial slice by each source, and the level that holds: None where it is uncertain.

    `by_blocks` and `by_anatomy` are the levels by each source, None where it gives none; `reason` explains why they
    agree, or why a reader has to decide.
    """

    by_blocks: str | None
    by_anatomy: str | None
    level: str | None
    reason: str


def level_on_spine(geometry: Geometry, spine: Spine) -> tuple[str | None, str]:
    """Return the level of the slice at `geometry` by the discs of `spine`, and the reason in words."""
    if not spine.discs:
        return None, "no discs found"
    point_3 = _crossing_with_spine(geometry, spine.discs)
    if point_3 is None:
        return None, "the slice does not cross the spine that the sagittal slices show"
    distances = [float((point_3 - disc.centre_3) @ disc.normal_3) for disc in spine.discs]
    nearest = int(np.argmin(np.abs(distances)))
    disc = spine.discs[nearest]
    if abs(distances[nearest]) > REACH_MM:
        return None, f"between discs, {abs(distances[nearest]):.0f} mm from the nearest"
    side = "above" if distances[nearest] > 0 else "below"
    if disc.level is None:
        return None, f"{abs(distances[nearest]):.0f} mm {side} a disc that is none of T12-L1 to L5-S1"
    return disc.level, f"{abs(distances[nearest]):.1f} mm {side} the disc {disc.level} of the sagittal slice"


def _crossing_with_spine(geometry: Geometry, discs: Sequence[SpineDisc]) -> np.ndarray | None:
    """Return where the slice's plane crosses the line through the discs' middles, continued at both ends; mm."""
    points = [disc.centre_3 for disc in discs]
    points = [points[0] + 2 * REACH_MM * discs[0].normal_3, *points, points[-1] - 2 * REACH_MM * discs[-1].normal_3]
    heights = [float((point - geometry.centre_3) @ geometry.normal_3) for point in points]
    crossings = [
        points[i] + heights[i] / (heights[i] - heights[i + 1]) * (points[i + 1] - points[i])
        for i in range(len(points) - 1)
        if heights[i] >= 0 > heights[i + 1] or heights[i] < 0 <= heights[i + 1]
    ]
    # a steep slice may cross a curved spine twice: the nearer crossing is in the picture's middle
    return min(crossings, key=lambda p: float(np.linalg.norm(p - geometry.centre_3)), default=None)


def compare_levels(slices: Sequence[RawSlice], spine: Spine | None) -> list[SliceLevel]:
    """Return levels of the axial slices of one study by both sources; one entry per slice of `slices`.

    Where the count of the blocks and the anatomy disagree, or the anatomy may be transitional, the level is None and
    the reason asks a reader. Without a sagittal series the count alone is taken, as far as it has no doubt.

    Args:
        slices: axial slices with `level` and `level_reason` as `lss.cohorts.slice_levels` set them.
        spine: as found on the study's sagittal slices, None where there are none.
    """
    return [_settle(item, spine) for item in slices]


def _settle(item: RawSlice, spine: Spine | None) -> SliceLevel:
    by_blocks = item.level
    if spine is None or item.geometry is None:
        lack = "no sagittal T2 slices show the spine" if spine is None else "the slice has no position"
        doubt = "doubtful" in item.level_reason
        return SliceLevel(by_blocks, None, None if doubt else by_blocks, f"{lack}; blocks: {item.level_reason}")
    by_anatomy, reason = level_on_spine(item.geometry, spine)
    if spine.frame != item.geometry.frame:
        reason += "; one frame of reference was assumed for both series, whose headers name two"
    if spine.doubts:
        words = "; ".join(spine.doubts)
        return SliceLevel(
            by_blocks, by_anatomy, None, f"uncertain: {words}; sagittal: {by_anatomy or reason}, blocks: {by_blocks}"
        )
    if by_anatomy is None:
        return SliceLevel(by_blocks, None, None, f"uncertain: {reason}; blocks: {by_blocks}")
    if by_blocks is None:
        return SliceLevel(None, by_anatomy, by_anatomy, reason)
    if by_blocks != by_anatomy:
        return SliceLevel(
            by_blocks, by_anatomy, None, f"uncertain: blocks say {by_blocks}, the sagittal slice says {by_anatomy}"
        )
    return SliceLevel(by_blocks, by_anatomy, by_anatomy, reason)
