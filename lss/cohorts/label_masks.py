"""Segmentations among images: values that name labels, not grey levels, be they stored as whole numbers or not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lss.cohorts.base import UnusableError

MAX_LABELS = 32
"""An image of no more distinct values is a mask: scans have hundreds of grey levels."""

MAX_MANY_LABELS, EQUAL_SHARE = 256, 0.8
"""Up to so many are labels where so many neighbours in a row, off the background, are equal: noise parts a scan's."""


def refuse_label_mask(slices: Iterable[np.ndarray]) -> None:
    """Raise UnusableError where `label_mask` finds one."""
    if shown := label_mask(slices):
        raise UnusableError("label mask", shown, "Nothing to do: it is a segmentation, no image.")


def label_mask(slices: Iterable[np.ndarray]) -> str | None:
    """Return what shows that slices are a mask of labels, in words; None for an image, or a blank one.

    Args:
        slices: of one volume or picture, (rows, columns) each, read one after another.
    """
    distinct: set[float] = set()
    pairs = equal = 0
    for values in slices:
        distinct.update(np.unique(values).tolist())
        if len(distinct) > MAX_MANY_LABELS:
            return None
        inside = values[:, 1:] != 0
        pairs += int(inside.sum())
        equal += int((inside & (values[:, 1:] == values[:, :-1])).sum())
    if 1 < len(distinct) <= MAX_LABELS:
        return f"at most {MAX_LABELS} distinct values"
    if len(distinct) > 1 and equal > EQUAL_SHARE * pairs:
        return f"{len(distinct)} distinct values in areas of one value each"
    return None
