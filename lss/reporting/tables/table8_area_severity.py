"""Table 8: grades by the predicted mask's area."""

from __future__ import annotations

from collections.abc import Iterator

from lss.domain.grades import GRADES
from lss.evaluation.measures import Measure
from lss.reporting.table_choice import FiledMeasures, models, select
from lss.reporting.table_record import UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    names = ("precision", "recall", "f1", "auc", "accuracy", "kappa")
    for source in ("area_paper", "area_calibrated"):
        keys = models(measures, task="classification", source=source, reference="note_grade")
        yield from select(measures, keys, names, (*GRADES, "macro", "balanced", "all"))


TABLE = TableRecord(
    "Grades by the predicted mask's area",
    ("system", "metric", "stratum"),
    lambda results: [
        "With the paper's thresholds (10 % and 25 %) and with thresholds calibrated on the validation part.",
        "The score of B&C is the nearness to the middle between the thresholds, so its AUC depends on them; those "
        "of A and D do not. The paper's AUCs are those of its Figure 3.",
        intervals(results),
        UNDEFINED,
    ],
    choose,
    main=("accuracy", "f1"),
)
