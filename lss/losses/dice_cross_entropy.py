"""Soft Dice plus cross-entropy, the usual loss of medical segmentation (nnU-Net)."""

from __future__ import annotations

from torch import Tensor

from lss.losses.base import MaskLoss
from lss.losses.cross_entropy import cross_entropy
from lss.losses.tversky import focal_tversky
from lss.training.settings import TrainParams


def dice_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return `(1 - Dice) + cross-entropy`, Dice on soft counts pooled over the batch. Range [0, inf).

    Soft Dice is the Tversky index with alpha = beta = 0.5.
    """
    return focal_tversky(logits, target, alpha=0.5, beta=0.5, gamma=1.0) + cross_entropy(logits, target)


class DiceCrossEntropyLoss(MaskLoss):
    """`dice_cross_entropy` as a mask loss."""

    def __call__(self, logits_B1YX: Tensor, target_B1YX: Tensor) -> Tensor:
        """See `dice_cross_entropy`."""
        return dice_cross_entropy(logits_B1YX, target_B1YX)


def make(params: TrainParams) -> DiceCrossEntropyLoss:
    """Make the loss; it has no settings."""
    return DiceCrossEntropyLoss()
