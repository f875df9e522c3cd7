"""Blocks of parallel, neighbouring slices, as axial slices of the lumbar spine are planned: one block per disc."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lss.cohorts.base import RawSlice

PARALLEL_DEGREES = 2.0
"""Slices whose normals differ by less belong to one orientation."""

GAP_MM = 8.0
"""A larger distance between neighbouring parallel slices separates two blocks (4.4 mm is usual within one)."""

MAX_BLOCK_MM = 36.0
"""A longer block covers more than one disc: its level stays unknown (discs lie 30 to 40 mm apart)."""

MIN_DISC_MM, MAX_DISC_MM = 12.0, 55.0
"""Credible distance between the centres of the blocks of neighbouring discs."""

HEAD_3 = np.array([0.0, 0.0, 1.0])


def find_blocks(slices: Sequence[RawSlice]) -> list[list[RawSlice]]:
    """Return blocks of parallel, neighbouring slices, from the tail to the head; within a block in the same order."""
    orientations: list[list[RawSlice]] = []
    for item in sorted(slices, key=lambda s: (s.series, s.instance, s.file)):
        for orientation in orientations:
            if angle(normal(orientation[0]), normal(item)) < PARALLEL_DEGREES:
                orientation.append(item)
                break
        else:
            orientations.append([item])
    blocks: list[list[RawSlice]] = []
    for orientation in orientations:
        normal_3 = normal(orientation[0])
        row = sorted(orientation, key=lambda s: (along(s, normal_3), s.series, s.file))
        gaps = np.diff([along(item, normal_3) for item in row])
        cuts = [0, *(np.flatnonzero(gaps > GAP_MM) + 1), len(row)]
        blocks += [row[start:stop] for start, stop in pairwise(cuts)]
    return sorted(blocks, key=height)


def is_stack(series: Sequence[RawSlice]) -> bool:
    """Return whether a series covers several discs by parallel slices at equal distances, planned for no disc."""
    blocks = find_blocks(series)
    if all(length(block) > MAX_BLOCK_MM for block in blocks):
        return True
    singles = [block[0] for block in blocks]
    parallel = all(angle(normal(item), normal(singles[0])) < PARALLEL_DEGREES for item in singles)
    return len(blocks) == len(series) > 2 and parallel and length(singles) > MAX_BLOCK_MM


def normal(item: RawSlice) -> np.ndarray:
    """Return unit normal (3,) of a slice. Raises ValueError for a slice without a position."""
    if item.geometry is None:
        raise ValueError(f"{item.file}: a slice without a position cannot stand in a block")
    return item.geometry.normal_3


def along(item: RawSlice, normal_3: np.ndarray) -> float:
    """Return the position of the slice's centre along `normal_3`, mm."""
    return float(item.geometry.centre_3 @ normal_3) if item.geometry else 0.0


def height(block: list[RawSlice]) -> float:
    """Return the mean height of the slices' centres, mm towards the head."""
    return float(np.mean([item.geometry.centre_3[2] for item in block if item.geometry]))


def length(block: list[RawSlice]) -> float:
    """Return the distance between the outermost slices of a block, mm along its normal."""
    normal_3 = normal(block[0])
    return abs(along(block[-1], normal_3) - along(block[0], normal_3))


def angle(first_3: np.ndarray, second_3: np.ndarray) -> float:
    """Return the angle between two axes, given as unit vectors of either direction: 0 to 90 degrees."""
    return float(np.degrees(np.arccos(np.clip(abs(first_3 @ second_3), 0, 1))))
