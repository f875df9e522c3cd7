"""Table 16: external cohorts beside the test part, each model beside a table that knows the level alone."""

from __future__ import annotations

from typing import Any

from lss.evaluation.vocabulary import TEST_PART
from lss.reporting.names import LOSSES, METRIC_LABELS, SOURCES, STRATA, model_name
from lss.reporting.results import Results
from lss.reporting.table_record import TableRecord
from lss.reporting.table_rows import COLUMNS, value_columns

HOW_TO = (
    "No external cohort was named. List one under `external` in params.yaml and run again: the models are then tested "
    "on it too, and none is trained on it."
)
_SYSTEMS = {"model": "model", "table": "table of the level", "difference": "model minus table"}
_UNITS = {"image": "images", "disc": "discs"}


def notes(results: Results) -> list[str]:
    """Say what was tested and how, or how to have it tested."""
    if not results.external["measures"]:
        return [HOW_TO]
    about = results.external["about"]
    sizes = "; ".join(
        f"{name}: {of['patients']} patients, {of['images']} images" for name, of in about["cohorts"].items()
    )
    gate = (
        "; nobody of an external cohort stands in the one that they are trained on, which the split's gate has looked "
        "for"
    )
    archives = (
        "'Test part, of': patients of one of the archives that are trained on as one cohort. The test part is all of "
        "them; models, training part and table of the level are the same."
    )
    return [
        f"{sizes}. The same models are tested on each{gate if _has_external(results) else ''}. Dice: over images whose "
        "pseudo-mask is not empty.",
        *([archives] if _archives(results) else []),
        f"In brackets the {100 * about['confidence']:.0f} % interval: {about['interval']} of that cohort.",
        "Table of the level: the commonest grade, report or mask in the training part for the slice's disc level. It "
        "looks at no image. Kappa: Cohen's, unweighted.",
    ]


def rows(_: int, results: Results) -> list[dict[str, Any]]:
    """Return the long rows, none where there is no external cohort: a measure of all cohorts, one after the other."""
    measures = results.external["measures"]
    names = ("task", "backbone", "loss", "source", "unit", "metric", "stratum")
    order = {
        key: place for place, key in enumerate(dict.fromkeys(tuple(of[name] for name in names) for of in measures))
    }
    ordered = sorted(measures, key=lambda measure: order[tuple(measure[name] for name in names)])
    return [_row(measure, results) for measure in ordered]


def _row(measure: dict[str, Any], results: Results) -> dict[str, Any]:
    """Return a long row, with the columns of the other tables; `cohort` names the one that the row is of."""
    stratum, masks = measure["stratum"], measure["task"] == "segmentation"
    tested = measure["cohort"]
    return (
        dict.fromkeys(COLUMNS)
        | {
            "model": model_name(measure["backbone"]),
            "loss": LOSSES[measure["loss"]],
            "system": _SYSTEMS[measure["source"]],
            "reference": SOURCES[stratum] if masks else "note" if measure["task"] == "classification" else "report",
            "metric": METRIC_LABELS[measure["metric"]],
            "stratum": _UNITS[measure["unit"]] + ("" if masks or stratum == "all" else f", {STRATA[stratum]}"),
            "note": "",
            **value_columns(measure, results.about),
        }
        | {"cohort": results.about["cohort"] if tested == TEST_PART and not _archives(results) else tested}
    )


def _archives(results: Results) -> dict[str, str]:
    """Return the kind of each archive that is trained on, by its label, where they are several."""
    archives: dict[str, str] = results.about.get("archives", {})
    return archives


def _title(results: Results) -> str:
    """Return the title: of a cohort of several archives another one."""
    if not _archives(results):
        return TABLE.title
    return "The test part archive by archive" + (", beside external cohorts" if _has_external(results) else "")


def _has_external(results: Results) -> bool:
    return any(not name.startswith(TEST_PART) for name in results.external["about"].get("cohorts", {}))


TABLE = TableRecord(
    "External cohorts beside the test part",
    ("loss", "system", "reference", "stratum", "metric", "cohort"),
    notes,
    rows=rows,
    titled=_title,
)
