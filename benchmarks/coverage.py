"""How often the 95 % intervals of the evaluation hold the truth, by the number of patients in the test part.

    python benchmarks/coverage.py [--repetitions 2000] [--draws 1000]

Each repetition draws patients with 12 images each from a population whose value is known: images of one patient share
a random effect, as real ones do. Prints the share of repetitions whose interval holds the population's value.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.special import expit

from lss.metrics.bootstrap import Estimate, Method, PatientBootstrap
from lss.metrics.classification import auc_statistic
from lss.metrics.segmentation import PixelCounts, overlap
from lss.runtime.seeding import generator

PATIENTS = (5, 9, 15, 20, 30, 60, 100)
IMAGES = 12  # of each patient
SEED = 20250

Sample = dict[str, np.ndarray]


def draw(patients: int, random: np.random.Generator) -> Sample:
    """One test part: a Dice, right or wrong, a positive or not with its score, and pixel counts for each image."""
    shape = (patients, IMAGES)
    effect = random.normal(size=(3, patients, 1))
    dice = expit(1.5 + 0.7 * effect[0] + 0.5 * random.normal(size=shape))
    right = random.random(shape) < expit(1.7 + 0.8 * effect[1])
    positive = random.random(shape) < 0.4
    score = 1.5 * positive + 0.7 * effect[2] + random.normal(size=shape)
    size = np.exp(5 + 0.5 * effect[1] + 0.3 * random.normal(size=shape))  # of both masks together
    return {name: value.ravel() for name, value in
            (("dice", dice), ("right", right * 1.0), ("positive", positive), ("score", score),
             ("size", np.broadcast_to(size, shape)))}  # fmt: skip


def _pooled(sample: Sample, bootstrap: PatientBootstrap) -> Estimate:
    counts_P3 = bootstrap.per_patient(_counts(sample))
    return bootstrap.estimate(lambda w: overlap(_pixels(w @ counts_P3))["dice"])


def _counts(sample: Sample) -> np.ndarray:
    """TP, FP, FN of each image from its Dice and the size of its masks."""
    tp = sample["dice"] * sample["size"] / 2
    wrong = (1 - sample["dice"]) * sample["size"] / 2
    return np.stack([tp, wrong, wrong], axis=1)


def _pixels(sums_D3: np.ndarray) -> PixelCounts:
    """The pooled counts of each draw; true negatives do not matter to Dice."""
    tp, fp, fn = sums_D3.T
    return PixelCounts(tp, fp, fn, np.ones_like(tp))


def _auc(sample: Sample, bootstrap: PatientBootstrap) -> Estimate:
    return bootstrap.estimate(auc_statistic(bootstrap, sample["score"], sample["positive"]))


STATISTICS: dict[str, Callable[[Sample, PatientBootstrap], Estimate]] = {
    "mean Dice": lambda sample, bootstrap: bootstrap.mean(sample["dice"]),
    "pooled Dice": _pooled,
    "accuracy": lambda sample, bootstrap: bootstrap.mean(sample["right"]),
    "AUC": _auc,
}


@cache
def truth(statistic: str) -> float:
    """The population's value: that of very many patients."""
    patients = 2000 if statistic == "AUC" else 100_000
    repeats = 20 if statistic == "AUC" else 1
    values = []
    for index in range(repeats):
        sample = draw(patients, generator(SEED, "population", index))
        if statistic == "AUC":  # rank sum: ties have probability 0
            ranks = sample["score"].argsort().argsort()[sample["positive"]] + 1.0
            n, m = len(ranks), len(sample["score"]) - len(ranks)
            values.append((ranks.sum() - n * (n + 1) / 2) / (n * m))
        elif statistic == "pooled Dice":
            tp, wrong, _ = _counts(sample).sum(axis=0)
            values.append(tp / (tp + wrong))
        else:
            values.append(sample["dice" if statistic == "mean Dice" else "right"].mean())
    return float(np.mean(values))


def coverage(statistic: str, patients: int, method: Method, repetitions: int, draws: int = 1000) -> float:
    """Share of repetitions whose 95 % interval holds the truth."""
    names = [f"{patient:03d}" for patient in range(patients) for _ in range(IMAGES)]
    bootstrap = PatientBootstrap(names, draws, 0.95, SEED, method)
    covered = 0
    for repetition in range(repetitions):
        result = STATISTICS[statistic](draw(patients, generator(SEED, statistic, patients, repetition)), bootstrap)
        covered += result.low <= truth(statistic) <= result.high
    return covered / repetitions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    print(f"| patients | interval | {' | '.join(STATISTICS)} |\n| ---: | --- |{' ---: |' * len(STATISTICS)}")
    methods: tuple[Method, ...] = ("bca", "percentile")
    for patients in PATIENTS:
        for method in methods:
            shares = [coverage(name, patients, method, options.repetitions, options.draws) for name in STATISTICS]
            print(f"| {patients} | {method} | {' | '.join(f'{share:.3f}' for share in shares)} |", flush=True)


if __name__ == "__main__":
    main()
