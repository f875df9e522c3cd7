"""Table 1: classification by the grade head."""

from __future__ import annotations

from collections.abc import Iterator

from lss.domain.grades import GRADES
from lss.evaluation.measures import Measure
from lss.reporting.table_choice import FiledMeasures, models, select
from lss.reporting.table_record import UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    names = (
        "precision",
        "recall",
        "specificity",
        "f1",
        "auc",
        "accuracy",
        "accuracy_corrected",
        "kappa",
        "ece",
        "ece_uncorrected",
    )
    keys = models(measures, task="classification", source="head", reference="note_grade")
    yield from select(measures, keys, names, (*GRADES, "macro", "balanced", "named", "all"))


TABLE = TableRecord(
    "Classification by the grade head",
    ("metric", "stratum"),
    lambda results: [
        "Grades are those read from the radiologist's notes. Balanced: every grade re-weighted to the same "
        "prevalence, the counterpart of the paper's balanced test set, whose averages therefore stand there. Its "
        "precision and F1 of single grades are of that set too.",
        "AUC is one grade against the rest; its n is that of the side with fewer patients. Calibration error: of "
        "the head's probabilities at the natural prevalence of the grades (the training part's slices before they "
        "were balanced), uncorrected: as the head gives them, trained on balanced grades; so is the accuracy. The "
        "error grows with the noise of few cases, and resampling adds to that: its interval is that of draws "
        "shifted by their bias.",
        intervals(results),
        UNDEFINED,
    ],
    choose,
    main=("accuracy", "accuracy_corrected", "f1", "kappa", "ece"),
)
