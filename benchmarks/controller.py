"""The controller of the Adaptive PID-Tversky loss: course of beta, Dice and time by how errors are counted and bounded.

`OMP_NUM_THREADS=1 .venv/bin/python benchmarks/controller.py [--backbone biomedclip] [--epochs N] [--seeds 1]`, in a
folder with shards and weights (after `make`): trains the segmentation of params.yaml with each loss and count, several
times round so that a change of the machine's speed meets all of them, and prints a row per training. Dice is that of
the validation part, pooled over pixels (the training's score). No test image is read.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from lss.project import layout
from lss.project.models import Run
from lss.project.params import load_params
from lss.runtime.seeding import derive_seed
from lss.training.data import Subsets
from lss.training.fit import fit

ARMS = (("pid_tversky", "epoch_end"), ("pid_tversky", "running"), ("pid_tversky_wide", "epoch_end"),
        ("pid_tversky_low", "running"), ("pid_tversky_high", "running"), ("cross_entropy", "running"))  # fmt: skip
"""Loss, and how its errors are counted; those of fixed weights are counted while training, for nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="biomedclip")
    parser.add_argument("--epochs", type=int, default=None, help="instead of those of params.yaml")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each kind")
    given = parser.parse_args()
    params = load_params()
    epochs = given.epochs or params.train.segmentation.epochs
    of_task = params.train.segmentation.model_copy(update={"epochs": epochs, "patience": epochs})
    batches = layout.batch_names(params.cohort.batches)
    shards = {
        subset: [Path(layout.SHARD.format(subset=subset, batch=batch)) for batch in batches]
        for subset in ("train", "val")
    }
    data, rows = Subsets(shards, 0), []
    for seed in range(1, given.seeds + 1):
        for loss, count in ARMS:
            pid = params.train.pid.model_copy(update={"count": count})
            settings = params.train.model_copy(update={"pid": pid, "segmentation": of_task})
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                fitted = fit(
                    settings,
                    derive_seed(params.seed, "controller", str(seed)),
                    Run(given.backbone, "segmentation", loss),
                    data,
                    execution=params.execution,
                    weights=Path(layout.WEIGHTS.format(backbone=given.backbone)),
                    segmentation=None,
                    state=Path(folder) / "state",
                    key=f"{seed} {loss} {count}",
                    epochs_csv=Path(folder) / "epochs.csv",
                )
                seconds = time.perf_counter() - started
            history = fitted.course.history
            course = " ".join(f"{row['beta']:.3f}" for row in history) if "beta" in history[0] else ""
            bound = sum(row.get("at_bound", 0) for row in history) / len(history) if course else None
            errors = " ".join(f"{(row['fn'] - row['fp']) / max(row['fn'] + row['fp'], 1):+.2f}" for row in history)
            rows.append([seed, loss, count, course, bound, errors, max(row["val_score"] for row in history), seconds])
            print(rows[-1], flush=True)
    print(tabulate(rows, ["seed", "loss", "count", "beta", "at a bound", "(FN - FP) / (FN + FP)", "Dice", "s"],
                   floatfmt=".3f"))  # fmt: skip


if __name__ == "__main__":
    main()
