"""Generated reports: text metrics, baselines, shuffled-image control, and what each report contradicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lss.evaluation.cases import TestCases
from lss.evaluation.measures import Measure, measure, measures
from lss.grades import GRADES
from lss.metrics.bootstrap import Floats, PatientBootstrap
from lss.metrics.language import LanguageScores, score_systems
from lss.notes.consistency import ReportCheck, check_report
from lss.notes.grading import grade_report

SHUFFLED = "shuffled"


@dataclass(frozen=True)
class Systems:
    """Reports of every system on the same cases.

    Attributes:
        generated: backbone to its reports.
        baselines: name, or (name, backbone) where it needs a backbone's masks, to reports.
        partner: index of another patient's case for each case, for the shuffled-image control.
    """

    generated: dict[str, list[str]]
    baselines: dict[tuple[str, str], list[str]]
    partner: np.ndarray | None


def evaluate_reports(
    systems: Systems, loss: str, cases: TestCases, bootstrap: PatientBootstrap
) -> tuple[list[Measure], dict[str, LanguageScores], list[str]]:
    """Text metrics of every system; the shuffled control of the generators, and how far they are above it.

    Returns:
        measures (source: report, shuffled, above_shuffled, or the baseline); scores per backbone; caveats.
    """
    jobs: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for backbone, reports in systems.generated.items():
        jobs["report", backbone] = (reports, cases.reports)
        if systems.partner is not None:
            jobs[SHUFFLED, backbone] = (reports, [cases.reports[index] for index in systems.partner])
    jobs |= {name: (reports, cases.reports) for name, reports in systems.baselines.items()}
    texts = score_systems({"/".join(name): pair for name, pair in jobs.items()})
    scores = {name: texts["/".join(name)] for name in jobs}

    found: list[Measure] = []
    weights_DN = bootstrap.case_weights(bootstrap.weights_DP)
    for (source, backbone), score in scores.items():
        key = _key(source, backbone, loss)
        agreement = _agreement(jobs[source, backbone][0], source, cases, systems.partner)
        found += measures(key, "all", bootstrap_language(score, bootstrap, weights_DN))
        found.append(measure(key, "grade_agreement", "all", bootstrap.mean(agreement)))
        if source == SHUFFLED:
            own = _agreement(jobs["report", backbone][0], "report", cases, None)
            pairs = {name: scores["report", backbone].per_case[name] - score.per_case[name] for name in score.per_case}
            above = bootstrap.means(pairs | {"grade_agreement": own - agreement})
            found += measures(_key("above_shuffled", backbone, loss), "all", above)
    caveats = sorted({caveat for score in scores.values() for caveat in score.caveats})
    return found, {backbone: scores["report", backbone] for backbone in systems.generated}, caveats


def bootstrap_language(score: LanguageScores, bootstrap: PatientBootstrap, weights_DN: Floats) -> dict[str, Any]:
    """Estimates of all text metrics of one system.

    Args:
        weights_DN: the bootstrap's weights as weights of cases, made once for all systems.
    """

    def statistics(weights_DP: Floats) -> dict[str, Floats]:
        if len(weights_DP) == 1:
            return {name: np.array([value]) for name, value in score.corpus.items()}
        of_draws = weights_DP is bootstrap.weights_DP
        return score.resample(weights_DN if of_draws else bootstrap.case_weights(weights_DP))

    return bootstrap.estimates(statistics)


def case_rows(
    backbone: str,
    loss: str,
    cases: TestCases,
    reports: list[str],
    areas: list[float],
    scores: LanguageScores,
    checks: list[ReportCheck],
) -> list[dict[str, Any]]:
    """Rows of the report case table."""
    return [
        cases.identity(index, backbone, loss)
        | {"report": reports[index], "reference": cases.reports[index]}
        | {name: float(values[index]) for name, values in scores.per_case.items()}
        | {
            "text_grade": check.text_grade,
            "area_percent": areas[index],
            "area_stated": check.area_stated,
            "agrees_with_mask": check.agrees_with_mask,
            "agrees_with_head": check.agrees_with_head,
            "disagreements": check.disagreements,
        }
        for index, check in enumerate(checks)
    ]


def check_reports(
    reports: list[str], areas: list[float], by_area: list[str | None], by_head: list[str | None], cases: TestCases
) -> list[ReportCheck]:
    """What each report contradicts."""
    return [
        check_report(report, area_percent=area, mask_grade=mask, head_grade=head, level=level)
        for report, area, mask, head, level in zip(reports, areas, by_area, by_head, cases.levels, strict=True)
    ]


def masks_by_stated_grade(
    report_rows: list[dict[str, Any]], mask_rows: list[dict[str, Any]], bootstrap: PatientBootstrap
) -> list[Measure]:
    """Dice and IoU of the masks that reports were written from, over the images whose report states a grade.

    Args:
        report_rows, mask_rows: of the case tables; a backbone's reports are written from the masks of its first
            segmentation model.
    """
    found: list[Measure] = []
    models = dict.fromkeys((row["backbone"], row["loss"]) for row in report_rows)
    for backbone, loss in models:
        masks = [row for row in mask_rows if row["backbone"] == backbone and row["reference"] == "pseudo_mask"]
        masks = [row for row in masks if row["loss"] == masks[0]["loss"]]
        stated = [row["text_grade"] for row in report_rows if (row["backbone"], row["loss"]) == (backbone, loss)]
        columns = {name: np.array([row[name] for row in masks]) for name in ("dice", "iou")}
        key = _key("text", backbone, loss) | {"reference": "pseudo_mask"}
        for grade in GRADES:
            among = np.array([answer == grade for answer in stated])
            found += measures(key, grade, bootstrap.means(columns, among))
    return found


def _agreement(reports: list[str], source: str, cases: TestCases, partner: np.ndarray | None) -> Floats:
    """1 where the grade a report states is the case's (shuffled: its partner's), else 0."""
    grades = cases.grades
    if source == SHUFFLED and partner is not None:
        grades = [cases.grades[index] for index in partner]
    return np.array([float(grade_report(r) == grade) for r, grade in zip(reports, grades, strict=True)])


def _key(source: str, backbone: str, loss: str) -> dict[str, str]:
    return {"task": "report", "backbone": backbone, "loss": loss, "source": source, "reference": "report"}
