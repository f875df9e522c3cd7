"""Combinations of metrics that cannot be: meeting one means that the evaluation has a bug, and stops it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-9


class ImpossibleMetricsError(RuntimeError):
    """Metrics that contradict each other: a bug of the evaluation, not of the user's."""


def lowest_mean_iou(mean_dice: float) -> float:
    """Return the least mean IoU that a mean Dice allows.

    Per image IoU = D / (2 - D), a convex function, so the mean IoU is at least that of the mean Dice (Jensen).

    >>> round(lowest_mean_iou(0.9754), 3)
    0.952
    """
    return mean_dice / (2 - mean_dice)


def check_overlap(where: str, mean_dice: float, mean_iou: float, tolerance: float = _ROUNDING) -> None:
    """Raise ImpossibleMetricsError unless D / (2 - D) <= mean IoU <= mean Dice, both in [0, 1].

    `tolerance` is for values rounded in print.
    """
    if not (0 <= mean_iou <= 1 and 0 <= mean_dice <= 1):
        raise ImpossibleMetricsError(f"{where}: Dice {mean_dice}, IoU {mean_iou}: outside 0 to 1")
    least = lowest_mean_iou(mean_dice)
    if not least - tolerance <= mean_iou <= mean_dice + tolerance:
        raise ImpossibleMetricsError(
            f"{where}: mean IoU {mean_iou:.6g} with mean Dice {mean_dice:.6g}; it must lie in "
            f"{least:.6g} to {mean_dice:.6g}"
        )


def check_confusion(where: str, confusion: NDArray[np.float64], n: int) -> None:
    """Raise ImpossibleMetricsError unless a confusion matrix (C, C + 1) holds n cases, in whole numbers."""
    if (confusion < 0).any() or (confusion != np.round(confusion)).any() or confusion.sum() != n:
        raise ImpossibleMetricsError(f"{where}: counts {confusion.tolist()} do not add up to {n} cases")


def check_accuracy(where: str, accuracy: float, recalls: NDArray[np.float64], tolerance: float = _ROUNDING) -> None:
    """Raise ImpossibleMetricsError unless the accuracy lies among the recalls: it is their weighted mean.

    Args:
        recalls: of the classes; NaN for a class that does not occur.
    """
    lowest, highest = float(np.nanmin(recalls)), float(np.nanmax(recalls))
    if not lowest - tolerance <= accuracy <= highest + tolerance:
        raise ImpossibleMetricsError(
            f"{where}: accuracy {accuracy:.6g} outside the recalls, {lowest:.6g} to {highest:.6g}"
        )


def check_counts(where: str, parts: dict[str, int], whole: int) -> None:
    """Raise ImpossibleMetricsError unless named counts add up to `whole`."""
    if sum(parts.values()) != whole:
        raise ImpossibleMetricsError(f"{where}: {parts} add up to {sum(parts.values())}, not {whole}")


def check_pixels(where: str, counts: NDArray[np.int64], pixels: int) -> None:
    """Raise ImpossibleMetricsError unless each image's pixel counts make up the whole image.

    Args:
        counts: (N, 4) true and false positives, false and true negatives of each image.
        pixels: of one image.
    """
    wrong = (counts < 0).any(axis=-1) | (counts.sum(axis=-1) != pixels)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise ImpossibleMetricsError(f"{where}: image {first}: counts {counts[first].tolist()} of {pixels} pixels")
