"""The numbers of the paper's tables, as facts, and which of them contradict each other."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from lss.metrics.plausibility import ImpossibleMetricsError, check_overlap

_HALF_A_DIGIT = 0.00005  # values are printed with four decimals
_DISTANCE_OF_ROUNDING = 3 * _HALF_A_DIGIT


class PaperValue(NamedTuple):
    """A number of the paper, with its interval where it has one, and as it was printed ("0.8900")."""

    value: float
    low: float | None
    high: float | None
    printed: str


@cache
def paper_values() -> dict[tuple[str, ...], PaperValue]:
    """Return the paper's values by (table, backbone, loss, source, metric, stratum); loss "" where it has none."""
    text = files("lss.reporting").joinpath("paper_values.csv").read_text(encoding="utf-8")
    names = ("table", "backbone", "loss", "source", "metric", "stratum")
    return {
        tuple(row[name] for name in names): PaperValue(
            float(row["value"]),
            float(row["low"]) if row["low"] else None,
            float(row["high"]) if row["high"] else None,
            row["value"],
        )
        for row in csv.DictReader(text.splitlines())
    }


@cache
def impossible_in_paper() -> dict[tuple[str, ...], str]:
    """Return the paper's IoUs that no set of images can have beside its Dice: key to the reason."""
    impossible = {}
    for key, iou in paper_values().items():
        *place, metric, stratum = key
        if metric != "iou":
            continue
        dice = paper_values()[*place, "dice", stratum]
        try:
            check_overlap("paper", dice.value, iou.value, _DISTANCE_OF_ROUNDING)
        except ImpossibleMetricsError as error:
            impossible[key] = f"the paper's value cannot be a mean over images: {str(error).removeprefix('paper: ')}"
    return impossible
