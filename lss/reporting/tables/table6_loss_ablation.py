"""Table 6: losses compared, segmentation."""

from __future__ import annotations

from collections.abc import Iterator

from lss.evaluation.measures import Measure
from lss.reporting.table_choice import OVERLAP, FiledMeasures, models, select
from lss.reporting.table_record import BALANCED, EMPTY, UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    for key in models(measures, task="segmentation", source="mask", reference="pseudo_mask"):
        for stratum in ("all", "empty", "non_empty", "balanced"):
            yield from select(measures, [key], (*OVERLAP, "false_masks", "epochs_at_bound"), (stratum,))


TABLE = TableRecord(
    "Losses compared, segmentation",
    ("loss", "stratum", "metric"),
    lambda results: [
        f"Mean over images: {EMPTY}.",
        BALANCED,
        "Epochs with beta at a bound: share of the training's epochs (n) in which PID-Tversky was a Tversky loss "
        "with fixed weights; where it is large, the controller cannot be credited.",
        intervals(results),
        UNDEFINED,
    ],
    choose,
    main=("dice", "false_masks", "epochs_at_bound"),
)
