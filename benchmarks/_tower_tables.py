"""Tables of the benchmark of towers: what each arm scores, and the differences with intervals over patients."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from _frozen_towers import Arm
from numpy.typing import NDArray

from lss.domain.grades import GRADES
from lss.evaluation.measures import Key
from lss.evaluation.prompt_exchange import measure_exchange
from lss.metrics.bootstrap import Estimate, Floats, PatientBootstrap, divide
from lss.metrics.segmentation import overlap, pixel_counts

Bools = NDArray[np.bool_]

EXCHANGES = {"A": "normal", "D": "severe"}
NO_KEY: Key = {"task": "", "backbone": "", "loss": "", "source": "", "reference": ""}
"""Grades that all prompts are made to speak of, in a word."""


@dataclass
class Answers:
    """The answers of an arm, an array per seed: masks (I, Y, X), also with all prompts of one grade; grades (I,)."""

    own: list[Bools] = field(default_factory=list)
    exchanged: dict[str, list[Bools]] = field(default_factory=lambda: {grade: [] for grade in EXCHANGES})
    real: list[Bools] = field(default_factory=list)
    grades: list[NDArray[np.int64]] = field(default_factory=list)


@dataclass(frozen=True)
class Truth:
    """The test part: masks (I, Y, X), grades (index into GRADES), patients; the real slices' masks, None without."""

    masks: Bools
    grades: NDArray[np.int64]
    bootstrap: PatientBootstrap
    real_masks: Bools | None

    @property
    def filled(self) -> Bools:
        """Images whose mask is not empty (I,)."""
        return np.asarray(self.masks.any(axis=(1, 2)), np.bool_)


def dice(masks: list[Bools], true: Bools) -> Floats:
    """Dice of each seed and image (S, I)."""
    return np.stack([overlap(pixel_counts(one, true))["dice"] for one in masks])


def balanced_accuracy(right: Floats, truth: Truth) -> Estimate:
    """Mean over the grades of the mean of `right` (I,) among images of that grade; `right` may be a difference."""
    of_grade_IG = (truth.grades[:, None] == np.arange(len(GRADES))).astype(float)
    sums_PG = truth.bootstrap.per_patient(right[:, None] * of_grade_IG)
    counts_PG = truth.bootstrap.per_patient(of_grade_IG)
    return truth.bootstrap.estimate(
        lambda weights_DP: divide(weights_DP @ sums_PG, weights_DP @ counts_PG).mean(axis=1)
    )


def shown(estimate: Estimate, form: str = "+.3f") -> str:
    """Value and interval."""
    if np.isnan(estimate.low):
        return f"{estimate.value:{form}} ({estimate.interval})"
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def head(*columns: str) -> None:
    print(f"\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")


def segmentation_table(arms: dict[Arm, Answers], truth: Truth) -> None:
    """Scores of all arms, mean over the seeds, lowest and highest seed of the Dice on non-empty masks."""
    head("vision", "text", "prompt", "queries", "Dice, all", "Dice, non-empty", "seeds", "drawn on normals",
         "Dice, real slices")  # fmt: skip
    for arm, given in arms.items():
        all_SI = dice(given.own, truth.masks)
        filled_S = all_SI[:, truth.filled].mean(axis=1)
        false = np.mean([one[~truth.filled].any(axis=(1, 2)).mean() for one in given.own])
        real = f"{dice(given.real, truth.real_masks).mean():.3f}" if truth.real_masks is not None else ""
        print(f"| {' | '.join(arm)} | {all_SI.mean():.3f} | {filled_S.mean():.3f} "
              f"| {filled_S.min():.3f} to {filled_S.max():.3f} | {false:.0%} | {real} |")  # fmt: skip


def classification_table(arms: dict[Arm, Answers], truth: Truth) -> None:
    """Balanced accuracy of all arms, mean over the seeds."""
    head("vision", "text", "balanced accuracy", "seeds")
    for arm, given in arms.items():
        each = [balanced_accuracy((one == truth.grades).astype(float), truth).value for one in given.grades]
        print(f"| {arm.vision} | {arm.text} | {np.mean(each):.3f} | {min(each):.3f} to {max(each):.3f} |")


def differences(
    pairs: dict[str, tuple[Arm, Arm]], arms: dict[Arm, Answers], graded: dict[Arm, Answers], truth: Truth
) -> None:
    """First arm less the second, mean over the seeds, image by image, with the interval over patients."""
    head("first less second", "Dice, all", "Dice, non-empty", "balanced accuracy")
    for name, (first, second) in pairs.items():
        gap_I = (dice(arms[first].own, truth.masks) - dice(arms[second].own, truth.masks)).mean(axis=0)
        cells = [shown(truth.bootstrap.mean(gap_I)), shown(truth.bootstrap.mean(gap_I, truth.filled)), ""]
        if first in graded and second in graded:
            right = [np.mean([one == truth.grades for one in graded[arm].grades], axis=0) for arm in (first, second)]
            cells[2] = shown(balanced_accuracy(right[0] - right[1], truth))
        print(f"| {name} | {' | '.join(cells)} |")


def exchange_table(arms: dict[Arm, Answers], truth: Truth, names: list[str], settings: tuple[int, float, int]) -> None:
    """Table 12's measures over all seeds, and the area when all prompts say severe less when all say normal."""
    head("vision", "text", "prompt", "queries", "all say", "pixels changed", "Dice", "area, points of the view")
    for arm, given in arms.items():
        seeds = len(given.own)
        bootstrap = PatientBootstrap(names * seeds, *settings)
        own, true = [m for one in given.own for m in one], list(truth.masks) * seeds
        grades = [GRADES[index] for index in truth.grades] * seeds
        for grade, words in EXCHANGES.items():
            other = [m for one in given.exchanged[grade] for m in one]
            result = {row["metric"]: row for row in measure_exchange(NO_KEY, own, other, true, grades, bootstrap)
                     if row["stratum"] == "all"}  # fmt: skip
            cells = [
                "{value:{form}} ({low:{form}} to {high:{form}})".format(**result[metric], form=form)
                if result[metric]["low"] is not None
                else result[metric]["interval"] or "undefined"
                for metric, form in (("pixels_changed", ".1%"), ("dice_change", "+.3f"), ("area_change", "+.2f"))
            ]
            print(f"| {' | '.join(arm)} | {words} | {' | '.join(cells)} |")
        gap = [100 * (severe.mean() - normal.mean())
               for severe_I, normal_I in zip(given.exchanged["D"], given.exchanged["A"], strict=True)
               for severe, normal in zip(severe_I, normal_I, strict=True)]  # fmt: skip
        print(f"| {' | '.join(arm)} | severe less normal | | | {shown(bootstrap.mean(np.array(gap)), '+.2f')} |")
