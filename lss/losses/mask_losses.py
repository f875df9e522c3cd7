"""Mask losses by the names that params.yaml uses."""

from __future__ import annotations

from importlib import import_module

from lss.losses.base import MaskLoss
from lss.losses.registry import loss_record
from lss.training.settings import TrainParams


def make_mask_loss(name: str, params: TrainParams) -> MaskLoss:
    """Make the segmentation loss called `name` with the settings of the train section.

    Raises LssError for an unknown name.
    """
    module, _, function = loss_record("segmentation", name).factory.partition(":")
    made: MaskLoss = getattr(import_module(module), function)(params)
    return made
