"""Tables 1-6: long rows with the paper's values beside, and the same as a wide grid to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lss.evaluation.measures import Measure, find
from lss.grades import GRADES
from lss.metrics.language import METRICS as LANGUAGE
from lss.reporting.names import LOSSES, METRIC_LABELS, SOURCES, STRATA, model_name
from lss.reporting.paper import impossible_in_paper, paper_values

COLUMNS = ("model", "loss", "system", "reference", "metric", "stratum", "estimate", "ci_low", "ci_high", "n",
           "patients", "undefined_draws", "paper_value", "paper_ci_low", "paper_ci_high", "cohort", "weights", "leak",
           "note")  # fmt: skip
"""Of the CSV files."""

_OVERLAP = ("dice", "iou", "precision", "recall", "specificity")
_EMPTY = "an image whose two masks are both empty counts 1, one empty mask 0; see the rows of non-empty references"


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        number, title: as in the paper.
        notes: sentences under it.
        row_fields: columns of the long rows that name a row of the grid; `column_field` names its columns.
        rows: long rows with the keys of COLUMNS.
    """

    number: int
    title: str
    notes: list[str]
    row_fields: tuple[str, ...]
    column_field: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    def grid(self) -> tuple[list[str], list[tuple[list[str], list[dict[str, Any] | None]]]]:
        """Headings of the value columns, and per row its labels and its cells (a long row, or None).

        Raises ValueError where two long rows have the same place: `row_fields` do not tell them apart.
        """
        headings = list(dict.fromkeys(row[self.column_field] for row in self.rows))
        lines: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
        for row in self.rows:
            labels, heading = tuple(row[name] for name in self.row_fields), row[self.column_field]
            line = lines.setdefault(labels, {})
            if heading in line:
                raise ValueError(f"table {self.number}: two values at {', '.join(labels)}, {heading}")
            line[heading] = row
        return headings, [(list(labels), [cells.get(h) for h in headings]) for labels, cells in lines.items()]


def build_tables(statistics: dict[str, Any]) -> dict[int, Table]:
    """All six tables from the statistics of the evaluate stage; a model that was not run has no rows."""
    return {
        number: _with_rows(table, _SELECT[number](statistics["measures"]), statistics)
        for number, table in _empty_tables(statistics).items()
    }


def _empty_tables(statistics: dict[str, Any]) -> dict[int, Table]:
    about = statistics["about"]
    interval = f"In brackets the {about['confidence']:.0%} interval: {about['interval']}."
    undefined = "A dash: undefined (no such case)."
    truth = "True masks are known for the phantom only; they are empty at true grade A where the pseudo-masks are."
    return {
        1: Table(1, "Classification by the grade head", [
            "Grades are those read from the radiologist's notes. Balanced: every grade re-weighted to the same "
            "prevalence, the counterpart of the paper's balanced test set.",
            "AUC is one grade against the rest.", interval, undefined], ("model", "metric"), "stratum"),
        2: Table(2, "Segmentation", [
            f"Mean over images: {_EMPTY}.", "Distances between borders; where one mask is empty, the image's diagonal.",
            truth, interval, undefined], ("model", "reference", "stratum"), "metric"),
        3: Table(3, "Segmentation by grade, against the pseudo-masks", [
            "At grade A the reference is empty: Dice 1 means that nothing was drawn, not that something was outlined.",
            interval, undefined], ("model", "metric"), "stratum"),
        4: Table(4, "Report generation", [
            "CIDEr-D runs from 0 to 10, all others from 0 to 1; the paper does not say the scale of its CIDEr, nor "
            "which METEOR it is.",
            "Another patient's reference: the control in which each report is compared with the reference of "
            "another patient's image. A generator that ignores the image scores the same there.",
            "Own minus: the generator's value less the other system's, on the same draws; where the interval lies "
            "above 0 the generator is better.",
            "Grade agreement: share of reports that state the grade of the note. Contradicts: share of reports that "
            "contradict themselves, their mask or their image; area's grade: that state another grade than the mask's "
            "area stands for. Written anew, template instead: what became of them (predict.on_contradiction).",
            interval], ("model", "loss", "system"), "metric"),
        5: Table(5, "Severity stated by the reports, and the masks they were written from", [
            "Grades are read back out of the generated text. Dice and IoU: mean over the images whose report states "
            "that grade, of the mask it was written from against the pseudo-mask. The paper does not say how its own "
            "were made.",
            "Agreement: share of images on which two ways of grading say the same, right or wrong.",
            interval, undefined], ("model", "loss", "system", "reference", "metric"), "stratum"),
        6: Table(6, "Losses compared, segmentation", [f"Mean over images: {_EMPTY}.", truth, interval, undefined],
                 ("model", "loss", "stratum"), "metric"),
    }  # fmt: skip


def _with_rows(table: Table, chosen: Iterator[Measure], statistics: dict[str, Any]) -> Table:
    """Long rows of the measures chosen, with the paper's values and the caveats of this run."""
    about = statistics["about"]
    for row in chosen:
        paper_key = _paper_key(table.number, row)
        paper = paper_values().get(paper_key)
        table.rows.append(
            {
                "model": "pseudo-masks" if row["source"] == "pseudo_mask" else model_name(row["backbone"]),
                "loss": LOSSES.get(row["loss"], row["loss"]),
                "system": SOURCES[row["source"]],
                "reference": SOURCES.get(row["reference"], row["reference"].replace("_", " ")),
                "metric": METRIC_LABELS[row["metric"]],
                "stratum": STRATA.get(row["stratum"], row["stratum"]),
                "estimate": row["value"],
                "ci_low": row["low"],
                "ci_high": row["high"],
                "n": row["n"],
                "patients": row["patients"],
                "undefined_draws": row["undefined_draws"],
                "paper_value": paper.value if paper else None,
                "paper_ci_low": paper.low if paper else None,
                "paper_ci_high": paper.high if paper else None,
                "cohort": "phantom" if about["phantom"] else about["cohort"],
                "weights": about["weights"].get(row["backbone"]),
                "leak": any(name.startswith(f"{row['backbone']}/") for name in about["leak"]),
                "note": impossible_in_paper().get(paper_key, ""),
            }
        )
    return table


def _paper_key(number: int, row: Measure) -> tuple[str, ...]:
    """Where the paper's counterpart of a measure stands; such a key may have none."""
    loss = "" if number == 1 else row["loss"]
    if row["reference"] in ("true_mask", "true_grade"):
        loss = "none"  # the paper knows no truth
    return (f"table{number}", row["backbone"], loss, row["source"], row["metric"], row["stratum"])


def _select(
    measures: list[Measure], keys: list[dict[str, str]], names: tuple[str, ...], strata: tuple[str, ...]
) -> Iterator[Measure]:
    """Measures of each key, all strata of a metric together; what was not measured is left out."""
    for key in keys:
        for metric in names:
            for stratum in strata:
                row = find(measures, **key, metric=metric, stratum=stratum)
                if row is not None:
                    yield row


def _models(measures: list[Measure], **key: str) -> list[dict[str, str]]:
    """Keys (task, backbone, loss, source, reference) that occur, in their order."""
    names = ("task", "backbone", "loss", "source", "reference")
    found = dict.fromkeys(
        tuple(row[name] for name in names) for row in measures if all(row[name] == value for name, value in key.items())
    )
    return [dict(zip(names, values, strict=True)) for values in found]


def _table1(measures: list[Measure]) -> Iterator[Measure]:
    names = ("precision", "recall", "specificity", "f1", "auc", "accuracy", "kappa", "ece")
    keys = _models(measures, task="classification", source="head", reference="note_grade")
    yield from _select(measures, keys, names, (*GRADES, "macro", "balanced", "all"))


def _table2(measures: list[Measure]) -> Iterator[Measure]:
    names = (*_OVERLAP, "hausdorff_mm", "hd95_mm")
    for key in _first_losses(_models(measures, task="segmentation")):
        for stratum in ("all", "non_empty", "pooled"):
            yield from _select(measures, [key], names, (stratum,))


def _table3(measures: list[Measure]) -> Iterator[Measure]:
    keys = _first_losses(_models(measures, task="segmentation", source="mask", reference="pseudo_mask"))
    yield from _select(measures, keys, ("dice", "iou", "recall", "hd95_mm"), GRADES)


def _table4(measures: list[Measure]) -> Iterator[Measure]:
    names = (*LANGUAGE, "grade_agreement", "contradicts", "contradicts_grade", "regenerated", "template")
    for other in ("shuffled", "template", "most_frequent", "nearest_image"):
        for source in ("report", other, f"above_{other}") if other == "shuffled" else (other, f"above_{other}"):
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
        for stratum in ("all", "non_empty"):
            yield from _select(measures, [key], _OVERLAP, (stratum,))


def _first_losses(keys: list[dict[str, str]]) -> list[dict[str, str]]:
    """Of each backbone, the models trained with its first loss: the one its reports build on."""
    first: dict[str, str] = {}
    for key in keys:
        first.setdefault(key["backbone"], key["loss"])
    return [key for key in keys if first[key["backbone"]] == key["loss"]]


_SELECT = {1: _table1, 2: _table2, 3: _table3, 4: _table4, 5: _table5, 6: _table6}
