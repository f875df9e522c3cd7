"""The part of the stage evaluate that is of reports: text metrics, baselines, controls, checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lss.evaluation import reports as language
from lss.evaluation.cases import TestCases
from lss.evaluation.collected import Collected
from lss.evaluation.comparisons import compare_all
from lss.evaluation.disc_pooling import DiscPart, choose_reports
from lss.evaluation.grade_sources import AreaThresholds
from lss.evaluation.measures import Measure
from lss.evaluation.report_checks import check_reports, evaluate_checks, report_rows
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.language_meteor import MeteorProcess
from lss.metrics.report_baselines import partners_within, shuffled_partners
from lss.stages._evaluation_inputs import TrainingPart, baseline_reports

Run = tuple[str, str, str]
Rows = list[dict[str, Any]]
RIVALS = ("level_grade", "central")
"""Baselines of the reports of discs: the commonest and the most typical one of level and grade."""


def reports_of_baselines(
    tables: dict[Run, Rows],
    grades: Rows,
    thresholds: dict[str, AreaThresholds],
    test: TestCases,
    train: TrainingPart,
    shards: dict[str, list[Path]],
) -> dict[tuple[str, str], list[str]]:
    """Return reports of the baselines; none where there is no generator to hold against them."""
    if not any(task == "report" for _, task, _ in tables):
        return {}
    return baseline_reports(_by_backbone(grades), thresholds, test, train, shards)


def evaluate_texts(
    tables: dict[Run, Rows],
    grades: Rows,
    baselines: dict[tuple[str, str], list[str]],
    test: TestCases,
    bootstrap: PatientBootstrap,
    discs: DiscPart | None,
    seed: int,
    findings: Collected,
) -> Rows:
    """Return the text metrics of the generators, of baselines and of controls; checks of each report."""
    generated = {(backbone, loss): rows for (backbone, task, loss), rows in tables.items() if task == "report"}
    if not generated:
        return []
    texts = {name: [row["report"] for row in rows] for name, rows in generated.items()}
    systems = language.Systems(texts, baselines, _partners(test, seed, findings))
    with MeteorProcess() as meteor:
        measures, scores, caveats_of_text = language.evaluate_reports(systems, test, bootstrap, meteor)
        findings.measures += measures
        findings.caveats += caveats_of_text
        if discs:
            for name, of_one in texts.items():
                findings.measures += _of_discs(name, of_one, baselines, test, discs, meteor)
    for loss in dict.fromkeys(loss for _, loss in scores):
        cider = {backbone: score.per_case["cider_d"] for (backbone, of), score in scores.items() if of == loss}
        findings.tests += compare_all(f"CIDEr-D of the reports, {loss}", cider, bootstrap)
    all_rows: Rows = []
    for (backbone, loss), rows in generated.items():
        checks = check_reports(rows, [row["head"] for row in _by_backbone(grades)[backbone]])
        own = report_rows(backbone, loss, test, rows, scores[backbone, loss], checks)
        findings.measures += evaluate_checks(own, bootstrap)
        all_rows += own
    return all_rows


def _of_discs(
    name: tuple[str, str],
    texts: list[str],
    baselines: dict[tuple[str, str], list[str]],
    test: TestCases,
    discs: DiscPart,
    meteor: MeteorProcess,
) -> list[Measure]:
    """Return measures of the reports that stand for their discs, and of the tables of level and grade on the same
    slices.
    """
    chosen = choose_reports(texts, test.levels, discs.places)
    rivals = {
        key: [reports[place] for place in chosen]
        for key, reports in baselines.items()
        if key[0] in RIVALS and key[1] == name[0]
    }
    systems = language.Systems({name: [texts[place] for place in chosen]}, rivals, {})
    measures, _, _ = language.evaluate_reports(systems, test.at(chosen), discs.bootstrap, meteor)
    return [{**row, "task": "disc_report"} for row in measures]


def _partners(test: TestCases, seed: int, findings: Collected) -> dict[str, np.ndarray]:
    """Return another patient's case for each, by control; none where the test part does not allow it."""
    alike = list(zip(test.levels, test.grades, strict=True))
    no_level = [None] * len(test)
    groupings: dict[str, list[Sequence[object]]] = {
        "shuffled_level": [test.levels, no_level],
        "shuffled_level_grade": [alike, test.levels, no_level],
    }
    try:
        partners = {"shuffled": shuffled_partners(test.patients, seed)}
        for control, groups in groupings.items():
            partners[control], left = partners_within(test.patients, groups, seed)
            if left:
                findings.caveats.append(
                    f"The control {control}: {left} of {len(test)} images have no other patient's image of their kind "
                    "and take a reference from beyond it, which is easier to beat."
                )
    except ValueError as error:
        findings.caveats.append(f"No control with another patient's references: {error}.")
        return {}
    return partners


def _by_backbone(rows: Rows) -> dict[str, Rows]:
    rows_of: dict[str, Rows] = {}
    for row in rows:
        rows_of.setdefault(row["backbone"], []).append(row)
    return rows_of
