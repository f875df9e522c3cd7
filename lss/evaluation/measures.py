"""One long list of measures: what every table, figure and the page print."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypedDict

from lss.evaluation.vocabulary import check_names
from lss.metrics.bootstrap import Estimate

DIGITS = 6
"""Decimals kept in the results: the last bits of a float may depend on the machine's linear algebra."""


class Key(TypedDict):
    """What a measure is of: names of `lss.evaluation.vocabulary`, but for backbone and loss.

    Attributes:
        task: what was done.
        backbone, loss: of the model, as in the settings; "" of what has none.
        source: what answered: head, area_paper, area_calibrated, text; mask; report; or the name of a baseline.
        reference: against what: note_grade, true_grade, pseudo_mask, true_mask, report.
    """

    task: str
    backbone: str
    loss: str
    source: str
    reference: str


class Measure(Key):
    """One number with its interval.

    Attributes:
        metric: what was measured.
        stratum: all, non_empty (reference mask), pooled (over pixels), balanced (grades re-weighted to equal
            prevalence; of masks: mean over the grades of their means), macro, a grade, a level, a structure.
        value, low, high: estimate and bounds of its interval; None where there is none.
        n, patients: images and their patients; of epochs_at_bound epochs, and None.
        undefined_draws: share of the bootstrap's draws that hold no such case; they are not in the interval.
        interval: its method (`lss.metrics.bootstrap.METHOD_NAMES`), or why there is none: too few patients, no spread.
    """

    metric: str
    stratum: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    patients: int | None
    undefined_draws: float | None
    interval: str


KEY = ("task", "backbone", "loss", "source", "reference", "metric", "stratum")


def names_of(key: Key) -> tuple[str, ...]:
    """Return what a measure is of, in the order of `Key`: task, backbone, loss, source, reference."""
    return key["task"], key["backbone"], key["loss"], key["source"], key["reference"]


def key_of(row: Measure) -> tuple[str, ...]:
    """Return the names that a measure is filed under, in the order of `KEY`."""
    return *names_of(row), row["metric"], row["stratum"]


def matches(row: Mapping[str, object], key: Mapping[str, str]) -> bool:
    """Return whether a measure has these names."""
    return all(row[name] == value for name, value in key.items())


def curve_name(backbone: str, source: str) -> str:
    """Return the name under which the curves of a way of grading stand in the statistics."""
    check_names(source=source)
    return f"{backbone}/{source}"


def measure(key: Key, metric: str, stratum: str, estimate: Estimate) -> Measure:
    """Return one measure. Raises LssError for a name that is none (`lss.evaluation.vocabulary`)."""
    check_names(**key, metric=metric, stratum=stratum)
    return {
        **key,
        "metric": metric,
        "stratum": stratum,
        "value": rounded(estimate.value),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
        "n": estimate.n,
        "patients": estimate.patients,
        "undefined_draws": rounded(estimate.undefined),
        "interval": estimate.interval,
    }


def measures(key: Key, stratum: str, estimates: dict[str, Estimate]) -> list[Measure]:
    """Return rows of several metrics of one stratum."""
    return [measure(key, metric, stratum, estimate) for metric, estimate in estimates.items()]


def rounded(value: float) -> float | None:
    """Return a float as it is kept: rounded; None for NaN and infinity, which JSON lacks."""
    return round(float(value), DIGITS) if math.isfinite(value) else None


def significant(value: float) -> float:
    """Return a p-value as it is kept: six significant digits, so that a small one does not become 0.

    >>> significant(1.23456789e-12)
    1.23457e-12
    """
    return float(f"{value:.{DIGITS}g}")


def find(rows: list[Measure], **key: str) -> Measure | None:
    """Return the first measure with these names, or None. Raises LssError for a name that is none."""
    check_names(**key)
    return next((row for row in rows if matches(row, key)), None)
