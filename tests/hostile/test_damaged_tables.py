"""Shards and prediction tables that a disk, a copy or a hand has changed: refused with file, row, column and remedy."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lss.errors import LssError
from lss.imaging.codec import encode_png
from lss.storage.io import read_parquet
from lss.storage.schemas import SEGMENTATION, SHARD
from lss.storage.shards import ShardReader, decode_image

IMAGE = np.arange(40 * 40, dtype=np.uint16).reshape(40, 40)
PNG = encode_png(IMAGE)
Row = dict[str, Any]


def shard_row(number: int) -> Row:
    return dict.fromkeys(SHARD.names) | {
        "image": {"bytes": PNG, "path": None}, "mask": {"bytes": encode_png(IMAGE > 900), "path": None},
        "sample_key": f"s{number}", "slice_key": f"s{number}", "patient_key": "p", "level": "L4-L5", "grade": "BC",
        "report": "Text.", "area_percent": 12.0, "region_share": 1.0, "row_spacing_mm": 0.5, "column_spacing_mm": 0.5,
        "copy": 0, "flipped": False, "canal_found": True,
    }  # fmt: skip


def with_header(columns: int, rows: int, depth: int = 16, colours: int = 0) -> bytes:
    """The PNG with another header, its checksum made to fit."""
    body = b"IHDR" + struct.pack(">IIBBBBB", columns, rows, depth, colours, 0, 0, 0)
    return PNG[:8] + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + PNG[33:]


PICTURES: dict[str, tuple[bytes | None, str]] = {
    "no bytes": (b"", "no PNG"),
    "null": (None, "no PNG"),
    "text": (b"<svg onload='x'/>", "no PNG"),
    "JPEG": (cv2.imencode(".jpg", IMAGE.astype(np.uint8))[1].tobytes(), "no PNG"),
    "cut in the header": (PNG[:20], "cut off"),
    "cut in the pixels": (PNG[: len(PNG) // 2], "cut off"),
    "cut before its end mark": (PNG[:-12], "cut off"),
    "a bit of the pixels flipped": (PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:], "damaged (checksum)"),
    "a bit of the header flipped": (PNG[:18] + bytes([PNG[18] ^ 1]) + PNG[19:], "damaged (checksum)"),
    "a chunk of 4 GB": (PNG[:33] + b"\xff\xff\xff\xffIDAT" + PNG[41:], "cut off"),
    "no pixels": (with_header(0, 40), "of 40 x 0 pixels"),
    "a bomb of 2 billion pixels a side": (with_header(2**31 - 1, 2**31 - 1), "of 2147483647 x 2147483647 pixels"),
    "a picture of 512 MiB": (with_header(1 << 14, 1 << 14), "of 16384 x 16384 pixels"),
    "colours": (cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes(), "not grey of 8 or 16 bits"),
    "one bit deep": (with_header(40, 40, depth=1), "not grey of 8 or 16 bits"),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("column", ["image", "mask"])
def test_damaged_picture_in_a_shard(name: str, column: str, tmp_path: Path) -> None:
    picture, fault = PICTURES[name]
    rows = [shard_row(number) for number in range(5)]
    rows[3][column] = {"bytes": picture, "path": None}
    path = tmp_path / "test-00.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=SHARD), path, row_group_size=2)
    reader = ShardReader([path])
    assert reader[0]["sample_key"] == "s0"
    with pytest.raises(LssError) as error:
        reader[3]
    assert str(error.value) == (
        f"{path}: row group 1: row 1, column {column}: its picture is {fault}. The file was changed: rerun its stage."
    )


VALUES: dict[str, tuple[str, Any, str]] = {
    "unknown grade": ("grade", "C", "column grade: 'C' is none of the grades A, BC, D"),
    "grade in lower case": ("grade", "bc", "column grade: 'bc' is none of the grades A, BC, D"),
    "empty grade": ("grade", "", "column grade: '' is none of the grades A, BC, D"),
    "no key": ("slice_key", None, "column slice_key: is empty"),
    "no patient": ("patient_key", None, "column patient_key: is empty"),
    "no picture": ("image", None, "column image: is empty"),
    "area of NaN": ("area_percent", float("nan"), "column area_percent: nan is no finite number"),
    "spacing of infinity": ("row_spacing_mm", float("inf"), "column row_spacing_mm: inf is no finite number"),
}


@pytest.mark.parametrize("name", VALUES)
def test_impossible_value_in_a_shard(name: str, tmp_path: Path) -> None:
    column, value, message = VALUES[name]
    path = tmp_path / "train-00.parquet"
    pq.write_table(pa.Table.from_pylist([shard_row(0), shard_row(1) | {column: value}], schema=SHARD), path)
    with pytest.raises(LssError, match="row group 0: row 1, ") as error:
        ShardReader([path])[0]
    assert message in str(error.value) and "rerun its stage" in str(error.value)


def test_picture_that_cannot_be_unpacked() -> None:
    """Its checksums are right, its pixels are not there: some writer of another kind made it."""
    with pytest.raises(LssError, match=r"no PNG image that can be unpacked\. Rerun the stage"):
        decode_image(PNG[:33] + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")) + PNG[-12:])


def _other_type(path: Path) -> None:
    fields = [pa.field(f.name, pa.int32() if f.name == "grade" else f.type) for f in SHARD]
    pq.write_table(pa.Table.from_pylist([shard_row(0) | {"grade": 1}], schema=pa.schema(fields)), path)


def _without_column(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([shard_row(0)], schema=SHARD).drop_columns(["report"]), path)


def _flipped_page(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([shard_row(n) for n in range(4)], schema=SHARD), path, compression="zstd")
    data = bytearray(path.read_bytes())
    place = data.index(b"\x28\xb5\x2f\xfd")  # magic number of the first zstd frame
    data[place : place + 40] = bytes(40)
    path.write_bytes(data)


def _no_utf_8(path: Path) -> None:
    schema = pa.schema([pa.field(f.name, f.type) for f in SHARD])
    table = pa.Table.from_pylist([shard_row(0)], schema=schema)
    text = pa.array([b"\xa4"]).buffers()
    report = pa.StringArray.from_buffers(1, text[1], text[2])
    pq.write_table(table.set_column(schema.get_field_index("report"), "report", report), path)


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: None, "cannot be read as Parquet"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read as Parquet"),
    "text": (lambda path: path.write_text("slice_key,grade\n"), "cannot be read as Parquet"),
    "a folder": (lambda path: path.mkdir(), "cannot be read as Parquet"),
    "a pickle": (lambda path: path.write_bytes(b"\x80\x04c__builtin__\neval\n."), "cannot be read as Parquet"),
    "magic numbers alone": (lambda path: path.write_bytes(b"PAR1\0\0\0\0PAR1"), "cannot be read as Parquet"),
    "a page overwritten": (_flipped_page, "cannot be read as Parquet"),
    "text that is no UTF-8": (_no_utf_8, "cannot be read as Parquet"),
    "grades as numbers": (_other_type, "column grade: is of type int32, not string"),
    "a column less": (_without_column, "columns ['report'] are missing"),
}


@pytest.mark.parametrize("name", FILES)
def test_file_that_is_no_shard(name: str, tmp_path: Path) -> None:
    make, message = FILES[name]
    path = tmp_path / "val-01.parquet"
    make(path)
    with pytest.raises(LssError) as error:
        list(ShardReader([path]).iterate(range(1)))
    assert str(error.value).startswith(f"{path}: ") and message in str(error.value)
    assert "shards" in str(error.value) or "rerun its stage" in str(error.value)


def prediction(number: int) -> Row:
    return dict.fromkeys(SEGMENTATION.names) | {
        "slice_key": f"s{number}", "patient_key": "p", "level": "L4-L5", "grade": "A", "area_percent": 0.0,
        "mask": {"bytes": encode_png(IMAGE > 5000), "path": None}, "attention": b"", "grid_rows": 1, "grid_columns": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("mask", {"bytes": PNG[:70], "path": None}, "its picture is cut off"),
        ("mask_said_A", {"bytes": b"nothing", "path": None}, "its picture is no PNG"),
        ("mask", None, "is empty"),
        ("grade", "E", "'E' is none of the grades"),
        ("mean_confidence", float("nan"), "nan is no finite number"),
    ],
)
def test_impossible_prediction(column: str, value: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "segmentation-pid_tversky.parquet"
    pq.write_table(pa.Table.from_pylist([prediction(0), prediction(1) | {column: value}], schema=SEGMENTATION), path)
    with pytest.raises(LssError) as error:
        read_parquet(path, SEGMENTATION)
    assert str(error.value).startswith(f"{path}: row 1, column {column}: {message}")


def test_whole_tables_pass(tmp_path: Path) -> None:
    for rows, schema in (([shard_row(0)], SHARD), ([prediction(0)], SEGMENTATION), ([], SHARD)):
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "t.parquet")
        assert read_parquet(tmp_path / "t.parquet", schema).num_rows == len(rows)
