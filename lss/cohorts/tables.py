"""Tables that come with a cohort, CSV or Excel, as plain rows of text."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import openpyxl

from lss.errors import LssError

Row = dict[str, str]


def read_table(path: Path, columns: list[str]) -> list[Row]:
    """Rows of a CSV (UTF-8) or Excel file (.xlsx, first sheet), every cell as stripped text, "" where empty.

    Column names are compared without regard to case, surrounding blanks and the kind of apostrophe; the rows
    carry the names as given in `columns`, and further columns under their own names.

    Raises:
        LssError: names the file and the columns found, when it cannot be read or lacks a column.
    """
    rows = _read_excel(path) if path.suffix.lower() == ".xlsx" else _read_csv(path)
    header = [name.strip() for name in rows[0]] if rows else []
    found = {_plain(name): index for index, name in enumerate(header) if name}
    missing = [name for name in columns if _plain(name) not in found]
    if missing:
        raise LssError(
            f"{path}: no column {', '.join(map(repr, missing))}. Columns found: "
            f"{', '.join(map(repr, filter(None, header))) or 'none'}. Rename them, or name yours in params.yaml."
        )
    wanted = {_plain(name): name for name in columns}
    names = [(index, wanted.get(plain, header[index])) for plain, index in found.items()]
    table = [{name: row[index].strip() if index < len(row) else "" for index, name in names} for row in rows[1:]]
    return [row for row in table if any(row.values())]


def _plain(name: str) -> str:
    return name.strip().casefold().replace("’", "'").replace("`", "'")


def _read_csv(path: Path) -> list[list[str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise LssError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise LssError(f"{path}: is not UTF-8 (byte {error.start}). Save it as CSV UTF-8, or as .xlsx.") from error
    try:
        first = text.split("\n", 1)[0]
        delimiter = max(",;\t", key=first.count)
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise LssError(f"{path}: is no CSV table ({error}). Save it again as CSV UTF-8, or as .xlsx.") from error


def _read_excel(path: Path) -> list[list[str]]:
    try:
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            cells = workbook.worksheets[0].iter_rows(values_only=True)
            return [["" if cell is None else str(cell) for cell in row] for row in cells]
        finally:
            workbook.close()
    except OSError as error:
        raise LssError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError) as error:
        raise LssError(f"{path}: is no Excel workbook ({error}). Save it again as .xlsx.") from error
