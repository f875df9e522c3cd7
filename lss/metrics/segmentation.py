"""Overlap of two masks, from pixel counts, with the rules for empty masks that every table here follows.

Both masks empty: 1.0 (flagged as such). One of them empty: 0 for Dice, IoU, precision and recall. Never NaN,
never dropped: dropping would let a model that misses more score better.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OVERLAP_METRICS = ("dice", "iou", "precision", "recall", "specificity")


class PixelCounts(NamedTuple):
    """Pixels of one or many images, int64 of any shape: true and false, positive and negative."""

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    tn: NDArray[np.int64]


def pixel_counts(predicted: NDArray[np.bool_], reference: NDArray[np.bool_]) -> PixelCounts:
    """Return counts of boolean masks (..., Y, X), per image (...).

    Raises ValueError where the shapes differ.
    """
    if predicted.shape != reference.shape:
        raise ValueError(f"masks of shape {predicted.shape} and {reference.shape} cannot be compared")
    axes = (-2, -1)
    tp = np.count_nonzero(predicted & reference, axis=axes)
    fp = np.count_nonzero(predicted, axis=axes) - tp
    fn = np.count_nonzero(reference, axis=axes) - tp
    # Counted, not what is left of the image, so that the consistency gate has something to find.
    tn = np.count_nonzero(~(predicted | reference), axis=axes)
    return PixelCounts(*(np.asarray(count, dtype=np.int64) for count in (tp, fp, fn, tn)))


def overlap(counts: PixelCounts) -> dict[str, NDArray[np.float64]]:
    """Return the Dice, IoU, precision, recall, specificity in [0, 1], float64 of the counts' shape.

    Pooled counts (summed over images) give the pooled metrics. An image without background has specificity 1.

    >>> scores = overlap(PixelCounts(*np.array([[16252], [106], [3834], [45344]])))
    >>> {name: round(float(value[0]), 3) for name, value in scores.items()}
    {'dice': 0.892, 'iou': 0.805, 'precision': 0.994, 'recall': 0.809, 'specificity': 0.998}
    """
    tp, fp, fn, tn = (np.asarray(count, dtype=np.float64) for count in counts)
    both_empty = (tp + fp + fn) == 0
    return {
        "dice": _ratio(2 * tp, 2 * tp + fp + fn, both_empty),
        "iou": _ratio(tp, tp + fp + fn, both_empty),
        "precision": _ratio(tp, tp + fp, both_empty),
        "recall": _ratio(tp, tp + fn, both_empty),
        "specificity": _ratio(tn, tn + fp, (tn + fp) == 0),
    }


def emptiness(counts: PixelCounts) -> NDArray[np.str_]:
    """Return which masks hold no pixel: "both", "prediction", "reference" or "none"."""
    no_prediction = (counts.tp + counts.fp) == 0
    no_reference = (counts.tp + counts.fn) == 0
    return np.select(
        [no_prediction & no_reference, no_prediction, no_reference], ["both", "prediction", "reference"], "none"
    )


def _ratio(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64], perfect: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return quotient; 0 where the denominator is 0; 1 where `perfect`."""
    return np.where(perfect, 1.0, numerator / np.where(denominator == 0, 1.0, denominator))
