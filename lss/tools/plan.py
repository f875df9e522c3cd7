"""`lss plan`: what each training needs, before any weight is read.

Parameters are counted on the networks that training builds, on torch's device "meta". What a step keeps and computes
is counted too: `lss.tools.rehearsal` runs it on tensors without memory. Estimated are the rest: what CUDA takes itself,
and the time, which is FLOPs over a stated speed. A GPU's allocator adds what it leaves unused between tensors.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tabulate import tabulate

from lss.project import layout
from lss.project.models import TASKS, evaluated_runs, trials
from lss.project.params import Params
from lss.runtime.progress import duration
from lss.storage.io import read_json
from lss.tools.kept_needs import needs_of
from lss.tools.need import CONTEXT_BYTES, GIB, Need, divisors

PAPER_CARD = 12.0  # GiB of the paper's card
GPU_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")
"""One of them is there where CUDA may be: Linux, and Linux within Windows."""


def plan_text(params: Params, tflops: float) -> str:
    """Return the plan of every backbone and task as text; `tflops` is the card's sustained speed in TFLOP/s."""
    train, card, images = params.train, card_gib(), shard_images(params)
    runs = [(str(name), task) for name in train.backbones for task in TASKS]
    needs = needs_of(runs, params)
    counts = [[*run, *_count_cells(need)] for run, need in needs.items()]
    count_header = ["backbone", "task", "parameters (M)", "trained (M)", "%", "4-bit layers", "4-bit weights (M)",
                    "patch tokens", "text tokens"]  # fmt: skip
    costs = [[*run, *_cost_cells(need, run[1], params, card, images, tflops)] for run, need in needs.items()]
    cost_header = ["backbone", "task", *(f"GiB at {count}" for count in divisors(train.batch_size)),
                   f"fits {card:.1f} GiB", "TFLOP per image", "time"]  # fmt: skip
    size = f"{images[0]:,} training images" if images else "per 1,000 images and epoch until there are shards"
    return (
        f"{_table(counts, count_header)}\n\n{_table(costs, cost_header)}\n\n"
        f"Preset {params.preset}. Trained: adapters, attention, decoder or head, report encoder and decoder. GiB: peak "
        f"with so many images at a time, {CONTEXT_BYTES / GIB:.1f} of it assumed for CUDA. Fits: most images at a time "
        f"x steps that keep the batch of {train.batch_size}; params.yaml has {train.micro_batch_size}. Time: of all "
        f"epochs with their validations at {tflops:g} TFLOP/s (--tflops), which written reports do not reach; {size}.\n"
        f"{_total([(task, need) for (_, task), need in needs.items()], params, images, tflops)}"
        f"{_of_externals(needs, params, tflops)}"
    )


def _total(needs: list[tuple[str, Need]], params: Params, images: tuple[int, int] | None, tflops: float) -> str:
    """Return hours of all trainings, one after the other: each once per loss, fold and seed, all epochs."""
    flops, count, repeats = 0.0, 0, len(trials(params))
    for task, need in needs:
        section = params.train.of(task)
        flops += need.flops(*(images or (1000, 0)), section.epochs) * len(section.losses) * repeats
        count += len(section.losses) * repeats
    per = "" if images else " per 1,000 training images, validation left out"
    return f"All {count} trainings, one after the other, all epochs: {flops / (tflops * 3.6e15):.3g} h{per}."


def _of_externals(needs: dict[tuple[str, str], Need], params: Params, tflops: float) -> str:
    """Return hours of all predictions on external cohorts, as a further line; nothing where there are none."""
    if not params.external:
        return ""
    images = [external_images(params, external.label) for external in params.external]
    counts = [1000 if of is None else of for of in images]
    models = [
        needs[run.backbone, run.task] for run in evaluated_runs(params.train) if (run.backbone, run.task) in needs
    ]
    flops = sum(need.prediction_flops(count) for need in models for count in counts)
    known = "" if None not in images else ", 1,000 taken for each without shards"
    return (
        f"\nAll {len(models) * len(counts)} predictions on external cohorts, {sum(counts):,} images{known}: "
        f"{flops / (tflops * 3.6e15):.3g} h, with reports as long as they may get."
    )


def _table(rows: list[list[str]], header: list[str]) -> str:
    """Return the backbone and task to the left, numbers to the right."""
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
    seconds = need.flops(*images, params.train.of(task).epochs) / (tflops * 1e12) if images else None
    return [
        *(f"{need.peak_bytes(count) / GIB:.2f}" for count in divisors(size)),
        f"{batch} x {size // batch}" if batch else "does not fit",
        f"{per_image:.3g}",
        duration(1000 * per_image / tflops if seconds is None else seconds),
    ]


def card_gib() -> float:
    """Return memory of this machine's GPU in GiB; the paper's 12 where there is none."""
    if not any(Path(driver).exists() for driver in GPU_DRIVERS):
        return PAPER_CARD  # without asking torch, whose import takes seconds
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory / GIB
    return PAPER_CARD


def shard_images(params: Params) -> tuple[int, int] | None:
    """Return images of the training and of the validation part, by the shards' manifests; None while there are none."""
    counts = _images(params, layout.MANIFEST.format(name="shards/batch-{batch}"))
    return (counts["train"], counts["val"]) if counts else None


def external_images(params: Params, label: str) -> int | None:
    """Return images of an external cohort, by its shards' manifests; None while there are none."""
    counts = _images(params, layout.of_external(layout.MANIFEST.format(name="shards/batch-{batch}"), label))
    return counts["test"] if counts else None


def _images(params: Params, pattern: str) -> Counter[str] | None:
    """Return images by subset, given the pattern of the shards' manifests; None where one is missing."""
    paths = [Path(pattern.format(batch=batch)) for batch in layout.batch_names(params.cohort.batches)]
    if not all(path.is_file() for path in paths):
        return None
    counts: Counter[str] = Counter()
    for path in paths:
        for subset, of_grade in read_json(path)["facts"]["rows_by_grade"].items():
            counts[subset] += sum(of_grade.values())
    return counts
