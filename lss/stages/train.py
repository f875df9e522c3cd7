"""Stage train: one backbone, one task, one loss."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lss.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import torch

from lss.backbones import load_backbone
from lss.io import read_json, sha256_file
from lss.manifest import write_manifest
from lss.model.network import network_config
from lss.model.saved import ModelCard, save_model
from lss.params import TrainParams
from lss.seeding import derive_seed
from lss.torch_setup import resolve_device, set_deterministic
from lss.training.checkpoints import Progress, fingerprint
from lss.training.data import BatchLoader, Samples
from lss.training.loop import LoopSettings, train
from lss.training.task import Setup, Task


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

    Raises LssError on a broken file, a setting that does not fit, or a loss that is no longer finite.
    """
    started = datetime.now(UTC)
    set_deterministic(params.threads)
    # Every operator used here fills its own output; without this each allocation is written twice.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    device = resolve_device(params.device)
    if device.type == "cuda":
        # the backward pass of a bilinear resize has no deterministic kernel there: warn instead of refusing
        torch.use_deterministic_algorithms(True, warn_only=True)
    own_seed = derive_seed(seed, "train", backbone, task)
    torch.manual_seed(own_seed)

    model = load_backbone(
        backbone,
        weights,
        quantise=params.qlora.quantise,
        device=device,
        dtype=torch.bfloat16 if params.bf16 else torch.float32,
    )
    model.set_gradient_checkpointing(params.gradient_checkpointing)
    setup = Setup(model, params, loss, own_seed, device, segmentation, weights)
    trained = _build_task(task, setup)

    of_task = getattr(params, task)
    sizes = (model.image_size, params.mask_size)
    train_data = BatchLoader(Samples(shards["train"], *sizes), params.micro_batch_size, own_seed, params.workers)
    val_data = BatchLoader(Samples(shards["val"], *sizes), params.micro_batch_size, None, params.workers)
    course = train(
        trained,
        train_data,
        val_data,
        LoopSettings(
            epochs=of_task.epochs,
            patience=of_task.patience,
            accumulate=params.batch_size // params.micro_batch_size,
            schedule=params.schedule,
            gradient_clip=params.gradient_clip,
            bf16=params.bf16,
            device=device,
        ),
        state=state,
        key=fingerprint_of(params, seed, backbone, task, loss, weights, shards, segmentation),
        epochs_csv=folder / "epochs.csv",
    )

    card = _card(params, backbone, task, loss, setup, course, trained.facts())
    files = save_model(folder, card, trained.module, model)
    counts = [(part.numel(), part.requires_grad) for part in trained.module.parameters()]
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
            "device": str(device),
            "train_samples": len(train_data.samples),
            "val_samples": len(val_data.samples),
            "epochs": len(course.history),
            "best_epoch": course.best_epoch + 1,
            "best_val_score": course.best_score,
            "trained_parameters": sum(count for count, trains in counts if trains),
            "parameters": sum(count for count, _ in counts),
            "weights": {k: v for k, v in read_json(weights / "manifest.json").items() if k != "files"},
            "leak": params.prompt == "oracle",
            **trained.facts(),
        },
    )
    shutil.rmtree(state, ignore_errors=True)


def _build_task(task: str, setup: Setup) -> Task:
    """The task of that name; imported here, since each pulls in more than the others need."""
    if task == "classification":
        from lss.training.classification_task import build as build_classification

        return build_classification(setup)
    if task == "segmentation":
        from lss.training.segmentation_task import build as build_segmentation

        return build_segmentation(setup)
    from lss.training.report_task import build as build_report

    return build_report(setup)


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
    """Of everything the trained weights depend on; settings of other tasks are left out."""
    settings = params.model_dump(mode="json", exclude={"backbones", "classification", "segmentation", "report"})
    own = getattr(params, task).model_dump(mode="json", exclude={"losses"})
    files = [*shards["train"], *shards["val"], weights / "manifest.json"]
    if segmentation is not None:
        files += sorted(path for path in segmentation.rglob("*") if path.is_file())
    return fingerprint([settings, own, seed, backbone, task, loss, [sha256_file(path) for path in files]])


def _card(
    params: TrainParams,
    backbone: str,
    task: str,
    loss: str,
    setup: Setup,
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
        image_size=setup.backbone.image_size,
        grid=list(setup.backbone.grid),
        network=asdict(network_config(params)),
        leak=params.prompt == "oracle",
        best_epoch=course.best_epoch + 1,
        best_score=course.best_score or 0.0,
        train=record,
        facts=facts,
    )
