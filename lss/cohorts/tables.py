"""Tables that come with a cohort, CSV or Excel, as plain rows of text."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from lss.errors import LssError

Row = dict[str, str]

TABLES = (".csv", ".tsv", ".xlsx")
"""Endings of the tables that `read_cells` reads."""


def read_table(path: Path, columns: list[str]) -> list[Row]:
    """The rows of `numbered_rows` without their numbers."""
    return [row for _, row in numbered_rows(path, columns)]


def numbered_rows(path: Path, columns: list[str]) -> list[tuple[int, Row]]:
    """Rows of a table with their numbers as a spreadsheet shows them (the header is row 1); empty rows left out.

    Column names are compared without regard to case, surrounding blanks and the kind of apostrophe; the rows
    carry the names as given in `columns`, and further columns under their own names.

    Raises:
        LssError: names the file and the columns found, when it cannot be read or lacks a column.
    """
    header, *rows = read_cells(path) or [[]]
    found = {plain(name): index for index, name in enumerate(header) if name}
    missing = [name for name in columns if plain(name) not in found]
    if missing:
        raise LssError(
            f"{path}: no column {', '.join(map(repr, missing))}. Columns found: "
            f"{', '.join(map(repr, filter(None, header))) or 'none'}. Rename them, or name yours in params.yaml."
        )
    plain_names = [plain(name) for name in header]
    if double := [name for name in columns if plain_names.count(plain(name)) > 1]:
        raise LssError(f"{path}: several columns are called {', '.join(map(repr, double))}. Rename all but one.")
    wanted = {plain(name): name for name in columns}
    names = [(index, wanted.get(plain, header[index])) for plain, index in found.items()]
    table = ({name: row[index] if index < len(row) else "" for index, name in names} for row in rows)
    return [(number, row) for number, row in enumerate(table, start=2) if any(row.values())]


def read_cells(path: Path) -> list[list[str]]:
    """All cells of a CSV (UTF-8; comma, semicolon or tab) or Excel file (.xlsx, first sheet) as stripped text.

    "" stands for an empty cell; rows may differ in length.

    Raises LssError when the file cannot be read.
    """
    if not path.is_file():
        raise LssError(f"{path}: there is no such file.")
    rows = _read_excel(path) if path.suffix.lower() == ".xlsx" else _read_csv(path)
    return [[cell.strip() for cell in row] for row in rows]


def plain(name: str) -> str:
    """A column's name as names are compared."""
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
    import openpyxl

    try:
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheet = workbook.worksheets[0]
            sheet.reset_dimensions()  # what the file says of its size may be wrong, and rows beyond it would be lost
            return [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
        finally:
            workbook.close()
    except OSError as error:
        raise LssError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # those of zip, XML and openpyxl share no base class
        raise LssError(f"{path}: is no Excel workbook ({error}). Save it again as .xlsx.") from error
