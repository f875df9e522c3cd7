"""Table 7: mask losses, fusions and a plain U-Net compared over several repeats."""

from __future__ import annotations

from typing import Any

from lss.reporting.names import FUSIONS, LOSSES, STRATA, model_name
from lss.reporting.results import Results
from lss.reporting.table_record import TableRecord
from lss.reporting.table_rows import COLUMNS, value_columns

HOW_TO = (
    "The ablation was not run (ablation.repeats is 0). `lss preset ablation`, then `snakemake --cores 2 all`, "
    "trains it."
)
_SHOWN = {
    ("dice_pseudo", "non_empty"): ("Dice, pseudo-mask", "pseudo-mask"),
    ("dice_pseudo_difference", "non_empty"): ("Difference, pseudo-mask", "pseudo-mask"),
    ("dice_true", "non_empty"): ("Dice, true mask", "true mask"),
    ("dice_true_difference", "non_empty"): ("Difference, true mask", "true mask"),
    ("attention_ratio", "all"): ("Attention by the canal's share", "true canal"),
    ("attention_ratio_difference", "all"): ("Difference, attention", "true canal"),
    ("epochs_at_bound", "all"): ("Epochs with beta at a bound", "pseudo-mask"),
}
"""Metric and stratum to heading and reference; the rest stands in results/ablation/comparison.json."""

_SPREAD_OF = ("dice_true", "dice_pseudo")


def notes(results: Results) -> list[str]:
    """Say what was compared and how, or how to have it compared."""
    if not results.comparison or not results.was_compared:
        return [HOW_TO]
    about = results.comparison["about"]
    first = f"{LOSSES[about['loss']]} with {FUSIONS[about['fusion']]}"
    return [
        f"Mean over {about['repeats']} repeats, each from other initial weights and with another order of the samples; "
        "all losses and fusions of a repeat start from the same. Masks: over the images whose reference is not empty; "
        f"attention: over all {about['images']} images of {about['patients']} patients.",
        f"In brackets the {100 * about['confidence']:.0f} % interval: {about['interval']} (crossed, Owen 2007). "
        f"Difference: from the same backbone's {first}, on the same images and repeats; the U-Net's from the first "
        "backbone's. SD: between the means of the repeats.",
        "Attention: its share inside the true canal divided by the canal's share of the image; 1 knows nothing of it.",
    ]


def rows(_: int, results: Results) -> list[dict[str, Any]]:
    """Return the long rows, from the comparison; none where nothing was trained."""
    if not results.comparison or not results.was_compared:
        return []
    measures = results.comparison["measures"]
    known = {(_key(row), row["metric"], row["stratum"]): row for row in measures}
    spread = next(metric for metric in _SPREAD_OF if any(row["metric"] == metric for row in measures))
    table_rows = []
    for key in dict.fromkeys(map(_key, measures)):
        for (metric, stratum), (heading, reference) in _SHOWN.items():
            if row := known.get((key, metric, stratum)):
                table_rows.append(_row(row, heading, reference, results.about))
        if row := known.get((key, spread, "non_empty")):
            of_spread = row | {"value": row["sd"], "low": None, "high": None}
            heading, reference = _SHOWN[spread, "non_empty"]
            table_rows.append(_row(of_spread, f"SD of repeats, {reference}", reference, results.about))
    return table_rows


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return row["backbone"], row["fusion"], row["loss"]


def _row(row: dict[str, Any], heading: str, reference: str, about: dict[str, Any]) -> dict[str, Any]:
    """Return long row, with the columns of the other tables."""
    return dict.fromkeys(COLUMNS) | {
        "model": model_name(row["backbone"]),
        "loss": LOSSES[row["loss"]],
        "system": FUSIONS[row["fusion"]],
        "reference": reference,
        "metric": heading,
        "stratum": STRATA[row["stratum"]],
        "note": "",
        **value_columns(row, about),
    }


TABLE = TableRecord(
    "Losses, fusions and a plain U-Net over several repeats",
    ("model", "system", "loss"),
    notes,
    rows=rows,
    column_field="metric",
    made_of="ablation",
    show_n=False,
)
