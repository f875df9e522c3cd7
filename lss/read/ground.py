"""The support of each sentence of a report: a mask, a measurement, a probability read from the image; or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lss.measures.cutoffs import AREA_CUTOFFS
from lss.measures.sac import Interval
from lss.model.finding_head import finding_chance
from lss.notes.findings import CANAL, SAC, findings_part, read_findings

EXPECTED = 0.5
"""Probability from which on the model's finding head reads a finding from the image."""

_NOT_MEASURED = ("area", "grade", "no_grade", "number")
"""Kinds of `lss.notes.report_consistency.CONTRADICTIONS` that leave the severity sentence without ground."""


@dataclass(frozen=True)
class Statement:
    """A sentence of a report on one slice.

    Attributes:
        text: the sentence.
        supported: whether something supports it and nothing contradicts it.
        mask: the mask that supports it: "stenosis" (the model's), "sac" (segmented in the image), or None.
        measurement: the field of the slice in study.json that supports it: affected_area_percent or area_mm2.
        probability: the least one that the model's finding head gives to its findings; None where it states none.
        reason: what supports or contradicts it, in words.
    """

    text: str
    supported: bool
    mask: str | None
    measurement: str | None
    probability: float | None
    reason: str


def ground_of(
    report: str,
    *,
    level: str | None,
    area_percent: float,
    contradictions: dict[str, str],
    chances_F: NDArray[np.float64],
    sac: Interval | None,
) -> list[Statement]:
    """Return the sentences of a report with their ground.

    Args:
        report: on one slice.
        level: of the slice, None where it is uncertain.
        area_percent: affected area by the model's mask.
        contradictions: of the report with its mask, by kind, as `check_report` gives them.
        chances_F: probabilities of `lss.model.finding_head.STATEMENTS` on this slice.
        sac: its area in mm2, None where it was not measured.
    """
    findings = findings_part(report)
    opening = report[: len(report) - len(findings)].strip()
    statements = []
    if opening:
        against = [contradictions[kind] for kind in _NOT_MEASURED if kind in contradictions]
        mask = "stenosis" if area_percent > 0 else None  # nothing is outlined of an empty one
        reason = " ".join(against) or f"the model's mask covers {area_percent:.1f} % of the region"
        statements.append(Statement(opening, not against, mask, "affected_area_percent", None, reason))
    sentences = [text for text in re.split(r"(?<=\.)\s+", findings) if text.strip()]
    return [*statements, *(_finding(text, level, chances_F, sac) for text in sentences)]


def _finding(text: str, level: str | None, chances_F: NDArray[np.float64], sac: Interval | None) -> Statement:
    """Return a sentence of findings with its ground."""
    findings = read_findings(text, level)
    if not findings:
        return Statement(text, False, None, None, None, "states nothing that is measured or read from the image")
    if other := next((one.level for one in findings if one.level not in (None, level)), None):
        own_level = level or "a slice whose level is uncertain"
        return Statement(text, False, None, None, None, f"is about {other}, the slice is {own_level}")
    probability = min(finding_chance(one, chances_F) for one in findings)
    narrow = [one for one in findings if one.structure in (SAC, CANAL)]
    mask, measurement = ("sac", "area_mm2") if narrow and sac is not None else (None, None)
    if sac is not None:
        for one in narrow:
            open_canal, narrow_canal = sac.low > AREA_CUTOFFS[-1].limit, sac.high < AREA_CUTOFFS[0].limit
            if (open_canal and not one.negated) or (narrow_canal and one.negated):
                measured = f"against it: the sac measures {sac.value:.0f} mm2 ({sac.low:.0f} to {sac.high:.0f})"
                return Statement(text, False, mask, measurement, round(probability, 3), measured)
    reason = f"the model reads it from the image with a probability of {probability:.2f}"
    return Statement(text, probability >= EXPECTED, mask, measurement, round(probability, 3), reason)
