"""The spine in the patient: discs found on the sagittal T2 slice that shows them best, in patient millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lss.cohorts.base import RawSlice
from lss.cohorts.contrast import NO_ANATOMY
from lss.domain.grades import LEVELS
from lss.imaging.geometry import SlicePlane
from lss.levels.discs import find_discs
from lss.levels.naming import NamedDiscs, name_discs

Floats = NDArray[np.float64]

_BACK_3, _FEET_3 = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0])

MAX_ASIDE_MM = 7.0
"""Slices further from the middle one of their series are not looked at: they miss the canal."""


SAME_DISC_MM = 15.0
"""Discs of two slices whose middles are nearer than this are one disc."""


@dataclass(frozen=True)
class SpineDisc:
    """A disc in the patient: its middle and the unit normal of its plane, towards the head, mm; its level if named."""

    level: str | None
    centre_3: Floats
    normal_3: Floats


@dataclass(frozen=True)
class Spine:
    """Discs from above downwards, the doubts about their names, and the slice on which they were found."""

    discs: list[SpineDisc]
    doubts: list[str]
    file: str
    instance: int
    frame: str


def upright(item: RawSlice) -> tuple[np.ndarray, SlicePlane]:
    """Return a sagittal slice with the head on top, the back at the right, pixels of 1 mm; and where that image lies.

    Raises ValueError for a slice without a position.
    """
    if item.geometry is None:
        raise ValueError(f"{item.file}: a slice without a position cannot be put upright")
    spacing = item.row_spacing_mm, item.column_spacing_mm
    plane = SlicePlane.about_centre(item.geometry.centre_3, item.geometry.orientation_6, spacing, item.pixels.shape)
    image: np.ndarray = item.pixels.astype(np.float32)
    right_3, down_3 = np.array(plane.row_direction), np.array(plane.column_direction)
    if abs(right_3 @ _BACK_3) < abs(down_3 @ _BACK_3):
        image, right_3, down_3, spacing = image.T, down_3, right_3, spacing[::-1]
    if right_3 @ _BACK_3 < 0:
        image, right_3 = image[:, ::-1], -right_3
    if down_3 @ _FEET_3 < 0:
        image, down_3 = image[::-1], -down_3
    shape = image.shape
    size = round(shape[0] * spacing[0]), round(shape[1] * spacing[1])
    shrink = size[0] < shape[0] and size[1] < shape[1]
    method = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    image = cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=method)
    # the field of view stays: a pixel is 1 mm but for the rounding of the image's size
    millimetres = shape[0] * spacing[0] / image.shape[0], shape[1] * spacing[1] / image.shape[1]
    orientation_6 = np.concatenate([right_3, down_3])
    return image, SlicePlane.about_centre(item.geometry.centre_3, orientation_6, millimetres, image.shape)


def find_spine(slices: Sequence[RawSlice]) -> Spine | None:
    """Return the spine of one study, from its sagittal T2 slices; None where these are missing or show no chain of
    discs.

    The slices near the middle of the series are looked at one by one (`_agreed`).
    """
    sagittal = [
        s for s in slices
        if s.plane == "sagittal" and s.weighting == "T2" and s.weighting not in NO_ANATOMY and s.geometry is not None
    ]  # fmt: skip
    if not sagittal:
        return None
    lefts = np.array([s.geometry.centre_3[0] for s in sagittal if s.geometry is not None])
    middle = float(np.median(lefts))
    candidates = []
    for item, left in zip(sagittal, lefts, strict=True):
        if abs(left - middle) > MAX_ASIDE_MM:
            continue
        image, plane = upright(item)
        if discs := find_discs(image):
            named = name_discs(discs, image.shape[0])
            candidates.append(
                _SliceSpine(item, _in_patient(named, plane), named.doubts, sum(disc.strength for disc in discs))
            )
    return _consensus(candidates) if candidates else None


@dataclass(frozen=True)
class _SliceSpine:
    """The spine as one slice shows it, and the sum of its discs' strengths."""

    item: RawSlice
    discs: list[SpineDisc]
    doubts: list[str]
    strength: float

    @property
    def last_3(self) -> Floats | None:
        """Middle of the disc named L5-S1."""
        return next((disc.centre_3 for disc in self.discs if disc.level == LEVELS[-1]), None)


def _consensus(candidates: list[_SliceSpine]) -> Spine:
    """Return the spine of the strongest slice; it has no doubt where most slices have none and agree on L5-S1."""
    sure = [one for one in candidates if not one.doubts]
    chosen = max(sure if 2 * len(sure) > len(candidates) else candidates, key=lambda one: one.strength)
    doubts = list(chosen.doubts)
    lasts = [one.last_3 for one in candidates if one.last_3 is not None]
    if chosen.last_3 is not None:
        other = sum(float(np.linalg.norm((last - chosen.last_3)[1:])) > SAME_DISC_MM for last in lasts)
        if 2 * other >= len(candidates):
            doubts.append(f"{other} of {len(candidates)} sagittal slices name another disc L5-S1")
    frame = chosen.item.geometry.frame if chosen.item.geometry else ""
    return Spine(chosen.discs, doubts, chosen.item.file, chosen.item.instance, frame)


def _in_patient(named: NamedDiscs, plane: SlicePlane) -> list[SpineDisc]:
    centres = plane.to_patient([(disc.row, disc.column) for disc in named.discs])
    back_3, feet_3 = np.array(plane.row_direction), np.array(plane.column_direction)
    discs = []
    for disc, level, centre_3 in zip(named.discs, named.levels, centres, strict=True):
        tilt = np.radians(disc.tilt)
        discs.append(SpineDisc(level, centre_3, -np.cos(tilt) * feet_3 - np.sin(tilt) * back_3))
    return discs
