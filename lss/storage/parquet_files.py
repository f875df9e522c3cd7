"""Parquet files in which no flipped bit passes: checksums of the columns' bytes and of the file's own description.

Arrow can put a CRC-32 into every page, but neither it nor the format guards the pages' headers, and the footer, which
says where the pages lie and what their values mean. So a seal is put in front of the footer, where other readers of
Parquet do not look: a CRC-32 of every column chunk (one column of one row group, headers included), and a SHA-256 of
these and the footer. The file stays an ordinary one. What is read of it is checked, and no more.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lss.errors import LssError
from lss.storage.table_checks import check_table
from lss.storage.unreadable import unreadable

_MARK = b"LSSSEAL1"
_SEAL_BYTES = len(_MARK) + 4 + 32
"""Mark, number of column chunks, SHA-256 of that number, the chunks' CRC-32 and the footer."""

_TAIL_BYTES = 8
"""A Parquet file ends with the footer, its length as four bytes, and the four letters PAR1."""

_BLOCK = 2**20
_DAMAGE = (OSError, pa.ArrowException, UnicodeDecodeError, OverflowError, MemoryError)
"""What Arrow raises for damaged files."""


class TableReader:
    """One Parquet file, read by row groups; whatever is read of a sealed file is checked against the checksums.

    It is read in this thread alone: Arrow waits for ever for a thread that cannot start.

    A file without a seal, written by another program, is read too; its pages are checked where they have checksums.

    Args:
        path: the file.
        columns: those to read, all by default.
        schema: that the values are checked against (`lss.storage.table_checks`); None: only that the columns exist.
        remedy: what to do about a broken file.

    Raises:
        LssError: here or while reading, names the file: missing, damaged, without a column, of wrong values.
    """

    def __init__(
        self,
        path: Path | str,
        columns: Sequence[str] | None = None,
        schema: pa.Schema | None = None,
        remedy: str = "Rerun the stage that writes it.",
    ) -> None:
        self._path, self._remedy = Path(path), remedy
        try:
            with self._path.open("rb") as file:
                self._sums = _read_seal(file)
            self._file = pq.ParquetFile(path, page_checksum_verification=self._sums is None, pre_buffer=False)
            described = self._file.metadata
            names = self._file.schema_arrow.names
            self.group_sizes = tuple(described.row_group(group).num_rows for group in range(described.num_row_groups))
            if self._sums is not None and len(self._sums) != described.num_row_groups * described.num_columns:
                raise OSError("it has other columns than were sealed")
        except _DAMAGE as error:
            raise self._broken(error) from error
        self._schema, self._asked = schema, None if columns is None else list(columns)
        self.columns = self._asked or names
        wanted = schema.names if schema is not None and columns is None else self.columns
        if missing := [name for name in wanted if name not in names]:
            raise LssError(
                f"{path}: columns {missing} are missing. It was written by another version: rerun its stage."
            )

    def __enter__(self) -> TableReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def metadata(self) -> dict[bytes, bytes]:
        """What the file's schema says beside the columns."""
        return self._file.schema_arrow.metadata or {}

    def group(self, number: int) -> pa.Table:
        """Return the columns of one row group."""
        try:
            self._check(number)
            table = self._file.read_row_group(number, columns=self.columns, use_threads=False)
        except _DAMAGE as error:
            raise self._broken(error) from error
        return self._right(table, f"{self._path}: row group {number}")

    def groups(self) -> Iterator[pa.Table]:
        """Return the columns of one row group after the other, one of them in memory."""
        return map(self.group, range(len(self.group_sizes)))

    def read(self) -> pa.Table:
        """Return the columns of all rows."""
        try:
            for number in range(len(self.group_sizes)):
                self._check(number)
            table = self._file.read(columns=self.columns, use_threads=False)
        except _DAMAGE as error:
            raise self._broken(error) from error
        return self._right(table, str(self._path))

    def _right(self, table: pa.Table, where: str) -> pa.Table:
        if self._sums is None:
            try:
                table.validate(full=True)  # Arrow takes text of another program unread
            except pa.ArrowInvalid as error:
                raise self._broken(error) from error
        if self._schema is not None:
            check_table(table, self._schema, where, self._asked)
        return table

    def _check(self, number: int) -> None:
        """Raise OSError where a column of a row group is not as it was sealed."""
        if self._sums is None:
            return
        group = self._file.metadata.row_group(number)
        with self._path.open("rb") as file:
            for index in range(group.num_columns):
                column = group.column(index)
                name = column.path_in_schema.split(".")[0]
                if name in self.columns and _crc(file, column) != self._sums[number * group.num_columns + index]:
                    raise OSError(f"column {name} of row group {number} was changed after it was written")

    def _broken(self, error: Exception) -> LssError:
        return unreadable(self._path, "Parquet", error, self._remedy)


def seal(path: Path) -> None:
    """Put the checksums of a finished file in front of its footer."""
    with pq.ParquetFile(path) as table, path.open("r+b") as file:
        groups = (table.metadata.row_group(number) for number in range(table.num_row_groups))
        sums = [_crc(file, group.column(index)) for group in groups for index in range(group.num_columns)]
        start, footer = _footer(file)
        count, listed = len(sums).to_bytes(4, "little"), np.array(sums, "<u4").tobytes()
        file.seek(start)
        file.write(listed + _MARK + count + hashlib.sha256(count + listed + footer).digest() + footer)


def _read_seal(file: BinaryIO) -> list[int] | None:
    """Return the CRC-32 of every column chunk, row group by row group; None for a file without a seal.

    One flipped bit in the mark itself leaves a file that counts as unsealed, with all else whole.

    Raises OSError where footer or checksums are not those that were sealed.
    """
    start, footer = _footer(file)
    file.seek(max(0, start - _SEAL_BYTES))
    seal = file.read(_SEAL_BYTES)
    if not seal.startswith(_MARK):
        return None
    count, digest = seal[len(_MARK) : len(_MARK) + 4], seal[len(_MARK) + 4 :]
    size = 4 * int.from_bytes(count, "little")
    if size > start - _SEAL_BYTES:
        raise OSError("its checksums were changed after it was written")
    file.seek(start - _SEAL_BYTES - size)
    listed = file.read(size)
    if hashlib.sha256(count + listed + footer).digest() != digest:
        raise OSError("its footer was changed after it was written")
    return np.frombuffer(listed, "<u4").tolist()


def _crc(file: BinaryIO, column: pq.ColumnChunkMetaData) -> int:
    """Return the CRC-32 of a column chunk's bytes, headers and dictionary included."""
    pages = [offset for offset in (column.dictionary_page_offset, column.data_page_offset) if offset]
    if not pages:
        return 0  # of a table without rows
    file.seek(min(pages))
    left, total = column.total_compressed_size, 0
    while left > 0 and (block := file.read(min(left, _BLOCK))):
        total = zlib.crc32(block, total)
        left -= len(block)
    return total


def _footer(file: BinaryIO) -> tuple[int, bytes]:
    """Return where the footer of an open file begins, and its bytes with length and letters. Raises OSError."""
    size = file.seek(0, 2)
    if size < _TAIL_BYTES + 4:
        raise OSError(f"{size} bytes are no Parquet file")
    file.seek(size - _TAIL_BYTES)
    tail = file.read(_TAIL_BYTES)
    start = size - _TAIL_BYTES - int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or start < 4:
        raise OSError("it does not end as a Parquet file does")
    file.seek(start)
    return start, file.read(size - start)
