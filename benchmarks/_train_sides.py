"""The two sides of benchmarks/train.py: the training of `lss`, and transformers' Trainer on the same model.

Both train two epochs on the same shards; the second is timed, so that start-up, first kernels and first decoding are
left out on both sides.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from lss.backbones import load_backbone
from lss.backbones.base import Backbone
from lss.model.batch import Batch
from lss.model.report_encoder import Location
from lss.model.report_generator import ReportGenerator
from lss.project.models import Run
from lss.project.params import Params
from lss.runtime.torch_setup import resolve_device
from lss.training import classification_task, fit, report_task, segmentation_task
from lss.training.data import BatchLoader, Samples, Subsets, collate
from lss.training.task import Setup, Task


class Clock:
    """Time of the second epoch, and how much of it went into waiting for the next batch."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.waited = self.began = self.ended = 0.0

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def start(self) -> None:
        self.began, self.waited = self.now(), 0.0

    def stop(self) -> None:
        self.ended = self.now()

    def watch(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The same batches; the wait for each is added up. The GPU is not waited for: it may be busy meanwhile."""
        iterator = iter(batches)
        while True:
            before = time.perf_counter()
            batch = next(iterator, None)
            self.waited += time.perf_counter() - before
            if batch is None:
                return
            yield batch

    def result(self, images: int) -> dict[str, float]:
        seconds = self.ended - self.began
        return {
            "images_per_second": images / seconds,
            "waiting": self.waited / seconds,
            "peak_mib": peak_mib(self.device),
        }


def peak_mib(device: torch.device) -> float:
    """Of the GPU's allocator; of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def limit_memory(device: torch.device, gib: float | None) -> None:
    """Have the GPU refuse more than so much, as a smaller card would."""
    if gib and device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, gib * 2**30 / total))


def with_lss(
    of_all: Params, model: Run, shards: dict[str, list[Path]], weights: Path, segmentation: Path | None
) -> dict[str, float]:
    """`lss.training.fit`, which is what `lss train` runs, with a clock in its loaders."""
    params, execution = of_all.train, of_all.execution
    clock = Clock(resolve_device(execution.device))

    class Timed(BatchLoader):
        def batches(self, epoch: int = 0, *arguments: Any, **named: Any) -> Iterator[Batch]:
            if self.seed is None:  # validation begins
                clock.stop()
            elif epoch == 1:
                clock.start()
            yield from clock.watch(super().batches(epoch, *arguments, **named))

    data = Subsets(shards, execution.workers)
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(fit, "BatchLoader", Timed):
        fit.fit(
            params, 1, model, data, execution=execution,
            weights=weights, segmentation=segmentation, state=Path(folder) / "state", key="benchmark",
            epochs_csv=Path(folder) / "epochs.csv",
        )  # fmt: skip
    return clock.result(len(Samples(shards["train"], 1, 1)))


class FirstEpoch(Dataset[dict[str, Any]]):
    """Samples as the first epoch has them, by their place alone, as `transformers.Trainer` asks for them."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[index, 0]


def backbone_of(task: Task) -> Backbone:
    """The backbone of a task that has one. Raises TypeError for a baseline."""
    if task.backbone is None:
        raise TypeError(f"{type(task).__name__}: has no backbone")
    return task.backbone


class ForTrainer(nn.Module):
    """A module that returns its loss, as `transformers.Trainer` expects. Plain: reports look at every image anew."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.module, self.task, self.device = task.module, (task,), backbone_of(task).device

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        batch = batch.to(self.device)
        if isinstance(self.module, ReportGenerator) and isinstance(self.task[0], report_task.ReportTask):
            evidence = self.module.look(
                batch.image_B1YX, batch.grade_B, [Location.of_sample(row) for row in batch.rows]
            )
            settings = self.task[0].settings
            loss = self.module.loss(evidence, batch.report, batch.grade_B, settings.focal_gamma, settings.grade_weight)
            loss = loss + self.module.finding_loss(evidence, batch.report)
        else:
            loss = self.task[0].loss(batch)
        return {"loss": loss}


def with_trainer(
    of_all: Params, model: Run, shards: dict[str, list[Path]], weights: Path, segmentation: Path | None
) -> dict[str, float]:
    """transformers' Trainer with peft's adapters: same network, weights, micro-batches, accumulation, precision."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    params, execution = of_all.train, of_all.execution
    device = resolve_device(execution.device)
    torch.set_num_threads(execution.threads)
    torch.manual_seed(1)
    task = build_task(of_all, model, weights, segmentation, device)
    task.module.train()
    samples = Samples(shards["train"], backbone_of(task).image_size, params.mask_size, keep=execution.workers == 0)
    clock = Clock(device)

    class Timing(TrainerCallback):
        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            clock.start()

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            clock.stop()

    class TimedTrainer(Trainer):
        def get_batch_samples(self, epoch_iterator: Any, *arguments: Any, **named: Any) -> Any:
            return super().get_batch_samples(clock.watch(epoch_iterator), *arguments, **named)

    with tempfile.TemporaryDirectory() as folder:
        TimedTrainer(
            model=ForTrainer(task),
            args=TrainingArguments(
                output_dir=folder,
                num_train_epochs=2,
                per_device_train_batch_size=params.micro_batch_size,
                gradient_accumulation_steps=params.batch_size // params.micro_batch_size,
                max_grad_norm=params.gradient_clip,
                bf16=params.bf16,
                use_cpu=device.type == "cpu",
                dataloader_num_workers=execution.workers,
                dataloader_persistent_workers=execution.workers > 0,
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                remove_unused_columns=False,
            ),
            train_dataset=FirstEpoch(samples),
            data_collator=lambda rows: {"batch": collate(rows)},
            callbacks=[Timing()],
        ).train()
    return clock.result(len(samples))


def build_task(of_all: Params, model: Run, weights: Path, segmentation: Path | None, device: torch.device) -> Task:
    """The task as `lss` builds it."""
    params = of_all.train
    backbone = load_backbone(
        model.backbone,
        weights,
        quantise=params.qlora.quantise,
        device=device,
        dtype=torch.bfloat16 if params.bf16 else torch.float32,
    )
    backbone.set_gradient_checkpointing(of_all.execution.gradient_checkpointing)
    build = {
        "classification": classification_task.build,
        "segmentation": segmentation_task.build,
        "report": report_task.build,
    }
    return build[model.task](Setup(backbone, params, model.loss, 1, device, segmentation, weights, of_all.execution))
