"""Which measures stand in which table, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lss.domain.grades import GRADES, LEVELS
from lss.evaluation.attention import ATTENTION_METRICS
from lss.evaluation.measures import KEY, Measure
from lss.evaluation.prompt_exchange import EXCHANGE_METRICS, EXCHANGES
from lss.evaluation.reports import FINDINGS_METRICS
from lss.metrics.language import METRICS as LANGUAGE
from lss.notes.findings import STRUCTURES

_OVERLAP = ("dice", "iou", "precision", "recall", "specificity")
_REPORT_SYSTEMS = (
    "report", "level_grade", "above_level_grade", "central", "above_central", "shuffled", "above_shuffled",
    "shuffled_level", "above_shuffled_level", "shuffled_level_grade", "above_shuffled_level_grade",
    "template", "above_template", "most_frequent", "above_most_frequent", "most_frequent_level",
    "above_most_frequent_level", "nearest_image", "above_nearest_image", "nearest_level", "above_nearest_level",
)  # fmt: skip

Key = dict[str, str]


def _select(
    measures: list[Measure], keys: list[Key], names: tuple[str, ...], strata: tuple[str, ...]
) -> Iterator[Measure]:
    """Measures of each key, all strata of a metric together; what was not measured is left out."""
    by_key = {tuple(row[name] for name in KEY): row for row in reversed(measures)}  # the first of equals
    for key in keys:
        for metric in names:
            for stratum in strata:
                wanted = key | {"metric": metric, "stratum": stratum}
                row = by_key.get(tuple(wanted[name] for name in KEY))
                if row is not None:
                    yield row


def _models(measures: list[Measure], **key: str) -> list[Key]:
    """Keys (task, backbone, loss, source, reference) that occur, in their order."""
    names = ("task", "backbone", "loss", "source", "reference")
    found = dict.fromkeys(
        tuple(row[name] for name in names) for row in measures if all(row[name] == value for name, value in key.items())
    )
    return [dict(zip(names, values, strict=True)) for values in found]


def _table1(measures: list[Measure]) -> Iterator[Measure]:
    names = (
        "precision",
        "recall",
        "specificity",
        "f1",
        "auc",
        "accuracy",
        "accuracy_corrected",
        "kappa",
        "ece",
        "ece_uncorrected",
    )
    keys = _models(measures, task="classification", source="head", reference="note_grade")
    yield from _select(measures, keys, names, (*GRADES, "macro", "balanced", "named", "all"))


def _table2(measures: list[Measure]) -> Iterator[Measure]:
    names = (*_OVERLAP, "false_masks", "hausdorff_mm", "hd95_mm")
    for key in _first_losses(_models(measures, task="segmentation")):
        for stratum in ("all", "named", "empty", "non_empty", "balanced", "pooled"):
            yield from _select(measures, [key], names, (stratum,))


def _table3(measures: list[Measure]) -> Iterator[Measure]:
    keys = _first_losses(_models(measures, task="segmentation", source="mask", reference="pseudo_mask"))
    yield from _select(measures, keys, ("dice", "iou", "recall", "hd95_mm"), GRADES)
    keys = _first_losses(_models(measures, task="segmentation", source="attention"))
    yield from _select(measures, keys, ATTENTION_METRICS, (*GRADES, "all"))


def _table4(measures: list[Measure]) -> Iterator[Measure]:
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
    for source in _REPORT_SYSTEMS:
        keys = _models(measures, task="report", source=source, reference="report")
        yield from _select(measures, keys, names, ("all",))


def _table5(measures: list[Measure]) -> Iterator[Measure]:
    for backbone in dict.fromkeys(row["backbone"] for row in measures if row["backbone"]):
        by_text = _models(measures, task="classification", backbone=backbone, source="text", reference="note_grade")
        masks = _models(measures, task="report", backbone=backbone, source="text", reference="pseudo_mask")
        yield from _select(measures, by_text, ("precision", "recall", "f1", "auc"), GRADES)
        yield from _select(measures, masks, ("dice", "iou"), GRADES)
        agreement = _models(measures, task="agreement", backbone=backbone)
        yield from _select(measures, agreement, ("agreement", "kappa"), ("all",))


def _table6(measures: list[Measure]) -> Iterator[Measure]:
    for key in _models(measures, task="segmentation", source="mask", reference="pseudo_mask"):
        for stratum in ("all", "empty", "non_empty", "balanced"):
            yield from _select(measures, [key], (*_OVERLAP, "false_masks", "epochs_at_bound"), (stratum,))


def _table8(measures: list[Measure]) -> Iterator[Measure]:
    names = ("precision", "recall", "f1", "auc", "accuracy", "kappa")
    for source in ("area_paper", "area_calibrated"):
        keys = _models(measures, task="classification", source=source, reference="note_grade")
        yield from _select(measures, keys, names, (*GRADES, "macro", "balanced", "all"))


def _table9(measures: list[Measure]) -> Iterator[Measure]:
    for key in _first_losses(_models(measures, task="segmentation", source="mask")):
        for level in LEVELS:
            yield from _select(measures, [key], ("dice", "iou", "recall", "hd95_mm"), (level,))


def _table11(measures: list[Measure]) -> Iterator[Measure]:
    for source in _REPORT_SYSTEMS:
        for key in _models(measures, task="report", source=source, reference="report"):
            for structure in STRUCTURES:
                names = ("finding_precision", "finding_recall", "finding_f1", "invented")
                yield from _select(measures, [key], names, (structure,))


def _table12(measures: list[Measure]) -> Iterator[Measure]:
    for exchange in EXCHANGES:
        keys = _first_losses(_models(measures, task="segmentation", source=f"said_{exchange}"))
        for metric in EXCHANGE_METRICS:
            yield from _select(measures, keys, (metric,), (*GRADES, "all"))


def _table13(measures: list[Measure]) -> Iterator[Measure]:
    """Images, then discs; the stratum says which."""
    wholes = (("accuracy", "all"), ("kappa", "all"), ("f1", "macro"))
    for source in ("head", "area_paper", "area_calibrated", "text"):
        for task, what in (("classification", "images"), ("disc", "discs")):
            for key in _models(measures, task=task, source=source, reference="note_grade"):
                for metric, stratum in wholes:
                    yield from (row | {"stratum": what} for row in _select(measures, [key], (metric,), (stratum,)))
                named = _select(measures, [key], tuple(metric for metric, _ in wholes), ("named",))
                yield from (row | {"stratum": f"{what} named by the note"} for row in named)
    names = ("grade_agreement", "finding_score", "invented", "contradicted", "cider_d", "cider_d_findings")
    for source in ("report", "level_grade", "above_level_grade", "central", "above_central"):
        for task, what in (("report", "images"), ("disc_report", "discs")):
            for key in _models(measures, task=task, source=source, reference="report"):
                yield from (row | {"stratum": what} for row in _select(measures, [key], names, ("all",)))


def _first_losses(keys: list[Key]) -> list[Key]:
    """Of each backbone, the models trained with its first loss: the one its reports build on."""
    first: dict[str, str] = {}
    for key in keys:
        first.setdefault(key["backbone"], key["loss"])
    return [key for key in keys if first[key["backbone"]] == key["loss"]]


CHOOSE: dict[int, Callable[[list[Measure]], Iterator[Measure]]] = {
    1: _table1,
    2: _table2,
    3: _table3,
    4: _table4,
    5: _table5,
    6: _table6,
    8: _table8,
    9: _table9,
    11: _table11,
    12: _table12,
    13: _table13,
}
"""Number of the table to its measures."""
