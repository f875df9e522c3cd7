"""Tables that come with a cohort, CSV or Excel, as plain rows of text."""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lss.errors import LssError

Row = dict[str, str]
T = TypeVar("T")

TABLES = (".csv", ".tsv", ".xlsx")
"""Endings of the tables that `read_cells` reads."""

MAX_WORKBOOK = 128 * 2**20
"""Bytes of all parts of a workbook, unpacked."""

_LONGEST_WORD = 24
"""Letters of an id, a grade or a date in a cell, not of a note."""

MAX_CELLS = 5_000_000
"""Cells of a sheet, empty ones before the last of a row included."""

_MOST_TITLES = 20
"""So many first rows are looked through for a header."""

_MARK_REMEDY = "A quotation mark in it opens a cell that no other closes there: remove it, or write it twice."
_OF_PEOPLE = re.compile(
    r"name|nom\b|surname|(?<![a-z])id(?![a-z])|patient|mrn|accession|birth|dob|geb|phone|tel|mobile|mail|address|adresse"
    r"|doctor|physician|radiologist|surgeon|refer|hospital|institution|clinic\b|insurance|ssn|record|street|city|town"
    r"|contact|stra(?:ß|ss)e|anschrift|wohnort|arzt|ärzt|klinik|krankenhaus|praxis|versicher|kasse|apellido|nombre"
    r"|direcci|m[ée]decin|m[ée]dico\b|h[ôo]pital",
    re.IGNORECASE,
)
"""Words in names of columns that identify a patient, or those who treat them."""

_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"})
_CARRIAGE_RETURN = re.compile("_x000D_", re.IGNORECASE)
"""How workbooks write a carriage return in a cell."""

_NO_VALUE = re.compile(rb"<f\b(?:[^<]*</f>|/>)\s*(?:<v\s*/>|<v></v>|</c>)")
_SEPARATOR = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)


def read_or_keep(read: Callable[[], T], otherwise: Any, unread: list[LssError] | None) -> T:
    """Return `read()`; where it raises LssError and `unread` is a list, append the error and return `otherwise`.

    So `lss check` reads on without a table, where the chain stops.
    """
    try:
        return read()
    except LssError as error:
        if unread is None:
            raise
        unread.append(error)
        return otherwise  # type: ignore[no-any-return]


def read_table(path: Path, columns: list[str]) -> list[Row]:
    """Return the rows of `numbered_rows` without their numbers."""
    return [row for _, row in numbered_rows(path, columns)]


def numbered_rows(path: Path, columns: list[str], optional: tuple[str, ...] = ()) -> list[tuple[int, Row]]:
    """Return rows of a table with their numbers as a spreadsheet shows them (the header is row 1); empty rows left out.

    Column names are compared without regard to case, surrounding blanks and the kind of apostrophe; the rows
    carry the names as given in `columns` and `optional`, and further columns under their own names.

    Raises:
        LssError: names the file and the columns found, when it cannot be read or lacks a column.
    """
    cells = read_cells(path)
    header, *rows = cells or [[]]
    positions = {plain(name): index for index, name in enumerate(header) if name}
    missing = [name for name in columns if plain(name) not in positions]
    if missing:
        raise LssError(
            f"{path}: no column {', '.join(map(repr, missing))}. Columns found: "
            f"{', '.join(map(repr, filter(None, header))) or 'none'}. {_where_else(path, cells, columns)}"
            "Rename them, or name yours in params.yaml."
        )
    refuse_double_columns(path, header)
    wanted = {plain(name): name for name in (*columns, *optional)}
    names = [(index, wanted.get(plain, header[index])) for plain, index in positions.items()]
    table = ({name: row[index] if index < len(row) else "" for index, name in names} for row in rows)
    return [(number, row) for number, row in enumerate(table, start=2) if any(row.values())]


def read_cells(path: Path) -> list[list[str]]:
    """Return all cells of a CSV or Excel file (.xlsx, first sheet) as stripped text.

    A CSV is UTF-8, or UTF-16 with its mark; its separator (comma, semicolon, tab or bar) is the one that gives the rows
    as many cells as the header, or the one in a first line "sep=;".

    "" stands for an empty cell; rows may differ in length.

    Raises LssError when the file cannot be read.
    """
    if not path.is_file():
        raise LssError(f"{path}: there is no such file.")
    rows = _read_excel(path) if path.suffix.lower() == ".xlsx" else _read_csv(path)
    return [[cell.strip() for cell in row] for row in rows]


def people_of(row: Row) -> frozenset[str]:
    """Return the identifying cells of a row of a patients' table, by the names of their columns."""
    return frozenset(cell for column, cell in row.items() if cell and is_of_people(column))


def is_of_people(column: str) -> bool:
    """Return whether a column's name says that its cells identify a patient, or those who treat them."""
    return bool(_OF_PEOPLE.search(column))


def rows_above_header(cells: list[list[str]]) -> int:
    """Return how many rows of titles or blanks stand above a table's header, 0 where its first row may be one.

    The header is the first row with at least half as many filled cells as the fullest of the first ones.

    >>> rows_above_header([["Lumbar study 2024", ""], ["", ""], ["id", "note"], ["1", "normal"]])
    2
    """
    filled = [sum(map(bool, row)) for row in cells[:_MOST_TITLES]]
    most = max(filled, default=0)
    return next((n for n, count in enumerate(filled) if count >= max(2, most / 2)), 0)


def refuse_double_columns(path: Path, header: list[str]) -> None:
    """Raise LssError where two columns of a table have one name: a row could hold one of them only."""
    counts = Counter(plain(name) for name in header if name)
    if double := [name for name in header if counts[plain(name)] > 1]:
        raise LssError(f"{path}: several columns are called {double[0]!r}. Rename all but one, or remove them.")


def _where_else(path: Path, cells: list[list[str]], columns: list[str]) -> str:
    """Return where a table has its header, if not in the first row of the first sheet: a sentence and
    a blank, or "".
    """
    wanted = {plain(name) for name in columns}
    for number, row in enumerate(cells[:_MOST_TITLES], start=1):
        if wanted <= {plain(cell) for cell in row}:
            return f"Row {number} has them: remove the rows above. "
    return other_sheets(path)


def other_sheets(path: Path) -> str:
    """Return what of a workbook of several sheets is not read: a sentence and a blank; "" of any other table."""
    sheets = _sheet_names(path) if path.suffix.lower() == ".xlsx" else []
    if len(sheets) > 1:
        return f"The first sheet alone is read, '{sheets[0]}'; beside it there are {', '.join(map(repr, sheets[1:]))}. "
    return ""


def plain(name: str) -> str:
    """Return a column's name as names are compared."""
    return name.strip().casefold().replace("’", "'").replace("`", "'")


def _read_csv(path: Path) -> list[list[str]]:
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except OSError as error:
        raise LssError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        encoding = "UTF-8" if error.encoding == "utf-8" else "UTF-16"
        raise LssError(f"{path}: is not {encoding} (byte {error.start}). Save it as CSV UTF-8, or as .xlsx.") from error
    if "\0" in text:
        raise LssError(f"{path}: holds bytes of value 0: UTF-16 without its mark, or no text. Save it as CSV UTF-8.")
    if stated := _SEPARATOR.match(text):
        text, signs = (
            text[stated.end() :],
            stated[1],
        )  # a spreadsheet does not show that line, so the header stays row 1
    else:
        signs = ",;\t|"
    parted = {sign: _parted(path, text, sign, strict=False) for sign in signs}
    sign = max(parted, key=lambda sign: _share_as_wide_as_the_header(parted[sign]))
    return _parted(path, text, sign, strict=True, first_line=2 if stated else 1)


def _parted(path: Path, text: str, sign: str, *, strict: bool, first_line: int = 1) -> list[list[str]]:
    """Return rows of a CSV text. `strict` raises LssError with the line where a quotation mark or a sign is out of
    place.

    One mark too many makes all rows up to the next one a single cell: a note would hold other patients' rows.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=strict)
    rows: list[list[str]] = []
    starts: list[int] = []  # line of the file in which each row begins
    start = first_line
    try:
        for row in reader:
            rows.append(row)
            starts.append(start)
            start = reader.line_num + first_line
    except csv.Error as error:
        raise LssError(
            f"{path}: line {start}: is no row of a CSV table ({error}). {_MARK_REMEDY} Or save the table as .xlsx."
        ) from error
    if strict:
        width = len(rows[0]) if rows else 0
        shapes = _shapes(rows[1:], width)
        for row, line in zip(rows, starts, strict=True):
            if width > 1 and any(row[width:]):
                raise LssError(
                    f"{path}: line {line}: has {len(row)} cells, the header {width}. Put a cell that holds {sign!r} "
                    "into quotation marks, or save the table as .xlsx."
                )
            if any(_holds_a_row(cell, sign, width, shapes) for cell in row):
                raise LssError(f"{path}: line {line}: holds other rows of the table in one cell. {_MARK_REMEDY}")
    return rows


def _shapes(rows: list[list[str]], width: int) -> dict[int, set[str]]:
    """Return what the cells look like (`_shape`) of the columns that hold ids, grades, or other single words; of the
    first column in any case.
    """
    columns = {index: {row[index].strip() for row in rows if len(row) > index} for index in range(width)}
    short = {index for index, cells in columns.items() if any(cells) and all(map(_is_word, cells))}
    return {index: {_shape(cell) for cell in columns[index] if cell} for index in columns if index in {0, *short}}


def _is_word(cell: str) -> bool:
    return len(cell) <= _LONGEST_WORD and not re.search(r"\s", cell)


def _holds_a_row(cell: str, sign: str, width: int, shapes: dict[int, set[str]]) -> bool:
    """Return whether a line within a cell looks like a row: as many cells as the header, and those of the columns of
    ids, grades or single words like others there.
    """
    parts = [line.split(sign) for line in cell.splitlines()[1:] if line.count(sign) >= width - 1]
    for columns in ([0], [index for index in shapes if index]):
        seen = [part for part in parts if len(part) == width or columns == [0]]
        if (
            width > 1
            and columns
            and any(
                all(part[index].strip() and _shape(part[index]) in shapes[index] for index in columns) for part in seen
            )
        ):
            return True
    return False


def _shape(cell: str) -> str:
    """Return what an id looks like: its letters as "a", its digits as one "9"; text of several words
    has none of an id.
    """
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]", "a", cell.strip().strip('"')))


def _share_as_wide_as_the_header(rows: list[list[str]]) -> tuple[float, int]:
    """Return how many of the rows have as many cells as the first of several cells, 0 to 1, and how many that are;
    (0, 0) for one column.
    """
    filled = [row for row in rows if any(row)]
    width = next((len(row) for row in filled[:_MOST_TITLES] if len(row) > 1), 0)
    return (sum(len(row) == width for row in filled) / len(filled), width) if width > 1 else (0.0, 0)


def _cell_text(cell: object) -> str:
    """Return a cell's value as text: whole numbers without a point or exponent, "" for an error such as #N/A."""
    if cell is None or (isinstance(cell, str) and cell in _ERRORS):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return _CARRIAGE_RETURN.sub("\r", str(cell))


def _refuse_unread_formulas(path: Path, rows: list[list[str]]) -> None:
    """Raise LssError where a cell holds a formula whose value was never stored: it would be read as empty."""
    import openpyxl

    with zipfile.ZipFile(path) as packed:
        sheets = [name for name in packed.namelist() if name.startswith("xl/worksheets/")]
        if not any(_NO_VALUE.search(packed.read(name)) for name in sheets):
            return
    workbook = openpyxl.load_workbook(path, read_only=True)
    try:
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()
        for row, values in zip(sheet.iter_rows(), rows, strict=True):
            for cell, value in zip(row, values, strict=True):
                if not value and str(cell.value or "").startswith("="):
                    raise LssError(
                        f"{path}: cell {cell.coordinate} holds a formula without its value. Open the workbook in a "
                        "spreadsheet program and save it, or write the value."
                    )
    finally:
        workbook.close()


def _sheet_names(path: Path) -> list[str]:
    import openpyxl

    workbook = openpyxl.load_workbook(path, read_only=True)
    try:
        return list(workbook.sheetnames)
    finally:
        workbook.close()


def _read_excel(path: Path) -> list[list[str]]:
    import openpyxl

    try:
        with zipfile.ZipFile(path) as packed:
            if sum(info.file_size for info in packed.infolist()) > MAX_WORKBOOK:
                raise LssError(f"{path}: unpacks to over {MAX_WORKBOOK >> 20} MiB. Save the first sheet alone.")
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheet = workbook.worksheets[0]
            sheet.reset_dimensions()  # what the file says of its size may be wrong, and rows beyond it would be lost
            rows: list[list[str]] = []
            cells = 0
            for row in sheet.iter_rows(values_only=True):
                cells += len(row)
                if cells > MAX_CELLS:
                    raise LssError(f"{path}: has over {MAX_CELLS} cells. Remove empty columns and rows.")
                rows.append([_cell_text(cell) for cell in row])
            _refuse_unread_formulas(path, rows)
            return rows
        finally:
            workbook.close()
    except LssError:
        raise
    except OSError as error:
        raise LssError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # those of zip, XML and openpyxl share no base class
        raise LssError(f"{path}: is no Excel workbook ({error}). Save it again as .xlsx.") from error
