"""The whole evaluation of 2,192 images, 3 models, 3 tasks, with 10,000 bootstrap draws, against a plain loop.

    .venv/bin/python benchmarks/evaluation.py [--images 2192] [--draws 10000]

Issue: within 60 s on 2 cores; at least 20 times as fast as a loop over draws that resamples cases and computes the
same metrics anew (measured on a few draws and scaled up); Hausdorff at least as fast as MONAI's.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import lss.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import numpy as np
import torch
from monai.metrics import HausdorffDistanceMetric
from sklearn import metrics as sk

from lss.evaluation import masks, reports
from lss.evaluation.cases import TestCases
from lss.evaluation.grades import answers_of_area, answers_of_head, answers_of_text, evaluate_answers
from lss.grades import GRADES
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.surface_distance import border_distances
from lss.notes.grading import grade_report
from lss.notes.reference import reference_report

SIDE, IMAGES_PER_PATIENT, MODELS, LOOP_DRAWS = 256, 12, 3, 10
NOTES = [
    "Diffuse disc bulge mildly compressing the thecal sac.",
    "No evidence of disc herniation.",
    "Large disc protrusion severely compressing the thecal sac and both exiting nerve roots.",
    "Disc desiccation. Bilateral facet arthropathy.",
]


def ellipse(radius: float, shift: float) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 - shift
    return (y / 0.7) ** 2 + x**2 < radius**2


def make_cases(images: int, random: np.random.Generator) -> TestCases:
    grades = [GRADES[index] for index in random.choice(3, images, p=[0.5, 0.42, 0.08])]
    radii = [{"A": 0.0, "BC": 50.0, "D": 80.0}[grade] * random.uniform(0.9, 1.1) for grade in grades]
    reference = [ellipse(radius, 0) for radius in radii]
    texts = [
        reference_report(grade, 100 * mask.mean(), NOTES[random.integers(4)], None)
        for grade, mask in zip(grades, reference, strict=True)
    ]
    return TestCases(
        keys=[f"s{index}" for index in range(images)],
        patients=[f"p{index // IMAGES_PER_PATIENT:04d}" for index in range(images)],
        levels=["L4-L5"] * images,
        grades=grades,
        reports=texts,
        pseudo_masks=reference,
        spacings=[(0.34, 0.34)] * images,
        true_grades=[None] * images,
        true_masks=[None] * images,
    )


def evaluate(cases: TestCases, draws: int, random: np.random.Generator) -> dict[str, Any]:
    """Everything the stage does between reading and writing; keeps what the loop needs for comparison."""
    bootstrap = PatientBootstrap(cases.patients, draws, 0.95, 0, "bca")
    kept: dict[str, Any] = {"columns": [], "probabilities": [], "texts": {}, "seconds": {}}
    images = len(cases)

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        kept["seconds"][name] = kept["seconds"].get(name, 0.0) + time.perf_counter() - start
        return result

    for model in range(MODELS):
        name = f"model{model}"
        key = {"task": "segmentation", "backbone": name, "loss": "l", "source": "mask", "reference": "pseudo_mask"}
        predicted = [
            ellipse(90.0 * np.sqrt(mask.mean()) * random.uniform(0.9, 1.1), 2.0) if mask.any() else mask
            for mask in cases.pseudo_masks
        ]
        scored = (name, "l", "pseudo_mask")
        rows = timed("score masks", lambda p=predicted, s=scored: masks.score_masks(p, cases.pseudo_masks, cases, s))
        timed("segmentation statistics", lambda k=key, r=rows: masks.evaluate_masks(k, r, bootstrap))
        kept["columns"].append(np.array([[row[m] for m in (*masks.OVERLAP_METRICS, "hd95_mm")] for row in rows]))

        probabilities = random.dirichlet([1, 1, 1], images) + 1.5 * np.eye(3)[cases.classes]
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        kept["probabilities"].append(probabilities)
        texts = [cases.reports[index if random.random() < 0.8 else random.integers(images)] for index in range(images)]
        kept["texts"][name] = texts
        areas = np.array([100 * mask.mean() for mask in predicted])
        stated = timed("read grades", lambda t=texts: [grade_report(text) for text in t])
        for answers in (answers_of_head(probabilities), answers_of_area(areas), answers_of_text(stated)):
            timed("classification statistics",
                  lambda a=answers, k=key: evaluate_answers(k, a, cases.classes, bootstrap))  # fmt: skip
    systems = reports.Systems(kept["texts"], {}, None)
    timed("reports", lambda: reports.evaluate_reports(systems, "l", cases, bootstrap))
    return kept


def plain_loop(cases: TestCases, kept: dict[str, Any], draws: int, random: np.random.Generator) -> float:
    """Seconds of the same statistics of head and masks, drawn and computed one draw at a time."""
    patients = np.array(cases.patients)
    of_patient = {name: np.flatnonzero(patients == name) for name in dict.fromkeys(cases.patients)}
    names = list(of_patient)
    grades = np.array(cases.grades)
    start = time.perf_counter()
    for _ in range(draws):
        drawn = np.concatenate([of_patient[names[i]] for i in random.integers(0, len(names), len(names))])
        true = cases.classes[drawn]
        for probabilities, columns in zip(kept["probabilities"], kept["columns"], strict=True):
            for _source in range(3):
                answered = probabilities[drawn].argmax(axis=1)
                sk.precision_recall_fscore_support(true, answered, labels=[0, 1, 2], zero_division=0)
                sk.accuracy_score(true, answered)
                sk.cohen_kappa_score(true, answered)
                for grade in range(3):
                    sk.roc_auc_score(true == grade, probabilities[drawn, grade])
            columns[drawn].mean(axis=0)
            for grade in GRADES:
                columns[drawn][grades[drawn] == grade].mean(axis=0)
    return time.perf_counter() - start


def hausdorff(cases: TestCases, images: int = 100) -> tuple[float, float]:
    """Seconds per image of ours and of MONAI's, on masks with pixels."""
    chosen = [mask for mask in cases.pseudo_masks if mask.any()][:images]
    others = [np.roll(mask, (3, 5), (0, 1)) for mask in chosen]
    start = time.perf_counter()
    for mask, other in zip(chosen, others, strict=True):
        border_distances(mask, other, (0.34, 0.34))
    ours = time.perf_counter() - start
    warnings.simplefilter("ignore")
    metric = HausdorffDistanceMetric(include_background=True, percentile=95)
    tensors = [(torch.tensor(a)[None, None].float(), torch.tensor(b)[None, None].float())
               for a, b in zip(chosen, others, strict=True)]  # fmt: skip
    start = time.perf_counter()
    for pair in tensors:
        metric(*pair, spacing=[0.34, 0.34])
    return ours / len(chosen), (time.perf_counter() - start) / len(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2192)
    parser.add_argument("--draws", type=int, default=10_000)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    cases = make_cases(options.images, random)
    kept = evaluate(cases, options.draws, random)
    for name, seconds in kept["seconds"].items():
        print(f"{name:28s} {seconds:7.1f} s")
    print(f"{'whole evaluation':28s} {sum(kept['seconds'].values()):7.1f} s")
    loop = plain_loop(cases, kept, LOOP_DRAWS, random) * options.draws / LOOP_DRAWS
    vectorised = kept["seconds"]["segmentation statistics"] + kept["seconds"]["classification statistics"]
    print(f"{'same by a loop over draws':28s} {loop:7.1f} s (scaled from {LOOP_DRAWS} draws), "
          f"{loop / vectorised:.0f} times our {vectorised:.1f} s")  # fmt: skip
    ours, monai = hausdorff(cases)
    print(f"Hausdorff and HD95 of one image of {SIDE} x {SIDE}: ours {1000 * ours:.2f} ms, "
          f"MONAI's HD95 alone {1000 * monai:.2f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
