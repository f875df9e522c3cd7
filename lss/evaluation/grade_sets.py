"""Do the sets of grades hold the true one, how large are they, and what would do as well: coverage of the test part.

Rivals: sets by the same procedure from the shares of the grades at the disc's level, which look at no image; the most
probable grade alone; the set of all grades.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.calibration.grade_sets import grade_scores, sets_of, threshold_over_patients
from lss.calibration.hand_over import outside_or_open
from lss.calibration.model_calibration import COVERAGES, PERCENT, Calibration, from_json
from lss.calibration.probabilities import Floats, log_loss
from lss.domain.discs import disc_means, discs_of
from lss.domain.grades import GRADES, LEVELS
from lss.evaluation.cases import TestCases
from lss.evaluation.disc_pooling import DiscPart
from lss.evaluation.measures import Key, Measure, measure, measures
from lss.metrics.bootstrap import PatientBootstrap

Classes = NDArray[np.intp]
Slices = tuple[Sequence[str], Sequence[str | None], Classes]
"""Patients, levels and grades (index) of N slices."""

SET_METRICS = tuple(f"{name}_{percent}" for percent in PERCENT for name in ("covered", "set_size"))
HAND_OVER_METRICS = ("handed_over", "right_kept", "right_handed_over")
PROBABILITY_METRICS = ("log_loss", "brier")
PROBABILITIES = ("head_calibrated", "head_prevalence", "head_alone", "level_shares")
WHOLE = ("covered", "set_size")


@dataclass(frozen=True)
class LevelShares:
    """Grades by the level alone: shares (3,) of the training part's discs, thresholds fitted on the validation part."""

    shares: dict[str, Floats]
    thresholds: dict[float, float]

    def probabilities(self, levels: Sequence[str]) -> Floats:
        """Return the shares at each disc's level, (M, 3)."""
        return np.stack([self.shares[level] for level in levels])


def level_shares(train: Slices, validation: Slices) -> LevelShares:
    """Count discs of the training part, one added to each grade, and fit thresholds as for a model."""
    levels, classes, _ = _discs(train)
    counts = {level: np.ones(len(GRADES)) for level in LEVELS}
    for level, grade in zip(levels, classes, strict=True):
        counts[level][grade] += 1
    shares = {level: of_level / of_level.sum() for level, of_level in counts.items()}
    levels, classes, patients = _discs(validation)
    if not levels:
        return LevelShares(shares, dict.fromkeys(COVERAGES, np.inf))
    scores = grade_scores(np.stack([shares[level] for level in levels]))[np.arange(len(levels)), classes]
    thresholds = {coverage: threshold_over_patients(scores, patients, coverage) for coverage in COVERAGES}
    return LevelShares(shares, thresholds)


def _discs(slices: Slices) -> tuple[list[str], Classes, list[str]]:
    """Level, grade (the worst of its slices) and patient of each disc."""
    patients, levels, classes = slices
    discs = discs_of(patients, levels)
    grades = np.array([classes[places].max() for places in discs], dtype=np.intp)
    return [str(levels[places[0]]) for places in discs], grades, [patients[places[0]] for places in discs]


def calibrations_of(manifests: list[dict[str, Any]]) -> dict[tuple[str, str], Calibration]:
    """Calibration by backbone and loss, from the manifests of the trainings."""
    facts = [entry["facts"] for entry in manifests if entry["stage"] == "train"]
    return {
        (of["backbone"], of["loss"]): from_json(of["calibration"])
        for of in facts
        if of.get("task") == "classification" and of.get("calibration")
    }


def measure_sets(
    key: Key,
    of_head: Floats,
    calibration: Calibration,
    shares: LevelShares,
    test: TestCases,
    discs: DiscPart,
) -> list[Measure]:
    """All measures of one classification model's sets, and of its rivals.

    Args:
        key: of the measures; each source gets its own in it.
        of_head: (N, 3) probabilities of the head on the test part's slices.
        calibration: of the model.
        shares: the rival that looks at no image.
        test, discs: the test part, and its discs, by whose patients intervals are taken.
    """
    levels = [str(test.levels[places[0]]) for places in discs.places]
    blind = shares.probabilities(levels)
    prevalence = calibration.prevalence
    probabilities = {
        "head_calibrated": disc_means(calibration.probabilities(of_head), discs.places),
        "head_prevalence": disc_means(prevalence.correct(of_head), discs.places),
        "head_alone": disc_means(of_head, discs.places),
        "level_shares": blind,
    }
    ours = probabilities["head_calibrated"]
    strata = _strata(levels, discs.classes)
    estimates: list[Measure] = []
    columns: dict[str, dict[str, Floats]] = {}
    for source, of_discs, thresholds in (
        ("grade_sets", ours, calibration.thresholds),
        ("share_sets", blind, shares.thresholds),
    ):
        columns[source] = {}
        for percent, coverage in zip(PERCENT, COVERAGES, strict=True):
            inside = sets_of(of_discs, thresholds[coverage])
            columns[source] |= {f"{name}_{percent}": of for name, of in _columns(inside, discs.classes).items()}
    top = np.eye(len(GRADES), dtype=bool)[ours.argmax(axis=1)]
    columns["top_grade"] = _columns(top, discs.classes)
    columns["all_grades"] = _columns(np.ones_like(top), discs.classes)
    for source, of_source in columns.items():
        for stratum, among in strata.items() if source != "all_grades" else [("all", strata["all"])]:
            estimates += measures({**key, "source": source}, stratum, discs.bootstrap.means(of_source, among))
    estimates += _above(key, columns["grade_sets"], columns["share_sets"], discs.bootstrap)
    for source, of_discs in probabilities.items():
        brier = ((of_discs - np.eye(len(GRADES))[discs.classes]) ** 2).sum(axis=1)
        losses = {"log_loss": log_loss(of_discs, discs.classes), "brier": brier}
        estimates += measures({**key, "source": source}, "all", discs.bootstrap.means(losses))
    return estimates + _hand_over({**key, "source": "grade_sets"}, ours, calibration, discs)


def _strata(levels: list[str], classes: Classes) -> dict[str, NDArray[np.bool_]]:
    strata = {"all": np.ones(len(levels), dtype=bool)}
    strata |= {grade: classes == index for index, grade in enumerate(GRADES)}
    return strata | {level: np.array([own == level for own in levels]) for level in LEVELS if level in levels}


def _columns(inside: NDArray[np.bool_], classes: Classes) -> dict[str, Floats]:
    covered = inside[np.arange(classes.size), classes]
    return {"covered": covered.astype(np.float64), "set_size": inside.sum(axis=1).astype(np.float64)}


def _above(key: Key, ours: dict[str, Floats], rival: dict[str, Floats], bootstrap: PatientBootstrap) -> list[Measure]:
    """Coverage and size less the rival's, on the same draws."""
    own, other = bootstrap.resampled_means(ours), bootstrap.resampled_means(rival)
    above: Key = {**key, "source": "above_share_sets"}
    return [measure(above, name, "all", bootstrap.estimate_of(of.minus(other[name]))) for name, of in own.items()]


def _hand_over(key: Key, probabilities: Floats, calibration: Calibration, discs: DiscPart) -> list[Measure]:
    """Share of the discs that a reader is asked to look at first, and how often the others' grade is right."""
    handed = outside_or_open(probabilities, calibration)
    right = (probabilities.argmax(axis=1) == discs.classes).astype(np.float64)
    means = discs.bootstrap.mean
    shares = {"handed_over": means(handed.astype(np.float64))}
    shares |= {"right_kept": means(right, ~handed), "right_handed_over": means(right, handed)}
    return measures(key, "all", shares)
