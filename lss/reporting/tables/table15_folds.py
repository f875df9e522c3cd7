"""Table 15: all folds and seeds pooled, each model beside a table that knows the level alone."""

from __future__ import annotations

from typing import Any

from lss.reporting.names import LOSSES, METRIC_LABELS, SOURCES, STRATA, model_name
from lss.reporting.results import Results
from lss.reporting.table_record import TableRecord
from lss.reporting.table_rows import COLUMNS, value_columns

HOW_TO = (
    "One fold was trained, from one seed. Set split.folds to 5, split.fold to all and train.seeds to 3, and run again: "
    "every patient is then tested once, by models that never saw that patient."
)
_SYSTEMS = {"model": "model", "table": "table of the level", "difference": "model minus table"}
_UNITS = {"image": "images", "disc": "discs"}


def notes(results: Results) -> list[str]:
    """Say what was pooled and how, or how to have it pooled."""
    about = results.folds["about"]
    if not results.folds["measures"]:
        return [HOW_TO]
    percent = f"{100 * about['confidence']:.0f} %"
    return [
        f"{about['patients']} patients, {about['images']} images, {about['folds']} folds, {about['repeats']} seeds. "
        "Each patient is tested once per seed, by models that never saw that patient; values are means over the seeds. "
        "Dice: over images whose reference is not empty.",
        f"In brackets the {percent} interval: {about['interval']}. It takes the trainings' patients as given. Rows of "
        f"trainings give their mean and the {percent} interval for new ones: {about['interval_of_trainings']}.",
        "Table of the level: the commonest grade, report or mask in the training part for the slice's disc level. It "
        "looks at no image.",
    ]


def rows(_: int, results: Results) -> list[dict[str, Any]]:
    """Return the long rows, none where nothing was pooled: each measure, then the same over trainings."""
    result = []
    for measure in results.folds["measures"]:
        result.append(_row(measure, results, METRIC_LABELS[measure["metric"]]))
        of_trainings = {
            "value": measure["mean_of_trainings"],
            "low": measure["low_of_trainings"],
            "high": measure["high_of_trainings"],
            "interval": "corrected t" if measure["low_of_trainings"] is not None else "",
            "n": measure["trainings"],
        }
        result.append(_row(measure | of_trainings, results, f"{METRIC_LABELS[measure['metric']]}, of trainings"))
    return result


def _row(measure: dict[str, Any], results: Results, metric: str) -> dict[str, Any]:
    """Return a long row, with the columns of the other tables."""
    about, stratum = results.about, measure["stratum"]
    masks = measure["task"] == "segmentation"
    return dict.fromkeys(COLUMNS) | {
        "model": model_name(measure["backbone"]),
        "loss": LOSSES[measure["loss"]],
        "system": _SYSTEMS[measure["source"]],
        "reference": SOURCES[stratum] if masks else "note" if measure["task"] == "classification" else "report",
        "metric": metric,
        "stratum": _UNITS[measure["unit"]] + ("" if masks or stratum == "all" else f", {STRATA[stratum]}"),
        "note": "",
        **value_columns(measure, about),
    }


TABLE = TableRecord(
    "All folds and seeds pooled",
    ("loss", "system", "reference", "stratum", "metric"),
    notes,
    rows=rows,
)
