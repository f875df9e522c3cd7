"""The training loop, top to bottom."""

from __future__ import annotations

import copy
import csv
import io
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lss.errors import LssError
from lss.runtime.progress import progress as bar
from lss.storage.io import write_text
from lss.training.checkpoints import (
    Progress,
    load_checkpoint,
    random_states,
    restore,
    save_checkpoint,
    set_random_states,
    trained_tensors,
)
from lss.training.data import BatchLoader
from lss.training.events import write_events
from lss.training.parallel import Alone
from lss.training.task import Task

WARM_UP = 0.05
"""Share of the steps over which the cosine schedule rises."""


@dataclass(frozen=True)
class LoopSettings:
    """What the loop itself needs to know.

    Attributes:
        epochs: at most so many.
        patience: stop after so many epochs without a better validation score.
        accumulate: batches of the loader that make one optimiser step.
        schedule: of the learning rates, `constant` or `cosine`; see `schedule`.
        gradient_clip: norm to which gradients are clipped.
        bf16: autocast to bfloat16.
        device: where batches go.
        checkpoint_seconds: a checkpoint is written at each epoch's end, and within an epoch when the last one
            is older than this.
    """

    epochs: int
    patience: int
    accumulate: int
    schedule: str
    gradient_clip: float
    bf16: bool
    device: torch.device
    checkpoint_seconds: float = 60.0


def train(
    task: Task,
    train_data: BatchLoader,
    val_data: BatchLoader,
    settings: LoopSettings,
    state: Path,
    key: str,
    epochs_csv: Path,
    events: Path | None = None,
    parallel: Alone | None = None,
) -> Progress:
    """Train `task`, whose module ends with the weights of its best epoch; returns the course.

    Killed and called again with the same `state` folder and `key` it goes on from the last checkpoint and
    ends with the same bytes (on a CPU). `key` is the fingerprint of everything the result depends on.
    `epochs_csv` gets a row per epoch as it goes; the folder `events`, if given, the same for TensorBoard. One of
    several processes, all of which call this, knows of the others by `parallel`; the first one writes.

    Raises LssError when the loss is no longer finite.
    """
    parallel = parallel or Alone(settings.device)
    module, loss_of = task.module, parallel.prepare(task)
    trained = [parameter for group in task.parameter_groups() for parameter in group["params"]]
    optimiser = torch.optim.AdamW(task.parameter_groups(), fused=True)  # one kernel for all tensors
    rates = [parameters["lr"] for parameters in optimiser.param_groups]
    at, best = Progress(), dict[str, Tensor]()
    resumed = load_checkpoint(state, key, module, optimiser)
    if resumed is not None:
        at, best, own_states = resumed
        task.load_state(own_states[parallel.rank]["task"])
        set_random_states(own_states[parallel.rank]["random"])
        if parallel.main:
            print(f"Resuming at epoch {at.epoch + 1}, step {at.step}.", file=sys.stderr)
    loss_sum = torch.tensor(at.loss_sum, dtype=torch.float64, device=settings.device)

    def read_loss() -> None:
        at.loss_sum = loss_sum.item()
        if not math.isfinite(at.loss_sum):
            raise LssError(
                f"The loss is not finite in epoch {at.epoch + 1}, step {at.step} or shortly before. Lower the task's "
                "learning rate in params.yaml (train), or set train.bf16 to false, and run it again: with other "
                "settings it starts from the beginning by itself."
            )

    def checkpoint() -> None:
        read_loss()
        own_states = parallel.gather({"task": task.state(), "random": random_states()})
        if parallel.main:
            save_checkpoint(state, key, module, optimiser, best, at, own_states)

    def recount() -> None:
        batches = train_data.batches(at.epoch, 0, task.known, parallel.rank, parallel.count)
        numbers = range(parallel.rank, math.ceil(len(train_data) / parallel.count) * parallel.count, parallel.count)
        shown = bar(numbers, f"epoch {at.epoch + 1}, errors", unit="batch", nested=True, shown=parallel.main)
        for number, batch in zip(shown, batches, strict=True):
            before = copy.deepcopy(task.state()) if number >= len(train_data) else None
            task.count(batch.to(settings.device))
            if before is not None:  # a process without a batch in the last round got the round's first once more
                task.load_state(before)

    def log() -> None:
        if not parallel.main:
            return
        write_epochs(epochs_csv, at.history)
        if events is not None:
            write_events(events, at.history)

    steps = math.ceil(len(train_data) / settings.accumulate)
    last_checkpoint = time.monotonic()
    for _ in bar(range(at.epoch, settings.epochs), "epochs", unit="epoch", shown=parallel.main):
        if at.finished:
            break
        module.train()
        start = at.step * settings.accumulate
        micro_batches = train_data.batches(at.epoch, start, task.known, parallel.rank, parallel.count)
        for _ in bar(range(at.step, steps), f"epoch {at.epoch + 1}", unit="step", nested=True, shown=parallel.main):
            group = range(len(train_data))[at.step * settings.accumulate :][: settings.accumulate]
            images = sum(train_data.size(number) for number in group)
            optimiser.zero_grad(set_to_none=True)
            factor = schedule(settings.schedule, (at.epoch * steps + at.step) / (settings.epochs * steps))
            for parameters, rate in zip(optimiser.param_groups, rates, strict=True):
                parameters["lr"] = rate * factor
            step_loss = torch.zeros((), device=settings.device)
            for first in range(0, len(group), parallel.count):
                dealt = group[first : first + parallel.count]  # one for each process, as far as there are
                batch = next(micro_batches).to(settings.device)
                share = len(batch) / images if parallel.rank < len(dealt) else 0.0
                with parallel.turn(task, len(dealt), last=dealt[-1] == group[-1]):
                    with torch.autocast(settings.device.type, torch.bfloat16, enabled=settings.bf16):
                        loss = loss_of(batch) * share
                    parallel.backward(loss)
                step_loss += loss.detach()
            parallel.sum_(step_loss)
            torch.nn.utils.clip_grad_norm_(trained, settings.gradient_clip)
            optimiser.step()
            loss_sum += step_loss  # stays where it is: reading it would wait for a GPU
            at.step += 1
            due = time.monotonic() - last_checkpoint > settings.checkpoint_seconds and at.step < steps
            if parallel.agree(due):
                checkpoint()
                last_checkpoint = time.monotonic()

        read_loss()
        row: dict[str, float] = {"epoch": at.epoch + 1, "train_loss": at.loss_sum / steps}
        module.eval()
        with torch.no_grad(), torch.autocast(settings.device.type, torch.bfloat16, enabled=settings.bf16):
            if task.recounts:
                recount()
            row |= task.end_epoch(parallel.gather(task.counts()))
            scores = task.validate(batch.to(settings.device) for batch in val_data.batches(known=task.known))
        scores = parallel.agree(scores)  # all have validated: a process that waits for minutes is taken for dead
        row["val_score"] = scores.pop("score")
        row |= {f"val_{name}": value for name, value in scores.items()}
        row |= {f"lr_{group['name']}": group["lr"] for group in optimiser.param_groups}
        at.history.append(row)
        if at.best_score is None or row["val_score"] > at.best_score:
            at.best_score, at.best_epoch = row["val_score"], at.epoch
            best = {name: tensor.clone() for name, tensor in trained_tensors(module).items()}
        at.epoch, at.step = at.epoch + 1, 0
        loss_sum.zero_()
        at.finished = at.epoch == settings.epochs or at.epoch - 1 - at.best_epoch >= settings.patience
        log()
        checkpoint()
        last_checkpoint = time.monotonic()

    log()  # again: a resumed run may have nothing left to train
    restore(module, best)
    module.eval()
    return at


def schedule(name: str, done: float) -> float:
    """Factor of the learning rates when the share `done`, in [0, 1), of all steps is done.

    `constant` is 1. `cosine` rises to 1 over the first 5 %, then falls to 0 along half a cosine.

    >>> [round(schedule("cosine", done), 2) for done in (0.0, 0.025, 0.05, 0.525, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if name == "constant":
        return 1.0
    if done < WARM_UP:
        return done / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def write_epochs(path: Path, history: list[dict[str, Any]]) -> None:
    """Write the epochs as CSV, atomically: one row per epoch, numbers with full precision."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, text.getvalue())
