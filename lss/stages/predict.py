"""Stage predict: a trained model on the test part."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lss.domain.area import affected_area
from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.evaluation.prompt_exchange import SAID
from lss.model.network import Output, SegmentationNetwork
from lss.model.prompt_bank import questions
from lss.model.saved import CONFIG, ModelCard, load_network, read_card
from lss.project.manifest import write_manifest
from lss.project.params import ExecutionParams, PredictParams
from lss.runtime.progress import progress
from lss.runtime.torch_setup import resolve_device, set_deterministic
from lss.storage.io import write_parquet
from lss.storage.schemas import CLASSIFICATION, REPORT, SEGMENTATION
from lss.training.data import BatchLoader, Samples
from lss.training.task import Batch

SCHEMAS = {"classification": CLASSIFICATION, "segmentation": SEGMENTATION, "report": REPORT}


def run(
    params: PredictParams,
    seed: int,
    *,
    execution: ExecutionParams,
    model: Path,
    weights: Path | None,
    segmentation: Path | None,
    shards: list[Path],
    predictions: Path,
    manifest: Path,
) -> None:
    """Predict every test slice and write one row each, in the order of the shards.

    Args:
        params: the predict section.
        seed: of params.yaml; used where reports are sampled or written anew.
        execution: the execution section.
        model: folder that `train` wrote.
        weights: folder of the backbone's checkpoint; None for a baseline.
        segmentation: model folder of the segmentation network (task report); None for other tasks.
        shards: paths of the test part.
        predictions: gets the table; its schema is lss.storage.schemas.CLASSIFICATION, SEGMENTATION or REPORT.
        manifest: gets the stage's manifest.

    Raises LssError on a missing or foreign file.
    """
    started = datetime.now(UTC)
    device = resolve_device(execution.device)
    set_deterministic(execution.threads, device)
    card = read_card(model)
    samples = Samples(shards, card.image_size, card.network_config.mask_size)
    loader = BatchLoader(samples, execution.predict_batch_size, seed=None)
    batches = progress(loader.batches(), f"predict {card.backbone} {card.task}", len(loader), "batch")
    rows = list(_predict(card, model, weights, segmentation, params, seed, device, batches))
    write_parquet(predictions, rows, SCHEMAS[card.task])
    write_manifest(
        manifest,
        "predict",
        inputs=[*shards, model / CONFIG],
        outputs=[predictions],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={
            "backbone": card.backbone,
            "task": card.task,
            "loss": card.loss,
            "slices": len(rows),
            "device": str(device),
            "execution": execution.model_dump(mode="json"),
            "leak": card.leak,
            **({"origins": _origins(rows)} if card.task == "report" else {}),
        },
    )


def _predict(
    card: ModelCard,
    model: Path,
    weights: Path | None,
    segmentation: Path | None,
    params: PredictParams,
    seed: int,
    device: torch.device,
    batches: Iterable[Batch],
) -> Iterator[dict[str, Any]]:
    """Rows of the predictions table."""
    if card.task == "report":
        from lss.training import report_prediction

        if segmentation is None or weights is None:
            raise LssError("predict: segmentation: a report is written from a mask; name the model that draws it.")
        yield from report_prediction.predict(card, model, weights, params, seed, device, batches)
        return
    network, card = load_network(model, weights, device)
    for batch in batches:
        there = batch.to(device)
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=card.bf16):
            output: Output = network(there.image_B1YX, there.grade_B, there.asked_B3)
            if card.task == "classification":
                yield from _classification_rows(batch, output)
                continue
            said = {}
            if isinstance(network, SegmentationNetwork) and output.attention_BHKN is not None:
                patches_BND = network.encoder.patches(there.image_B1YX)
                levels = [row["level"] for row in batch.rows]
                for words in SAID:
                    said[words] = network.draw(patches_BND, there.grade_B, questions(levels, said=words).to(device))
        yield from _segmentation_rows(batch, output, said)


def _origins(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many reports stand as they were first written, were written anew, gave way to the template."""
    origins = Counter(row["origin"] for row in rows)
    if replaced := origins.total() - origins["first"]:
        print(
            f"{replaced} of {len(rows)} reports contradicted what they were written from: {origins['regenerated']} "
            f"were written anew, {origins['template']} replaced by the template.",
            file=sys.stderr,
        )
    return dict(sorted(origins.items()))


def _case(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("slice_key", "patient_key", "level", "grade")}


def _classification_rows(batch: Batch, output: Output) -> Iterator[dict[str, Any]]:
    for row, probabilities in zip(batch.rows, output.logits.float().cpu().softmax(dim=-1).tolist(), strict=True):
        named = {f"p_{grade}": value for grade, value in zip(GRADES, probabilities, strict=True)}
        yield _case(row) | named | {"predicted": GRADES[int(np.argmax(probabilities))]}


def _png(mask: NDArray[np.bool_]) -> dict[str, Any]:
    return {"bytes": cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes(), "path": None}


def _segmentation_rows(batch: Batch, output: Output, said: dict[str, Output]) -> Iterator[dict[str, Any]]:
    """`said`: output where the prompts say something else, by the names of SAID; empty for a network without."""
    said_BYX = {words: (other.logits[:, 0] > 0).cpu().numpy() for words, other in said.items()}
    probability_BYX = output.logits.float().cpu().sigmoid()[:, 0].numpy()
    attention: dict[str, Any] = {"attention": None, "grid_rows": None, "grid_columns": None}
    if output.attention_BHKN is not None:
        attention_BN = output.attention_BHKN.float().mean(dim=(1, 2)).cpu().numpy()
        attention |= {"grid_rows": output.grid[0], "grid_columns": output.grid[1]}
    for index, (row, probability) in enumerate(zip(batch.rows, probability_BYX, strict=True)):
        inside = probability > 0.5
        confidence = probability[inside]
        if output.attention_BHKN is not None:
            attention["attention"] = attention_BN[index].astype("<f2").tobytes()
        yield (
            _case(row)
            | attention
            | {
                "mask": _png(inside),
                **{f"mask_said_{words}": _png(said_BYX[words][index]) if said else None for words in SAID},
                "area_percent": affected_area(float(inside.mean()), row["region_share"]),
                "mean_confidence": float(confidence.mean()) if confidence.size else None,
                "max_confidence": float(confidence.max()) if confidence.size else None,
            }
        )
