"""Findings of reports against those of their references: the report score, and precision and recall by structure."""

from __future__ import annotations

from typing import Any

import numpy as np

from lss.evaluation.measures import Key, Measure, measures
from lss.metrics.bootstrap import Floats, PatientBootstrap, Resampled, divide
from lss.metrics.report_score import compare_findings, counts_by_structure, score_findings
from lss.notes.findings import CANAL, FORAMEN, RECESS, ROOT, SAC

SHOWN_BY_GRADE = (SAC, CANAL, ROOT, FORAMEN, RECESS)
"""What a mask of the canal and a grade other than A support; no other finding is looked for in the image."""


def finding_statistics(
    reports: list[str], references: list[str], levels: list[str | None], bootstrap: PatientBootstrap
) -> dict[str, Resampled]:
    """Return report score, findings invented and contradicted per report (means), precision and recall
    (of pooled counts).
    """
    scores = score_findings(reports, references, levels)
    names = ("finding_score", "invented", "contradicted")
    return bootstrap.resampled_means({name: scores[name] for name in names}) | bootstrap.resampled(
        lambda weights_DP: _ratios(weights_DP @ bootstrap.per_patient(_counts(scores)))
    )


def findings_by_structure(
    key: Key,
    reports: list[str],
    references: list[str],
    levels: list[str | None],
    bootstrap: PatientBootstrap,
) -> list[Measure]:
    """Return precision, recall, F1 and invented statements per report of each structure that occurs;
    it is the stratum.
    """
    collected: list[Measure] = []
    for structure, counts_N3 in counts_by_structure(reports, references, levels).items():
        sums_P3 = bootstrap.per_patient(counts_N3)
        ratios = bootstrap.estimates(lambda weights_DP, sums_P3=sums_P3: _ratios(weights_DP @ sums_P3, f1=True))  # type: ignore[misc]
        collected += measures(key, structure, ratios | bootstrap.means({"invented": counts_N3[:, 1]}))
    return collected


def finding_columns(row: dict[str, Any], reference: str) -> dict[str, Any]:
    """Return columns of the report case table on a report's findings, from a row of a predictions table (REPORT)."""
    counts = compare_findings(row["report"], reference, row["level"])
    shown = SHOWN_BY_GRADE if row["mask_grade"] not in (None, "A") else ()
    return {
        "finding_score": counts.score,
        "invented": [finding_name(*of) for of in counts.invented],
        "missed": [finding_name(*of) for of in counts.missed],
        "contradicted": [finding_name(*of) for of in counts.contradicted],
        "unsupported": [
            finding_name(structure, level)
            for structure, level in counts.invented
            if structure not in shown or level not in (None, row["level"])
        ],
    }


def _counts(scores: dict[str, Floats]) -> Floats:
    """Return agreed, invented and missed findings of each report, (N, 3)."""
    return np.stack([scores[name] for name in ("agreed", "invented", "missed")], axis=1)


def _ratios(counts_D3: Floats, f1: bool = False) -> dict[str, Floats]:
    agreed, invented, missed = counts_D3.T
    ratios = {
        "finding_precision": divide(agreed, agreed + invented),
        "finding_recall": divide(agreed, agreed + missed),
    }
    return ratios | ({"finding_f1": divide(2 * agreed, 2 * agreed + invented + missed)} if f1 else {})


def finding_name(structure: str, level: str | None) -> str:
    """Say how a finding is printed.

    >>> finding_name("disc bulge", "L4-L5")
    'disc bulge at L4-L5'
    """
    return f"{structure} at {level}" if level else structure
