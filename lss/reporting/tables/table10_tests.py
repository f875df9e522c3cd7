"""Table 10: tests between models, losses and ways of grading."""

from __future__ import annotations

from typing import Any

from lss.reporting.results import Results
from lss.reporting.table_record import TableRecord, kind_of_interval
from lss.reporting.table_rows import check_row


def rows(_: int, results: Results) -> list[dict[str, Any]]:
    """Return a row per test."""
    return [check_row(test, results.about) for test in results.statistics["tests"]]


def _least_p(patients: int) -> float:
    """Return the least p of the permutation by patient."""
    return max(2.0 ** (1 - patients), 1 / 20_001)


TABLE = TableRecord(
    "Tests between models, losses and ways of grading",
    ("family", "first", "second"),
    lambda results: [
        "Paired on the same images, two-sided; Holm: corrected within each group. Difference: mean of the first "
        f"minus the second over all images, with its {kind_of_interval(results)} ({results.about['interval']}).",
        "p takes images as independent (McNemar for right and wrong, Wilcoxon's signed rank for scores, zero "
        "differences by Pratt's rule), which images of one patient are not. p by patient flips the signs of a "
        "patient's differences together (permutation test): it is the one to read. Few patients bound it from "
        f"below: with {results.about['patients']} it cannot be less than {_least_p(results.about['patients']):.2g}.",
    ],
    rows=rows,
    column_field="",
    made_of="tests",
)
