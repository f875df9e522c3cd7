"""Tversky index (eq. 8; Salehi et al. 2017) and the loss with fixed weights.

Soft counts are pooled over all pixels of all images of the batch, not taken per image: a Grade A image has an
empty mask, and on its own its index would be eps / (alpha FP + eps), flat and without a useful slope
as long as there are false positives to unlearn. Pooled, each of its false positives counts like any other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lss.losses.base import MaskLoss
from lss.training.settings import TrainParams

SMOOTH = 1.0
"""eps of eq. 8, in pixels: an empty prediction of an empty batch has index 1. Not stated in the paper."""


def tversky_index(probability: Tensor, target: Tensor, alpha: float, beta: float, smooth: float = SMOOTH) -> Tensor:
    """Return `(TP + eps) / (TP + alpha FP + beta FN + eps)` on soft counts over all elements. Range (0, 1].

    Args:
        probability: in [0, 1], any shape.
        target: 0 or 1, same shape.
        alpha: weight of false positives, >= 0.
        beta: weight of false negatives, >= 0. alpha = beta = 0.5 is soft Dice.
        smooth: eps, in pixels, > 0.

    >>> p, y = torch.tensor([1.0, 1.0, 0.0, 0.0]), torch.tensor([1.0, 0.0, 1.0, 0.0])
    >>> round(tversky_index(p, y, alpha=0.3, beta=0.7).item(), 4)  # TP = FP = FN = 1
    0.6667
    """
    true_positives = (probability * target).sum()
    false_positives = (probability * (1 - target)).sum()
    false_negatives = ((1 - probability) * target).sum()
    return (true_positives + smooth) / (true_positives + alpha * false_positives + beta * false_negatives + smooth)


def focal_tversky(
    logits: Tensor, target: Tensor, alpha: float, beta: float, gamma: float, smooth: float = SMOOTH
) -> Tensor:
    """Return `(1 - TI)^gamma` (eq. 9) of sigmoid(logits). Range [0, 1].

    gamma is the exponent itself, as in the paper; Abraham and Khan 2019 write 1/gamma. The base is kept above
    1e-7, where the slope of a power below one would otherwise be infinite. Computed in at least float32.

    >>> perfect = torch.tensor([20.0, -20.0])
    >>> focal_tversky(perfect, torch.tensor([1.0, 0.0]), alpha=0.3, beta=0.7, gamma=1.0).item() < 1e-6
    True
    """
    probability = torch.sigmoid(logits.float() if logits.itemsize < 4 else logits)
    return (1 - tversky_index(probability, target.to(probability), alpha, beta, smooth)).clamp_min(1e-7) ** gamma


class TverskyLoss(MaskLoss):
    """`1 - TI` with fixed weights; by default false negatives weigh more (0.3, 0.7; Salehi et al. 2017)."""

    def __init__(self, alpha: float = 0.3, beta: float = 0.7) -> None:
        self.alpha = alpha
        self.beta = beta

    def __call__(self, logits_B1YX: Tensor, target_B1YX: Tensor) -> Tensor:
        """See `focal_tversky`, with exponent 1."""
        return focal_tversky(logits_B1YX, target_B1YX, self.alpha, self.beta, gamma=1.0)


def make(params: TrainParams) -> TverskyLoss:
    """Make the loss; it has no settings."""
    return TverskyLoss()
