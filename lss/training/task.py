"""What the training loop asks of a task, and what a task is built from."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lss.backbones import qlora
from lss.backbones.base import Backbone
from lss.calibration.probabilities import Prevalence
from lss.model.batch import Batch
from lss.model.network import Output
from lss.runtime.settings import ExecutionParams
from lss.training.settings import TrainParams


@dataclass(frozen=True)
class Setup:
    """What a task is built from.

    Attributes:
        backbone: loaded and frozen, without adapters; the task adds those that it trains.
        params: the train section.
        loss: name of the loss, one of the task's `losses`.
        seed: of this training; for draws beyond torch's own generator, which is seeded already.
        device: where the backbone lies.
        segmentation: model folder of the trained segmentation network (task report only).
        weights: folder of the backbone's checkpoint.
        execution: the execution section.
    """

    backbone: Backbone
    params: TrainParams
    loss: str
    seed: int
    device: torch.device
    segmentation: Path | None
    weights: Path
    execution: ExecutionParams


class Task:
    """One thing to train. Each task module has `build(setup: Setup) -> Task`.

    Attributes:
        module: everything that is trained, the backbone within. What of it is saved: parameters that require
            gradients, and buffers (batch norm) outside the backbone.
        backbone: the backbone in `module`, whose adapters are saved in peft's format; None for a baseline.
        recounts: whether the loop passes the epoch's images once more after the last step, to `count`.
    """

    module: nn.Module
    backbone: Backbone | None
    recounts: bool = False

    @property
    def known(self) -> Container[str]:
        """Keys of the samples whose pixels the task need not see again; by default every epoch looks at every image."""
        return ()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return parameters for AdamW: dicts with `name`, `params`, `lr`, `weight_decay`; names become columns."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """Return the scalar loss, the mean over the batch, with gradient. May count things for `end_epoch`."""
        raise NotImplementedError

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Return scores on the validation part; `score` decides (higher is better). The module is in eval mode."""
        raise NotImplementedError

    def count(self, batch: Batch) -> None:
        """Count on a batch of the epoch, with the weights that its last step left. The module is in eval mode."""

    def counts(self) -> Any:
        """Return JSON value of what this process has counted in the epoch."""

    def load_counts(self, counts: list[Any]) -> None:
        """Go on counting from the sum of what `counts` gave in some processes; of none, from the beginning."""

    def end_epoch(self, counts: list[Any]) -> dict[str, float]:
        """Adapt the loss after an epoch's last step, return columns for epochs.csv, and reset the counts.

        `counts` are those of all processes that trained, one after the other.
        """
        return {}

    def finish(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        """Compute what the trained model keeps of its images, once the best weights are in place; by default nothing.

        The module is in eval mode; batches are as in the validation, `train` of images drawn from the training part.
        """

    def calibrate(self, val: Iterable[Batch], prevalence: Prevalence) -> None:
        """Fit on the validation part what gradients do not learn, with the best weights; by default nothing.

        The module is in eval mode; `prevalence` is that of the training part. Every process that trained comes here.
        """

    def facts(self) -> dict[str, Any]:
        """Return results besides weights and scores, as JSON values for the manifest and model.json."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return JSON values a checkpoint keeps beside weights, optimiser and counts, the same in every process."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave."""


def grade_term(output: Output, batch: Batch, weight: float) -> Tensor | float:
    """Return `weight` times the cross-entropy of the grade that the encoder reads; 0 where it reads none."""
    if output.grade_logits is None:
        return 0.0
    return weight * nn.functional.cross_entropy(output.grade_logits, batch.grade_B)


def add_vision_adapters(setup: Setup) -> None:
    """Add LoRA to the vision tower, initialised from torch's generator."""
    qlora.add_adapters(
        setup.backbone,
        ("vision",),
        rank=setup.params.qlora.rank,
        alpha=setup.params.qlora.alpha,
        dropout=setup.params.qlora.dropout,
    )


def split_parameters(module: nn.Module, backbone: Backbone | None) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return trained parameters of `module` as (adapters within `backbone`, if there is one; everything new)."""
    adapters = qlora.adapter_parameters(backbone) if backbone else []
    known = {id(parameter) for parameter in adapters}
    return adapters, [p for p in module.parameters() if p.requires_grad and id(p) not in known]
