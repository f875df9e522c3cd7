"""Stage train: one backbone, one task, one loss."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lss.backbones.base import Backbone
from lss.io import read_json, sha256_file
from lss.manifest import versions, write_manifest
from lss.model.network import network_config
from lss.model.saved import ModelCard, save_model
from lss.params import TrainParams
from lss.runs import Run
from lss.seeding import derive_seed
from lss.training.checkpoints import Progress, fingerprint
from lss.training.data import Subsets
from lss.training.fit import fit
from lss.workflow import code_hashes


def run(
    params: TrainParams,
    seed: int,
    *,
    backbone: str,
    task: str,
    loss: str,
    weights: Path,
    shards: dict[str, list[Path]],
    segmentation: Path | None,
    folder: Path,
    state: Path,
    manifest: Path,
    events: Path | None = None,
) -> None:
    """Train and write the model's folder.

    Args:
        params: the train section.
        seed: of params.yaml. Trainings of one backbone and task start from the same weights.
        backbone, task, loss: which training.
        weights: folder of the backbone's checkpoint.
        shards: paths of the subsets `train` and `val`.
        segmentation: folder of the segmentation model the report is written from; None for other tasks.
        folder: gets model.json, model.safetensors, adapter/, epochs.csv.
        state: rolling checkpoint; removed at the end.
        manifest: gets the stage's manifest.
        events: folder that gets the epochs for TensorBoard, if any.

    Raises LssError on a broken file, a setting that does not fit, or a loss that is no longer finite.
    """
    started = datetime.now(UTC)
    data = Subsets(shards, params.workers)
    fitted = fit(
        params,
        derive_seed(seed, "train", backbone, task),
        Run(backbone, task, loss),
        data,
        weights=weights,
        segmentation=segmentation,
        state=state,
        key=fingerprint_of(params, seed, backbone, task, loss, weights, shards, segmentation),
        epochs_csv=folder / "epochs.csv",
        events=events,
    )
    if not fitted.main:
        return  # one of several processes; the first one writes
    trained, model, course = fitted.task, fitted.setup.backbone, fitted.course
    sizes = (model.image_size, params.mask_size)
    card = _card(params, backbone, task, loss, model, course, trained.facts())
    files = save_model(folder, card, trained.module, model)
    write_manifest(
        manifest,
        "train",
        inputs=[*shards["train"], *shards["val"]],
        outputs=[*files, folder / "epochs.csv"],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={
            "backbone": backbone,
            "task": task,
            "loss": loss,
            "device": str(fitted.setup.device),
            "train_samples": len(data.samples("train", *sizes)),
            "val_samples": len(data.samples("val", *sizes)),
            "epochs": len(course.history),
            "best_epoch": course.best_epoch + 1,
            "best_val_score": course.best_score,
            "trained_parameters": fitted.trained_parameters,
            "parameters": fitted.parameters,
            "quantised": fitted.quantised,
            "weights": {k: v for k, v in read_json(weights / "manifest.json").items() if k != "files"},
            "leak": params.prompt == "oracle",
            **trained.facts(),
        },
    )
    shutil.rmtree(state, ignore_errors=True)


_NO_MATTER = {"backbones", "classification", "segmentation", "report", "workers", "gradient_checkpointing"}
"""Settings of other tasks, and such as change no byte of what is trained."""


def fingerprint_of(
    params: TrainParams,
    seed: int,
    backbone: str,
    task: str,
    loss: str,
    weights: Path,
    shards: dict[str, list[Path]],
    segmentation: Path | None,
) -> str:
    """Of everything the trained weights depend on: settings, data, weights, this program's code, its libraries."""
    settings = params.model_dump(mode="json", exclude=_NO_MATTER)
    own = getattr(params, task).model_dump(mode="json", exclude={"losses"})
    files = [*shards["train"], *shards["val"], weights / "manifest.json"]
    if segmentation is not None:
        files += sorted(path for path in segmentation.rglob("*") if path.is_file())
    hashes = [sha256_file(path) for path in files]
    return fingerprint([settings, own, seed, backbone, task, loss, hashes, code_hashes("train"), versions()])


def _card(
    params: TrainParams,
    backbone: str,
    task: str,
    loss: str,
    model: Backbone,
    course: Progress,
    facts: dict[str, Any],
) -> ModelCard:
    record: dict[str, Any] = params.model_dump(mode="json")
    return ModelCard(
        backbone=backbone,
        task=task,
        loss=loss,
        quantise=params.qlora.quantise,
        bf16=params.bf16,
        image_size=model.image_size,
        grid=list(model.grid),
        network=asdict(network_config(params)),
        leak=params.prompt == "oracle",
        best_epoch=course.best_epoch + 1,
        best_score=course.best_score or 0.0,
        train=record,
        facts=facts,
    )
