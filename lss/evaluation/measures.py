"""One long list of measures: what every table, figure and the page print."""

from __future__ import annotations

import math
from typing import Any

from lss.metrics.bootstrap import Estimate

DIGITS = 6
"""Decimals kept in the results: the last bits of a float may depend on the machine's linear algebra."""

Measure = dict[str, Any]
"""task, backbone, loss, source, reference, metric, stratum, value, low, high, n, patients, undefined_draws,
interval.

- source: what answered: head, area_paper, area_calibrated, text; mask; report; or the name of a baseline
- reference: against what: note_grade, true_grade, pseudo_mask, true_mask, report
- stratum: all, non_empty (reference mask), pooled (over pixels), balanced (grades re-weighted to equal prevalence; of
  masks: mean over the grades of their means), macro, a grade, a level
- undefined_draws: share of the bootstrap's draws that hold no such case; they are not in the interval
- n, patients: images and their patients; of epochs_at_bound epochs, and None
- interval: its method (`lss.metrics.bootstrap.METHOD_NAMES`), or why there is none: too few patients, no spread
"""

KEY = ("task", "backbone", "loss", "source", "reference", "metric", "stratum")


def measure(key: dict[str, str], metric: str, stratum: str, estimate: Estimate) -> Measure:
    """One row; `key` holds task, backbone, loss, source, reference."""
    return key | {
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


def measures(key: dict[str, str], stratum: str, estimates: dict[str, Estimate]) -> list[Measure]:
    """Rows of several metrics of one stratum."""
    return [measure(key, metric, stratum, estimate) for metric, estimate in estimates.items()]


def rounded(value: float) -> float | None:
    """A float as it is kept: rounded; None for NaN and infinity, which JSON lacks."""
    return round(float(value), DIGITS) if math.isfinite(value) else None


def significant(value: float) -> float:
    """A p-value as it is kept: six significant digits, so that a small one does not become 0.

    >>> significant(1.23456789e-12)
    1.23457e-12
    """
    return float(f"{value:.{DIGITS}g}")


def find(rows: list[Measure], **key: str) -> Measure | None:
    """The first row with these key fields, or None."""
    return next((row for row in rows if all(row[name] == value for name, value in key.items())), None)
