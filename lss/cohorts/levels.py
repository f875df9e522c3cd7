"""Disc level of axial slices, from known slices or from the blocks in which they were planned.

Axial slices of the lumbar spine are planned in blocks of 4 or 5 parallel slices, one block per disc; the block
of the last disc follows the sacrum and is the most angled. From the tail upwards the blocks are L5-S1, L4-L5, ...
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from lss.cohorts.base import RawSlice
from lss.grades import LEVELS

PARALLEL_DEGREES = 2.0
"""Slices whose normals differ by less belong to one orientation."""

GAP_MM = 8.0
"""A larger distance between neighbouring parallel slices separates two blocks (4.4 mm is usual within one)."""

MAX_BLOCK_MM = 36.0
"""A longer block covers more than one disc: its level stays unknown (discs lie 30 to 40 mm apart)."""

MIN_DISC_MM, MAX_DISC_MM = 12.0, 55.0
"""Credible distance between the centres of the blocks of neighbouring discs."""


def assign_levels(slices: Sequence[RawSlice], known: Mapping[str, tuple[str, str]] | None = None) -> None:
    """Set `level` and `level_reason` of every axial slice of one patient, in place.

    Args:
        slices: all slices of the patient, of any plane.
        known: level and its source of some slices, by their `file` (a companion table, labels): they fix
            the level of their block, or of the nearest slices where a block has several. Where the count of the
            blocks says another level, the reason says so and "doubtful": the table may mean another study.
    """
    known = known or {}
    groups: dict[tuple[str, str, str], list[RawSlice]] = defaultdict(list)
    for item in slices:
        if item.plane != "axial" or item.weighting == "localizer":
            continue
        if item.geometry is None:
            item.level, item.level_reason = known.get(item.file, (None, "no position in the header"))
        else:
            groups[item.study, item.geometry.frame, item.weighting].append(item)
    for group in groups.values():
        blocks = find_blocks(group)
        counted = _count_discs(blocks)
        if any(item.file in known for item in group):
            _levels_from_known(blocks, known, [level for level, _ in counted])
        else:
            for block, (level, reason) in zip(blocks, counted, strict=True):
                _set(block, level, reason)


def find_blocks(slices: Sequence[RawSlice]) -> list[list[RawSlice]]:
    """Blocks of parallel, neighbouring slices, from the tail to the head; within a block in the same order."""
    orientations: list[list[RawSlice]] = []
    for item in sorted(slices, key=lambda s: (s.series, s.instance, s.file)):
        for orientation in orientations:
            if _angle(_normal(orientation[0]), _normal(item)) < PARALLEL_DEGREES:
                orientation.append(item)
                break
        else:
            orientations.append([item])
    blocks: list[list[RawSlice]] = []
    for orientation in orientations:
        normal_3 = _normal(orientation[0])
        row = sorted(orientation, key=lambda s: (_along(s, normal_3), s.series, s.file))
        gaps = np.diff([_along(item, normal_3) for item in row])
        cuts = [0, *(np.flatnonzero(gaps > GAP_MM) + 1), len(row)]
        blocks += [row[start:stop] for start, stop in pairwise(cuts)]
    return sorted(blocks, key=_height)


def _count_discs(blocks: list[list[RawSlice]]) -> list[tuple[str | None, str]]:
    """Level and reason of each block, discs being counted from the tail.

    A block beside another one (a repeated scan) shows the same disc.
    """
    levels: list[tuple[str | None, str]] = []
    tilts = [_angle(_normal(block[0]), np.array([0.0, 0.0, 1.0])) for block in blocks]
    problem = _doubt_of_all(blocks)
    disc = 0
    for index, block in enumerate(blocks):
        rise = _height(block) - _height(blocks[index - 1]) if index else 0.0
        disc += rise >= MIN_DISC_MM
        if not problem and rise > MAX_DISC_MM:
            problem = f"{rise:.0f} mm above the one below: a disc may be missing"
        if not problem and disc >= len(LEVELS):
            problem = "more blocks than lumbar discs"
        number = f"block {index + 1} of {len(blocks)} from the tail, tilted {tilts[index]:.0f} degrees"
        doubt = "" if tilts[0] >= max(tilts) else "; doubtful: the lowest block is not the most angled"
        levels.append((None, f"{number}; {problem}") if problem else (LEVELS[-1 - disc], number + doubt))
    return levels


def _doubt_of_all(blocks: list[list[RawSlice]]) -> str:
    """Why no block of this group can be counted; empty where they can."""
    if any(_length(block) > MAX_BLOCK_MM for block in blocks):
        return "a block covers more than one disc"
    if all(len(block) == 1 and _angle(_normal(block[0]), _normal(blocks[0][0])) < PARALLEL_DEGREES for block in blocks):
        return "single parallel slices, planned for no disc"
    heights = [_height(block) for block in blocks]
    one = heights[-1] - heights[0] < MIN_DISC_MM
    return "only one disc, and nothing says which" if one else ""


def _levels_from_known(
    blocks: list[list[RawSlice]], known: Mapping[str, tuple[str, str]], counted: list[str | None]
) -> None:
    for block, by_count in zip(blocks, counted, strict=True):
        anchors = [item for item in block if item.file in known]
        if not anchors:
            _set(block, None, "no slice of this block has a known level")
            continue
        normal_3 = _normal(block[0])
        several = len({known[anchor.file][0] for anchor in anchors}) > 1
        for item in block:
            distances = [abs(_along(anchor, normal_3) - _along(item, normal_3)) for anchor in anchors]
            nearest = anchors[int(np.argmin(distances))]
            if several and min(distances) > MIN_DISC_MM:
                _set([item], None, f"{min(distances):.0f} mm from the nearest slice of known level")
            else:
                level, source = known[nearest.file]
                away = f", {min(distances):.1f} mm away" if min(distances) else ""
                doubt = f"; doubtful: the blocks say {by_count}" if by_count not in (None, level) else ""
                _set([item], level, f"{source}{away}{doubt}")


def _set(block: list[RawSlice], level: str | None, reason: str) -> None:
    for item in block:
        item.level, item.level_reason = level, reason


def _normal(item: RawSlice) -> np.ndarray:
    if item.geometry is None:
        raise ValueError(f"{item.file}: a slice without a position cannot stand in a block")
    return item.geometry.normal_3


def _along(item: RawSlice, normal_3: np.ndarray) -> float:
    """Position of the slice's centre along `normal_3`, mm."""
    return float(item.geometry.centre_3 @ normal_3) if item.geometry else 0.0


def _height(block: list[RawSlice]) -> float:
    """Mean height of the slices' centres, mm towards the head."""
    return float(np.mean([item.geometry.centre_3[2] for item in block if item.geometry]))


def _length(block: list[RawSlice]) -> float:
    normal_3 = _normal(block[0])
    return _along(block[-1], normal_3) - _along(block[0], normal_3)


def _angle(first_3: np.ndarray, second_3: np.ndarray) -> float:
    """Angle between two unit vectors, degrees."""
    return float(np.degrees(np.arccos(np.clip(first_3 @ second_3, -1, 1))))
