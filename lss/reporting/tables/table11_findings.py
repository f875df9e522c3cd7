"""Table 11: findings of the reports, one by one."""

from __future__ import annotations

from collections.abc import Iterator

from lss.evaluation.measures import Measure
from lss.notes.findings import STRUCTURES
from lss.reporting.table_choice import REPORT_SYSTEMS, FiledMeasures, models, select
from lss.reporting.table_record import UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    for source in REPORT_SYSTEMS:
        for key in models(measures, task="report", source=source, reference="report"):
            for structure in STRUCTURES:
                names = ("finding_precision", "finding_recall", "finding_f1", "invented")
                yield from select(measures, [key], names, (structure,))


TABLE = TableRecord(
    "Findings of the reports, one by one",
    ("system", "stratum", "metric"),
    lambda results: [
        "A finding is found when text and reference state the same structure at the same disc level; what is "
        "denied does not count. Invented: stated by the report and not by its reference, number per report.",
        "n: images; a finding that no text and no reference states has no row.",
        intervals(results),
        UNDEFINED,
    ],
    choose,
    show_n=False,
)
