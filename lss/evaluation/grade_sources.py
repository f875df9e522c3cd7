"""Every source of a backbone's grades (head, mask area, text), and the area thresholds it uses."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lss.calibration.probabilities import Prevalence
from lss.domain.grades import GRADES
from lss.evaluation.cases import TestCases
from lss.evaluation.grades import Answers, answers_of_area, answers_of_head, answers_of_text
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
            settled = AreaThresholds(
                Thresholds(*facts["calibrated"]), facts["used"], facts["fitted_on"], facts["unreached"]
            )
            stated.setdefault(entry["facts"]["backbone"], settled)
    return {backbone: stated.get(backbone, fallback) for backbone in backbones}


def _first(tables: dict[Run, Rows], backbone: str, task: str) -> tuple[str, Rows] | None:
    """Return the loss and rows of a backbone's first model of a task, or None."""
    return next(((m[2], rows) for m, rows in tables.items() if m[:2] == (backbone, task)), None)


def probabilities_of(rows: Rows) -> NDArray[np.float64]:
    """Return the grade head's probabilities (N, 3) from rows of lss.storage.schemas.CLASSIFICATION."""
    return np.array([[row[f"p_{grade}"] for grade in GRADES] for row in rows], dtype=np.float64)


def all_answers(
    tables: dict[Run, Rows], backbone: str, thresholds: AreaThresholds, prevalence: Prevalence
) -> dict[tuple[str, str], Answers]:
    """Return a backbone's answers by (source, loss of its model); of several report models the texts of each."""
    answers_of: dict[tuple[str, str], Answers] = {}
    if head := _first(tables, backbone, "classification"):
        answers_of["head", head[0]] = answers_of_head(probabilities_of(head[1]), prevalence)
    if mask := _first(tables, backbone, "segmentation"):
        areas = np.array([row["area_percent"] for row in mask[1]], dtype=np.float64)
        answers_of["area_paper", mask[0]] = answers_of_area(areas, PAPER_THRESHOLDS)
        answers_of["area_calibrated", mask[0]] = answers_of_area(areas, thresholds.calibrated)
    for (_, task, loss), rows in ((m, rows) for m, rows in tables.items() if m[0] == backbone):
        if task == "report":
            answers_of["text", loss] = answers_of_text([grade_report(row["report"]) for row in rows])
    return answers_of


def grade_rows(
    tables: dict[Run, Rows],
    backbone: str,
    answers_of: dict[tuple[str, str], Answers],
    thresholds: AreaThresholds,
    test: TestCases,
) -> Rows:
    """Return rows of the classification case table of one backbone; its text is that of the first report model."""
    head = _first(tables, backbone, "classification")
    mask = _first(tables, backbone, "segmentation")
    first: dict[str, Answers] = {}
    for (source, _), answers in answers_of.items():
        first.setdefault(source, answers)
    rows = []
    for index in range(len(test)):
        stated = {source: answers.grades[index] for source, answers in first.items()}
        stated["area_own"] = stated[f"area_{thresholds.used}"]
        compared = [stated[source] for source in ("head", "area_own", "text") if source in stated]
        rows.append(
            test.identity(index, backbone, head[0] if head else "")
            | {f"p_{grade}": head[1][index][f"p_{grade}"] if head else None for grade in GRADES}
            | {"area_percent": mask[1][index]["area_percent"] if mask else None}
            | {name: stated.get(name) for name in ("head", "area_paper", "area_calibrated", "area_own", "text")}
            | {"agree": len(set(compared)) == 1}
        )
    return rows
