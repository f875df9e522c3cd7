"""Training dealt to several processes, one GPU each: what each of them does, and what they tell each other.

A step's micro-batches are dealt in order: of P processes the r-th takes the r-th, the (r + P)-th ... Losses are
weighted by the images of the whole step and gradients summed, so P processes do what one does that accumulates P
micro-batches, up to rounding and dropout. What is trained is the same in all of them (DistributedDataParallel); the
frozen base too, or, with FSDP, each holds a part of it.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from torch import Tensor, nn

from lss.errors import LssError
from lss.model.batch import Batch
from lss.runtime.torch_setup import resolve_device
from lss.training.task import Task

Loss = Callable[[Batch], Tensor]


class Alone:
    """One process, with nothing to deal and nobody to tell.

    Attributes:
        rank: number of this process, from 0; number 0 writes files and talks to the user.
        count: processes.
        device: where this one computes.
    """

    rank, count = 0, 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @property
    def main(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def prepare(self, task: Task) -> Loss:
        """The task's loss as it must be called here. Once, before the first step."""
        return task.loss

    @contextmanager
    def turn(self, task: Task, dealt: int, last: bool) -> Iterator[None]:
        """Around loss and backward pass of one round, in which the first `dealt` processes have a micro-batch.

        The others must take part, with one that counts for nothing. Gradients are summed in the `last` round.
        """
        yield

    def backward(self, loss: Tensor) -> None:
        """Gradients of this process' share of a step's loss."""
        loss.backward()

    def sum_(self, value: Tensor) -> None:
        """Sum over the processes, in place; on a GPU without waiting for it."""

    def gather(self, value: Any) -> list[Any]:
        """JSON values of all processes, in order. All must call it."""
        return [value]

    def agree(self, value: Any) -> Any:
        """The first process' JSON value. All must call it."""
        return self.gather(value)[0]

    def end(self) -> None:
        """Nothing more is told."""


class Several(Alone):
    """One of several processes that `lss.training.launch` started."""

    def __init__(self, count: int, device: str, sharding: Literal["ddp", "fsdp"]) -> None:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs

        cpu = resolve_device(device).type == "cpu"
        # batch norm's statistics are told in `turn`; the other buffers never change
        options = DistributedDataParallelKwargs(broadcast_buffers=False)
        self._accelerator = Accelerator(cpu=cpu, kwargs_handlers=[options])
        super().__init__(torch.device("cpu") if cpu else self._accelerator.device)
        self.rank, self.count = self._accelerator.process_index, count
        self._sharding = sharding
        # for words rather than numbers: on the CPU, so that no GPU is waited for
        self._talk = torch.distributed.new_group(backend="gloo")

    def prepare(self, task: Task) -> Loss:
        """See `Alone.prepare`."""
        module = task.module
        trained = {parameter for parameter in module.parameters() if parameter.requires_grad}
        # Any: running statistics are optional in torch's types
        self._norms: list[Any] = [
            norm for norm in module.modules() if isinstance(norm, nn.BatchNorm2d) and norm.weight in trained
        ]
        if self._sharding == "fsdp":
            self._shard(task, trained)
        whole = _Loss(task)
        # Frozen weights are the same everywhere from the start, or sharded: nothing to tell.
        silent = [name for name, parameter in whole.named_parameters() if parameter not in trained]
        silent += [name for name, _ in whole.named_buffers()]
        nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(whole, silent)
        self._loss = self._accelerator.prepare_model(whole)
        return self._loss

    def _shard(self, task: Task, trained: set[nn.Parameter]) -> None:
        """Let each process hold a part of every tower layer's frozen weights; a layer is put together to be used.

        torch's own FSDP, layer by layer. 4-bit weights stay bytes: stored as floats, which older FSDP needs, some of
        them would be NaN, and a copy may rewrite those. What is trained or saved, adapters that rest included, is
        small and stays whole everywhere.
        """
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(self.device.type, (self.count,))
        whole = trained | {part for name, part in task.module.named_parameters() if ".lora_" in name}
        if task.backbone is None:
            return  # a baseline: nothing of it is frozen
        for tower in task.backbone.towers:
            for layer in task.backbone.layers(tower):
                fully_shard(layer, mesh=mesh, ignored_params=whole)

    @contextmanager
    def turn(self, task: Task, dealt: int, last: bool) -> Iterator[None]:
        """See `Alone.turn`; batch norm's statistics: `_merge`."""
        before, seen = _statistics(self._norms), [norm.num_batches_tracked.clone() for norm in self._norms]
        state = copy.deepcopy(task.state()) if self.rank >= dealt else None
        with nullcontext() if last else self._accelerator.no_sync(self._loss):
            yield
        if state is not None:
            task.load_state(state)  # what it counted meanwhile counts for nothing
        if self._norms:
            self._merge(before, dealt)
        for norm, batches in zip(self._norms, seen, strict=True):
            norm.num_batches_tracked.copy_(batches + dealt)

    def _merge(self, before: Tensor, dealt: int) -> None:
        """Running statistics as if the round's micro-batches had come to one process, one after the other.

        running <- (1 - m) running + m own, for each in order. Normalised is by a micro-batch's own statistics, as when
        gradients are accumulated.
        """
        keep = torch.cat([torch.full_like(norm.running_mean, 1 - norm.momentum).repeat(2) for norm in self._norms])
        own = _statistics(self._norms) - keep * before
        shares = [torch.empty_like(own) for _ in range(self.count)]
        torch.distributed.all_gather(shares, own)
        merged = before
        for share in shares[:dealt]:
            merged = keep * merged + share
        parts = iter(merged.split([norm.num_features for norm in self._norms for _ in range(2)]))
        for norm in self._norms:
            norm.running_mean.copy_(next(parts))
            norm.running_var.copy_(next(parts))

    def backward(self, loss: Tensor) -> None:
        """See `Alone.backward`."""
        (loss * self.count).backward()  # DistributedDataParallel takes the mean over processes

    def sum_(self, value: Tensor) -> None:
        """See `Alone.sum_`."""
        torch.distributed.all_reduce(value)

    def gather(self, value: Any) -> list[Any]:
        """See `Alone.gather`."""
        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        sizes = [torch.empty(1, dtype=torch.long) for _ in range(self.count)]
        torch.distributed.all_gather(sizes, torch.tensor([len(text)]), group=self._talk)
        longest = max(int(size) for size in sizes)
        texts = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.count)]
        padded = torch.cat([text, text.new_zeros(longest - len(text))])
        torch.distributed.all_gather(texts, padded, group=self._talk)
        return [json.loads(bytes(text[:size].tolist())) for text, size in zip(texts, sizes, strict=True)]

    def end(self) -> None:
        """See `Alone.end`."""
        self._accelerator.end_training()


class _Loss(nn.Module):
    """A task's loss as a module's forward pass, which is where DistributedDataParallel is entered."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.module, self.loss = task.module, task.loss

    def forward(self, batch: Batch) -> Tensor:
        return self.loss(batch)


def _statistics(norms: list[Any]) -> Tensor:
    """Mean and variance of each, one after the other, as one vector."""
    parts = [part for norm in norms for part in (norm.running_mean, norm.running_var)]
    return torch.cat(parts) if parts else torch.empty(0)


def join(processes: int, device: str, sharding: Literal["ddp", "fsdp"]) -> Alone:
    """Take part in a training of so many processes.

    Raises LssError when this process was not started as one of them.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != processes:
        raise LssError(
            f"params.yaml: execution.processes is {processes}, but this is one of {started}. Start the training with "
            "`lss train`, which starts them."
        )
    return Alone(resolve_device(device)) if processes == 1 else Several(processes, device, sharding)
