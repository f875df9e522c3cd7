"""Table 3: segmentation by grade, against the pseudo-masks."""

from __future__ import annotations

from collections.abc import Iterator

from lss.domain.grades import GRADES
from lss.evaluation.attention import ATTENTION_METRICS
from lss.evaluation.measures import Measure
from lss.reporting.table_choice import FiledMeasures, first_losses, models, select
from lss.reporting.table_record import UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    keys = first_losses(models(measures, task="segmentation", source="mask", reference="pseudo_mask"))
    yield from select(measures, keys, ("dice", "iou", "recall", "hd95_mm"), GRADES)
    keys = first_losses(models(measures, task="segmentation", source="attention"))
    yield from select(measures, keys, ATTENTION_METRICS, (*GRADES, "all"))


TABLE = TableRecord(
    "Segmentation by grade, against the pseudo-masks",
    ("metric", "stratum"),
    lambda results: [
        "At grade A the reference is empty: Dice 1 means that nothing was drawn, not that something was outlined.",
        "Attention: mean over heads and prompts, its share inside the phantom's true canal (also at grade A), and "
        "that share divided by the canal's share of the image. Attention that knows nothing of the canal has 1.",
        intervals(results),
        UNDEFINED,
    ],
    choose,
    main=("dice", "attention_ratio"),
)
