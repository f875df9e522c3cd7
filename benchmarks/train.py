"""Training throughput and peak memory of `lss` beside transformers' Trainer with peft, in one run.

    python benchmarks/train.py                              # tiny backbones on the CPU
    python benchmarks/train.py --weights data/weights       # what the stage `weights` left, e.g. of the paper preset
    python benchmarks/train.py --device cuda --bf16 --batch-size 8 --memory-limit-gb 12

Both sides train the same network (same class, same frozen weights, same LoRA, same seed) on the same images in
memory, with the same batch size and precision and AdamW. The reference's loss is the module's own forward pass under
`transformers.Trainer`; ours is `lss.training.loop.train`. Each side runs in its own process, so that peak memory
is its own; the first steps are a warm-up and not counted. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lss.torch_setup  # noqa: F401  isort: skip
import torch
from torch import Tensor, nn

from lss.backbones import NAMES, load_backbone
from lss.params import TrainParams, load_params
from lss.stages import weights
from lss.training import classification_task, segmentation_task
from lss.training.loop import LoopSettings, train
from lss.training.task import Batch, Setup, Task

BUILD = {"classification": classification_task.build, "segmentation": segmentation_task.build}
LOSS = {"classification": "cross_entropy", "segmentation": "pid_tversky"}


def main() -> None:
    arguments = parse()
    if arguments.side:
        print(json.dumps(measure(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(arguments.weights or make_tiny(Path(folder)))
        rows = [
            (backbone, task, *(in_process(arguments, root, backbone, task, side) for side in ("lss", "trainer")))
            for backbone in arguments.backbones
            for task in BUILD
        ]
    print("| backbone | task | images/s | Trainer | ratio | peak MiB | Trainer |\n|---|---|---:|---:|---:|---:|---:|")
    for backbone, task, ours, reference in rows:
        speed = (ours["images_per_second"], reference["images_per_second"])
        print(
            f"| {backbone} | {task} | {speed[0]:.1f} | {speed[1]:.1f} | {speed[0] / speed[1]:.2f} "
            f"| {ours['peak_mib']:.0f} | {reference['peak_mib']:.0f} |"
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="folder of checkpoints by backbone; tiny ones are made when missing")
    parser.add_argument("--backbones", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bf16", action="store_true", help="frozen weights and autocast in bfloat16")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--mask-size", type=int, help="pixels; params.yaml's by default")
    parser.add_argument("--memory-limit-gb", type=float, help="fail where the GPU would need more")
    parser.add_argument("--side", choices=["lss", "trainer"], help=argparse.SUPPRESS)
    parser.add_argument("--task", choices=list(BUILD), help=argparse.SUPPRESS)
    return parser.parse_args()


def make_tiny(folder: Path) -> Path:
    params = load_params()
    for backbone in NAMES:
        weights.run(params.weights, 1, backbone=backbone, folder=folder / backbone, manifest=folder / "m.json")
    return folder


def in_process(arguments: argparse.Namespace, root: Path, backbone: str, task: str, side: str) -> dict[str, float]:
    given = [argument for argument in sys.argv[1:] if argument not in arguments.backbones]
    given = [argument for argument in given if argument != "--backbones"]
    command = [sys.executable, __file__, *given, "--weights", str(root), "--backbones", backbone]
    done = subprocess.run([*command, "--task", task, "--side", side], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    device = torch.device(arguments.device)
    if arguments.memory_limit_gb and device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(arguments.memory_limit_gb * 2**30 / total)
    params = load_params().train
    if arguments.mask_size:
        params = params.model_copy(update={"mask_size": arguments.mask_size})
    torch.set_num_threads(params.threads)
    torch.manual_seed(1)
    task, batch = build(arguments, params, device)
    run = with_lss if arguments.side == "lss" else with_trainer
    seconds = run(task, batch, arguments, device)
    return {"images_per_second": arguments.steps * len(batch) / seconds, "peak_mib": peak_mib(device)}


def build(arguments: argparse.Namespace, params: TrainParams, device: torch.device) -> tuple[Task, Batch]:
    name = arguments.backbones[0]
    dtype = torch.bfloat16 if arguments.bf16 else torch.float32
    backbone = load_backbone(
        name, Path(arguments.weights) / name, quantise=params.qlora.quantise, device=device, dtype=dtype
    )
    backbone.set_gradient_checkpointing(arguments.gradient_checkpointing)
    setup = Setup(backbone, params, LOSS[arguments.task], 1, device, None, Path(arguments.weights) / name)
    draw = torch.Generator().manual_seed(1)
    images = torch.rand(arguments.batch_size, 1, backbone.image_size, backbone.image_size, generator=draw)
    masks = (torch.rand(arguments.batch_size, 1, params.mask_size, params.mask_size, generator=draw) > 0.9).float()
    grades = torch.arange(arguments.batch_size) % 3
    return BUILD[arguments.task](setup), Batch(images, masks, grades)


def peak_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Clock:
    """Time from the end of the warm-up on."""

    def __init__(self, warm_up: int, device: torch.device) -> None:
        self.left, self.device, self.began = warm_up, device, 0.0

    def step(self) -> None:
        if self.left == 0:
            self.began = self.now()
        self.left -= 1

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


class Repeat:
    """The same batch over and over, as a loader of the loop; starts the clock."""

    def __init__(self, batch: Batch, steps: int, clock: Clock | None = None) -> None:
        self.batch, self.steps, self.clock = batch, steps, clock

    def __len__(self) -> int:
        return self.steps

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        for _ in range(self.steps):
            if self.clock:
                self.clock.step()
            yield self.batch


def with_lss(task: Task, batch: Batch, arguments: argparse.Namespace, device: torch.device) -> float:
    """Seconds of the counted steps; the epoch's end (validation, checkpoint) comes after the clock's stop."""
    clock = Clock(arguments.warm_up, device)
    ended: list[float] = []
    end_epoch = task.end_epoch
    task.end_epoch = lambda: (ended.append(clock.now()), end_epoch())[1]  # type: ignore[method-assign]
    settings = LoopSettings(1, 1, 1, "constant", 1.0, arguments.bf16, device, checkpoint_seconds=1e9)
    steps = arguments.warm_up + arguments.steps
    with tempfile.TemporaryDirectory() as folder:
        train(
            task,
            Repeat(batch, steps, clock),  # type: ignore[arg-type]
            Repeat(batch, 1),  # type: ignore[arg-type]
            settings,
            state=Path(folder) / "state",
            key="benchmark",
            epochs_csv=Path(folder) / "epochs.csv",
        )
    return ended[0] - clock.began


class ForTrainer(nn.Module):
    """What `transformers.Trainer` expects: a module that returns its loss."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.module, self.task = task.module, [task]

    def forward(self, image: Tensor, mask: Tensor, labels: Tensor) -> dict[str, Any]:
        return {"loss": self.task[0].loss(Batch(image, mask, labels))}


def with_trainer(task: Task, batch: Batch, arguments: argparse.Namespace, device: torch.device) -> float:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    clock, ended = Clock(arguments.warm_up, device), list[float]()

    class Timing(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock.step()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            ended.append(clock.now())

    steps = arguments.warm_up + arguments.steps
    image, mask, grade = batch.image_B1YX, batch.mask_B1YX, batch.grade_B
    samples = [
        {"image": image[index], "mask": mask[index], "labels": grade[index]} for index in range(len(batch))
    ] * steps
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            model=ForTrainer(task),
            args=TrainingArguments(
                output_dir=folder,
                max_steps=steps,
                per_device_train_batch_size=len(batch),
                bf16=arguments.bf16,
                use_cpu=device.type == "cpu",
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                remove_unused_columns=False,
                max_grad_norm=1.0,
            ),
            train_dataset=samples,
            callbacks=[Timing()],
        ).train()
    return ended[0] - clock.began


if __name__ == "__main__":
    main()
