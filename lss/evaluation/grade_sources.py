"""Every way a backbone grades an image (head, mask area, text), and the area thresholds it goes by."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from lss.domain.grades import GRADES
from lss.evaluation.cases import TestCases
from lss.evaluation.grades import Answers, Prevalence, answers_of_area, answers_of_head, answers_of_text
from lss.model.severity import PAPER_THRESHOLDS, Thresholds
from lss.notes.grading import grade_report

Run = tuple[str, str, str]
Rows = list[dict[str, Any]]


class AreaThresholds(NamedTuple):
    """Area thresholds of one backbone.

    Attributes:
        calibrated: in percent.
        used: which its report model goes by, the paper's or the calibrated ones: they grade the mask that a text is
            held against, and fill the template that is its baseline.
        fitted_on: what the calibrated ones were fitted on.
        unreached: grades that the calibrated ones give to none of the images they were fitted on.
    """

    calibrated: Thresholds
    used: Literal["paper", "calibrated"]
    fitted_on: str
    unreached: list[str]

    @property
    def own(self) -> Thresholds:
        """Those in use."""
        return PAPER_THRESHOLDS if self.used == "paper" else self.calibrated


def area_thresholds(
    backbones: list[str], manifests: list[dict[str, Any]], fallback: AreaThresholds
) -> dict[str, AreaThresholds]:
    """Return thresholds of each backbone: those of its first report model, from the manifest of its training.

    A backbone without a report model, or without a manifest, gets the `fallback`.
    """
    stated: dict[str, AreaThresholds] = {}
    for entry in manifests:
        if entry["stage"] == "train" and "area_thresholds" in entry["facts"]:
            facts = entry["facts"]["area_thresholds"]
            found = AreaThresholds(
                Thresholds(*facts["calibrated"]), facts["used"], facts["fitted_on"], facts["unreached"]
            )
            stated.setdefault(entry["facts"]["backbone"], found)
    return {backbone: stated.get(backbone, fallback) for backbone in backbones}


def _first(tables: dict[Run, Rows], backbone: str, task: str) -> tuple[str, Rows] | None:
    """Return the loss and rows of a backbone's first model of a task, or None."""
    return next(((m[2], rows) for m, rows in tables.items() if m[:2] == (backbone, task)), None)


def ways_of(
    tables: dict[Run, Rows], backbone: str, thresholds: AreaThresholds, prevalence: Prevalence
) -> dict[tuple[str, str], Answers]:
    """Return every way a backbone answers: (source, loss of its model) to answers; of several report
    models every text.
    """
    ways: dict[tuple[str, str], Answers] = {}
    if head := _first(tables, backbone, "classification"):
        probabilities = np.array([[row[f"p_{grade}"] for grade in GRADES] for row in head[1]], dtype=np.float64)
        ways["head", head[0]] = answers_of_head(probabilities, prevalence)
    if mask := _first(tables, backbone, "segmentation"):
        areas = np.array([row["area_percent"] for row in mask[1]], dtype=np.float64)
        ways["area_paper", mask[0]] = answers_of_area(areas, PAPER_THRESHOLDS)
        ways["area_calibrated", mask[0]] = answers_of_area(areas, thresholds.calibrated)
    for (_, task, loss), rows in ((m, rows) for m, rows in tables.items() if m[0] == backbone):
        if task == "report":
            ways["text", loss] = answers_of_text([grade_report(row["report"]) for row in rows])
    return ways


def grade_rows(
    tables: dict[Run, Rows],
    backbone: str,
    ways: dict[tuple[str, str], Answers],
    thresholds: AreaThresholds,
    test: TestCases,
) -> Rows:
    """Return rows of the classification case table of one backbone; its text is that of the first report model."""
    head = _first(tables, backbone, "classification")
    mask = _first(tables, backbone, "segmentation")
    first: dict[str, Answers] = {}
    for (source, _), answers in ways.items():
        first.setdefault(source, answers)
    rows = []
    for index in range(len(test)):
        said = {source: answers.grades[index] for source, answers in first.items()}
        said["area_own"] = said[f"area_{thresholds.used}"]
        spoken = [said[source] for source in ("head", "area_own", "text") if source in said]
        rows.append(
            test.identity(index, backbone, head[0] if head else "")
            | {f"p_{grade}": head[1][index][f"p_{grade}"] if head else None for grade in GRADES}
            | {"area_percent": mask[1][index]["area_percent"] if mask else None}
            | {name: said.get(name) for name in ("head", "area_paper", "area_calibrated", "area_own", "text")}
            | {"agree": len(set(spoken)) == 1}
        )
    return rows
