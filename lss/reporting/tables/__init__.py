"""The tables of the results, a module each: `table2_segmentation` makes results/tables/table2_segmentation.csv.

A module that is laid here is a table: its paths (`lss.project.layout`), rules and its place on the page follow.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from lss.project import layout
from lss.reporting.results import Results
from lss.reporting.table_record import TableRecord
from lss.reporting.table_rows import Table

MODULES = "lss.reporting.tables:*"
"""What is imported here, for `lss.project.code`."""


def table_records() -> dict[int, TableRecord]:
    """Return all tables by number."""
    folder, _, _ = MODULES.partition(":")
    return {number: import_module(f"{folder}.{Path(stem).name}").TABLE for number, stem in layout.TABLES.items()}


def build_tables(results: Results) -> dict[int, Table]:
    """Return all tables by number; that of the ablation is left out where its comparison is not given."""
    return {
        number: record.build(number, results)
        for number, record in table_records().items()
        if results.comparison is not None or record.made_of != "ablation"
    }
