"""Segmentation as a task of the training loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lss.backbones.base import Backbone
from lss.losses.base import MaskLoss
from lss.losses.masks import make_mask_loss
from lss.model.network import SegmentationNetwork, network_config
from lss.params import SegmentationParams, TrainParams
from lss.training.task import Batch, Setup, add_vision_adapters, grade_term, split_parameters


class SegmentationTask:
    """Trains adapters of the vision tower, attention and decoder on masks; of a baseline, all of it."""

    def __init__(
        self,
        network: nn.Module,
        backbone: Backbone | None,
        mask_loss: MaskLoss,
        settings: SegmentationParams,
        device: torch.device,
        grade_weight: float = 0.0,
    ) -> None:
        """`network`: image and grade to `lss.model.network.Output`; `backbone`: the one in it, if there is one."""
        self.module = network
        self.backbone = backbone
        self.known = ()  # every epoch looks at every image
        self.mask_loss = mask_loss
        self.settings = settings
        self.grade_weight = grade_weight
        self._errors = torch.zeros(2, dtype=torch.int64, device=device)  # FP, FN of the epoch so far

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Encoder (adapters, if there are any) and decoder (all that is new), each with its learning rate."""
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
        """The mask loss and that of the grade; counts the thresholded errors on the way, by the weights then."""
        output = self.module(batch.image_B1YX, batch.grade_B, batch.asked_B3)
        logits_B1YX = output.logits
        predicted, true = logits_B1YX.detach() > 0, batch.mask_B1YX > 0.5
        self._errors += torch.stack([(predicted & ~true).sum(), (~predicted & true).sum()])
        return self.mask_loss(logits_B1YX, batch.mask_B1YX) + grade_term(output, batch, self.grade_weight)

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Score: Dice pooled over all pixels of the validation part.

        The mean over images (both masks empty: 1, one empty: 0) would prefer a network that draws nothing
        where most slices are of Grade A. That mean and the mean over non-empty masks are told beside it.
        """
        dice, empty, counts = [], [], torch.zeros_like(self._errors)
        for batch in batches:
            predicted = self.module(batch.image_B1YX, batch.grade_B, batch.asked_B3).logits > 0
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
        """Pixels of false positives and false negatives."""
        return self._errors.tolist()

    def end_epoch(self, counts: list[list[int]]) -> dict[str, float]:
        """Let the loss adapt to the pixel errors of the epoch; columns are the weights that were in use."""
        columns = self.mask_loss.columns()
        false_positives, false_negatives = (sum(errors) for errors in zip(*counts, strict=True))
        self.mask_loss.end_epoch(false_positives, false_negatives)
        self._errors.zero_()
        return columns | {"fp": false_positives, "fn": false_negatives}

    def facts(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def state(self) -> dict[str, Any]:
        """Controller and counts."""
        return {"loss": self.mask_loss.state_dict(), "errors": self._errors.tolist()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave."""
        self.mask_loss.load_state_dict(state["loss"])
        self._errors.copy_(torch.tensor(state["errors"]))


def image_dice(predicted_B1YX: Tensor, true_B1YX: Tensor) -> Tensor:
    """Dice of each image's boolean masks, float32 (B,); both empty: 1, one empty: 0."""
    overlap = (predicted_B1YX & true_B1YX).sum(dim=(1, 2, 3))
    sizes = predicted_B1YX.sum(dim=(1, 2, 3)) + true_B1YX.sum(dim=(1, 2, 3))
    return torch.where(sizes > 0, 2 * overlap / sizes.clamp_min(1), 1.0)


def build_network(setup: Setup) -> SegmentationNetwork:
    """Fresh adapters, attention and decoder."""
    add_vision_adapters(setup)
    network = SegmentationNetwork(setup.backbone, network_config(setup.params))
    setup.backbone.drop_text_tower()  # the prompts are embedded
    return network.to(setup.device)


def build(setup: Setup) -> SegmentationTask:
    """The task on a fresh network."""
    return make_task(build_network(setup), setup)


def make_task(network: SegmentationNetwork, setup: Setup) -> SegmentationTask:
    """The task on a given network, with the loss that the setup names."""
    mask_loss = make_mask_loss(setup.loss, setup.params)
    return SegmentationTask(
        network, setup.backbone, mask_loss, setup.params.segmentation, setup.device, setup.params.grade_weight
    )


def build_unet(params: TrainParams, loss: str, device: torch.device) -> SegmentationTask:
    """The same task with a plain U-Net."""
    from lss.model.unet import UNet  # imported here: MONAI takes seconds, and hardly anyone needs it

    network = UNet(params.mask_size, params.d_shared).to(device)
    return SegmentationTask(network, None, make_mask_loss(loss, params), params.segmentation, device)
