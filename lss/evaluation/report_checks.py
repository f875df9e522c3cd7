"""Contradictions of reports, how they came about, and the masks they were written from."""

from __future__ import annotations

from typing import Any

import numpy as np

from lss.domain.grades import GRADES
from lss.evaluation.cases import TestCases
from lss.evaluation.measures import Key, Measure, measures, names_of
from lss.evaluation.report_findings import finding_columns
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.language import LanguageScores
from lss.metrics.plausibility import check_overlap
from lss.notes.report_consistency import CONTRADICTIONS, ReportCheck, check_report

Rows = list[dict[str, Any]]


def check_reports(rows: Rows, by_head: list[str | None]) -> list[ReportCheck]:
    """Check rows of a predictions table (REPORT) against their masks, and against the head's grades."""
    return [
        check_report(
            row["report"],
            area_percent=row["area_percent"],
            mask_grade=row["mask_grade"],
            level=row["level"],
            mask_side=row["mask_side"],
            head_grade=head,
        )
        for row, head in zip(rows, by_head, strict=True)
    ]


def report_rows(
    backbone: str, loss: str, cases: TestCases, rows: Rows, scores: LanguageScores, checks: list[ReportCheck]
) -> Rows:
    """Return rows of the report case table, from rows of a predictions table."""
    copied = ("report", "area_percent", "mask_grade", "origin", "attempts", "first_report", "left_out")
    return [
        cases.identity(index, backbone, loss)
        | {name: row[name] for name in copied}
        | {"reference": cases.reports[index]}
        | {name: float(values[index]) for name, values in scores.per_case.items()}
        | finding_columns(row, cases.reports[index])
        | {
            "text_grade": check.text_grade,
            "area_stated": check.area_stated,
            "agrees_with_mask": check.agrees_with_mask,
            "agrees_with_head": check.agrees_with_head,
            "contradictions": list(check.contradictions),
            "disagreements": check.disagreements,
        }
        for index, (row, check) in enumerate(zip(rows, checks, strict=True))
    ]


def evaluate_checks(rows: Rows, bootstrap: PatientBootstrap) -> list[Measure]:
    """Return shares of one generator's reports: that contradict (by kind too), were written anew, gave way to the
    template.

    Args:
        rows: of the report case table.
    """
    columns = {"contradicts": [bool(row["contradictions"]) for row in rows]}
    columns |= {f"contradicts_{kind}": [kind in row["contradictions"] for row in rows] for kind in CONTRADICTIONS}
    columns |= {origin: [row["origin"] == origin for row in rows] for origin in ("regenerated", "template")}
    key = _key(rows[0], "report", "report")
    return measures(key, "all", bootstrap.means({name: np.array(of, np.float64) for name, of in columns.items()}))


def masks_by_stated_grade(rows: Rows, mask_rows: Rows, bootstrap: PatientBootstrap) -> list[Measure]:
    """Return the Dice and IoU of the masks that reports were written from, over the images whose report states a grade.

    Args:
        rows, mask_rows: of the case tables; a backbone's reports are written from the masks of its first segmentation
            model.
    """
    collected: list[Measure] = []
    for backbone, loss in dict.fromkeys((row["backbone"], row["loss"]) for row in rows):
        own = [row for row in rows if (row["backbone"], row["loss"]) == (backbone, loss)]
        masks = [row for row in mask_rows if row["backbone"] == backbone and row["reference"] == "pseudo_mask"]
        masks = [row for row in masks if row["loss"] == masks[0]["loss"]]
        columns = {name: np.array([row[name] for row in masks]) for name in ("dice", "iou")}
        for grade in GRADES:
            among = np.array([row["text_grade"] == grade for row in own])
            key, estimates = _key(own[0], "text", "pseudo_mask"), bootstrap.means(columns, among)
            if among.any():
                check_overlap(f"{'/'.join(names_of(key))}/{grade}", estimates["dice"].value, estimates["iou"].value)
            collected += measures(key, grade, estimates)
    return collected


def _key(row: dict[str, Any], source: str, reference: str) -> Key:
    return {"task": "report", "backbone": row["backbone"], "loss": row["loss"], "source": source,
            "reference": reference}  # fmt: skip
