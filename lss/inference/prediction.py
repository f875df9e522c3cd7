"""Predictions of a trained network on a batch of images, one record per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lss.domain.area import affected_area
from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.model.batch import Batch
from lss.model.network import Output, SegmentationNetwork
from lss.model.prompt_bank import prompt_queries


@dataclass(frozen=True)
class GradePrediction:
    """Grade of an image.

    Attributes:
        probabilities: of each of GRADES, float32 that sum to 1.
        predicted: the most probable grade.
        unfamiliarity: distance from the images of the training, above 1 beyond the threshold; None where the model
            does not judge it. See `lss.model.familiarity`.
    """

    probabilities: dict[str, float]
    predicted: str
    unfamiliarity: float | None = None


@dataclass(frozen=True)
class MaskPrediction:
    """Mask of an image.

    Attributes:
        mask: stenotic region (rows, columns) at the network's mask size.
        area_percent: eq. 10, in percent of the target region.
        mean_confidence, max_confidence: of the probabilities within the mask; None where it is empty.
        attention: mean over heads and prompts (grid rows, grid columns), float32, sums to 1; None without prompts.
        exchanged: masks under exchanged prompts, by their name in PROMPT_CONTENTS; empty unless asked for.
    """

    mask: NDArray[np.bool_]
    area_percent: float
    mean_confidence: float | None
    max_confidence: float | None
    attention: NDArray[np.float32] | None
    exchanged: dict[str, NDArray[np.bool_]]


@torch.no_grad()
def predict_grades(network: nn.Module, batch: Batch, device: torch.device, bf16: bool) -> list[GradePrediction]:
    """Return grades by a classification network. Raises LssError where its output is not finite."""
    output = _run(network, batch.to(device), bf16)
    probability_BG = output.logits.float().cpu().softmax(dim=-1)
    distance_B = [None] * len(probability_BG) if output.unfamiliarity_B is None else output.unfamiliarity_B.tolist()
    return [
        GradePrediction(dict(zip(GRADES, of_image, strict=True)), GRADES[int(np.argmax(of_image))], distance)
        for of_image, distance in zip(probability_BG.tolist(), distance_B, strict=True)
    ]


@torch.no_grad()
def predict_masks(
    network: nn.Module, batch: Batch, device: torch.device, bf16: bool, exchange: Sequence[str] = ()
) -> list[MaskPrediction]:
    """Return masks by a segmentation network.

    Args:
        network: takes images, grades and prompt queries to `lss.model.network.Output`.
        batch: `rows` have the column `region_share`, and `level` where prompts are exchanged.
        device: where the network lies.
        bf16: autocast to bfloat16.
        exchange: contents of the prompts of further masks, names of `lss.notes.prompts.PROMPT_CONTENTS`; for
            evaluation, and only by a network that has prompts.

    Raises LssError where the network's output is not finite.
    """
    on_device = batch.to(device)
    output = _run(network, on_device, bf16)
    exchanged_BYX: dict[str, NDArray[np.bool_]] = {}
    if exchange and isinstance(network, SegmentationNetwork) and output.attention_BHKN is not None:
        levels = [row["level"] for row in batch.rows]
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            patches_BND = network.encoder.patches(on_device.image_B1YX)
            for words in exchange:
                query_B3 = prompt_queries(levels, content=words).to(device)
                logits_B1YX = network.draw(patches_BND, on_device.grade_B, query_B3).logits
                exchanged_BYX[words] = (logits_B1YX[:, 0] > 0).cpu().numpy()
    probability_BYX = output.logits.float().cpu().sigmoid()[:, 0].numpy()
    attention_BYX = None
    if output.attention_BHKN is not None:
        attention_BYX = output.attention_BHKN.float().mean(dim=(1, 2)).unflatten(-1, output.grid).cpu().numpy()
    predictions = []
    for index, (row, probability_YX) in enumerate(zip(batch.rows, probability_BYX, strict=True)):
        mask_YX = probability_YX > 0.5
        inside = probability_YX[mask_YX]
        predictions.append(
            MaskPrediction(
                mask_YX,
                affected_area(float(mask_YX.mean()), row["region_share"]),
                float(inside.mean()) if inside.size else None,
                float(inside.max()) if inside.size else None,
                None if attention_BYX is None else attention_BYX[index],
                {words: masks_BYX[index] for words, masks_BYX in exchanged_BYX.items()},
            )
        )
    return predictions


def _run(network: nn.Module, on_device: Batch, bf16: bool) -> Output:
    with torch.autocast(on_device.image_B1YX.device.type, torch.bfloat16, enabled=bf16):
        output: Output = network(on_device.image_B1YX, on_device.grade_B, on_device.query_B3)
    refuse_not_finite(output.logits, on_device)
    return output


def refuse_not_finite(outputs: Tensor, batch: Batch) -> None:
    """Raise LssError for the first image of the batch for which a network's `outputs` (B, ...) are NaN or infinite."""
    finite_B = torch.isfinite(outputs).flatten(1).all(dim=1)
    if not finite_B.all():
        row = batch.rows[int((~finite_B).nonzero()[0])]
        raise LssError(
            f"slice {row.get('slice_key')}: the model's output is not finite (NaN or infinity), so it says nothing. "
            "Its checkpoint may hold such numbers: run `lss weights` and its training again; try train.bf16 false."
        )
