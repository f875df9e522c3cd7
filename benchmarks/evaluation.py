"""The whole stage `evaluate` at the paper's size, against a plain loop over the bootstrap's draws.

    python benchmarks/evaluation.py [--images 2192] [--draws 10000]

2,192 test images of 183 patients, 3 backbones with one grade head, two mask losses and one report generator each; true
masks and grades, shuffled control, baselines, tests, decision curves, all intervals; Parquet and PNG read and written.
Asked for: within 60 s on 2 cores; at least 20 times as fast as a loop over draws that resamples cases and computes the
same metrics anew (measured on a few draws and scaled up); Hausdorff at least as fast as MONAI's.

Seconds are wall clock; CPU seconds, also of METEOR's Java, stand beside them: they say what an idle machine would need.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lss.runtime.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import numpy as np
import pyarrow.parquet as pq
import torch
from _evaluation_inputs import EvaluationInputs, ellipse, make_inputs
from monai.metrics import HausdorffDistanceMetric
from sklearn import metrics as sk

from lss.domain.grades import GRADES
from lss.evaluation.settings import EvaluateParams
from lss.metrics.surface_distance import border_distances
from lss.stages import evaluate

LOOP_DRAWS = 5
OVERLAP = ["dice", "iou", "precision", "recall", "specificity", "hausdorff_mm", "hd95_mm"]
PARTS = {
    "lss.stages.evaluate.read_parquet": "read predictions",
    "lss.stages.evaluate.read_cases": "read shards and truth",
    "lss.stages.evaluate.TrainingPart": "read shards and truth",
    "lss.stages.evaluate.baseline_reports": "baselines",
    "lss.evaluation.mask_scores.score_masks": "score masks",
    "lss.evaluation.mask_scores.evaluate_masks": "mask statistics",
    "lss.stages.evaluate.evaluate_answers": "grade statistics",
    "lss.evaluation.reports.evaluate_reports": "text metrics and statistics",
    "lss.stages.evaluate.compare_all": "tests",
    "lss.stages.evaluate.write_parquet": "write cases",
}
"""Functions of the stage that are timed, and under which name; the rest is "all else"."""


def cpu_seconds() -> float:
    """Of this process and of those it started and waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def run_stage(inputs: EvaluationInputs, folder: Path, draws: int) -> dict[str, list[float]]:
    """Wall and CPU seconds of each part, and of the whole."""
    spent: dict[str, list[float]] = {name: [0.0, 0.0] for name in dict.fromkeys(PARTS.values())}

    def timed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            start, cpu = time.perf_counter(), cpu_seconds()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name][0] += time.perf_counter() - start
                spent[name][1] += cpu_seconds() - cpu

        return wrapper

    with ExitStack() as stack:
        for place, name in PARTS.items():
            module, _, attribute = place.rpartition(".")
            original = getattr(__import__(module, fromlist=[attribute]), attribute)
            stack.enter_context(patch(place, timed(original, name)))
        start, cpu = time.perf_counter(), cpu_seconds()
        evaluate.run(
            EvaluateParams(bootstrap_draws=draws, interval="bca", confidence=0.95, compare_with=None),
            1,
            predictions=inputs.predictions,
            shards=inputs.shards,
            truth=inputs.truth,
            cases={task: folder / f"cases-{task}.parquet" for task in ("classification", "segmentation", "report")},
            metrics=folder / "metrics.json",
            statistics=folder / "statistics.json",
            manifest=folder / "manifest.json",
        )
        whole = [time.perf_counter() - start, cpu_seconds() - cpu]
    spent["all else"] = [whole[k] - sum(part[k] for part in spent.values()) for k in (0, 1)]
    return spent | {"whole stage": whole}


def plain_loop(folder: Path, draws: int, random: np.random.Generator) -> float:
    """CPU seconds of the statistics of grades and masks, drawn and computed one draw at a time."""
    grades = pq.read_table(folder / "cases-classification.parquet").to_pandas()
    masks = pq.read_table(folder / "cases-segmentation.parquet").to_pandas()
    first = grades[grades["backbone"] == grades["backbone"].iloc[0]]
    of_patient = list(first.reset_index().groupby("patient_key").indices.values())
    models = [rows for _, rows in grades.groupby("backbone")]
    columns = [(rows[OVERLAP].to_numpy(), rows["grade"].to_numpy(), rows["level"].to_numpy())
               for _, rows in masks.groupby(["backbone", "loss", "reference"])]  # fmt: skip
    answers = [
        (rows["grade"].map(GRADES.index).to_numpy(), rows[source].map(lambda g: GRADES.index(g) if g else 3).to_numpy(),
         rows[["p_A", "p_BC", "p_D"]].to_numpy())
        for rows in models for source in ("head", "area_paper", "area_calibrated", "text")
    ] * 2  # against the note's and the true grades  # fmt: skip
    start = time.process_time()
    for _ in range(draws):
        drawn = np.concatenate([of_patient[i] for i in random.integers(0, len(of_patient), len(of_patient))])
        for true, answered, scores in answers:
            sk.precision_recall_fscore_support(true[drawn], answered[drawn], labels=[0, 1, 2], zero_division=0)
            sk.accuracy_score(true[drawn], answered[drawn])
            sk.cohen_kappa_score(true[drawn], answered[drawn])
            for grade in range(3):
                sk.roc_auc_score(true[drawn] == grade, scores[drawn, grade])
        for values, grade, level in columns:
            values[drawn].mean(axis=0)
            for names in (grade, level):
                for name in np.unique(names):
                    values[drawn][names[drawn] == name].mean(axis=0)
    return time.process_time() - start


def hausdorff(images: int = 100) -> tuple[float, float]:
    """CPU seconds per image of ours (Hausdorff and HD95) and of MONAI's (HD95 alone)."""
    random = np.random.default_rng(0)
    chosen = [ellipse(float(radius)) for radius in random.uniform(40, 90, images)]
    others = [np.roll(mask, (3, 5), (0, 1)) for mask in chosen]
    start = time.process_time()
    for mask, other in zip(chosen, others, strict=True):
        border_distances(mask, other, (0.34, 0.34))
    ours = time.process_time() - start
    warnings.simplefilter("ignore")
    metric = HausdorffDistanceMetric(include_background=True, percentile=95)
    tensors = [(torch.tensor(a)[None, None].float(), torch.tensor(b)[None, None].float())
               for a, b in zip(chosen, others, strict=True)]  # fmt: skip
    start = time.process_time()
    for pair in tensors:
        metric(*pair, spacing=[0.34, 0.34])
    return ours / images, (time.process_time() - start) / images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2192)
    parser.add_argument("--draws", type=int, default=10_000)
    options = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    with tempfile.TemporaryDirectory(prefix="lss-evaluation-") as name:
        folder = Path(name)
        inputs = make_inputs(folder, options.images)
        spent = run_stage(inputs, folder, options.draws)
        for part, (wall, cpu) in spent.items():
            print(f"| {part:28s} | {wall:6.1f} | {cpu:6.1f} |")
        loop = plain_loop(folder, LOOP_DRAWS, np.random.default_rng(0)) * options.draws / LOOP_DRAWS
    ours = spent["mask statistics"][1] + spent["grade statistics"][1]
    print(f"mask and grade statistics by a loop over draws: {loop:.0f} CPU s (scaled from {LOOP_DRAWS} draws), "
          f"{loop / ours:.0f} times our {ours:.1f} CPU s")  # fmt: skip
    mine, monai = hausdorff()
    print(f"one image of 256 x 256: Hausdorff and HD95 {1000 * mine:.2f} ms, MONAI's HD95 alone {1000 * monai:.2f} ms")


if __name__ == "__main__":
    main()
