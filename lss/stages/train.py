"""Stage train: one backbone, one task, one loss.

Which files it reads and writes: `workflow/rules/train.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from lss.backbones.files import checkpoint_files, listed_files, summarise_tensors
from lss.inference.preparation import read_preparation
from lss.model.familiarity import REFERENCES
from lss.model.network import network_config
from lss.model.saved import CONFIG, ModelCard, model_files, save_model
from lss.project.code import code_hash
from lss.project.manifest import versions, write_manifest
from lss.project.models import Run, training_settings
from lss.runtime.seeding import derive_seed
from lss.runtime.settings import ExecutionParams
from lss.storage.io import read_json, sha256_file
from lss.training.data import BatchLoader, Subsets
from lss.training.fit import Fitted, fit, training_key
from lss.training.settings import TrainParams


def run(
    params: TrainParams,
    seed: int,
    *,
    execution: ExecutionParams,
    backbone: str,
    task: str,
    loss: str,
    weights: Path | None,
    shards: dict[str, list[Path]],
    segmentation: Path | None,
    folder: Path,
    state: Path,
    manifest: Path,
    events: Path | None = None,
    cohort: str | None = None,
) -> None:
    """Train and write the model's folder.

    Args:
        params: the train section.
        seed: of params.yaml. Trainings of one backbone and task start from the same weights.
        execution: the execution section.
        backbone, task, loss: which training.
        weights: folder of the backbone's checkpoint; None for a baseline.
        shards: paths of the subsets `train` and `val`.
        segmentation: folder of the segmentation model the report is written from; None for other tasks.
        folder: gets model.json, model.safetensors, adapter/, epochs.csv.
        state: rolling checkpoint; removed at the end.
        manifest: gets the stage's manifest.
        events: folder that gets the epochs for TensorBoard, if any.
        cohort: name of the cohort that the shards are of, which the model's card states; None where it is not known.

    Raises LssError on a broken file, a setting that does not fit, or a loss that is no longer finite.
    """
    started = datetime.now(UTC)
    model, own_seed = Run(backbone, task, loss), derive_seed(seed, "train", backbone, task)
    data = Subsets(shards, execution.workers)
    preparation = read_preparation([*shards["train"], *shards["val"]])
    fitted = fit(
        params,
        own_seed,
        model,
        data,
        execution=execution,
        weights=weights,
        segmentation=segmentation,
        state=state,
        key=training_key("train", params, own_seed, model, weights, shards, segmentation),
        epochs_csv=folder / "epochs.csv",
        events=events,
    )
    if not fitted.main:
        return  # one of several processes; the first one writes
    course, sizes = fitted.course, (fitted.image_size, params.mask_size)
    if execution.sharding != "fsdp" or execution.processes == 1:  # of a sharded model this process holds a part
        count, size = -(-REFERENCES // params.micro_batch_size), params.micro_batch_size
        fitted.task.finish(
            islice(BatchLoader(data.samples("train", *sizes), size, own_seed).batches(), count),
            BatchLoader(data.samples("val", *sizes), size, None).batches(),
        )
    samples = {subset: data.samples(subset, *sizes) for subset in ("train", "val")}
    made_from = {
        "seed": seed,
        "cohort": {
            "name": cohort,
            "patients": {subset: len(set(of.reader.column("patient_key"))) for subset, of in samples.items()},
        },
        "shards": {subset: {path.name: sha256_file(path) for path in shards[subset]} for subset in ("train", "val")},
        "segmentation": None if segmentation is None else sha256_file(segmentation / CONFIG),
        "code": code_hash("train"),
        "versions": versions(),
    }
    card = _card(params, model, fitted, weights, preparation, made_from)
    files = save_model(folder, card, fitted.task.module, fitted.task.backbone)
    write_manifest(
        manifest,
        "train",
        inputs=[*shards["train"], *shards["val"], *checkpoint_files(weights), *model_files(segmentation)],
        outputs=[*files, folder / "epochs.csv"],
        params=training_settings(params, model),
        seed=seed,
        started=started,
        facts={
            "backbone": backbone,
            "task": task,
            "loss": loss,
            "device": str(fitted.device),
            "execution": execution.model_dump(mode="json"),
            "train_samples": len(samples["train"]),
            "val_samples": len(samples["val"]),
            "epochs": len(course.history),
            "best_epoch": course.best_epoch + 1,
            "best_val_score": course.best_score,
            "trained_parameters": fitted.trained_parameters,
            "parameters": fitted.parameters,
            "quantised": fitted.quantised,
            "weights": _origin(weights),
            "leak": _leaks(params, weights),
            **_loaded(fitted),
            **_at_bound(course.history),
            **fitted.task.facts(),
        },
    )
    shutil.rmtree(state, ignore_errors=True)


def _origin(weights: Path | None) -> dict[str, Any]:
    """Return what the stage weights says of the checkpoint, but its files."""
    if weights is None:
        return {"source": "none"}
    return {name: value for name, value in read_json(weights / "manifest.json").items() if name != "files"}


def _leaks(params: TrainParams, weights: Path | None) -> bool:
    """Return whether the model sees the true grade; a baseline never does."""
    return params.prompt == "oracle" and weights is not None


def _at_bound(history: list[dict[str, Any]]) -> dict[str, int]:
    """Return epochs that an adaptive loss spent at a bound of its weights."""
    if "at_bound" not in history[0]:
        return {}
    return {"epochs_at_bound": int(sum(row["at_bound"] for row in history))}


def _card(
    params: TrainParams,
    model: Run,
    fitted: Fitted,
    weights: Path | None,
    preparation: dict[str, Any],
    made_from: dict[str, Any],
) -> ModelCard:
    backbone = fitted.task.backbone
    return ModelCard(
        backbone=model.backbone,
        task=model.task,
        loss=model.loss,
        quantise=params.qlora.quantise,
        bf16=params.bf16,
        image_size=fitted.image_size,
        grid=list(backbone.grid) if backbone else [],
        network=asdict(network_config(params)),
        leak=_leaks(params, weights),
        best_epoch=fitted.course.best_epoch + 1,
        best_score=fitted.course.best_score or 0.0,
        train=training_settings(params, model),
        preparation=preparation,
        # without the folder: the same model is the same bytes on every machine
        facts={
            "weights": {**_origin(weights), "folder": None, "files": listed_files(weights) if weights else {}},
            **_loaded(fitted),
            **fitted.task.facts(),
        },
        made_from=made_from,
    )


def _loaded(fitted: Fitted) -> dict[str, Any]:
    """Return how many tensors of the checkpoint's files the model does without, by name."""
    backbone = fitted.task.backbone
    return {"unused_weights": summarise_tensors(backbone.unused)} if backbone else {}
