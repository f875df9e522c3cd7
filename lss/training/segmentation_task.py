"""Segmentation as a task of the training loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lss.backbones.base import Backbone
from lss.losses.base import MaskLoss
from lss.losses.mask_losses import make_mask_loss
from lss.model.batch import Batch
from lss.model.network import SegmentationNetwork, network_config
from lss.training.settings import SegmentationParams, TrainParams
from lss.training.task import Setup, Task, add_vision_adapters, grade_term, split_parameters


class SegmentationTask(Task):
    """Trains adapters of the vision tower, attention and decoder on masks; of a baseline, all of it."""

    def __init__(
        self,
        network: nn.Module,
        backbone: Backbone | None,
        mask_loss: MaskLoss,
        settings: SegmentationParams,
        device: torch.device,
        grade_weight: float = 0.0,
        recount: bool = False,
    ) -> None:
        """Put network and loss together.

        Args:
            network: image and grade to `lss.model.network.Output`.
            backbone: the one in the network, if there is one.
            mask_loss, settings, device: of the training.
            grade_weight: of the loss of the grade that the encoder reads beside its task.
            recount: whether an adaptive loss gets the errors of another pass at the epoch's end. Otherwise, and for
                losses that do not adapt, errors are those of the training steps, each by the weights of its moment.
        """
        self.module = network
        self.backbone = backbone
        self.mask_loss = mask_loss
        self.settings = settings
        self.grade_weight = grade_weight
        self.recounts = recount and mask_loss.adaptive
        self._errors = torch.zeros(2, dtype=torch.int64, device=device)  # FP, FN of the epoch so far

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return encoder (adapters, if there are any) and decoder (all that is new), each with its learning rate."""
        adapters, new = split_parameters(self.module, self.backbone)
        decay = self.settings.weight_decay
        groups = [
            {
                "name": "encoder",
                "params": adapters,
                "lr": self.settings.encoder_learning_rate,
                "weight_decay": decay,
            },
            {
                "name": "decoder",
                "params": new,
                "lr": self.settings.decoder_learning_rate,
                "weight_decay": decay,
            },
        ]
        return [group for group in groups if group["params"]]

    def loss(self, batch: Batch) -> Tensor:
        """Return the mask loss and that of the grade."""
        output = self.module(batch.image_B1YX, batch.grade_B, batch.query_B3)
        logits_B1YX = output.logits
        if not self.recounts:
            self._add_errors(logits_B1YX.detach(), batch)
        return self.mask_loss(logits_B1YX, batch.mask_B1YX) + grade_term(output, batch, self.grade_weight)

    def count(self, batch: Batch) -> None:
        """Add a batch's pixel errors."""
        self._add_errors(self.module(batch.image_B1YX, batch.grade_B, batch.query_B3).logits, batch)

    def _add_errors(self, logits_B1YX: Tensor, batch: Batch) -> None:
        predicted, true = logits_B1YX > 0, batch.mask_B1YX > 0.5
        self._errors += torch.stack([(predicted & ~true).sum(), (~predicted & true).sum()])

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Score Dice pooled over all pixels of the validation part.

        The mean over images (both masks empty: 1, one empty: 0) would prefer a network that draws nothing
        where most slices are of Grade A. That mean and the mean over non-empty masks are reported beside it.
        """
        dice, empty, counts = [], [], torch.zeros_like(self._errors)
        for batch in batches:
            predicted = self.module(batch.image_B1YX, batch.grade_B, batch.query_B3).logits > 0
            true = batch.mask_B1YX > 0.5
            dice.append(image_dice(predicted, true))
            empty.append(~true.flatten(1).any(dim=1))
            counts += torch.stack([(predicted & true).sum(), predicted.sum() + true.sum()])
        overlap, sizes = counts.tolist()
        per_image, filled = torch.cat(dice), ~torch.cat(empty)
        return {
            "score": 2 * overlap / sizes if sizes else 1.0,
            "dice": per_image.mean().item(),
            "dice_nonempty": per_image[filled].mean().item() if filled.any() else float("nan"),
        }

    def counts(self) -> list[int]:
        """Return pixels of false positives and false negatives."""
        return self._errors.tolist()

    def load_counts(self, counts: list[list[int]]) -> None:
        """Go on from the sum of some processes' pixels."""
        self._errors.copy_(torch.tensor([sum(errors) for errors in zip(*counts, strict=True)] or [0, 0]))

    def end_epoch(self, counts: list[list[int]]) -> dict[str, float]:
        """Let the loss adapt to the pixel errors of the epoch; columns are the weights that were in use."""
        columns = self.mask_loss.columns()
        false_positives, false_negatives = (sum(errors) for errors in zip(*counts, strict=True))
        self.mask_loss.end_epoch(false_positives, false_negatives)
        self._errors.zero_()
        return columns | {"fp": false_positives, "fn": false_negatives}

    def facts(self) -> dict[str, Any]:
        """Return how the errors that an adaptive loss heeds were counted."""
        return {"errors_counted": "epoch_end" if self.recounts else "running"} if self.mask_loss.adaptive else {}

    def state(self) -> dict[str, Any]:
        """Return the controller."""
        return {"loss": self.mask_loss.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave."""
        self.mask_loss.load_state_dict(state["loss"])


def image_dice(predicted_B1YX: Tensor, true_B1YX: Tensor) -> Tensor:
    """Return the Dice of each image's boolean masks, float32 (B,); both empty: 1, one empty: 0."""
    overlap = (predicted_B1YX & true_B1YX).sum(dim=(1, 2, 3))
    sizes = predicted_B1YX.sum(dim=(1, 2, 3)) + true_B1YX.sum(dim=(1, 2, 3))
    return torch.where(sizes > 0, 2 * overlap / sizes.clamp_min(1), 1.0)


def build_network(setup: Setup) -> SegmentationNetwork:
    """Build fresh adapters, attention and decoder."""
    add_vision_adapters(setup)
    network = SegmentationNetwork(setup.backbone, network_config(setup.params))
    setup.backbone.drop_text_tower()  # the prompts are embedded
    return network.to(setup.device)


def build(setup: Setup) -> SegmentationTask:
    """Return the task on a fresh network."""
    return make_task(build_network(setup), setup)


def make_task(network: SegmentationNetwork, setup: Setup) -> SegmentationTask:
    """Return the task on a given network, with the loss that the setup names."""
    mask_loss = make_mask_loss(setup.loss, setup.params)
    params, recount = setup.params, _recount(mask_loss, setup.params)
    return SegmentationTask(
        network, setup.backbone, mask_loss, params.segmentation, setup.device, params.grade_weight, recount
    )


def build_unet(params: TrainParams, loss: str, device: torch.device) -> SegmentationTask:
    """Build a plain U-Net for the same task."""
    from lss.model.unet import UNet  # imported here: MONAI takes seconds, and hardly anyone needs it

    network = UNet(params.mask_size, params.d_shared).to(device)
    mask_loss = make_mask_loss(loss, params)
    recount = _recount(mask_loss, params)
    return SegmentationTask(network, None, mask_loss, params.segmentation, device, recount=recount)


def _recount(mask_loss: MaskLoss, params: TrainParams) -> bool:
    return mask_loss.adaptive and params.pid.count == "epoch_end"
