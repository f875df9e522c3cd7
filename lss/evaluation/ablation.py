"""Losses and fusions compared: means over repeats, intervals over patients and repeats, paired differences.

Shapes: R repeats, N cases, P patients, D draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lss.evaluation.measures import rounded
from lss.metrics.bootstrap import (
    FEWEST_PATIENTS,
    NO_SPREAD,
    NOT_SAMPLED,
    ROUNDING,
    TOO_FEW_PATIENTS,
    Estimate,
    Floats,
    PatientBootstrap,
    divide,
    interval,
    shifted_interval,
)
from lss.runtime.seeding import generator

INTERVAL = "percentile bootstrap over patients and repeats"

Rows = list[dict[str, Any]]
OVERLAPS = ("dice_pseudo", "iou_pseudo", "dice_true", "iou_true")


class System(NamedTuple):
    """What is compared: one kind of model, trained `repeats` times."""

    backbone: str
    fusion: str
    loss: str


@dataclass(frozen=True)
class Cases:
    """Scores of every system on the same cases.

    Attributes:
        slices, patients: key of each case, and its patient.
        columns: (R, N) per system and column of lss.storage.schemas.ABLATION_CASES; NaN where it is null.
    """

    slices: list[str]
    patients: list[str]
    columns: dict[System, dict[str, Floats]]


def arrange(rows: Rows) -> Cases:
    """Return rows of all arms (at least one) as columns; the cases in the order of the first system.

    Raises ValueError where two trainings were tested on different cases, or one has fewer repeats than another.
    """
    tables: dict[System, dict[int, Rows]] = {}
    for row in rows:
        of_system = tables.setdefault(System(row["backbone"], row["fusion"], row["loss"]), {})
        of_system.setdefault(row["repeat"], []).append(row)
    first = next(iter(next(iter(tables.values())).values()))
    slices = [row["slice_key"] for row in first]
    repeats = {system: sorted(of_system) for system, of_system in tables.items()}
    if len(set(map(tuple, repeats.values()))) > 1:
        raise ValueError(f"the systems have different repeats: {repeats}")
    columns = {}
    for system, of_system in tables.items():
        if any([row["slice_key"] for row in of_repeat] != slices for of_repeat in of_system.values()):
            raise ValueError(f"{'/'.join(system)} was tested on other cases than the first system")
        columns[system] = {
            name: np.array([[row[name] for row in of_system[repeat]] for repeat in sorted(of_system)], dtype=np.float64)
            for name in (*OVERLAPS, "empty_pseudo", "empty_true", "canal_share", "attention_inside")
        }
    return Cases(slices, [row["patient_key"] for row in first], columns)


class CrossedBootstrap:
    """Draws over patients and over repeats, shared by all systems, so that their differences are paired.

    A mean over the cases and trainings at hand is to hold for other patients and for other initial weights: both are
    drawn, each with replacement and crossed (Owen 2007). A draw's statistic is the mean over its repeats of the
    statistic of its patients. With few repeats the spread between them is itself known roughly, and drawing from them
    understates it by the factor (R - 1) / R in the variance: their standard deviation is reported beside the interval.
    """

    def __init__(
        self,
        patients: list[str],
        repeats: int,
        draws: int,
        confidence: float,
        seed: int,
        strata: NDArray[np.intp] | None = None,
    ) -> None:
        """Draw once, for all systems.

        Args:
            patients: of each case.
            repeats: R.
            draws: D.
            confidence: of the intervals, e.g. 0.95.
            seed: of params.yaml.
            strata: (N,) of each case, the same for all of a patient; patients are drawn within theirs. None: of all.
        """
        self._patients = PatientBootstrap(patients, draws, confidence, seed, "percentile", strata)
        chance = np.full(repeats, 1 / repeats)
        self._repeats_DR = generator(seed, "repeats", draws).multinomial(repeats, chance, size=draws) / repeats

    def quotient(self, numerator_RN: Floats, denominator_RN: Floats) -> tuple[Estimate, float]:
        """Return the sum of the first over the sum of the second within each repeat, then the mean over repeats.

        With a denominator of ones and zeros it is a mean over the cases chosen.

        Returns:
            the estimate, and the standard deviation between the repeats (NaN for a single one).
        """
        return self.quotients(numerator_RN[None], denominator_RN[None])

    def quotients(self, numerators_QRN: Floats, denominators_QRN: Floats) -> tuple[Estimate, float]:
        """Return the mean of Q quotients, as `quotient` is of one."""
        of_repeats_R = divide(numerators_QRN.sum(axis=-1), denominators_QRN.sum(axis=-1)).mean(axis=0)
        value = float(of_repeats_R.mean())
        chosen = (denominators_QRN > 0).any(axis=(0, 1))
        counts = int(chosen.sum()), len(np.unique(self._patients.patient_of_case[chosen]))
        limits, words = (np.nan, np.nan), ""
        if np.isfinite(value):
            of_each_QDR = [self._drawn(*of) for of in zip(numerators_QRN, denominators_QRN, strict=True)]
            draws_D = (np.mean(of_each_QDR, axis=0) * self._repeats_DR).sum(axis=1)
            limits, words = interval(value, draws_D, None, self._patients.confidence), "percentile"
            if counts[1] < FEWEST_PATIENTS or limits[1] - limits[0] <= ROUNDING:
                words = TOO_FEW_PATIENTS if counts[1] < FEWEST_PATIENTS else NO_SPREAD
                limits = np.nan, np.nan
            elif not limits[0] <= value <= limits[1]:
                limits, words = shifted_interval(value, draws_D, self._patients.confidence), "shifted"
        spread = float(of_repeats_R.std(ddof=1)) if len(of_repeats_R) > 1 else np.nan
        return Estimate(value, *limits, *counts, interval=words), spread

    def _drawn(self, numerator_RN: Floats, denominator_RN: Floats) -> Floats:
        """Return the quotient of each draw of patients and each repeat, (D, R)."""
        sums_PR, bases_PR = (self._patients.per_patient(part.T) for part in (numerator_RN, denominator_RN))
        weights_DP = self._patients.weights_DP
        return divide(weights_DP @ sums_PR, weights_DP @ bases_PR)


def compare(cases: Cases, bootstrap: CrossedBootstrap, references: dict[System, System]) -> Rows:
    """Return measures of every system, and its differences from another on the same cases and repeats.

    Args:
        references: system to the one that it is compared with, unless that is itself.

    Returns:
        rows: backbone, fusion, loss, metric, stratum, value, low, high, sd (between repeats), n, patients.
        Metrics: OVERLAPS, attention_inside, canal_share, attention_ratio, and each with `_difference` but canal_share.
        Strata: all, and for overlaps non_empty (the reference mask has pixels). What is undefined for all cases
        (no truth, no prompts) has no row.
    """
    rows_out: Rows = []
    for system in cases.columns:
        for metric, stratum, numerator_RN, denominator_RN in _quotients(cases, system):
            estimate, spread = bootstrap.quotient(numerator_RN, denominator_RN)
            rows_out.append(_row(system, metric, stratum, estimate, spread))
    for system, reference in references.items():
        if system != reference:
            rows_out += _differences(cases, bootstrap, system, reference)
    return rows_out


def _quotients(cases: Cases, system: System) -> Iterator[tuple[str, str, Floats, Floats]]:
    """Yield metric, stratum, numerators and denominators (R, N)."""
    columns = cases.columns[system]
    for metric in OVERLAPS:
        values_RN, empty_RN = columns[metric], columns[f"empty_{metric.rpartition('_')[2]}"]
        if np.isnan(values_RN).any():
            continue
        for stratum, among_RN in (("all", np.ones_like(values_RN)), ("non_empty", 1 - empty_RN)):
            yield metric, stratum, values_RN * among_RN, among_RN
    inside_RN, canal_RN = columns["attention_inside"], columns["canal_share"]
    ones_RN = np.ones_like(canal_RN)
    if not np.isnan(inside_RN).any():
        yield "attention_inside", "all", inside_RN, ones_RN
        yield "canal_share", "all", canal_RN, ones_RN
        yield "attention_ratio", "all", inside_RN, canal_RN


def _differences(
    cases: Cases, bootstrap: CrossedBootstrap, system: System, reference: System
) -> Iterator[dict[str, Any]]:
    """Yield differences of the measures; the denominators are those of the cases, the same for both."""
    of_reference = {(metric, stratum): values_RN for metric, stratum, values_RN, _ in _quotients(cases, reference)}
    for metric, stratum, numerator_RN, denominator_RN in _quotients(cases, system):
        if metric != "canal_share" and (metric, stratum) in of_reference:
            difference_RN = numerator_RN - of_reference[metric, stratum]
            estimate, spread = bootstrap.quotient(difference_RN, denominator_RN)
            yield _row(system, f"{metric}_difference", stratum, estimate, spread)


def _row(system: System, metric: str, stratum: str, estimate: Estimate, spread: float) -> dict[str, Any]:
    return {
        **system._asdict(),
        "metric": metric,
        "stratum": stratum,
        "value": rounded(estimate.value),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
        "sd": rounded(spread),
        "n": estimate.n,
        "patients": estimate.patients,
        "interval": estimate.interval,
    }


def at_bounds(epochs: Rows) -> Rows:
    """Return share of the epochs at a bound of the loss' weights, over all repeats; rows as of
    `compare`, n are epochs.
    """
    values: dict[System, list[float]] = {}
    for row in epochs:
        if row.get("at_bound") is not None:
            values.setdefault(System(row["backbone"], row["fusion"], row["loss"]), []).append(row["at_bound"])
    return [
        _row(system, "epochs_at_bound", "all", Estimate(float(np.mean(of)), np.nan, np.nan, len(of), 0), np.nan)
        | {"patients": None, "interval": NOT_SAMPLED}
        for system, of in values.items()
    ]


def courses(epochs: Rows, columns: tuple[str, ...] = ("beta", "fp", "fn")) -> Rows:
    """Return course of each column over the epochs: mean over the repeats, and the least and the greatest of them.

    Args:
        epochs: rows of all arms: backbone, fusion, loss, repeat, epoch (from 1), and the columns its loss has.

    Returns:
        rows: backbone, fusion, loss, column, epoch, mean, low, high, repeats (fewer where one has stopped early).
    """
    values: dict[tuple[System, str, int], list[float]] = {}
    for row in epochs:
        system = System(row["backbone"], row["fusion"], row["loss"])
        for column in columns:
            if row.get(column) is not None:
                values.setdefault((system, column, int(row["epoch"])), []).append(row[column])
    return [
        {
            **system._asdict(),
            "column": column,
            "epoch": epoch,
            "mean": rounded(float(np.mean(observed))),
            "low": rounded(min(observed)),
            "high": rounded(max(observed)),
            "repeats": len(observed),
        }
        for (system, column, epoch), observed in values.items()
    ]
