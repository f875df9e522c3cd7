"""Focal Tversky loss with fixed weights (Abraham and Khan 2019)."""

from __future__ import annotations

from torch import Tensor

from lss.losses.base import MaskLoss
from lss.losses.tversky import focal_tversky
from lss.training.settings import TrainParams


class FocalTverskyLoss(MaskLoss):
    """`(1 - TI)^gamma`; the published default is alpha 0.3, beta 0.7 and exponent 1 / (4/3) = 0.75."""

    def __init__(self, alpha: float = 0.3, beta: float = 0.7, gamma: float = 0.75) -> None:
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma

    def __call__(self, logits_B1YX: Tensor, target_B1YX: Tensor) -> Tensor:
        """See `lss.losses.tversky.focal_tversky`."""
        return focal_tversky(logits_B1YX, target_B1YX, self.alpha, self.beta, self.gamma)


def make(params: TrainParams) -> FocalTverskyLoss:
    """Make the loss; it has no settings."""
    return FocalTverskyLoss()
