"""Streaming over a table: every row, in order, in memory that does not grow with the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lss.errors import LssError
from lss.stages._slices import iterate_rows, spacing_mm
from lss.storage.io import parquet_writer

SCHEMA = pa.schema([("slice_key", pa.string()), ("pixels", pa.binary())])
PIXEL_BYTES = 200_000


def table(path: Path, groups: int) -> Path:
    """`groups` row groups of 16 rows that do not compress."""
    random = np.random.default_rng(1)
    with parquet_writer(path, SCHEMA) as writer:
        for group in range(groups):
            rows = [{"slice_key": f"{group}-{n}", "pixels": random.bytes(PIXEL_BYTES)} for n in range(16)]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
    return path


def test_every_row_in_order(tmp_path: Path) -> None:
    keys = [row["slice_key"] for row in iterate_rows(table(tmp_path / "t.parquet", 3), ["slice_key"])]
    assert keys == [f"{group}-{n}" for group in range(3) for n in range(16)]


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    path = table(tmp_path / "t.parquet", 20)
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() - before for _ in iterate_rows(path, SCHEMA.names))
    assert most < 5 * 16 * PIXEL_BYTES  # a few row groups of 20


def test_missing_spacing_is_assumed_from_the_field_of_view() -> None:
    row = {"rows": 320, "columns": 310, "row_spacing_mm": None, "column_spacing_mm": 0.5}
    assert spacing_mm(row) == (pytest.approx(0.6875), 0.5)


def test_errors_name_file_and_column(tmp_path: Path) -> None:
    with pytest.raises(LssError, match=r"none\.parquet"):
        list(iterate_rows(tmp_path / "none.parquet", ["slice_key"]))
    with pytest.raises(LssError, match=r"t\.parquet.*note"):
        list(iterate_rows(table(tmp_path / "t.parquet", 1), ["note"]))
