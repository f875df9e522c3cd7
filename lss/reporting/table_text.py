"""A table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
from typing import Any

from tabulate import tabulate

from lss.reporting.tables import COLUMNS, Table

UNDEFINED = 0.05
"""Share of undefined draws above which a reader is told."""

_FIELD_HEADINGS = {"model": "Model", "metric": "Metric", "loss": "Loss", "system": "System", "stratum": "Images",
                   "reference": "Reference"}  # fmt: skip


def to_csv(table: Table) -> str:
    """Long rows, full precision, an empty field where there is no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.rows)
    return text.getvalue()


def to_markdown(table: Table, digits: int, caveats: list[str]) -> str:
    """The grid with the paper's values in the cells, then notes and caveats."""
    headings, body = _grid_text(table, digits)
    grid = tabulate(body, headings, tablefmt="pipe", disable_numparse=True)
    notes = "\n".join(f"- {note}" for note in [*table.notes, *remarks(table), *caveats])
    return f"# Table {table.number}. {table.title}\n\n{grid}\n\n{notes}\n"


def to_latex(table: Table, digits: int, caveats: list[str]) -> str:
    """A `table` environment with booktabs rules; the notes are its caption."""
    headings, body = _grid_text(table, digits)
    grid = tabulate(body, headings, tablefmt="latex_booktabs", disable_numparse=True)
    caption = " ".join(_escape(note) for note in [f"{table.title}.", *table.notes, *remarks(table), *caveats])
    return (
        f"\\begin{{table}}\n\\centering\\small\n\\caption{{{caption}}}\n\\label{{tab:lss-{table.number}}}\n"
        f"\\resizebox{{\\linewidth}}{{!}}{{%\n{grid}}}\n\\end{{table}}\n"
    )


def remarks(table: Table) -> list[str]:
    """Notes of single cells as sentences, and of intervals that many of the bootstrap's draws say nothing of."""
    notes = [f"{row['model']}, {row['metric']}, {row['stratum']}: {row['note']}." for row in table.rows if row["note"]]
    return notes + _undefined(table)


def _undefined(table: Table) -> list[str]:
    """One sentence per stratum in which more than `UNDEFINED` of the draws hold no such case."""
    found: dict[str, tuple[float, dict[str, None]]] = {}
    for row in table.rows:
        if row["estimate"] is not None and (row["undefined_draws"] or 0) > UNDEFINED:
            share, metrics = found.get(row["stratum"], (0.0, {}))
            found[row["stratum"]] = max(share, row["undefined_draws"]), metrics | {row["metric"]: None}
    return [
        f"{stratum} ({', '.join(metrics)}): up to {share:.0%} of the bootstrap's draws hold no such case and are not "
        "in the interval."
        for stratum, (share, metrics) in found.items()
    ]


def format_share(row: dict[str, Any], digits: int) -> tuple[str, str]:
    """Value and interval of a long row: "0.9123", "(0.881–0.942)"; a dash and "" where undefined."""
    if row["estimate"] is None:
        return "–", ""
    value = f"{row['estimate']:.{digits}f}"
    if row["ci_low"] is None:
        return value, ""
    fewer = max(digits - 1, 1)
    return value, f"({row['ci_low']:.{fewer}f}–{row['ci_high']:.{fewer}f})"


def format_paper(row: dict[str, Any]) -> str:
    """The paper's value as it printed it, or an empty text."""
    if row["paper_value"] is None:
        return ""
    text = f"{row['paper_value']:.4f}"
    if row["paper_ci_low"] is not None:
        text += f" ({row['paper_ci_low']:.3f}–{row['paper_ci_high']:.3f})"
    return text


def row_headings(table: Table) -> list[str]:
    """Headings of the labels in front of a row."""
    return [_FIELD_HEADINGS[name] for name in table.row_fields]


def _grid_text(table: Table, digits: int) -> tuple[list[str], list[list[str]]]:
    headings, lines = table.grid()
    body = []
    for labels, cells in lines:
        texts = []
        for cell in cells:
            text = " ".join(format_share(cell, digits)).strip() if cell else ""
            paper = format_paper(cell) if cell else ""
            texts.append(f"{text}; paper {paper}" if paper else text)
        body.append([*labels, *texts])
    return [*row_headings(table), *headings], body


def _escape(text: str) -> str:
    special = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "–": "--"}
    return "".join(special.get(character, character) for character in text)
