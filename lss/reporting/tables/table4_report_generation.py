"""Table 4: report generation."""

from __future__ import annotations

from collections.abc import Iterator

from lss.evaluation.measures import Measure
from lss.evaluation.reports import FINDINGS_METRICS
from lss.metrics.language import METRICS as LANGUAGE
from lss.reporting.table_choice import REPORT_SYSTEMS, FiledMeasures, models, select
from lss.reporting.table_record import TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield what the table shows of all measures, in its order."""
    findings = ("finding_score", "finding_precision", "finding_recall", "invented", "contradicted")
    apart = tuple(f"{name}_findings" for name in FINDINGS_METRICS)
    names = (
        *LANGUAGE,
        *apart,
        *findings,
        "grade_agreement",
        "contradicts",
        "contradicts_grade",
        "regenerated",
        "template",
    )
    for source in REPORT_SYSTEMS:
        keys = models(measures, task="report", source=source, reference="report")
        yield from select(measures, keys, names, ("all",))


TABLE = TableRecord(
    "Report generation",
    ("system", "loss", "metric"),
    lambda results: [
        "CIDEr-D runs from 0 to 10, all others from 0 to 1; the paper does not say the scale of its CIDEr, nor "
        "which METEOR it is.",
        "Another patient's reference: the control in which each report is compared with the reference of "
        "another patient's image. A generator that ignores the image scores the same there; one that knows no more "
        "than the disc level, as against references of the level; no more than level and grade, as against those.",
        "Findings alone: of reports and references without the severity sentence, which is this program's.",
        "Report score: F1 of the findings (structure, level, side, severity, denied or not) read from the text and "
        "its reference; side or severity that differs earns half, a contradiction nothing. Precision and recall: "
        "of the stated findings of all reports. Invented and contradicted findings: number in a report, which may "
        "exceed 1. See lss.metrics.report_score.",
        "Own minus: the generator's value less the other system's, on the same draws; where the interval lies "
        "above 0 the generator is better.",
        "Grade agreement: share of reports that state the grade of the note. Contradicts: share of reports that "
        "contradict themselves, their mask or their image; area's grade: that state another grade than the mask's "
        "area stands for. Written anew, template instead: what became of them (predict.on_contradiction).",
        intervals(results),
    ],
    choose,
    main=(
        "cider_d",
        "cider_d_findings",
        "finding_score",
        "finding_precision",
        "finding_recall",
        "invented",
        "grade_agreement",
        "contradicts",
    ),
)
