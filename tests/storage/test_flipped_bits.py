"""One flipped bit anywhere in a table of the project is an error of the reader, or changes nothing that is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lss.errors import LssError
from lss.imaging.codec import encode_png
from lss.stages._slices import iterate_rows
from lss.storage.io import read_parquet, write_parquet
from lss.storage.schemas import DENOISED, SHARD, SLICES, SPLIT
from lss.storage.shards import ShardReader

SCHEMAS = {"slices": SLICES, "split": SPLIT, "denoised": DENOISED, "shards": SHARD}


def rows(schema: pa.Schema, count: int) -> list[dict[str, Any]]:
    """Rows with a value or a null in every column."""
    draw = np.random.default_rng(5)

    def value(field: pa.Field, number: int) -> Any:
        kind = field.type
        if "grade" in field.name:
            return ("A", "BC", "D")[number % 3]
        if kind == pa.string():
            return f"text {number % 3}"
        if kind == pa.binary():
            return draw.bytes(40)
        if kind == pa.bool_():
            return number % 2 == 0
        if pa.types.is_list(kind):
            return [1.5, 2.5]
        if pa.types.is_struct(kind):
            return {"bytes": encode_png(draw.integers(0, 9, (6, 5)).astype(np.uint16)), "path": None}
        return number * 7

    def is_null(field: pa.Field, place: int) -> bool:
        return place % 5 == 0 and not field.name.endswith("_key") and field.name not in ("image", "mask")

    return [
        {
            field.name: None if is_null(field, number + place) else value(field, number)
            for place, field in enumerate(schema)
        }
        for number in range(count)
    ]


def flipped(data: bytes, path: Path, places: Iterator[int]) -> Iterator[int]:
    """Write the file with one bit flipped, one place after the other."""
    for place in places:
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        yield place


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_flipped_bit_changes_what_is_read(name: str, tmp_path: Path) -> None:
    """Some 150 bits of each table, the footer and the page headers among them, through every way of reading."""
    schema, path = SCHEMAS[name], tmp_path / f"{name}.parquet"
    write_parquet(path, rows(schema, 12), schema, row_group_size=5)
    data, whole = path.read_bytes(), read_parquet(path, schema)
    assert whole.equals(pq.read_table(path)) and whole.num_rows == 12  # other readers see nothing of the seal
    caught = same = 0
    readers = [lambda: read_parquet(path, schema).to_pylist(), lambda: list(iterate_rows(path, schema.names))]
    if schema is SHARD:
        readers.append(lambda: list(ShardReader([path]).iterate(range(12))))
    for _ in flipped(data, path, iter(np.random.default_rng(1).integers(0, 8 * len(data), 150).tolist())):
        for read in readers:
            try:
                assert read() == whole.to_pylist()
                same += 1
            except LssError as error:
                assert str(path) in str(error)
                caught += 1
    assert caught > 20 * same  # only the seal of a column that is not read, or the mark itself


def test_every_bit_of_a_footer_is_guarded(tmp_path: Path) -> None:
    schema = pa.schema([("key", pa.string()), ("value", pa.int32())])
    path = tmp_path / "small.parquet"
    write_parquet(path, [{"key": "a", "value": 1}, {"key": None, "value": 2}], schema)
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for _ in flipped(data, path, iter(range(8 * start, 8 * len(data)))):
        with pytest.raises(LssError, match="cannot be read as Parquet"):
            read_parquet(path, schema)


def test_a_shortened_file_and_one_of_another_kind_are_named(tmp_path: Path) -> None:
    path = tmp_path / "split.parquet"
    write_parquet(path, rows(SPLIT, 6), SPLIT)
    data = path.read_bytes()
    for broken in (b"", b"PAR1", data[:-1], data[: len(data) // 2], b"<html>" * 9):
        path.write_bytes(broken)
        with pytest.raises(LssError, match=r"split\.parquet: cannot be read as Parquet .* Rerun the stage"):
            read_parquet(path, SPLIT)
    with pytest.raises(LssError, match="cannot be read"):
        read_parquet(tmp_path / "none.parquet", SPLIT)
