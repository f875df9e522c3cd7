"""What only the other slices of a patient tell of one: copies, planning series, planes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from lss.cohorts.base import RawSlice, Reject, drop_duplicates
from lss.cohorts.contrast import CORRECTIONS, NO_ANATOMY
from lss.cohorts.dicom_checks import DIFFUSION
from lss.cohorts.planes import settle_planes, sure_plane

SAME_PLACE_MM, SAME_ANGLE = 0.1, 1e-3
"""Slices whose centres and whose unit normals differ by less lie at the same place."""

_LARGEST_MM = 1e5
"""No coordinate of a scanner is larger."""

MAX_REFERENCES = 3
"""So many slices of other planes in a series are reference images; with more of them it is a planning series."""


def settle_series(slices: Sequence[RawSlice]) -> tuple[list[RawSlice], list[Reject]]:
    """Return the slices of one patient without misfits and copies, planes and planning series settled in place; and
    what was left out.
    """
    fitting, misfits = drop_misfits(slices)
    unique, duplicates = drop_duplicates(fitting)
    unique, copies = drop_corrected(unique)
    mark_planning(unique)
    mark_diffusion(unique)
    settle_planes(unique)
    return unique, [*misfits, *duplicates, *copies]


def drop_misfits(slices: Sequence[RawSlice]) -> tuple[list[RawSlice], list[Reject]]:
    """Leave out slices with a place, spacing or number that no scanner writes, or that is no number at all."""
    fitting, rejects = [], []
    for item in slices:
        numbers = [item.position_mm or 0.0, item.row_spacing_mm, item.column_spacing_mm]
        if item.geometry is not None:
            numbers += [*item.geometry.centre_3, *item.geometry.normal_3, *item.geometry.orientation_6]
        if abs(item.instance) < 2**31 and all(abs(number) <= _LARGEST_MM for number in numbers):
            fitting.append(item)
        else:
            detail = "a place, a spacing or a number of the slice that no scanner writes"
            rejects.append(Reject(item.file, "value out of range", detail, "Correct its header, or export it again."))
    return fitting, rejects


def drop_corrected(slices: Sequence[RawSlice]) -> tuple[list[RawSlice], list[Reject]]:
    """Keep one of a slice and its corrected copies: the same study, place, contrast and matrix, another ImageType.

    Scanners store a series with and without correction of distortion or shading (ImageType DIS2D, DIS3D, NORM, FIL
    beside ND). The uncorrected one is kept; of several corrected ones the first; a correction without its original
    stays.
    """
    places: dict[tuple[object, ...], list[RawSlice]] = defaultdict(list)
    for item in slices:
        if item.geometry is not None:
            places[item.study, item.geometry.frame, item.weighting, item.pixels.shape].append(item)
    dropped: dict[int, RawSlice] = {}
    for group in places.values():
        originals: list[RawSlice] = []
        for item in sorted(group, key=lambda s: len(s.image_type & CORRECTIONS)):
            marks = item.image_type & CORRECTIONS
            first = next(
                (k for k in originals if marks and k.image_type & CORRECTIONS != marks and _same_place(item, k)), None
            )
            if first is None:
                originals.append(item)
            else:
                dropped[id(item)] = first
    rejects = [
        Reject(
            item.file,
            "corrected copy",
            f"ImageType says {', '.join(sorted(item.image_type & CORRECTIONS))}: another slice shows the same scan",
            "Nothing to do: one of the two is kept.",
            private=f"as {dropped[id(item)].file}",
        )
        for item in slices
        if id(item) in dropped
    ]
    return [item for item in slices if id(item) not in dropped], rejects


def mark_planning(slices: Sequence[RawSlice]) -> None:
    """Mark series of several planes as localizers, in place, or the few reference images in a series of one plane."""
    series: dict[tuple[str, str], list[RawSlice]] = defaultdict(list)
    for item in slices:
        if _is_uid(item.series) and item.geometry is not None and item.weighting not in NO_ANATOMY:
            series[item.study, item.series].append(item)
    for group in series.values():
        planes = [sure_plane(item, np.array([1.0, 0.0, 0.0])) for item in group]
        counts = Counter(plane for plane in planes if plane)
        if len(counts) < 2:
            continue
        (main, most), *_ = counts.most_common()
        others = counts.total() - most
        if others <= MAX_REFERENCES and most >= 4 * others:
            for item, plane in zip(group, planes, strict=True):
                if plane not in (main, None):
                    _mark(item, f"a {plane} slice in a series of {main} ones: a reference image")
        else:
            listed = ", ".join(sorted(counts))
            for item in group:
                _mark(item, f"series in several planes ({listed}): for planning")


def mark_diffusion(slices: Sequence[RawSlice]) -> None:
    """Give the slices of a diffusion series the weighting "other", in place: those of b = 0 say of themselves nothing
    of diffusion, and look like a T2.
    """
    weighted = {
        (item.study, item.series) for item in slices if item.weighting_reason == DIFFUSION and _is_uid(item.series)
    }
    for item in slices:
        if (item.study, item.series) in weighted and item.weighting not in NO_ANATOMY:
            item.weighting, item.weighting_reason = "other", f"{DIFFUSION} in another slice of its series"


def _is_uid(series: str) -> bool:
    """Return whether a series has a DICOM UID: the slices of a folder need be no series."""
    return bool(series) and set(series) <= set("0123456789.")


def _mark(item: RawSlice, reason: str) -> None:
    item.weighting, item.weighting_reason = "localizer", reason


def _same_place(first: RawSlice, second: RawSlice) -> bool:
    a, b = first.geometry, second.geometry
    if a is None or b is None:
        return False
    return bool(
        np.abs(a.centre_3 - b.centre_3).max() < SAME_PLACE_MM and np.abs(a.normal_3 - b.normal_3).max() < SAME_ANGLE
    )
