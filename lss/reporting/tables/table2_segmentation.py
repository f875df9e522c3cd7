"""Table 2: segmentation."""

from __future__ import annotations

from collections.abc import Iterator

from lss.evaluation.measures import Measure
from lss.reporting.table_choice import OVERLAP, FiledMeasures, first_losses, models, select
from lss.reporting.table_record import BALANCED, EMPTY, TRUTH, UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    names = (*OVERLAP, "false_masks", "hausdorff_mm", "hd95_mm")
    for key in first_losses(models(measures, task="segmentation")):
        for stratum in ("all", "named", "empty", "non_empty", "balanced", "pooled"):
            yield from select(measures, [key], names, (stratum,))


TABLE = TableRecord(
    "Segmentation",
    ("reference", "stratum", "metric"),
    lambda results: [
        f"Mean over images: {EMPTY}.",
        BALANCED,
        "Distances between borders; where one mask is empty, the image's diagonal.",
        TRUTH,
        intervals(results),
        UNDEFINED,
    ],
    choose,
    main=("dice", "false_masks", "hd95_mm"),
)
