"""`lss plan`: what each training needs, before any weight is read.

Parameters are counted on the networks that training builds, on torch's device "meta". What a step keeps and computes
is counted too: `lss.tools.rehearsal` runs it on tensors without memory. Estimated are the rest: what CUDA takes itself,
and the time, which is FLOPs over a stated speed. A GPU's allocator adds what it leaves unused between tensors.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from tabulate import tabulate
from torch import nn

from lss.backbones.base import Backbone
from lss.model.report_generator import ReportGenerator
from lss.project import layout
from lss.project.models import TASKS
from lss.project.params import Params, TrainParams
from lss.runtime.progress import duration, progress
from lss.storage.io import read_json
from lss.tools.rehearsal import Network, Step, build, empty_backbone, rehearse
from lss.training.report_task import WRITTEN

GIB = 2**30
PAPER_CARD = 12.0  # GiB of the paper's card
CONTEXT_BYTES = 0.6 * GIB  # what CUDA and its libraries take before the first tensor
OPTIMISER_BYTES = 12  # per trained number: float32 gradient and the two moments of AdamW


@dataclass(frozen=True)
class Need:
    """What one task with one backbone takes.

    Attributes:
        parameters, trained: how many, and how many of them are trained (adapters and all that is new).
        quantised_layers, quantised_weights: what is stored in 4 bits.
        grid: rows and columns of patch tokens.
        text_tokens: tokens that the language model or decoder reads and writes per report, at most.
        held_bytes: weights as they are stored, gradients, states of the optimiser, one unpacked 4-bit layer.
        loading_bytes: of the whole backbone, of which a task may drop parts after building.
        passes: by name (`lss.tools.rehearsal.rehearse`) what one and what two images take.
        recounts: whether every epoch ends with one more pass over the training images, without gradients.
        longest_report: tokens, at most, of a report that validation writes; 0 where it writes none.
        written_at_once: reports.
    """

    parameters: int
    trained: int
    quantised_layers: int
    quantised_weights: int
    grid: tuple[int, int]
    text_tokens: int
    held_bytes: float
    loading_bytes: float
    passes: dict[str, tuple[Step, Step]]
    recounts: bool = False
    longest_report: int = 0
    written_at_once: int = 1

    def peak_bytes(self, images: int) -> float:
        """Estimated peak with `images` at a time."""
        steps = (one + (two + one * -1) * (images - 1) for one, two in self.passes.values())
        return CONTEXT_BYTES + max(self.loading_bytes, self.held_bytes + max(step.live_bytes for step in steps))

    def largest_batch(self, card_bytes: float, batch_size: int) -> int:
        """Most images at a time that fit and divide `batch_size`; 0 when not even one does."""
        fitting = (count for count in divisors(batch_size) if self.peak_bytes(count) <= card_bytes)
        return max(fitting, default=0)

    def flops(self, train_images: int, val_images: int, epochs: int) -> float:
        """Of a whole training; reports that validation writes count as if each were as long as it may get."""
        flops = {name: one.flops for name, (one, _) in self.passes.items()}
        without_gradients = val_images + (train_images if self.recounts else 0)
        of_epoch = flops["learn"] * train_images + flops["validate"] * without_gradients
        if self.longest_report:
            rounds = math.ceil(min(val_images, WRITTEN) / self.written_at_once)
            of_epoch += flops["write"] * rounds * self.longest_report
        return of_epoch * epochs + flops.get("look", 0.0) * (train_images + val_images)


def divisors(number: int) -> list[int]:
    """Ascending.

    >>> divisors(8)
    [1, 2, 4, 8]
    """
    return [count for count in range(1, number + 1) if number % count == 0]


def plan_text(params: Params, tflops: float) -> str:
    """The plan of every backbone and task as text; `tflops` is the card's sustained speed in TFLOP/s."""
    train, card, images = params.train, card_gib(), shard_images(params)
    runs = [(name, task) for name in train.backbones for task in TASKS]
    backbones = {name: empty_backbone(name, params) for name in train.backbones}
    needs = {run: estimate(backbones[run[0]], run[1], params) for run in progress(runs, "plan", unit="training")}
    counts = [[*run, *_count_cells(need)] for run, need in needs.items()]
    count_header = ["backbone", "task", "parameters (M)", "trained (M)", "%", "4-bit layers", "4-bit weights (M)",
                    "patch tokens", "text tokens"]  # fmt: skip
    costs = [[*run, *_cost_cells(need, run[1], params, card, images, tflops)] for run, need in needs.items()]
    cost_header = ["backbone", "task", *(f"GiB at {count}" for count in divisors(train.batch_size)),
                   f"fits {card:.1f} GiB", "TFLOP per image", "time"]  # fmt: skip
    said = f"{images[0]:,} training images" if images else "per 1,000 images and epoch until there are shards"
    return (
        f"{_table(counts, count_header)}\n\n{_table(costs, cost_header)}\n\n"
        f"Preset {params.preset}. Trained: adapters, attention, decoder or head, report encoder and decoder. GiB: peak "
        f"with so many images at a time, {CONTEXT_BYTES / GIB:.1f} of it assumed for CUDA. Fits: most images at a time "
        f"x steps that keep the batch of {train.batch_size}; params.yaml has {train.micro_batch_size}. Time: of all "
        f"epochs with their validations at {tflops:g} TFLOP/s (--tflops), which written reports do not reach; {said}.\n"
        f"{_total([(task, need) for (_, task), need in needs.items()], train, images, tflops)}"
    )


def _total(needs: list[tuple[str, Need]], train: TrainParams, images: tuple[int, int] | None, tflops: float) -> str:
    """Hours of all trainings, one after the other: each backbone and task once per loss, all epochs."""
    flops, count = 0.0, 0
    for task, need in needs:
        section = getattr(train, task)
        flops += need.flops(*(images or (1000, 0)), section.epochs) * len(section.losses)
        count += len(section.losses)
    per = "" if images else " per 1,000 training images, validation left out"
    return f"All {count} trainings, one after the other, all epochs: {flops / (tflops * 3.6e15):.3g} h{per}."


def _table(rows: list[list[str]], header: list[str]) -> str:
    """Backbone and task to the left, numbers to the right."""
    return tabulate(rows, header, disable_numparse=True, colalign=("left", "left", *["right"] * (len(header) - 2)))


def _count_cells(need: Need) -> list[str]:
    return [
        f"{need.parameters / 1e6:,.1f}",
        f"{need.trained / 1e6:,.2f}",
        f"{100 * need.trained / need.parameters:.2f}",
        str(need.quantised_layers),
        f"{need.quantised_weights / 1e6:,.1f}",
        f"{need.grid[0]} x {need.grid[1]} = {need.grid[0] * need.grid[1]}",
        str(need.text_tokens or ""),
    ]


def _cost_cells(
    need: Need, task: str, params: Params, card: float, images: tuple[int, int] | None, tflops: float
) -> list[str]:
    size = params.train.batch_size
    batch = need.largest_batch(card * GIB, size)
    per_image = need.flops(1, 0, 1) / 1e12
    seconds = need.flops(*images, getattr(params.train, task).epochs) / (tflops * 1e12) if images else None
    return [
        *(f"{need.peak_bytes(count) / GIB:.2f}" for count in divisors(size)),
        f"{batch} x {size // batch}" if batch else "does not fit",
        f"{per_image:.3g}",
        duration(1000 * per_image / tflops if seconds is None else seconds),
    ]


def card_gib() -> float:
    """Memory of this machine's GPU in GiB; the paper's 12 where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory / GIB
    return PAPER_CARD


def shard_images(params: Params) -> tuple[int, int] | None:
    """Images of the training and of the validation part, by the shards' manifests; None while there are none."""
    names = [f"shards/batch-{batch}" for batch in layout.batch_names(params.cohort.batches)]
    paths = [Path(layout.MANIFEST.format(name=name)) for name in names]
    if not all(path.is_file() for path in paths):
        return None
    rows = [read_json(path)["facts"]["rows_by_grade"] for path in paths]
    train, val = (sum(sum(of_batch.get(part, {}).values()) for of_batch in rows) for part in ("train", "val"))
    return train, val


def estimate(empty: Backbone, task: str, params: Params) -> Need:
    """Count and estimate for one empty backbone, which stays as it is, and one of `lss.project.models.TASKS`."""
    train = params.train
    one, two = (rehearse(empty, task, params, images) for images in (1, 2))
    backbone = copy.deepcopy(empty)
    published = {id(part): part.numel() for part in backbone.parameters()}
    quantised = [layer.weight for layer in quantised_layers(backbone)] if train.qlora.quantise else []
    loading = stored_bytes(backbone, backbone, train.qlora.quantise)
    network = build(backbone, task, params)  # which gives back the text tower, where it is not needed any more
    added = [part for part in network.parameters() if id(part) not in published]
    trained = sum(part.numel() for part in added if part.requires_grad)
    held = {id(part) for part in network.parameters()}
    unpacked = max((weight.numel() * weight.itemsize for weight in quantised if id(weight) in held), default=0)
    return Need(
        parameters=sum(published.values()) + sum(part.numel() for part in added),
        trained=trained,
        quantised_layers=len(quantised),
        quantised_weights=sum(weight.numel() for weight in quantised),
        grid=backbone.grid,
        text_tokens=_text_tokens(network, train.report.max_tokens),
        held_bytes=stored_bytes(network, backbone, train.qlora.quantise) + trained * OPTIMISER_BYTES + unpacked,
        loading_bytes=loading,
        passes={key: (one[key], two[key]) for key in one},
        recounts=task == "segmentation" and train.pid.count == "epoch_end",
        longest_report=train.report.max_tokens if task == "report" else 0,
        written_at_once=params.execution.write_batch_size,
    )


def _text_tokens(network: Network, max_tokens: int) -> int:
    """Tokens of the prefix, where there is one, and of the report."""
    if not isinstance(network, ReportGenerator):
        return 0
    return network.prefix_tokens + max_tokens


def stored_bytes(network: nn.Module, backbone: Backbone, quantise: bool) -> int:
    """Of all parameters and buffers, those of the backbone's towers in NF4 if `quantise`."""
    four_bits = {id(layer.weight) for layer in quantised_layers(backbone)} if quantise else set()
    tensors = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return sum(
        nf4_bytes(tensor.numel()) if key in four_bits else tensor.numel() * tensor.itemsize
        for key, tensor in tensors.items()
    )


def quantised_layers(backbone: Backbone) -> Iterator[nn.Linear]:
    """The layers that QLoRA stores in 4 bits: every linear one of the towers, adapters left out."""
    towers = tuple(backbone.tower_prefixes.values())
    for name, module in backbone.model.named_modules():
        if type(module) is nn.Linear and name.startswith(towers) and ".lora_" not in name:
            yield module


def nf4_bytes(weights: int) -> int:
    """Of a layer's weights in NF4 with double quantisation, as bitsandbytes keeps them.

    4 bits each; an 8-bit scale per 64; per 256 of those a float32; and the tables: 16 levels of the weights and 256
    of the scales, and the scales' mean, in float32.
    """
    scales = math.ceil(weights / 64)
    return math.ceil(weights / 2) + scales + 4 * math.ceil(scales / 256) + 4 * (16 + 256 + 1)
