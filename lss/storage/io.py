"""Write files beside their destination and rename them into it, so that none is ever half written."""

from __future__ import annotations

import csv
import errno
import fcntl
import glob
import hashlib
import io
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lss.errors import LssError
from lss.runtime.faults import explain
from lss.storage.parquet_files import TableReader, seal
from lss.storage.unreadable import unreadable

OWNER_ONLY = 0o600
"""Rights of a file that names patients."""


def _moment(step: str, path: Path) -> None:
    """Stand for a moment between two steps of writing `path`; tests put a fault in its place."""


@contextmanager
def atomic_path(path: Path | str, mode: int | None = None) -> Iterator[Path]:
    """Give a temporary path; rename what was written there to `path` if the block succeeds.

    Its rights are those that the user's umask gives, or `mode`.

    It lies in a hidden folder of its own beside `path`, which only the owner may read, since some libraries
    (safetensors) write beside a file themselves. What a killed process left of the same file is removed first: nobody
    else would, and DVC would track it. Of two processes that write one path at a time the second is refused.

    Raises LssError that names `path` and the remedy where the machine does not let it be written, or another process
    is writing it.
    """
    path = Path(path)
    with _folder_beside(path) as folder:
        temporary = folder / path.name
        yield temporary
        _moment("written", path)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())  # else a power cut may leave the new name on an empty file
        if mode is not None:
            temporary.chmod(mode)
        _moment("synced", path)
        temporary.replace(path)
        _moment("renamed", path)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Give a temporary folder; put it in place of the folder `path`, if there is one, if the block succeeds."""
    path = Path(path)
    with _folder_beside(path) as folder:
        temporary = folder / path.name
        temporary.mkdir()
        yield temporary
        _moment("written", path)
        if path.exists():
            path.replace(folder / "old")
            _moment("old one aside", path)
        temporary.replace(path)
        _moment("renamed", path)


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{path.name}."
        for left in path.parent.glob(f"{glob.escape(prefix)}????????"):
            _sweep(left, path)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as name, sole_user(Path(name), path):
            folder = Path(name)
            _moment("begun", path)
            yield folder
    except LssError:
        raise
    except Exception as error:
        if not _is_of_writing(error, path) or (explanation := explain(error)) is None:
            raise
        raise LssError(f"{path}: cannot be written: {explanation}") from error


def _sweep(left: Path, path: Path) -> None:
    """Remove what a killed process left while it wrote `path`; LssError where a living one is writing it."""
    if left.is_dir():
        with sole_user(left, path):
            shutil.rmtree(left)
    else:
        left.unlink()


@contextmanager
def sole_user(folder: Path, what: Path) -> Iterator[None]:
    """Hold `folder` while the block runs, for this process and its children; it need not be empty.

    The kernel lets go of it when they end, however they do. File systems without locks (some network drives) hold
    nothing.

    Raises LssError that names `what` when another process holds the folder.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise LssError(
            f"{what}: another process is making this now, and goes on. Wait until it has ended; then give the same "
            "command again if anything is left to do."
        ) from error
    except OSError:
        pass  # no locks here
    try:
        yield
    finally:
        os.close(handle)


def _is_of_writing(error: Exception, path: Path) -> bool:
    """Return whether an error names no other file than `path`, what is written beside it, or a folder above."""
    name = getattr(error, "filename", None)
    if name is None:
        return True
    at = Path(os.fsdecode(name))
    return at == path or path.is_relative_to(at) or os.fspath(at).startswith(os.fspath(path.parent / f".{path.name}."))


def write_text(path: Path | str, text: str, mode: int | None = None) -> None:
    """Write UTF-8 text atomically; what names patients with `mode=OWNER_ONLY`.

    A byte of a file's name that is no UTF-8 is written as `\\udc..`, which is an escape of JSON too.
    """
    with atomic_path(path, mode) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_csv(path: Path | str, rows: list[dict[str, Any]], columns: list[str], mode: int | None = None) -> None:
    """Write `columns` of `rows` as a UTF-8 CSV table, atomically; what names patients with `mode=OWNER_ONLY`."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_path(path, mode) as temporary:
        # a name on disk need not be UTF-8
        temporary.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically: sorted keys, two spaces, a newline at the end."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file; LssError names the file when it is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(path, "JSON", error) from error


def write_parquet(path: Path | str, rows: list[dict[str, Any]], schema: pa.Schema, row_group_size: int = 256) -> None:
    """Write `rows` (one dict per row, keys as in `schema`) as one zstd-compressed Parquet file, atomically.

    For tables that do not fit in memory use `parquet_writer`.
    """
    with parquet_writer(path, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema), row_group_size=row_group_size)


@contextmanager
def parquet_writer(path: Path | str, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Open a streaming Parquet writer (zstd, checksums) whose file appears at `path` only when the block succeeds."""
    with atomic_path(path) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer:
            yield writer
        seal(temporary)


def read_parquet(path: Path | str, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Read a table written with `schema`; LssError names the file and what is missing, damaged or wrong in it."""
    with TableReader(path, columns, schema=schema) as table:
        return table.read()


def sha256_file(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits. OSError for what has no end, such as a pipe or
    /dev/zero.
    """
    if not stat.S_ISREG(Path(path).stat().st_mode):  # to open a pipe would wait for its other end
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
