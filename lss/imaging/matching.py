"""Finding the slice that another picture shows, by the correlation of grey levels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Match(NamedTuple):
    """Place of the best of several candidates, its correlation in [-1, 1], and that of the second best (-1: none)."""

    place: int
    correlation: float
    next_best: float


def best_match(picture: NDArray[Any], candidates: list[NDArray[np.uint16]]) -> Match | None:
    """Return the candidate (rows, columns) that correlates best with `picture`; None without one of its size.

    Pearson's correlation over all pixels, so that brightness and contrast do not matter. A picture of several channels
    (rows, columns, channels) counts by the channel that fits best.
    """
    channels = [picture] if picture.ndim == 2 else [picture[..., channel] for channel in range(picture.shape[2])]
    normalised = [_normalised(channel) for channel in channels]
    matches = [
        (max(float(np.vdot(channel, _normalised(candidate))) for channel in normalised), index)
        for index, candidate in enumerate(candidates)
        if candidate.shape == picture.shape[:2]
    ]
    if not matches:
        return None
    (best, index), *others = sorted(matches, key=lambda one: (-one[0], one[1]))
    return Match(index, best, others[0][0] if others else -1.0)


def _normalised(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return the mean 0 and length 1; all 0 for a constant image."""
    floats = np.asarray(image, np.float32)
    floats = floats - floats.mean(dtype=np.float64).astype(np.float32)
    length = float(np.sqrt(np.vdot(floats, floats)))
    return floats / length if length else floats
