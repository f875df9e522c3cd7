"""What the parts of an evaluation add to, for the statistics that tables and figures print."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lss.evaluation.measures import Measure


@dataclass
class Collected:
    """Measures, curves, tests and caveats of the parts of an evaluation, in the order of the parts.

    Attributes:
        measures: one long list.
        curves: by backbone and source: confusion, ROC, reliability, decision curve.
        tests: rows of `lss.evaluation.comparisons`.
        empty_masks: counts of empty masks by model and reference.
        caveats: sentences for the reader.
    """

    measures: list[Measure] = field(default_factory=list)
    curves: dict[str, dict[str, Any]] = field(default_factory=dict)
    tests: list[dict[str, Any]] = field(default_factory=list)
    empty_masks: list[dict[str, Any]] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)
