"""Text metrics of generated reports, of baselines and of controls, and how far they are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lss.evaluation.cases import TestCases
from lss.evaluation.measures import Key, Measure, measure
from lss.evaluation.report_findings import finding_statistics, findings_by_structure
from lss.evaluation.vocabulary import FINDINGS_METRICS
from lss.metrics.bootstrap import Floats, PatientBootstrap, Resampled
from lss.metrics.language import LanguageScores, score_systems
from lss.metrics.language_meteor import MeteorProcess
from lss.notes.findings import findings_part
from lss.notes.grading import grade_report

GENERATED = "report"
CONTROLS = ("shuffled", "shuffled_level", "shuffled_level_grade")
"""Controls: a generator's reports scored against another patient's reference: of any, of the same level, of the same
level and grade."""
_WITHOUT_REFERENCE = ("distinct_1", "distinct_2", "distinct_reports")
"""Metrics that do not look at the reference: other references change nothing."""


class System(NamedTuple):
    """A system that writes reports.

    Attributes:
        source: GENERATED, one of CONTROLS, or a baseline.
        backbone, loss: "" where it has none.
    """

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
        partners: control to the index of another patient's case for each case.
    """

    generated: dict[tuple[str, str], list[str]]
    baselines: dict[tuple[str, str], list[str]]
    partners: dict[str, np.ndarray]


def evaluate_reports(
    systems: Systems, cases: TestCases, bootstrap: PatientBootstrap, meteor: MeteorProcess | None = None
) -> tuple[list[Measure], dict[tuple[str, str], LanguageScores], list[str]]:
    """Return text metrics and grade agreement of every system, and how far each generator is above every other system.

    A generator's "above" is the difference of the two systems' values over all cases, resampled together: its interval
    says whether the generator beats the baseline, or depends on its image at all (`shuffled`), beyond its disc level
    (`shuffled_level`), beyond level and grade (`shuffled_level_grade`).

    Args:
        systems, cases, bootstrap: what is scored, on what, with which draws.
        meteor: as for `score_systems`.

    Returns:
        measures (source: report, a control, a baseline; above_CONTROL, above_BASELINE); scores per (backbone, loss);
        caveats.
    """
    references = cases.reports
    jobs: dict[System, tuple[list[str], list[str]]] = {}
    for (backbone, loss), reports in systems.generated.items():
        jobs[System(GENERATED, backbone, loss)] = (reports, references)
        for control, partner in systems.partners.items():
            jobs[System(control, backbone, loss)] = (reports, [references[index] for index in partner])
    jobs |= {System(*name): (reports, references) for name, reports in systems.baselines.items()}
    # without the severity sentence; whether a text is of findings alone is the second part of a job's name
    parts = {(system, True): (_parts(reports), _parts(of)) for system, (reports, of) in jobs.items()}
    both = score_systems({(system, False): job for system, job in jobs.items()} | parts, meteor)
    scores = {system: both[system, False] for system in jobs}
    resampled = {
        system: _resampled(scores[system], bootstrap, () if system.source not in CONTROLS else _WITHOUT_REFERENCE)
        | _of_findings(_resampled(both[system, True], bootstrap, ()))
        | bootstrap.resampled_means(
            {"grade_agreement": _agreement(reports, cases, systems.partners.get(system.source))}
        )
        | finding_statistics(reports, of, cases.levels, bootstrap)
        for system, (reports, of) in jobs.items()
    }
    for backbone, loss in systems.generated:
        own = resampled[System(GENERATED, backbone, loss)]
        for other in _compared_with(backbone, loss, systems):
            resampled[System(f"above_{other.source}", backbone, loss)] = {
                metric: own[metric].minus(of_other) for metric, of_other in resampled[other].items()
            }
    collected = [
        measure(_key(system), metric, "all", bootstrap.estimate_of(of_metric))
        for system, of_system in resampled.items()
        for metric, of_metric in of_system.items()
    ]
    for system, (reports, of) in jobs.items():
        if system.source not in CONTROLS:
            collected += findings_by_structure(_key(system), reports, of, cases.levels, bootstrap)
    return collected, {name: scores[System(GENERATED, *name)] for name in systems.generated}, _caveats(scores)


def _compared_with(backbone: str, loss: str, systems: Systems) -> list[System]:
    """Return the systems that a generator is compared with; of those that need a backbone's masks its own."""
    controls = [System(control, backbone, loss) for control in systems.partners]
    return controls + [System(*name) for name in systems.baselines if name[1] in ("", backbone)]


def _resampled(score: LanguageScores, bootstrap: PatientBootstrap, left_out: tuple[str, ...]) -> dict[str, Resampled]:
    """Return all text metrics of one system but those left out."""
    resampled = bootstrap.resampled(lambda weights_DP: score.resample(weights_DP, bootstrap.patient_of_case))
    # the scorers' own values: METEOR's program and BLEU's corpus value round in the last digits
    return {name: of._replace(whole=score.corpus[name]) for name, of in resampled.items() if name not in left_out}


def _parts(reports: list[str]) -> list[str]:
    return [findings_part(report) for report in reports]


def _of_findings(resampled: dict[str, Resampled]) -> dict[str, Resampled]:
    return {f"{metric}_findings": resampled[metric] for metric in FINDINGS_METRICS}


def _agreement(reports: list[str], cases: TestCases, partner: np.ndarray | None) -> Floats:
    """Return 1 where the grade a report states is the case's (of a control: its partner's), else 0."""
    grades = cases.grades if partner is None else [cases.grades[index] for index in partner]
    return np.array([float(grade_report(r) == grade) for r, grade in zip(reports, grades, strict=True)])


def _caveats(scores: dict[System, LanguageScores]) -> list[str]:
    """Return each caveat once, with the systems it is about; the controls are the generators' own texts."""
    about: dict[str, list[str]] = {}
    scores = {system: score for system, score in scores.items() if system.source not in CONTROLS}
    for system, score in scores.items():
        for caveat in score.caveats:
            about.setdefault(caveat, []).append(str(system))
    return [
        f"{'All reports' if len(names) == len(scores) else ', '.join(names)}: {caveat}"
        for caveat, names in about.items()
    ]


def _key(system: System) -> Key:
    return {"task": "report", "backbone": system.backbone, "loss": system.loss, "source": system.source,
            "reference": "report"}  # fmt: skip
