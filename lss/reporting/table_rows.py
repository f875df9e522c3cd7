"""Long rows of tables, with the paper's values beside. How they are laid out is `lss.reporting.table_grid`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lss.evaluation.measures import Measure
from lss.reporting.names import LOSSES, METRIC_LABELS, SOURCES, STRATA, model_name, spell_out
from lss.reporting.paper_values import impossible_in_paper, paper_values

COLUMNS = ("model", "loss", "system", "reference", "metric", "stratum", "estimate", "ci_low", "ci_high",
           "interval", "n", "patients", "undefined_draws", "paper_value", "paper_ci_low", "paper_ci_high",
           "cohort", "weights", "leak", "note", "caveat")  # fmt: skip
"""Of the CSV files; `caveat` is what the owner of the cohort says of it (cohort.caveat)."""

TEST_COLUMNS = ("family", "first", "second", "n", "patients", "first_better", "second_better", "ties", "difference",
                "ci_low", "ci_high", "interval", "test", "p", "p_holm", "p_patients", "p_patients_holm", "cohort",
                "caveat")  # fmt: skip
"""Of the table of tests."""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        number, title: 1 to 6 as in the paper.
        notes: sentences under it.
        row_fields: fields of the long rows that name a line of the grid, the first one a group of lines.
        column_field: field that names the grid's columns; "" where each long row is a line by itself.
        rows: long rows; their keys are the columns of the CSV file.
        show_n: the grid has a column for the number of images behind a line.
    """

    number: int
    title: str
    notes: list[str]
    row_fields: tuple[str, ...]
    column_field: str = "model"
    rows: list[dict[str, Any]] = field(default_factory=list)
    show_n: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the CSV file."""
        return COLUMNS if self.column_field else TEST_COLUMNS


def measure_row(number: int, measure: Measure, about: dict[str, Any]) -> dict[str, Any]:
    """Return long row of a measure, with the paper's value and the caveats of this run."""
    paper_key = _paper_key(number, measure)
    paper = paper_values().get(paper_key)
    return {
        "model": _model(measure),
        "loss": LOSSES.get(measure["loss"], measure["loss"]),
        "system": SOURCES[measure["source"]],
        "reference": SOURCES.get(measure["reference"], measure["reference"].replace("_", " ")),
        "metric": METRIC_LABELS[measure["metric"]],
        "stratum": STRATA.get(measure["stratum"], measure["stratum"]),
        "undefined_draws": measure["undefined_draws"],
        "paper_value": paper.printed if paper else None,
        "paper_ci_low": paper.low if paper else None,
        "paper_ci_high": paper.high if paper else None,
        "note": impossible_in_paper().get(paper_key, ""),
        **value_columns(measure, about),
    }


def value_columns(row: Mapping[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that every long row has of a value: itself, its interval, and what it must be read with."""
    return {
        "estimate": row["value"],
        "ci_low": row["low"],
        "ci_high": row["high"],
        "interval": row["interval"],
        "n": row["n"],
        "patients": row["patients"],
        "cohort": _cohort(about),
        "weights": "none" if row["backbone"] == "unet" else about["weights"].get(row["backbone"]),
        "leak": any(name.startswith(f"{row['backbone']}/") for name in about["leak"]),
        "caveat": about["cohort_caveat"],
    }


def check_row(test: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Return long row of a test."""
    row = {name: test.get(name) for name in TEST_COLUMNS}
    row |= {name: spell_out(test[name]) for name in ("family", "first", "second")}
    return row | {"ci_low": test["low"], "ci_high": test["high"], "cohort": _cohort(about),
                  "caveat": about["cohort_caveat"]}  # fmt: skip


def _model(measure: Measure) -> str:
    if measure["source"] == "pseudo_mask":
        return "pseudo-masks"
    return model_name(measure["backbone"])


def _cohort(about: dict[str, Any]) -> str | None:
    return "phantom" if about["phantom"] else about["cohort"]


def _paper_key(number: int, row: Measure) -> tuple[str, ...]:
    """Return where the paper's counterpart of a measure stands; such a key may have none.

    Its averages are of a balanced test set, so their counterparts are our balanced rows, not those of all images.
    """
    source, loss, stratum = row["source"], row["loss"], row["stratum"]
    if number in (1, 8):
        loss = ""
    if number in (1, 2, 6):
        whole = "macro" if row["task"] == "classification" and row["metric"] != "accuracy" else "all"
        stratum = {"balanced": whole, "all": "", "macro": ""}.get(stratum, stratum)
    table = f"table{number}"
    if number == 8:
        table, source = "figure3", {"area_paper": "area"}.get(source, "")
    if row["reference"] not in ("note_grade", "pseudo_mask", "report"):
        table = ""
    return table, row["backbone"], loss, source, row["metric"], stratum
