"""The training loop, top to bottom."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from lss.errors import LssError
from lss.model.batch import Batch
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
from lss.training.notice import EXIT_CODE, Notice
from lss.training.parallel import Processes, uncounted
from lss.training.task import Task

WARM_UP = 0.05
"""Share of the steps over which the cosine schedule rises."""


@dataclass(frozen=True)
class LoopSettings:
    """Settings of the loop.

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
    processes: Processes | None = None,
) -> Progress:
    """Train `task`, whose module ends with the weights of its best epoch; return the course.

    Killed and called again with the same `state` folder and `key` it goes on from the last checkpoint and
    ends with the same bytes (on a CPU). `key` is the fingerprint of everything the result depends on. After SIGTERM
    the running step (or batch of the validation) is finished, a checkpoint written, and SystemExit raised.
    It may go on with another number of `processes`: the samples of every step, learning rates, counts and what was
    reached stay; rounding, dropout and batch norm's running statistics are then those of the new number.
    `epochs_csv` gets a row per epoch as it goes; the folder `events`, if given, the same for TensorBoard. Each of
    several `processes` calls this; rank 0 writes.

    Raises LssError when the loss is no longer finite.
    """
    processes = processes or Processes(settings.device)
    rank, world_size, device, module = processes.rank, processes.world_size, settings.device, task.module
    autocast = partial(torch.autocast, device.type, torch.bfloat16, enabled=settings.bf16)
    trained = [parameter for group in task.parameter_groups() for parameter in group["params"]]
    optimiser = torch.optim.AdamW(task.parameter_groups(), fused=True)  # one kernel for all tensors
    rates = [parameters["lr"] for parameters in optimiser.param_groups]
    steps = math.ceil(len(train_data) / settings.accumulate)

    at, best = Progress(), dict[str, Tensor]()
    resumed = load_checkpoint(state, key, module, optimiser)
    if resumed is not None:
        at, best, states = resumed
        task.load_state(states["task"])
        task.load_counts([of_one["counts"] for of_one in states["processes"]] if processes.main else [])
        if rank < len(states["processes"]):  # else there was no such process: its generator is as new
            set_random_states(states["processes"][rank]["random"])
        if processes.main:
            print(f"Resuming at epoch {at.epoch + 1}, step {at.step}.", file=sys.stderr)
    loss_sum = torch.tensor(at.loss_sum, dtype=torch.float64, device=device)

    def set_rates(step: int) -> None:
        """Set the learning rates of a step of the epoch."""
        factor = schedule(settings.schedule, (at.epoch * steps + step) / (settings.epochs * steps))
        for parameters, rate in zip(optimiser.param_groups, rates, strict=True):
            parameters["lr"] = rate * factor

    def now() -> str:
        """Return what a checkpoint holds beside tensors, as JSON."""
        own = processes.gather({"counts": task.counts(), "random": random_states()})
        return json.dumps({"task": task.state(), "processes": own})

    def checkpoint(states: str) -> float:
        """Write a checkpoint; the time of it."""
        at.loss_sum = finite(loss_sum, at)
        if processes.main:
            save_checkpoint(state, key, module, optimiser, best, at, states)
        return time.monotonic()

    def leave(states: str) -> NoReturn:
        """Write a checkpoint and end."""
        checkpoint(states)
        if processes.main:
            print(f"Stopped by SIGTERM at epoch {at.epoch + 1}, step {at.step}, with a checkpoint.", file=sys.stderr)
        raise SystemExit(EXIT_CODE)

    with Notice() as notice:
        last_checkpoint = time.monotonic()
        for _ in bar(range(at.epoch, settings.epochs), "epochs", unit="epoch", shown=processes.main):
            if at.finished:
                break

            module.train()
            first = at.step * settings.accumulate
            batches = train_data.batches(at.epoch, first, task.known, rank, world_size)
            for _ in bar(
                range(at.step, steps), f"epoch {at.epoch + 1}", unit="step", nested=True, shown=processes.main
            ):
                set_rates(at.step)
                micro_batches = range(len(train_data))[at.step * settings.accumulate :][: settings.accumulate]
                images = sum(train_data.size(number) for number in micro_batches)
                step_loss = torch.zeros((), device=device)
                optimiser.zero_grad(set_to_none=True)
                for position in range(rank, len(micro_batches) + rank, world_size):  # as many in every process
                    batch, mine = next(batches).to(device), position < len(micro_batches)
                    with uncounted(task, not mine), autocast():
                        loss = task.loss(batch) * (len(batch) / images if mine else 0.0)
                    loss.backward()
                    step_loss += loss.detach()
                processes.sum_(step_loss)
                processes.sum_gradients(trained)
                processes.average_statistics(module)
                torch.nn.utils.clip_grad_norm_(trained, settings.gradient_clip)
                optimiser.step()
                loss_sum += step_loss  # stays where it is: reading it would wait for a GPU
                at.step += 1
                due = time.monotonic() - last_checkpoint > settings.checkpoint_seconds and at.step < steps
                stop, due = processes.any_of(notice.came, due)
                if stop:
                    leave(now())
                if due:
                    last_checkpoint = checkpoint(now())

            steps_done = now()  # what follows may draw and count, and is done again where it is interrupted
            watched = partial(notice.until, leave=partial(leave, steps_done))
            row: dict[str, float] = {"epoch": at.epoch + 1, "train_loss": finite(loss_sum, at) / steps}
            module.eval()
            with torch.no_grad(), autocast():
                if task.recounts:
                    recount(task, train_data, at.epoch, processes, watched)
                row |= task.end_epoch(processes.gather(task.counts()))
                scores = task.validate(batch.to(device) for batch in watched(val_data.batches(known=task.known)))
            scores = processes.agree(scores)  # all have validated: a process that waits for minutes is taken for dead
            row["val_score"] = scores.pop("score")
            row |= {f"val_{name}": value for name, value in scores.items()}
            set_rates(steps - 1)  # again: a run resumed here has made no step
            row |= {f"lr_{group['name']}": group["lr"] for group in optimiser.param_groups}
            at.history.append(row)
            if at.best_score is None or row["val_score"] > at.best_score:
                at.best_score, at.best_epoch = row["val_score"], at.epoch
                best = {name: tensor.clone() for name, tensor in trained_tensors(module).items()}
            at.epoch, at.step = at.epoch + 1, 0
            loss_sum.zero_()
            at.finished = at.epoch == settings.epochs or at.epoch - 1 - at.best_epoch >= settings.patience
            if processes.main:
                log(at.history, epochs_csv, events)
            last_checkpoint = checkpoint(now())
            if not at.finished and processes.any_of(notice.came)[0]:
                leave(now())

    if processes.main:
        log(at.history, epochs_csv, events)  # again: a resumed run may have nothing left to train
    restore(module, best)
    module.eval()
    return at


def finite(loss_sum: Tensor, at: Progress) -> float:
    """Return the sum of an epoch's losses so far. Raises LssError where it is not finite."""
    value = loss_sum.item()
    if not math.isfinite(value):
        raise LssError(
            f"The loss is not finite in epoch {at.epoch + 1}, step {at.step} or shortly before. Lower the task's "
            "learning rate in params.yaml (train), or set train.bf16 to false, and run it again: with other "
            "settings it starts from the beginning by itself."
        )
    return value


def recount(
    task: Task,
    data: BatchLoader,
    epoch: int,
    processes: Processes,
    watched: Callable[[Iterator[Batch]], Iterator[Batch]],
) -> None:
    """Pass an epoch's batches, as `watched` yields them, once more to `task.count`, each to one of the processes."""
    rank, world_size = processes.rank, processes.world_size
    numbers = range(rank, len(data) + rank, world_size)
    shown = bar(numbers, f"epoch {epoch + 1}, errors", unit="batch", nested=True, shown=processes.main)
    for number, batch in zip(shown, watched(data.batches(epoch, 0, task.known, rank, world_size)), strict=True):
        with uncounted(task, number >= len(data)):
            task.count(batch.to(processes.device))


def log(history: list[dict[str, float]], epochs_csv: Path, events: Path | None) -> None:
    """Write the epochs so far as CSV, and for TensorBoard where `events` names a folder."""
    write_epochs(epochs_csv, history)
    if events is not None:
        write_events(events, history)


def schedule(name: str, done: float) -> float:
    """Return the factor of the learning rates when the share `done`, in [0, 1), of all steps is done.

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
