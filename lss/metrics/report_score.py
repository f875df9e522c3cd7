"""Lumbar report score: the findings of a text against those of its reference.

No published clinical metric is made for reports of the lumbar spine (RadGraph F1 and CheXbert read chest X-rays), and
n-gram metrics rate "no compression" close to "compression". So both texts are read into findings
(`lss.notes.findings`: structure, level, side, severity, negated) and the findings are compared.

Convention:
- A finding has its counterpart in the other text's finding of the same structure at the same disc level; each text
  has at most one such finding.
- A pair is a contradiction, and earns 0, where one text states what the other denies, where one says left and the
  other right, or one mild and the other severe. Otherwise it earns 1 when side and severity are equal, and half a
  point when one of them differs or is said in one text only. Of what both deny, side and severity do not count.
- Score of a report: F1 = 2 * earned / (findings of the text + findings of the reference), 0 to 1. Two texts without
  any finding score 1, one without against one with findings 0.
- Precision and recall by structure count what is stated (not denied), over all reports: a finding is invented when the
  reference does not state that structure at that level, missed when only the reference does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lss.notes.findings import STRUCTURES, Finding, read_findings

HALF = 0.5
"""What a pair earns that differs in side or severity without contradicting."""


@dataclass(frozen=True)
class FindingCounts:
    """Two texts compared.

    Attributes:
        earned: points of all pairs.
        candidate, reference: number of findings of each text, denied ones included.
        agreed, invented, missed: structure and level of what is stated in both texts, in the candidate alone, in the
            reference alone.
        contradicted: structure and level of pairs that contradict each other.
    """

    earned: float
    candidate: int
    reference: int
    agreed: tuple[tuple[str, str | None], ...]
    invented: tuple[tuple[str, str | None], ...]
    missed: tuple[tuple[str, str | None], ...]
    contradicted: tuple[tuple[str, str | None], ...]

    @property
    def score(self) -> float:
        """F1 in [0, 1]."""
        return 2 * self.earned / (self.candidate + self.reference) if self.candidate + self.reference else 1.0


def compare_findings(candidate: str, reference: str, level: str | None = None) -> FindingCounts:
    """Compare a text with its reference by the module's convention.

    Args:
        level: disc level of the image both are about; findings that name none belong to it.

    >>> compare_findings("No disc bulge at L4-L5.", "Disc bulge at L4-L5.").score
    0.0
    >>> compare_findings("A bulging disc is seen at L4/5.", "Disc bulge noted at L4-L5 level.").score
    1.0
    """
    own = {(finding.structure, finding.level): finding for finding in read_findings(candidate, level)}
    other = {(finding.structure, finding.level): finding for finding in read_findings(reference, level)}
    points = {key: _points(own[key], other[key]) for key in own if key in other}
    stated, expected = (_stated(of) for of in (own, other))
    return FindingCounts(
        earned=sum(points.values()),
        candidate=len(own),
        reference=len(other),
        agreed=tuple(key for key in stated if key in expected),
        invented=tuple(key for key in stated if key not in expected),
        missed=tuple(key for key in expected if key not in stated),
        contradicted=tuple(key for key, earned in points.items() if earned == 0),
    )


def score_findings(
    candidates: list[str], references: list[str], levels: list[str | None]
) -> dict[str, NDArray[np.float64]]:
    """Score N reports, and count how many of their findings are agreed, invented, missed, contradicted; each (N,)."""
    rows = [compare_findings(*of) for of in zip(candidates, references, levels, strict=True)]
    names = ("agreed", "invented", "missed", "contradicted")
    return {"finding_score": np.array([row.score for row in rows])} | {
        name: np.array([len(getattr(row, name)) for row in rows], dtype=np.float64) for name in names
    }


def counts_by_structure(
    candidates: list[str], references: list[str], levels: list[str | None]
) -> dict[str, NDArray[np.float64]]:
    """Return agreed, invented and missed statements of each report, (N, 3) per structure; of those
    that occur at all.
    """
    rows = [compare_findings(*of) for of in zip(candidates, references, levels, strict=True)]
    counts = {structure: np.zeros((len(rows), 3)) for structure in STRUCTURES}
    for place, row in enumerate(rows):
        for column, keys in enumerate((row.agreed, row.invented, row.missed)):
            for structure, _ in keys:
                counts[structure][place, column] += 1
    return {structure: of for structure, of in counts.items() if of.any()}


def _stated(findings: dict[tuple[str, str | None], Finding]) -> list[tuple[str, str | None]]:
    return [key for key, finding in findings.items() if not finding.negated]


def _points(one: Finding, other: Finding) -> float:
    """Return what a pair earns: 0 for a contradiction, 1, or `HALF`."""
    if one.negated != other.negated:
        return 0.0
    if one.negated:
        return 1.0
    if {one.side, other.side} == {"left", "right"} or {one.severity, other.severity} == {"mild", "severe"}:
        return 0.0
    return 1.0 if (one.side, one.severity) == (other.side, other.severity) else HALF
