"""Mask losses by the names that params.yaml uses."""

from __future__ import annotations

from typing import get_args

from lss.errors import LssError
from lss.losses.base import MaskLoss
from lss.losses.cross_entropy import CrossEntropyLoss
from lss.losses.dice_cross_entropy import DiceCrossEntropyLoss
from lss.losses.focal_tversky import FocalTverskyLoss
from lss.losses.pid_tversky import BETA_BOUNDS, WIDE_BOUNDS, PidController, PidTverskyLoss
from lss.losses.tversky import TverskyLoss
from lss.project.params import MaskLoss as MaskLossName
from lss.project.params import TrainParams


def make_mask_loss(name: str, params: TrainParams) -> MaskLoss:
    """The segmentation loss called `name`, with the settings of the train section.

    Raises LssError for an unknown name.
    """
    match name:
        case "pid_tversky" | "pid_tversky_wide":
            pid = params.pid
            bounds = BETA_BOUNDS if name == "pid_tversky" else WIDE_BOUNDS
            controller = PidController(pid.kp, pid.ki, pid.kd, pid.beta_0, pid.integral_limit, bounds)
            return PidTverskyLoss(controller, params.gamma)
        case "pid_tversky_low" | "pid_tversky_high":  # what is left of the controller once it rests at a bound
            beta = BETA_BOUNDS[0] if name == "pid_tversky_low" else BETA_BOUNDS[1]
            return FocalTverskyLoss(1 - beta, beta, params.gamma)
        case "tversky":
            return TverskyLoss()
        case "focal_tversky":
            return FocalTverskyLoss()
        case "cross_entropy":
            return CrossEntropyLoss()
        case "dice_cross_entropy":
            return DiceCrossEntropyLoss()
    raise LssError(
        f"params.yaml: train.segmentation.losses: no loss '{name}'. Choose from {', '.join(get_args(MaskLossName))}."
    )
