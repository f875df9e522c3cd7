"""Discs of patients: which slices are one disc's, and what is said of it by their mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Discs = list[list[int]]
"""Places of the slices through each disc."""


def discs_of(patients: Sequence[str], levels: Sequence[str | None]) -> Discs:
    """Slices by patient and disc level, in the order of their first ones; a slice of unknown level is in none.

    >>> discs_of(["P1", "P2", "P1", "P1"], ["L4-L5", "L4-L5", "L4-L5", None])
    [[0, 2], [1]]
    """
    places: dict[tuple[str, str], list[int]] = {}
    for place, (patient, level) in enumerate(zip(patients, levels, strict=True)):
        if level is not None:
            places.setdefault((patient, level), []).append(place)
    return list(places.values())


def disc_means(values_N3: NDArray[np.float64], discs: Discs) -> NDArray[np.float64]:
    """Mean over each disc's slices of the slices' values (N, ...): (M, ...)."""
    return np.stack([values_N3[places].mean(axis=0) for places in discs])
