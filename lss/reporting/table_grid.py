"""A table as lines of cells: what Markdown, LaTeX and the page lay out, each in its way.

The models stand side by side, each with the paper's value in a column of its own; so does the number of images.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lss.metrics.bootstrap import NO_INTERVAL
from lss.reporting.table_rows import Table

_HEADINGS = {"model": "Model", "metric": "Metric", "loss": "Loss", "system": "System", "stratum": "Images",
             "reference": "Reference", "cohort": "Cohort",
             "family": "Compared", "first": "First", "second": "Second"}  # fmt: skip
_SHORT_TESTS = {"McNemar, exact": "McNemar, exact", "McNemar, chi-squared with continuity correction": "McNemar",
                "Wilcoxon signed-rank, zeros by Pratt": "Wilcoxon"}  # fmt: skip
DASH = "–"
_LEAST_DIGITS = 3  # decimals of an interval, where its value has as many
UNDEFINED = 0.05
"""Share of undefined draws above which a note is shown."""


class Cell(NamedTuple):
    """One cell.

    Attributes:
        text, small: the value, and its interval or a second line.
        kind: label, count, value, paper, text.
        sort: what the page sorts by; "" where there is nothing.
        note: why the paper's value cannot be, if so.
    """

    text: str
    small: str = ""
    kind: str = "value"
    sort: float | str = ""
    note: str = ""


WINS_HEADING = Cell("Better / worse", "/ equal", "text")
P_HEADINGS = (Cell("p"), Cell("p", "Holm"), Cell("p", "by patient"), Cell("p", "patient, Holm"))


class Grid(NamedTuple):
    """Headings, and lines of as many cells. The first cell of a line names the group it belongs to."""

    headings: list[Cell]
    lines: list[list[Cell]]


def grid_of(table: Table, digits: int) -> Grid:
    """Lay out a table; `digits` are the decimals of its values, its intervals have one fewer, but not below three.

    Raises ValueError where two rows would stand in one cell.
    """
    fields = _row_fields(table)
    labels = [Cell(_HEADINGS[name], kind="label") for name in fields]
    if not table.column_field:
        return _grid_of_tests(table, labels, digits)
    columns = list(dict.fromkeys(row[table.column_field] for row in table.rows))
    lines: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    with_paper = set()
    for row in table.rows:
        line = lines.setdefault(tuple(row[name] for name in fields), {})
        column = row[table.column_field]
        if column in line:
            raise ValueError(f"table {table.number}: two rows for {[row[name] for name in fields]}, {column}")
        line[column] = row
        if row["paper_value"] is not None:
            with_paper.add(column)
    headings = [*labels, Cell("n", "patients", "count")] if table.show_n else labels
    for column in columns:
        headings.append(Cell(column))
        if column in with_paper:
            headings.append(Cell(column, "paper", "paper"))
    body = []
    for names, line in lines.items():
        cells = [Cell(name, kind="label", sort=name) for name in names]
        if table.show_n:
            cells.append(_count(line, columns))
        for column in columns:
            cells.append(_value(line.get(column), digits))
            if column in with_paper:
                cells.append(_paper(line.get(column)))
        body.append(cells)
    return Grid(headings, body)


def _row_fields(table: Table) -> tuple[str, ...]:
    """Return the fields that name a line; the loss behind others only where it tells lines apart."""
    without = tuple(name for name in table.row_fields if name != "loss" or name == table.row_fields[0])
    places = {tuple(row[name] for name in (*without, table.column_field)) for row in table.rows if table.column_field}
    return without if len(places) == len(table.rows) else table.row_fields


def _grid_of_tests(table: Table, labels: list[Cell], digits: int) -> Grid:
    headings = [*labels, Cell("n", "patients", "count"), WINS_HEADING, Cell("Difference"), Cell("Test", kind="text"),
                *P_HEADINGS]  # fmt: skip
    lines = [
        [
            *(Cell(row[name], kind="label", sort=row[name]) for name in table.row_fields),
            Cell(count_text(row), kind="count", sort=row["n"]),
            wins_cell(row),
            value_cell(row["difference"], row["ci_low"], row["ci_high"], digits, row["interval"]),
            Cell(_SHORT_TESTS[row["test"]], kind="text", sort=row["test"]),
            *p_cells(row),
        ]
        for row in table.rows
    ]
    return Grid(headings, lines)


def _count(line: dict[str, dict[str, Any]], columns: list[str]) -> Cell:
    """Return images behind a line and their patients; where they differ between the models, each one's
    in their order.
    """
    counts = [count_text(line[column]) for column in columns if column in line]
    same = len(set(counts)) == 1
    first = next(line[column]["n"] for column in columns if column in line)
    return Cell(counts[0] if same else " / ".join(counts), kind="count", sort=first)


def count_text(row: dict[str, Any]) -> str:
    """Return images and their patients: "108 (9)"; of what has no patients n alone."""
    return str(row["n"]) if row["patients"] is None else f"{row['n']} ({row['patients']})"


def _value(row: dict[str, Any] | None, digits: int) -> Cell:
    """Return the cell of a row; an empty one where the model has no such row."""
    return (
        Cell("") if row is None else value_cell(row["estimate"], row["ci_low"], row["ci_high"], digits, row["interval"])
    )


def value_cell(
    value: float | None, low: float | None, high: float | None, digits: int, method: str | None = None
) -> Cell:
    """Estimate and interval, or why there is none: "0.9123", "(0.881–0.942)"; a dash where undefined."""
    if value is None:
        return Cell(DASH)
    interval = f"({method})" if method in NO_INTERVAL else ""
    if low is not None:
        fewer = max(digits - 1, min(digits, _LEAST_DIGITS))
        interval = f"({low:z.{fewer}f}{DASH if low >= 0 else ' to '}{high:z.{fewer}f})"
    return Cell(f"{value:z.{digits}f}", interval, sort=value)  # z: no minus before a zero


def wins_cell(test: dict[str, Any]) -> Cell:
    """Return in how many cases the first, the second, neither was better."""
    first, second = test["first_better"], test["second_better"]
    return Cell(f"{first} / {second} / {test['ties']}", kind="text", sort=first - second)


def p_cells(test: dict[str, Any]) -> list[Cell]:
    """Return the four p-values under `P_HEADINGS`."""
    return [Cell(format_p(test[name]), sort=test[name]) for name in ("p", "p_holm", "p_patients", "p_patients_holm")]


def _paper(row: dict[str, Any] | None) -> Cell:
    """Return the paper's value as it printed it."""
    if row is None or row["paper_value"] is None:
        return Cell("", kind="paper")
    interval = ""
    if row["paper_ci_low"] is not None:
        interval = f"({row['paper_ci_low']:.3f}{DASH}{row['paper_ci_high']:.3f})"
    return Cell(row["paper_value"], interval, "paper", float(row["paper_value"]), row["note"])


def format_p(p: float) -> str:
    """Return a p-value in print: three decimals, or two significant digits where they would be zero."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"


def remarks(table: Table) -> list[str]:
    """Return notes of single cells as sentences, and of intervals that many of the bootstrap's draws say nothing of."""
    if not table.column_field:
        return []
    notes = [f"{row['model']}, {row['metric']}, {row['stratum']}: {row['note']}." for row in table.rows if row["note"]]
    return notes + _undefined(table)


def _undefined(table: Table) -> list[str]:
    """Return one sentence per stratum in which more than `UNDEFINED` of the draws hold no such case."""
    undefined: dict[str, tuple[float, dict[str, None]]] = {}
    for row in table.rows:
        if row["estimate"] is not None and (row["undefined_draws"] or 0) > UNDEFINED:
            share, metrics = undefined.get(row["stratum"], (0.0, {}))
            undefined[row["stratum"]] = max(share, row["undefined_draws"]), metrics | {row["metric"]: None}
    return [
        f"{stratum} ({', '.join(metrics)}): up to {100 * share:.0f} % of the bootstrap's draws hold no such case and "
        "are not in the interval."
        for stratum, (share, metrics) in undefined.items()
    ]
