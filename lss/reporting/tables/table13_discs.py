"""Table 13: discs of a patient beside single images."""

from __future__ import annotations

from collections.abc import Iterator

from lss.evaluation.measures import Measure
from lss.reporting.table_choice import FiledMeasures, models, select
from lss.reporting.table_record import UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield images, then discs; the stratum says which."""
    wholes = (("accuracy", "all"), ("kappa", "all"), ("f1", "macro"))
    for source in ("head", "area_paper", "area_calibrated", "text"):
        for task, what in (("classification", "images"), ("disc", "discs")):
            for key in models(measures, task=task, source=source, reference="note_grade"):
                for metric, stratum in wholes:
                    yield from (row | {"stratum": what} for row in select(measures, [key], (metric,), (stratum,)))
                named = select(measures, [key], tuple(metric for metric, _ in wholes), ("named",))
                yield from (row | {"stratum": f"{what} named by the note"} for row in named)
    names = ("grade_agreement", "finding_score", "invented", "contradicted", "cider_d", "cider_d_findings")
    for source in ("report", "level_grade", "above_level_grade", "central", "above_central"):
        for task, what in (("report", "images"), ("disc_report", "discs")):
            for key in models(measures, task=task, source=source, reference="report"):
                yield from (row | {"stratum": what} for row in select(measures, [key], names, ("all",)))


TABLE = TableRecord(
    "Discs of a patient beside single images",
    ("system", "metric", "stratum"),
    lambda results: [
        "A disc's grade is pooled from the slices through it: the grade of the highest mean probability (head) or "
        "of the most votes (mask area, report), the worse of equals. Its report is the one whose findings agree "
        "best with those of its other slices; no reference is looked at. Slices of unknown level are in no disc.",
        "Named by the note: where the note says nothing of a disc, its grade A follows from the silence; such "
        "discs are left out of these rows.",
        intervals(results),
        UNDEFINED,
    ],
    choose,
    main=("accuracy", "kappa", "grade_agreement", "finding_score", "invented", "cider_d_findings"),
)
