"""Table 9: segmentation by level."""

from __future__ import annotations

from collections.abc import Iterator

from lss.domain.grades import LEVELS
from lss.evaluation.measures import Measure
from lss.reporting.table_choice import FiledMeasures, first_losses, models, select
from lss.reporting.table_record import EMPTY, TRUTH, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    for key in first_losses(models(measures, task="segmentation", source="mask")):
        for level in LEVELS:
            yield from select(measures, [key], ("dice", "iou", "recall", "hd95_mm"), (level,))


TABLE = TableRecord(
    "Segmentation by level",
    ("reference", "stratum", "metric"),
    lambda results: [f"Mean over images: {EMPTY}.", TRUTH, intervals(results)],
    choose,
)
