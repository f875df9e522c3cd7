"""Whether a table that was read holds what its schema promises: types, keys, grades, finite numbers, whole pictures.

A disk, a copy or a hand may change a file that is still Parquet. What is wrong is named here, where the file is known,
not by the arithmetic that stumbles over it later, or does not.
"""

from __future__ import annotations

import struct
import zlib

import pyarrow as pa
import pyarrow.compute as pc

from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.storage.schemas import IMAGE

_KEYS = ("slice_key", "patient_key", "sample_key", "image", "mask")
_GRADES = ("grade", "note_grade", "predicted")
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_PIXELS = 4096 * 4096
"""Of a picture: no reader of raw files lets more through."""


def check_table(table: pa.Table, schema: pa.Schema, where: str, columns: list[str] | None = None) -> None:
    """Raise LssError, which begins with `where` and names the column, unless `table` is one of `schema`.

    Args:
        table: as it was read.
        schema: of the whole table.
        where: file, and the part of it.
        columns: that were asked for; all of the schema by default.
    """
    names = schema.names if columns is None else columns
    if missing := [name for name in names if name not in table.schema.names]:
        raise LssError(f"{where}: columns {missing} are missing. It was written by another version: rerun its stage.")
    for name in names:
        wanted, column = schema.field(name).type, table.column(name)
        if column.type != wanted:
            raise LssError(
                f"{where}: column {name}: is of type {column.type}, not {wanted}. It was written by another version: "
                "rerun its stage."
            )
        may_be_empty = "slice_key" not in schema.names  # a reject may belong to no patient
        if fault := _wrong(name, column, may_be_empty):
            row, what = fault
            raise LssError(f"{where}: row {row}, column {name}: {what}. The file was changed: rerun its stage.")


def _wrong(name: str, column: pa.ChunkedArray, may_be_empty: bool) -> tuple[int, str] | None:
    """Return the first row of a column that cannot be as it is, and what is wrong with it."""
    if name in _KEYS and column.null_count and not may_be_empty and not name.startswith("mask_said"):
        return pc.index(pc.is_null(column), True).as_py(), "is empty"
    if name in _GRADES:
        strange = pc.invert(pc.is_in(column, pa.array([*GRADES, None], pa.string())))
        if pc.any(strange).as_py():
            row = pc.index(strange, True).as_py()
            return row, f"{column[row].as_py()!r} is none of the grades {', '.join(GRADES)}"
    if pa.types.is_floating(column.type):
        finite = pc.is_finite(column)
        if not pc.all(finite, min_count=0).as_py():
            row = pc.index(finite, False).as_py()
            return row, f"{column[row].as_py()} is no finite number"
    if column.type == IMAGE:
        for row, cell in enumerate(column):
            if cell.is_valid and (fault := png_fault(cell["bytes"].as_py())):
                return row, f"its picture is {fault}"
    return None


def png_fault(data: bytes | None) -> str | None:
    """Return what is wrong with a grey PNG, or None: its chunks, their checksums and its size are looked at, no pixel.

    See the PNG specification, third edition, 5.3 (chunks) and 11.2.1 (IHDR).
    """
    if not data or not data.startswith(_PNG):
        return "no PNG"
    place, kind = len(_PNG), b""
    while kind != b"IEND":
        if len(data) < place + 12:
            return "cut off"
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if len(data) < end + 4:
            return "cut off"
        if zlib.crc32(memoryview(data)[place + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            return "damaged (checksum)"
        if place == len(_PNG):
            if kind != b"IHDR" or length != 13:
                return "no PNG"
            columns, rows, depth, colours = struct.unpack_from(">IIBB", data, place + 8)
            if not 0 < rows * columns <= _MOST_PIXELS:
                return f"of {rows} x {columns} pixels"
            if depth not in (8, 16) or colours != 0:
                return "not grey of 8 or 16 bits"
        place = end + 4
    return None
