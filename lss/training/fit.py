"""One call trains one model: the process is made deterministic, the backbone loaded, the task built, the loop run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import torch

from lss.backbones import load_backbone
from lss.backbones.qlora import quantised_summary, weight_count
from lss.calibration.probabilities import prevalence_of
from lss.model.saved import model_files
from lss.project.code import code_hash, installed
from lss.project.models import Run, training_settings
from lss.runtime.seeding import derive_seed
from lss.runtime.settings import ExecutionParams
from lss.runtime.torch_setup import set_deterministic
from lss.storage.io import sha256_file
from lss.training.checkpoints import Progress, fingerprint
from lss.training.data import BatchLoader, Subsets, change_by_epoch
from lss.training.loop import LoopSettings, train
from lss.training.parallel import join
from lss.training.registry import task_record
from lss.training.segmentation_task import build_unet
from lss.training.settings import TrainParams
from lss.training.task import Setup, Task


@dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
        task: its module has the weights of the best epoch and is in eval mode.
        image_size: side in pixels of the images it takes.
        device: where it lies.
        course: the epochs, and which was best.
        main: whether this process is the one to write it, of those that trained.
        parameters: of the backbone and what was put on it.
        trained_parameters: those of them that were trained.
        quantised: what of the backbone is stored in 4 bits, see `lss.backbones.qlora.quantised_summary`.
    """

    task: Task
    image_size: int
    device: torch.device
    course: Progress
    main: bool
    parameters: int
    trained_parameters: int
    quantised: dict[str, dict[str, Any]]


def fit(
    params: TrainParams,
    seed: int,
    model: Run,
    data: Subsets,
    *,
    execution: ExecutionParams,
    weights: Path | None,
    segmentation: Path | None,
    state: Path,
    key: str,
    epochs_csv: Path,
    events: Path | None = None,
) -> Fitted:
    """Train one model.

    Args:
        params: the train section.
        seed: of this training. Two models that differ in nothing that draws start from the same weights.
        model: which backbone (or baseline), task and loss.
        data: the subsets `train` and `val`.
        execution: the execution section.
        weights: folder of the backbone's checkpoint; None for a baseline.
        segmentation: folder of the segmentation model the report is written from; None for other tasks.
        state: folder of the rolling checkpoint; a killed training goes on from it.
        key: fingerprint of everything the result depends on; a checkpoint of another key is refused.
        epochs_csv: gets a row per epoch as it goes.
        events: folder that gets the same for TensorBoard, if any.

    Raises LssError on a broken file, a setting that does not fit, or a loss that is no longer finite.
    """
    processes = join(execution.processes, execution.device)
    device = processes.device
    set_deterministic(execution.threads, device)
    torch.manual_seed(seed)

    record = task_record(model.task)
    published: dict[int, int] = {}
    quantised: dict[str, dict[str, Any]] = {}
    if weights is None:
        task: Task = build_unet(params, model.loss, device)
        image_size = params.mask_size
    else:
        backbone = load_backbone(
            model.backbone,
            weights,
            quantise=params.qlora.quantise,
            device=device,
            dtype=torch.bfloat16 if params.bf16 else torch.float32,
        )
        backbone.set_gradient_checkpointing(execution.gradient_checkpointing)
        image_size = backbone.image_size
        published = {id(part): weight_count(part) for part in backbone.parameters()}
        quantised = quantised_summary(backbone)
        if processes.main:
            print(_describe(quantised), file=sys.stderr)
        setup = Setup(backbone, params, model.loss, seed, device, segmentation, weights, execution)
        task = _build_task(record.builder, setup)
        if execution.compile:
            writes = record.predicts == "report" and backbone.language_model is not None
            backbone.compile_layers(("vision", "language") if writes else ("vision",))
    added = [part for part in task.module.parameters() if id(part) not in published]
    if execution.sharding == "fsdp" and processes.world_size > 1:
        processes.shard(task)
    if not processes.main:  # from here on dropout differs; all have built the same weights
        torch.manual_seed(derive_seed(seed, "process", processes.rank))

    of_task = params.of(model.task)
    sizes = (image_size, params.mask_size)
    # the report task looks at each sample once and keeps what it saw: its images are the shards' own
    change = None if "augment" in record.unread else change_by_epoch(params.augment, seed)
    course = train(
        task,
        BatchLoader(data.samples("train", *sizes, change), params.micro_batch_size, seed, execution.workers),
        BatchLoader(data.samples("val", *sizes), params.micro_batch_size, None, execution.workers),
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
        key=key,
        epochs_csv=epochs_csv,
        events=events,
        processes=processes,
    )
    balanced = data.samples("train", *sizes).reader
    slices = dict(zip(balanced.column("slice_key"), balanced.column("grade"), strict=True))
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=params.bf16):
        unseen = BatchLoader(data.samples("val", *sizes), params.micro_batch_size, None, execution.workers)
        task.calibrate(
            (batch.to(device) for batch in unseen.batches()),
            prevalence_of(list(slices.values()), balanced.column("grade")),
        )
    processes.end()
    return Fitted(
        task,
        image_size,
        device,
        course,
        processes.main,
        parameters=sum(published.values()) + sum(part.numel() for part in added),
        trained_parameters=sum(part.numel() for part in added if part.requires_grad),
        quantised=quantised,
    )


def training_key(
    stage: str,
    params: TrainParams,
    seed: int,
    model: Run,
    weights: Path | None,
    shards: dict[str, list[Path]],
    segmentation: Path | None = None,
) -> str:
    """Fingerprint of everything a trained model depends on: settings, data, weights, this program's code, libraries.

    Args:
        stage: whose code counts.
        params, seed, model, weights, segmentation: as of `fit`.
        shards: paths by subset, `train` and `val`.
    """
    settings = training_settings(params, model)
    files = [*shards["train"], *shards["val"]]
    if weights is not None:
        files.append(weights / "manifest.json")
    if segmentation is not None:
        files += model_files(segmentation)
    hashes = [sha256_file(path) for path in files]
    return fingerprint([settings, seed, model, hashes, code_hash(stage), installed(stage)])


def _describe(quantised: dict[str, dict[str, Any]]) -> str:
    """Return one line on what is stored in 4 bits."""
    towers = [
        f"{tower} {of['layers']} layers ({', '.join(of['kinds'])}), {of['weights']:,} weights"
        for tower, of in quantised.items()
    ]
    return f"In 4 bits (NF4): {'; '.join(towers) or 'nothing'}."


def _build_task(builder: str, setup: Setup) -> Task:
    """Return the task that `module:function` makes; imported here, since each needs more than the others."""
    module, _, function = builder.partition(":")
    task: Task = getattr(import_module(module), function)(setup)
    return task
