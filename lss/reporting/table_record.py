"""What a module of `lss.reporting.tables` says of its table, and notes that several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from lss.evaluation.measures import Measure
from lss.metrics.bootstrap import FEWEST_PATIENTS
from lss.reporting.results import Results
from lss.reporting.table_choice import FiledMeasures
from lss.reporting.table_rows import Table, measure_row


@dataclass(frozen=True)
class TableRecord:
    """One table, as TABLE in the module named after its files.

    Attributes:
        title: without its number, which is that of the module.
        row_fields: fields of the long rows that name a line of the grid, the first one a group of lines.
        notes: sentences under it.
        choose: which measures it shows, in its order; None where `rows` makes its rows of something else.
        rows: its long rows, from its number and the results.
        column_field: field that names the grid's columns; "" where each long row is a line by itself.
        made_of: the measures, the comparison of the ablation, or the tests between models.
        show_n: the grid has a column for the number of images behind a line.
        main: metrics that stand in the short results of a run (`lss results`); empty where it is left out there.
        titled: the title for these results, where it depends on them.
    """

    title: str
    row_fields: tuple[str, ...]
    notes: Callable[[Results], list[str]]
    choose: Callable[[FiledMeasures], Iterator[Measure]] | None = None
    rows: Callable[[int, Results], list[dict[str, Any]]] | None = None
    column_field: str = "model"
    made_of: Literal["measures", "ablation", "tests"] = "measures"
    show_n: bool = True
    main: tuple[str, ...] = ()
    titled: Callable[[Results], str] | None = None

    def build(self, number: int, results: Results) -> Table:
        """Return the table; a model that was not run has no rows."""
        if self.rows:
            rows = self.rows(number, results)
        else:
            chosen = self.choose(FiledMeasures(results.statistics["measures"])) if self.choose else ()
            rows = [measure_row(number, measure, results.about) for measure in chosen]
        title = self.titled(results) if self.titled else self.title
        return Table(number, title, self.notes(results), self.row_fields, self.column_field, rows, self.show_n)


EMPTY = "an image whose two masks are both empty counts 1, one empty mask 0; see the rows of non-empty references"
UNDEFINED = "A dash: undefined (no such case)."
TRUTH = "True masks are known for the phantom only; they are empty at true grade A where the pseudo-masks are."
BALANCED = (
    "Balanced: mean over the grades of each grade's mean, as on a test set with as many images of each. The "
    "paper's values are such means (its Table 3 gives them back), so they stand beside these rows."
)


def kind_of_interval(results: Results) -> str:
    """Return the confidence in words, as in "95 % interval"."""
    return f"{100 * results.about['confidence']:.0f} % interval"


def intervals(results: Results) -> str:
    """Return what stands in brackets behind a value."""
    return (
        f"In brackets the {kind_of_interval(results)}: {results.about['interval']}. n: images (their patients). "
        f"Too few patients: fewer than {FEWEST_PATIENTS}, no interval is given. No spread: all draws are equal."
    )
