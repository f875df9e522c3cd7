"""Training throughput, peak memory and waiting for data of `lss train`, beside transformers' Trainer with peft.

    python benchmarks/train.py                                         # tiny backbones, the phantom's settings
    python benchmarks/train.py --preset paper --published-sizes        # on a GPU: published sizes, random weights
    python benchmarks/train.py --preset paper --published-sizes --memory-limit-gib 12

Both sides train the same networks (built by `lss`, with peft's adapters) on the same shards with the settings of the
preset: micro-batches, accumulation, precision, recomputation, workers. Each side runs in a process of its own, so that
peak memory is its own; two epochs, the second is timed. `--published-sizes` writes checkpoints of the published sizes
first (16 GB; a 7B file by file); nothing is downloaded. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import cv2
import numpy as np
import torch
from _published_weights import write_random_checkpoint
from _train_sides import backbone_of, build_task, limit_memory, with_lss, with_trainer

from lss.backbones import NAMES
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint
from lss.model.network import network_config
from lss.model.saved import ModelCard, save_model
from lss.notes.reference import reference_report
from lss.project.models import TASKS, Run
from lss.project.params import Params, load_params
from lss.project.presets import apply_preset
from lss.runtime.torch_setup import resolve_device
from lss.storage.io import write_parquet
from lss.storage.schemas import SHARD

SIDES = {"lss": with_lss, "trainer": with_trainer}
NOTE = "Diffuse disc bulge compressing the thecal sac and both exiting nerve roots. Ligamentum flavum hypertrophy."


def main() -> None:
    arguments = parse()
    if arguments.side:
        print(json.dumps(measure(arguments)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        prepare(arguments, Path(folder))
        print(f"{device_name()}, preset {arguments.preset}, {arguments.steps} steps\n")
        print(
            "| backbone | task | images/s | Trainer | times Trainer | peak MiB | Trainer | waiting | Trainer |\n"
            "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )
        for backbone in arguments.backbones:
            if "report" in arguments.tasks:
                in_process(arguments, Path(folder), backbone, "report", "masks")
            for task in arguments.tasks:
                sides = [in_process(arguments, Path(folder), backbone, task, side) for side in SIDES]
                print(row(backbone, task, *sides), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=["phantom", "paper"], default="phantom")
    parser.add_argument("--published-sizes", action="store_true", help="random weights of the published sizes")
    parser.add_argument("--backbones", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--steps", type=int, default=20, help="optimiser steps of an epoch")
    parser.add_argument("--compile", action="store_true", help="execution.compile on the side of lss")
    parser.add_argument("--memory-limit-gib", type=float, help="refuse more on the GPU, as a smaller card would")
    parser.add_argument("--folder", help="where checkpoints and shards are put for the while; the system's by default")
    for hidden in ("side", "backbone", "task", "prepared"):
        parser.add_argument(f"--{hidden}", help=argparse.SUPPRESS)
    return parser.parse_args()


def row(backbone: str, task: str, ours: dict[str, float], reference: dict[str, float]) -> str:
    cells = [backbone, task]
    for key, form in (("images_per_second", "{:.2f}"), ("peak_mib", "{:.0f}"), ("waiting", "{:.1%}")):
        cells += [form.format(side[key]) if key in side else "out of memory" for side in (ours, reference)]
        if key == "images_per_second":
            both = key in ours and key in reference
            cells.append(f"{ours[key] / reference[key]:.2f}" if both else "")
    return f"| {' | '.join(cells)} |"


def device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def settings(arguments: argparse.Namespace, folder: Path) -> Params:
    """params.yaml under the preset, for two epochs with one validation image."""
    path = folder / "params.yaml"
    if not path.exists():
        shutil.copyfile("params.yaml", path)
        apply_preset(arguments.preset, path)
    return load_params(path)


def prepare(arguments: argparse.Namespace, folder: Path) -> None:
    """Shards and checkpoints."""
    params = settings(arguments, folder)
    count = arguments.steps * params.train.batch_size
    write_parquet(folder / "train.parquet", [sample(index) for index in range(count)], SHARD, row_group_size=64)
    write_parquet(folder / "val.parquet", [sample(count)], SHARD)
    for name in arguments.backbones:
        if arguments.published_sizes:
            write_random_checkpoint(name, getattr(params.weights, name).hub_id, folder / name)
        else:
            write_tiny_checkpoint(name, folder / name, seed=1)


def sample(index: int) -> dict[str, object]:
    """A slice of the archive's size with a bright sac, its mask, a report of the usual length."""
    draw = np.random.default_rng(index)
    grade = ("A", "BC", "D")[index % 3]
    image, mask = draw.normal(400, 60, (320, 320)).clip(0), np.zeros((320, 320), np.uint8)
    cv2.ellipse(mask, (160, 160), (30 - 8 * (index % 3), 20), 0, 0, 360, 255, -1)
    image[mask > 0] += 1500
    png = [{"bytes": cv2.imencode(".png", part)[1].tobytes(), "path": None} for part in (image.astype(np.uint16), mask)]
    area = 100 * float((mask > 0).mean())
    return dict.fromkeys(SHARD.names) | {
        "image": png[0],
        "mask": png[1],
        "sample_key": f"S{index}",
        "slice_key": f"S{index}",
        "patient_key": f"P{index // 12}",
        "level": "L4-L5",
        "grade": grade,
        "report": reference_report(grade, area, NOTE, "L4-L5"),
        "area_percent": area,
    }


def in_process(arguments: argparse.Namespace, folder: Path, backbone: str, task: str, side: str) -> dict[str, float]:
    options = ["--preset", arguments.preset, "--prepared", str(folder), "--backbone", backbone, "--task", task]
    options += ["--side", side, *(["--compile"] if arguments.compile else [])]
    if arguments.memory_limit_gib:
        options += ["--memory-limit-gib", str(arguments.memory_limit_gib)]
    done = subprocess.run([sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """One side, in this process; empty where the memory does not suffice. Side `masks` makes what reports need."""
    folder, task = Path(arguments.prepared), arguments.task
    params = settings(arguments, folder)
    of_task = getattr(params.train, task).model_copy(update={"epochs": 2, "patience": 2})
    compiles = arguments.compile and arguments.side == "lss"
    execution = params.execution.model_copy(update={"compile": compiles})
    train = params.train.model_copy(update={task: of_task})
    params = params.model_copy(update={"train": train, "execution": execution})
    weights, device = folder / arguments.backbone, resolve_device(execution.device)
    limit_memory(device, arguments.memory_limit_gib)
    shards = {subset: [folder / f"{subset}.parquet"] for subset in ("train", "val")}
    masks = folder / f"{arguments.backbone}-masks"
    try:
        if arguments.side == "masks":
            save_untrained(params, arguments.backbone, weights, masks)
            return {}
        model = Run(arguments.backbone, task, of_task.losses[0])
        return SIDES[arguments.side](params, model, shards, weights, masks if task == "report" else None)
    except torch.OutOfMemoryError:
        return {}


def save_untrained(params: Params, name: str, weights: Path, folder: Path) -> None:
    """A segmentation model to write reports from; for timing an untrained one will do."""
    train = params.train
    run = Run(name, "segmentation", train.segmentation.losses[0])
    task = build_task(params, run, weights, None, resolve_device(params.execution.device))
    card = ModelCard(
        backbone=name, task=run.task, loss=run.loss, quantise=train.qlora.quantise, bf16=train.bf16, image_size=0,
        grid=list(backbone_of(task).grid), network=asdict(network_config(train)), leak=False, best_epoch=1,
        best_score=0.0, train=train.model_dump(mode="json"),
    )  # fmt: skip
    save_model(folder, card, task.module, task.backbone)


if __name__ == "__main__":
    main()
