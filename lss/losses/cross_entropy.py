"""Pixel-wise binary cross-entropy: the baseline of the paper's ablation (Table 6)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from lss.losses.base import MaskLoss
from lss.training.settings import TrainParams


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean over all pixels of `-(y log p + (1 - y) log(1 - p))`, p = sigmoid(logit). Range [0, inf).

    >>> import torch
    >>> round(cross_entropy(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).item(), 4)
    0.6931
    """
    return binary_cross_entropy_with_logits(logits.float() if logits.itemsize < 4 else logits, target.to(logits))


class CrossEntropyLoss(MaskLoss):
    """`cross_entropy` as a mask loss."""

    def __call__(self, logits_B1YX: Tensor, target_B1YX: Tensor) -> Tensor:
        """See `cross_entropy`."""
        return cross_entropy(logits_B1YX, target_B1YX)


def make(params: TrainParams) -> CrossEntropyLoss:
    """Make the loss; it has no settings."""
    return CrossEntropyLoss()
