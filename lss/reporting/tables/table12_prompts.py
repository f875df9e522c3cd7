"""Table 12: what the prompts change in the masks."""

from __future__ import annotations

from collections.abc import Iterator

from lss.domain.grades import GRADES
from lss.evaluation.measures import Measure
from lss.evaluation.prompt_exchange import EXCHANGE_METRICS, EXCHANGES
from lss.reporting.table_choice import FiledMeasures, first_losses, models, select
from lss.reporting.table_record import UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    for exchange in EXCHANGES:
        keys = first_losses(models(measures, task="segmentation", source=f"said_{exchange}"))
        for metric in EXCHANGE_METRICS:
            yield from select(measures, keys, (metric,), (*GRADES, "all"))


TABLE = TableRecord(
    "What the prompts change in the masks",
    ("system", "metric", "stratum"),
    lambda results: [
        "The same images and networks with other prompts: all speak of a normal canal, or all of a severe "
        "stenosis; the grades' prompts exchanged (A says what D does, B&C what A, D what B&C); no words, the empty "
        "text. Change of Dice and of the area (percent of the field of view): with those prompts less with the "
        "model's own. Pixels that change: of those in either mask. 0 where a network does not heed its prompts.",
        intervals(results),
        UNDEFINED,
    ],
    choose,
    main=("dice_change", "pixels_changed", "area_change"),
)
