"""Text metrics of generated reports, of baselines and of the shuffled-image control, and how far they are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lss.evaluation.cases import TestCases
from lss.evaluation.measures import Measure, measure
from lss.evaluation.report_findings import finding_statistics, findings_by_structure
from lss.metrics.bootstrap import Floats, PatientBootstrap, Resampled
from lss.metrics.language import LanguageScores, score_systems
from lss.notes.grading import grade_report

GENERATED, SHUFFLED = "report", "shuffled"
_OF_REPORTS_ALONE = ("distinct_1", "distinct_2", "distinct_reports")
"""Metrics that do not look at the reference: other references change nothing."""


class System(NamedTuple):
    """What wrote reports: `source` is GENERATED, SHUFFLED or a baseline; "" for a backbone or loss it does not have."""

    source: str
    backbone: str = ""
    loss: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.source, self.backbone, self.loss) if part)


@dataclass(frozen=True)
class Systems:
    """Reports of every system on the same cases.

    Attributes:
        generated: (backbone, loss) to reports.
        baselines: name, and the backbone whose masks it needs or "", to reports.
        partner: index of another patient's case for each case, for the shuffled-image control.
    """

    generated: dict[tuple[str, str], list[str]]
    baselines: dict[tuple[str, str], list[str]]
    partner: np.ndarray | None


def evaluate_reports(
    systems: Systems, cases: TestCases, bootstrap: PatientBootstrap
) -> tuple[list[Measure], dict[tuple[str, str], LanguageScores], list[str]]:
    """Text metrics and grade agreement of every system, and how far each generator is above every other system.

    A generator's "above" is the difference of the two systems' values over all cases, resampled together: its interval
    says whether the generator beats the baseline, or depends on its image at all (`shuffled`).

    Returns:
        measures (source: report, shuffled, a baseline; above_shuffled, above_BASELINE); scores per (backbone, loss);
        caveats.
    """
    references = cases.reports
    jobs: dict[System, tuple[list[str], list[str]]] = {}
    for (backbone, loss), reports in systems.generated.items():
        jobs[System(GENERATED, backbone, loss)] = (reports, references)
        if systems.partner is not None:
            jobs[System(SHUFFLED, backbone, loss)] = (reports, [references[index] for index in systems.partner])
    jobs |= {System(*name): (reports, references) for name, reports in systems.baselines.items()}
    scores = score_systems(jobs)
    resampled = {
        system: _resampled(scores[system], bootstrap, () if system.source != SHUFFLED else _OF_REPORTS_ALONE)
        | bootstrap.resampled_means({"grade_agreement": _agreement(reports, system.source, cases, systems.partner)})
        | finding_statistics(reports, of, cases.levels, bootstrap)
        for system, (reports, of) in jobs.items()
    }
    for backbone, loss in systems.generated:
        own = resampled[System(GENERATED, backbone, loss)]
        for other in _compared_with(backbone, loss, systems):
            resampled[System(f"above_{other.source}", backbone, loss)] = {
                metric: own[metric].minus(of_other) for metric, of_other in resampled[other].items()
            }
    found = [
        measure(_key(system), metric, "all", bootstrap.estimate_of(of_metric))
        for system, of_system in resampled.items()
        for metric, of_metric in of_system.items()
    ]
    for system, (reports, of) in jobs.items():
        if system.source != SHUFFLED:
            found += findings_by_structure(_key(system), reports, of, cases.levels, bootstrap)
    return found, {name: scores[System(GENERATED, *name)] for name in systems.generated}, _caveats(scores)


def _compared_with(backbone: str, loss: str, systems: Systems) -> list[System]:
    """The systems that a generator is held against; of those that need a backbone's masks its own."""
    shuffled = [System(SHUFFLED, backbone, loss)] if systems.partner is not None else []
    return shuffled + [System(*name) for name in systems.baselines if name[1] in ("", backbone)]


def _resampled(score: LanguageScores, bootstrap: PatientBootstrap, left_out: tuple[str, ...]) -> dict[str, Resampled]:
    """All text metrics of one system but those left out."""
    found = bootstrap.resampled(lambda weights_DP: score.resample(weights_DP, bootstrap.patient_of_case))
    # the scorers' own values: METEOR's program and BLEU's corpus value round in the last digits
    return {name: of._replace(whole=score.corpus[name]) for name, of in found.items() if name not in left_out}


def _agreement(reports: list[str], source: str, cases: TestCases, partner: np.ndarray | None) -> Floats:
    """1 where the grade a report states is the case's (shuffled: its partner's), else 0."""
    grades = cases.grades
    if source == SHUFFLED and partner is not None:
        grades = [cases.grades[index] for index in partner]
    return np.array([float(grade_report(r) == grade) for r, grade in zip(reports, grades, strict=True)])


def _caveats(scores: dict[System, LanguageScores]) -> list[str]:
    """Each caveat once, with the systems it is about."""
    about: dict[str, list[str]] = {}
    for system, score in scores.items():
        for caveat in score.caveats:
            about.setdefault(caveat, []).append(str(system))
    return [
        f"{'All reports' if len(names) == len(scores) else ', '.join(names)}: {caveat}"
        for caveat, names in about.items()
    ]


def _key(system: System) -> dict[str, str]:
    return {"task": "report", "backbone": system.backbone, "loss": system.loss, "source": system.source,
            "reference": "report"}  # fmt: skip
