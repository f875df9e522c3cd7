"""Plane of slices that one angle cannot settle, from the study in which they stand.

The axial block of the last disc follows the sacrum, whose endplate is tilted by 44.5 degrees on average and by up to
71 (standard deviation 9.9): 45 degrees tell no steep axial block from a tilted coronal one. A slice whose normal
lies in the plane perpendicular to the study's left-right axis, between the two, is axial where its series holds axial
blocks, or where it continues the axial blocks of the study towards the tail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lss.cohorts.base import RawSlice
from lss.cohorts.blocks import HEAD_3, MAX_BLOCK_MM, MAX_DISC_MM, MIN_DISC_MM, angle, find_blocks, height, length
from lss.cohorts.contrast import NO_ANATOMY, STEEPEST_DEGREES

LEVEL_DEGREES = 30.0
"""A slice tilted less is axial, whatever its series is called."""

SIDEWAYS_DEGREES = 35.0
"""A normal further from the plane perpendicular to the left-right axis belongs to no axial or coronal slice."""


def settle_planes(slices: Sequence[RawSlice]) -> None:
    """Set `plane` and `plane_reason` of the slices between axial and coronal, in place; others keep theirs.

    Args:
        slices: all slices of one patient, each with the plane that its own angle says.
    """
    studies: dict[str, list[RawSlice]] = defaultdict(list)
    for item in slices:
        if item.geometry is not None and item.weighting not in NO_ANATOMY:
            studies[item.study].append(item)
    for study in studies.values():
        left_3 = _left(study)
        open_questions: list[list[RawSlice]] = []
        for series in _by_series(study):
            between = [item for item in series if _is_between(item, left_3)]
            open_questions += find_blocks([item for item in between if not _settle_in_series(item, series, left_3)])
        _settle_in_study(open_questions, study, left_3)


def sure_plane(item: RawSlice, left_3: np.ndarray) -> str | None:
    """Return plane of a slice where its own angle settles it; None between axial and coronal, and
    without a position.
    """
    if item.geometry is None or _is_between(item, left_3):
        return None
    return item.plane if item.plane in ("axial", "sagittal", "coronal") else None


def tilt(item: RawSlice, left_3: np.ndarray) -> float:
    """Return the angle of a slice's normal from head-foot about the left-right axis `left_3`, 0 to 90 degrees."""
    if item.geometry is None:
        raise ValueError(f"{item.file}: a slice without a position has no tilt")
    normal_3 = item.geometry.normal_3 - (item.geometry.normal_3 @ left_3) * left_3
    head_3 = HEAD_3 - (HEAD_3 @ left_3) * left_3
    return angle(normal_3 / np.linalg.norm(normal_3), head_3 / np.linalg.norm(head_3))


def _left(study: Sequence[RawSlice]) -> np.ndarray:
    """Return the study's left-right axis: the mean normal of its sagittal slices, or x."""
    normals = [item.geometry.normal_3 for item in study if item.geometry and item.plane == "sagittal"]
    mean_3 = np.mean(normals, axis=0) if normals else np.array([1.0, 0.0, 0.0])
    return mean_3 / np.linalg.norm(mean_3)


def _by_series(study: Sequence[RawSlice]) -> list[list[RawSlice]]:
    series: dict[tuple[str, str], list[RawSlice]] = defaultdict(list)
    for item in study:
        if item.geometry is not None:
            series[item.series, item.geometry.frame].append(item)
    return list(series.values())


def _is_between(item: RawSlice, left_3: np.ndarray) -> bool:
    """Return whether a slice's angle leaves open if it is axial or coronal."""
    if item.geometry is None or item.plane == "sagittal":
        return False
    sideways = 90 - angle(item.geometry.normal_3, left_3)
    if sideways > SIDEWAYS_DEGREES:
        return False
    degrees = tilt(item, left_3)
    if item.plane == "axial":
        return item.named_plane == "coronal" and degrees > LEVEL_DEGREES
    return degrees <= STEEPEST_DEGREES


def _settle_in_series(item: RawSlice, series: Sequence[RawSlice], left_3: np.ndarray) -> bool:
    """Settle a slice from the others of its series and the series' name; False where they do not say."""
    degrees = tilt(item, left_3)
    others = {sure_plane(other, left_3) for other in series}
    if "axial" in others and "sagittal" not in others:
        set_plane(item, "axial", f"normal {degrees:.0f} degrees from head-foot, in a series of axial blocks")
    elif "coronal" in others and "axial" not in others:
        set_plane(item, "coronal", f"normal {degrees:.0f} degrees from head-foot, in a series of coronal slices")
    elif item.named_plane in ("axial", "coronal"):
        reason = f"normal {degrees:.0f} degrees from head-foot, name says {item.named_plane}"
        set_plane(item, item.named_plane, reason)
    else:
        return False
    return True


def _settle_in_study(blocks: list[list[RawSlice]], study: Sequence[RawSlice], left_3: np.ndarray) -> None:
    """Settle blocks by the axial blocks of the study, from the head to the tail; in doubt by the nearest axis."""
    for block in sorted(blocks, key=height, reverse=True):
        first = block[0]
        if first.geometry is None:
            continue
        frame = first.geometry.frame
        axial = [s for s in study if s.plane == "axial" and s.geometry and s.geometry.frame == frame and s not in block]
        others = find_blocks(axial)
        degrees = tilt(first, left_3)
        short = length(block) <= MAX_BLOCK_MM
        twin = any(angle(first.geometry.normal_3, other[0].geometry.normal_3) < 10  # type: ignore[union-attr]
                   and abs(height(other) - height(block)) < MIN_DISC_MM for other in others)  # fmt: skip
        below = bool(others) and MIN_DISC_MM <= height(others[0]) - height(block) <= MAX_DISC_MM
        words = f"normal {degrees:.0f} degrees from head-foot"
        for item in block:
            if short and (twin or below):
                where = "at the place of an axial one" if twin else "next below the axial blocks of the study"
                set_plane(item, "axial", f"{words}, a block {where}")
            else:
                doubt = "; doubtful: a short block between axial and coronal" if short else ", a long stack"
                set_plane(item, item.plane, words + doubt)


def set_plane(item: RawSlice, plane: str, reason: str) -> None:
    """Set the plane; the normal of an axial slice points to the head."""
    item.plane, item.plane_reason = plane, reason
    if plane == "axial" and item.geometry is not None and item.geometry.normal_3[2] < 0:
        item.geometry = replace(item.geometry, normal_3=-item.geometry.normal_3)
        item.position_mm = None if item.position_mm is None else -item.position_mm
