"""One training distributed over several processes, one GPU each.

A step's micro-batches are distributed in order: rank r of W takes the r-th, the (r + W)-th ... Losses
are weighted by the images of the whole step and gradients are summed, so W processes do what one does that accumulates
W micro-batches, up to rounding, dropout, and batch norm's running statistics (`average_statistics`). What is trained is
the same in all of them; the frozen base too, or, with FSDP, each holds a part of it.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
import torch.distributed as dist
from torch import Tensor, nn

from lss.errors import LssError
from lss.runtime.torch_setup import resolve_device
from lss.training.task import Task


class Processes:
    """The process group of a training, seen from one rank; with world size 1 an exchange returns its value unchanged.

    Attributes:
        rank: number of this process, from 0; number 0 writes files and talks to the user.
        world_size: how many there are.
        device: where this one computes.
    """

    def __init__(self, device: torch.device, rank: int = 0, world_size: int = 1) -> None:
        self.device, self.rank, self.world_size = device, rank, world_size

    @property
    def main(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def sum_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Sum the gradients of all processes, in place. They are small: adapters, attention, decoder."""
        if self.world_size > 1:
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            _exchange(gradients, lambda flat: dist.all_reduce(flat))

    def average_statistics(self, module: nn.Module) -> None:
        """Average batch norm's running statistics over the processes, in place.

        A micro-batch is normalised by its own mean and variance, as when gradients are accumulated. What is kept for
        validation is the mean of what the processes have kept, not what one process would have after all of their
        micro-batches one after the other.
        """
        if self.world_size > 1:
            norms: list[Any] = [  # Any: running statistics are optional in torch's types
                part for part in module.modules() if isinstance(part, nn.BatchNorm2d) and part.weight.requires_grad
            ]
            statistics = [value for norm in norms for value in (norm.running_mean, norm.running_var)]
            _exchange(statistics, lambda flat: dist.all_reduce(flat.div_(self.world_size)))

    def sum_(self, value: Tensor) -> None:
        """Sum over the processes, in place; on a GPU without waiting for it."""
        if self.world_size > 1:
            dist.all_reduce(value)

    def gather(self, value: Any) -> list[Any]:
        """Return JSON values of all processes, by rank. All must call it."""
        if self.world_size == 1:
            return [value]
        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        sizes = [torch.empty(1, dtype=torch.long) for _ in range(self.world_size)]
        dist.all_gather(sizes, torch.tensor([len(text)]))
        longest = max(int(size) for size in sizes)
        texts = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.world_size)]
        dist.all_gather(texts, torch.cat([text, text.new_zeros(longest - len(text))]))
        return [json.loads(bytes(text[:size].tolist())) for text, size in zip(texts, sizes, strict=True)]

    def agree(self, value: Any) -> Any:
        """Return JSON value of rank 0. All must call it."""
        return self.gather(value)[0]

    def any_of(self, *flags: bool) -> list[bool]:
        """Return of each flag whether it holds in any process. All must call it."""
        return [any(values) for values in zip(*self.gather(flags), strict=True)]

    def shard(self, task: Task) -> None:
        """Let each process hold a part of every tower layer's frozen weights; a layer is put together to be used.

        torch's own FSDP, layer by layer. 4-bit weights stay bytes: stored as floats, which older FSDP needs, some of
        them would be NaN, and a copy may rewrite those. What is trained or saved, adapters that rest included, is
        small and stays whole everywhere.
        """
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        if task.backbone is None:
            return  # a baseline: nothing of it is frozen
        mesh = init_device_mesh(self.device.type, (self.world_size,))
        whole = {part for name, part in task.module.named_parameters() if part.requires_grad or ".lora_" in name}
        for tower in task.backbone.towers:
            for layer in task.backbone.layers(tower):
                fully_shard(layer, mesh=mesh, ignored_params=whole)

    def end(self) -> None:
        """Leave the process group."""
        if self.world_size > 1:
            dist.destroy_process_group()


def _exchange(tensors: list[Tensor], reduce: Callable[[Tensor], object]) -> None:
    """Let `reduce` change all of `tensors` in place, as one vector."""
    if tensors:
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


@contextmanager
def uncounted(task: Task, wanted: bool = True) -> Iterator[None]:
    """Discard what a task counts within the block, where `wanted`.

    In an epoch's last round some processes may have no micro-batch left. They get the round's first once more, since a
    sharded layer is put together by all of them or none, and give it the weight 0.
    """
    before = [copy.deepcopy(task.counts())] if wanted else None
    yield
    if before is not None:
        task.load_counts(before)


def join(world_size: int, device: str) -> Processes:
    """Join a training of `world_size` processes, started by `lss.training.launch`.

    Raises LssError when this process was not started as one of them.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != world_size:
        raise LssError(
            f"params.yaml: execution.processes is {world_size}, but this is one of {started}. Start the training with "
            "`lss train`, which starts them."
        )
    own = resolve_device(device)
    if world_size == 1:
        return Processes(own)
    if own.type == "cuda":
        own = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(own)
    # words go over gloo, since no GPU need be waited for; numbers on a GPU over nccl
    dist.init_process_group("gloo" if own.type == "cpu" else "cpu:gloo,cuda:nccl")
    return Processes(own, dist.get_rank(), world_size)
