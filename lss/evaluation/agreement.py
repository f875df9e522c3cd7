"""Agreement of the sources of a grade with each other, without the truth: head, mask area, text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lss.domain.grades import GRADES
from lss.evaluation.grades import Answers
from lss.evaluation.measures import Key, Measure, measures
from lss.metrics import classification as metrics
from lss.metrics.bootstrap import Floats, PatientBootstrap

PAIRS = (("text", "head"), ("text", "area_paper"), ("text", "area_calibrated"), ("head", "area_paper"),
         ("head", "area_calibrated"))  # fmt: skip


def evaluate_agreement(
    backbone: str, answers_of: dict[tuple[str, str], Answers], bootstrap: PatientBootstrap
) -> list[Measure]:
    """Return the share of equal answers and Cohen's kappa (unweighted) of every pair of ways.

    A text that states no grade agrees with none; no grade counts as an answer of its own in kappa.

    Args:
        answers: by (source, loss of its model).

    Returns:
        measures of task "agreement": `source` is the first way (and `loss` its model's), `reference` the second.
    """
    agreements: list[Measure] = []
    for first, second in PAIRS:
        others = [answers for (source, _), answers in answers_of.items() if source == second]
        for (source, loss), answers in answers_of.items():
            if source == first and others:
                key: Key = {
                    "task": "agreement",
                    "backbone": backbone,
                    "loss": loss,
                    "source": first,
                    "reference": second,
                }
                agreements += measures(key, "all", bootstrap.estimates(_statistics(answers, others[0], bootstrap)))
    return agreements


def _statistics(first: Answers, second: Answers, bootstrap: PatientBootstrap) -> Callable[[Floats], dict[str, Floats]]:
    count = len(GRADES) + 1  # none is the last
    classes = [np.where(answers.classes < 0, count - 1, answers.classes) for answers in (second, first)]
    confusion = metrics.one_hot_confusion(classes[0], classes[1], count)
    per_patient = bootstrap.per_patient(confusion.reshape(len(confusion), -1))

    def statistics(weights_DP: Floats) -> dict[str, Floats]:
        drawn = (weights_DP @ per_patient).reshape(-1, count, count + 1)
        return {"agreement": metrics.accuracy(drawn), "kappa": metrics.cohen_kappa(drawn)}

    return statistics
