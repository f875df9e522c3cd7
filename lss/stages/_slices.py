"""Streaming over the tables that the imaging stages share, in memory that does not grow with the cohort."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lss.errors import LssError
from lss.storage.io import read_parquet
from lss.storage.parquet_files import TableReader
from lss.storage.schemas import SLICES, SPLIT

_ROWS_AT_A_TIME = 32  # as Python objects
_ASSUMED_FIELD_OF_VIEW_MM = 220.0


def read_split(split: Path) -> dict[str, str]:
    """Return subset (train, val, test, unused) of every slice key of the cohort. Raises LssError for a repeated key."""
    table = read_parquet(split, SPLIT, columns=["slice_key", "subset"])
    subsets = dict(zip(table["slice_key"].to_pylist(), table["subset"].to_pylist(), strict=True))
    if len(subsets) != table.num_rows:
        raise LssError(f"{split}: {table.num_rows - len(subsets)} slice keys are not unique. Rerun ingest and split.")
    return subsets


def iterate_rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield rows of a Parquet file one after the other, one row group in memory.

    Not `ParquetFile.iter_batches`: it keeps what it has read until the end, so its memory grows with the file.
    """
    with TableReader(path, columns) as table:
        for group in table.groups():
            for batch in group.to_batches(_ROWS_AT_A_TIME):
                yield from batch.to_pylist()


def used_slices(slices: Path, subsets: dict[str, str], columns: list[str]) -> tuple[int, Iterator[dict[str, Any]]]:
    """Return how many slices of a batch are in use (subset not `unused`), and their rows in the table's order.

    Raises LssError for a slice that the split does not know.
    """
    keys = read_parquet(slices, SLICES, columns=["slice_key"])["slice_key"].to_pylist()
    unknown = [key for key in keys if key not in subsets]
    if unknown:
        raise LssError(f"{slices}: slice {unknown[0]} and {len(unknown) - 1} others are not in the split. Rerun split.")
    used = {key for key in keys if subsets[key] != "unused"}
    return len(used), (row for row in iterate_rows(slices, columns) if row["slice_key"] in used)


def side_by_side(
    slices: Path, rows: Iterator[dict[str, Any]], others: dict[Path, list[str]]
) -> Iterator[list[dict[str, Any]]]:
    """Yield rows of the slice table with their partners in tables (path to columns) that were written in the same
    order.

    Raises LssError where a table holds another slice, or too few or too many.
    """
    tables = [iterate_rows(path, columns) for path, columns in others.items()]
    for group in zip_longest(rows, *tables):
        keys = [row and row["slice_key"] for row in group]
        for path, key in zip(others, keys[1:], strict=True):
            if key != keys[0]:
                raise LssError(
                    f"{path}: holds slice {key} where {slices} holds {keys[0]}. Rerun the stage that writes it."
                )
        yield list(group)


def spacing_mm(row: dict[str, Any]) -> tuple[float, float]:
    """Return the row and column spacing of a slice row.

    Where a picture has none, its longer side is taken as 220 mm, the field of view of the Lumbar Spine MRI Dataset.
    """
    assumed = _ASSUMED_FIELD_OF_VIEW_MM / max(row["rows"], row["columns"])
    return row["row_spacing_mm"] or assumed, row["column_spacing_mm"] or assumed
