"""Answers per disc of a patient, pooled over the slices through it, beside those per slice.

Rules:
- grade: the one of the highest mean over the slices of the head's probability, or of the votes where there are none
  (mask area, text); of equals the worse;
- report: the one whose findings agree best with those of the disc's other reports (`lss.metrics.report_score`, mean),
  the first of equals. No reference is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lss.domain.discs import Discs, disc_means, discs_of
from lss.domain.grades import GRADES
from lss.evaluation.cases import TestCases
from lss.evaluation.grades import Answers
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.report_score import compare_findings


@dataclass(frozen=True)
class DiscPart:
    """The discs of the test part.

    Attributes:
        places: of the slices through each.
        classes: index of each disc's grade, the worst of its slices.
        named: whether the note names it.
        bootstrap: over the same patients.
    """

    places: Discs
    classes: NDArray[np.intp]
    named: list[bool]
    bootstrap: PatientBootstrap


def disc_part(cases: TestCases, of_images: PatientBootstrap) -> DiscPart | None:
    """Return the discs of these cases, to be resampled as their images are; None where no level is known."""
    discs = discs_of(cases.patients, cases.levels)
    if not discs:
        return None
    return DiscPart(
        discs,
        np.array([cases.classes[places].max() for places in discs]),
        [any(cases.named[place] for place in places) for places in discs],
        of_images.of([cases.patients[places[0]] for places in discs]),
    )


def pool_answers(answers: Answers, discs: Discs) -> Answers:
    """Return one answer per disc from those of its slices."""
    votes_N3 = np.array([[float(grade == name) for name in GRADES] for grade in answers.grades])
    scores_N3 = votes_N3 if answers.probabilities is None else answers.scores
    scores_M3 = disc_means(scores_N3, discs)
    worst_first = scores_M3[:, ::-1]
    grades = [GRADES[len(GRADES) - 1 - int(of_disc.argmax())] if of_disc.any() else None for of_disc in worst_first]
    probabilities = None if answers.probabilities is None else disc_means(answers.probabilities, discs)
    return Answers(grades, scores_M3, probabilities)


def choose_reports(reports: list[str], levels: list[str | None], discs: Discs) -> list[int]:
    """Return the index of the slice whose report stands for each disc."""
    chosen = []
    for places in discs:
        agreement = [
            sum(compare_findings(reports[place], reports[other], levels[place]).score for other in places)
            for place in places
        ]
        chosen.append(places[int(np.argmax(agreement))])
    return chosen
