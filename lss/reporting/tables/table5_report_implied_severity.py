"""Table 5: severity stated by the reports, and the masks they were written from."""

from __future__ import annotations

from collections.abc import Iterator

from lss.domain.grades import GRADES
from lss.evaluation.measures import Measure
from lss.reporting.table_choice import FiledMeasures, models, select
from lss.reporting.table_record import UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    for backbone in dict.fromkeys(row["backbone"] for row in measures if row["backbone"]):
        by_text = models(measures, task="classification", backbone=backbone, source="text", reference="note_grade")
        masks = models(measures, task="report", backbone=backbone, source="text", reference="pseudo_mask")
        yield from select(measures, by_text, ("precision", "recall", "f1", "auc"), GRADES)
        yield from select(measures, masks, ("dice", "iou"), GRADES)
        agreement = models(measures, task="agreement", backbone=backbone)
        yield from select(measures, agreement, ("agreement", "kappa"), ("all",))


TABLE = TableRecord(
    "Severity stated by the reports, and the masks they were written from",
    ("system", "reference", "loss", "metric", "stratum"),
    lambda results: [
        "Grades are read back out of the generated text. Dice and IoU: mean over the images whose report states "
        "that grade, of the mask it was written from against the pseudo-mask. The paper does not say how its own "
        "were made. n differs between models there, and stands in their order.",
        "Agreement: share of images on which two ways of grading say the same, right or wrong.",
        intervals(results),
        UNDEFINED,
    ],
    choose,
)
