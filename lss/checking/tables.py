"""The table of a folder's notes or grades, and its columns: those of the settings, or others that are guessed.

A guess is made from the names of columns and from what stands in them. It is always said which it is; where several
columns would do equally, or none does, none is taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lss.checking.problems import Problem, Weight
from lss.cohorts.base import patient_number
from lss.cohorts.series_names import plainly
from lss.cohorts.settings import FolderParams
from lss.cohorts.slice_grade import parse_grade
from lss.cohorts.slice_table import COLUMNS, FILE, SliceTable
from lss.cohorts.spreadsheets import (
    TABLES,
    is_of_people,
    other_sheets,
    plain,
    read_cells,
    refuse_double_columns,
    rows_above_header,
)
from lss.errors import LssError
from lss.notes.grade_file import NOTE_COLUMNS, PATIENT_COLUMNS

MIN_NOTE_LENGTH = 20
"""Mean number of signs in the filled cells of a column of notes."""

MIN_GRADE_SHARE = 0.8
"""Share of the filled cells of a column of grades that are grades."""

_UNREAD_TABLES = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_NOTES = re.compile(
    r"note|report|text|befund|beurteilung|finding|impression|conclusion|opinion|informe|hallazgo|impresion|compte|rendu"
    r"|referto|rapor|laudo|verslag|заключ|описан|报告|所见|诊断"
)
"""Words in names of columns of notes, as `plainly` writes them."""
_NO_NOTES = re.compile(
    r"histor|anamnes|indicat|indik|question|frage|klinik|clinical inf|request|reason|complain|symptom"
)
"""Words in names of columns whose texts ask for a finding, and state none."""
_GRADES = re.compile(r"(?<![a-z])(grad(e|es|ing|o|us)?(?![a-z])|\w*schizas|\w*stenos\w*|estenos\w*|sever\w*|schwere\w*)"
                     r"|stenosegrad|степен|стеноз|狭窄|分级")  # fmt: skip
_OTHER_GRADES = re.compile(r"foram|recess|lateral|pfirrmann|modic|listh|meyerding|facet|arthr|disc|disk|degenerat"
                           r"|tumou?r|school|cervi|thora|(?<![a-z0-9])[lts]\d")  # fmt: skip
"""Words in names of columns that grade something else, or one disc."""


@dataclass(frozen=True)
class Table:
    """A table of a folder: the cells below its header, and how many rows stand above that."""

    name: str
    header: list[str]
    rows: list[list[str]]
    titles: int = 0

    @cached_property
    def names(self) -> dict[str, str]:
        """The columns' names by how they are compared."""
        return {plain(name): name for name in self.header if name}

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """The filled cells of every column."""
        return {
            name: [row[index] for row in self.rows if len(row) > index and row[index]]
            for index, name in enumerate(self.header)
            if name
        }


@dataclass(frozen=True)
class Guess:
    """A column, None where none or several would do, and why, in words that follow the list of columns."""

    column: str | None
    why: str = ""


def usable_table(root: Path, settings: FolderParams) -> tuple[FolderParams, list[Problem]]:
    """Return settings of a folder's table with which it can be read, and what was wrong with those given.

    Wrong ones are replaced by what names and cells suggest; a table that cannot be read so far is left out.
    """
    problems: list[Problem] = []
    patients = _patients(root)
    if settings.table is None:
        tables = [table for table in _tables(root) if FILE not in table.names]
        if not tables:
            return settings, [_no_table(root)]
        chosen, words = _choose(tables, settings, patients)
        detail = f"tables in the folder: {', '.join(table.name for table in tables)}; none is named{words}"
        mend = f"cohort.folder.table: {chosen.name}"
        problems.append(stop("table not named", detail, mend, "Name the one with a row per patient."))
        settings = settings.model_copy(update={"table": chosen.name})
    try:
        table = _read(root, str(settings.table), settings.patient_column)
    except LssError as error:
        unread = stop("table cannot be read", str(error), "cohort.folder.table", "See the detail.", str(settings.table))
        return settings.model_copy(update={"table": None}), [*problems, unread]
    if table.titles:
        above = "row 1" if table.titles == 1 else f"rows 1 to {table.titles}"
        detail = f"{above} above the columns' names, which stand in row {table.titles + 1}: no patient of it was read"
        problems.append(stop("title above the header", detail, "", f"Remove {above} from the table.", table.name))
    settings, wrong = _columns(root, table, settings, patients)
    return settings, [*problems, *wrong]


def _columns(
    root: Path, table: Table, settings: FolderParams, patients: list[Collection[str]]
) -> tuple[FolderParams, list[Problem]]:
    """Return settings whose columns the table has; without the table where its patients are not known or cannot be
    read below a title.
    """
    listed, problems = ", ".join(filter(None, table.header)) or "none", []
    if others := other_sheets(root / table.name).rstrip(". "):
        listed += f" ({others[0].lower()}{others[1:]})"
    changes: dict[str, str | None] = {}
    for setting, column in settings.model_dump().items():
        if not setting.endswith("_column") or column is None or plain(column) in table.names:
            continue
        if setting == "note_column" and settings.grade_column:
            continue  # where grades are given there need be no notes
        guess = _guess(setting, table, patients)
        mend = f"cohort.folder.{setting}: {guess.column or ('null' if setting != 'patient_column' else '...')}"
        detail = f"no column {column!r}; its columns: {listed}{guess.why}"
        remedy = "Set it to the column's name" + ("." if setting == "patient_column" else ", or to null without one.")
        problems.append(stop("column missing", detail, mend, remedy, table.name))
        changes[setting] = guess.column
    if table.titles or changes.get("patient_column", settings.patient_column) is None:
        return settings.model_copy(update={"table": None}), problems
    settings = settings.model_copy(update=changes)
    if settings.grade_column is None:
        grade = _grade_guess(table)
        if settings.note_column is None:
            detail = f"neither notes nor grades are named; its columns: {listed}{grade.why}"
            mend = f"cohort.folder.grade_column: {grade.column or '...'}"
            problems.append(stop("no notes or grades", detail, mend, "Name the column of one.", table.name))
            settings = settings.model_copy(update={"grade_column": grade.column})
        elif grade.column or grade.why:
            detail = f"notes are graded by the rubric{grade.why or f'; column {grade.column!r} holds grades, not used'}"
            mend, remedy = f"cohort.folder.grade_column: {grade.column or '...'}", "Name the column to use its grades."
            problems.append(Problem(Weight.LOOK, "grades not used", detail, mend, remedy, table.name))
    return settings, problems


def _choose(tables: list[Table], settings: FolderParams, patients: list[Collection[str]]) -> tuple[Table, str]:
    """Return the table that holds most of what a table of patients needs, and words on the choice where there was
    one.
    """
    worth = {table.name: _worth(table, settings, patients) for table in tables}
    best = max(worth.values())
    alike = [table for table in tables if worth[table.name] == best]
    if len(tables) == 1:
        return tables[0], ""
    if len(alike) > 1:
        return alike[0], f"; {' and '.join(table.name for table in alike)} would do equally: the first is a guess"
    usable, known, _, _ = best
    why = f"texts or grades of {known} patients" if usable and known else "the names of its columns"
    return alike[0], f"; {alike[0].name} is a guess, by {why}"


def _worth(table: Table, settings: FolderParams, patients: list[Collection[str]]) -> tuple[bool, int, bool, bool]:
    """Return whether a table holds patients and notes or grades, how many patients of the folder, whether its notes or
    grades are such by their cells, and whether a column is called one of patients.
    """

    def column(setting: str) -> str | None:
        stated = getattr(settings, setting)
        return table.names.get(plain(stated or "")) or _guess(setting, table, patients).column

    patient, note, grade = (column(f"{kind}_column") for kind in ("patient", "note", "grade"))
    known = _shared(table.columns[patient], patients) if patient else 0
    said = bool(note and _is_text(table.columns[note])) or bool(grade)
    named = not table.names.keys().isdisjoint({plain(settings.patient_column), *PATIENT_COLUMNS})
    return bool(patient and (note or grade)), known, said, named


def _guess(setting: str, table: Table, patients: list[Collection[str]]) -> Guess:
    """Return the column of a table that a setting may mean; none for the settings of plane and weighting."""
    if setting == "patient_column":
        return _patient_guess(table, patients)
    if setting == "note_column":
        return _note_guess(table)
    return _grade_guess(table) if setting == "grade_column" else Guess(None)


def _patient_guess(table: Table, patients: list[Collection[str]]) -> Guess:
    """Return the column that names patients of the folder: by its own name, else the one with most of them."""
    usual = [table.names[name] for name in PATIENT_COLUMNS if name in table.names]
    shares = {name: _shared(cells, patients) for name, cells in table.columns.items()}
    if called := next((name for name in usual if shares[name]), None):
        return Guess(called)
    most = max(shares.values(), default=0)
    if not most:
        return Guess(usual[0] if usual else None)
    best = [name for name, share in shares.items() if share == most]
    if len(best) > 1:
        return Guess(None, f"; {' and '.join(map(repr, best))} name the folder's patients equally well")
    return Guess(best[0], f"; {best[0]!r} is a guess, by {most} names of folders or files in it")


def _note_guess(table: Table) -> Guess:
    """Return the column of texts: by its usual name, by a word in its name, else the longest ones of no person."""
    usual = [table.names[name] for name in NOTE_COLUMNS if name in table.names]
    texts = {name: sum(map(len, cells)) / len(cells) for name, cells in table.columns.items() if _is_text(cells)}
    if called := next((name for name in usual if name in texts), None):
        return Guess(called)
    texts = {name: length for name, length in texts.items() if not _NO_NOTES.search(plainly(name))}
    worded = {name: length for name, length in texts.items() if _NOTES.search(plainly(name))}
    others = {name: length for name, length in texts.items() if not is_of_people(name)}
    found = worded or others
    if not found:
        return Guess(usual[0] if usual else None)
    longest = max(found, key=lambda name: found[name])
    rest = [name for name in others if name != longest]
    beside = f"; texts stand in {', '.join(map(repr, rest))} too" if rest else ""
    return Guess(longest, f"; {longest!r} is a guess, by the length of its cells{beside}")


def _grade_guess(table: Table) -> Guess:
    """Return the column that is called one of grades and holds such; why none is, where one is called so."""
    called = [
        name for name in table.columns if _GRADES.search(word := plainly(name)) and not _OTHER_GRADES.search(word)
    ]
    called = [name for name in called if not _is_text(table.columns[name])]
    holding = [name for name in called if _grade_share(table.columns[name]) >= MIN_GRADE_SHARE]
    if len(holding) == 1:
        return Guess(holding[0])
    if holding:
        return Guess(None, f"; columns {', '.join(map(repr, holding))} hold grades: say which")
    for name in called:
        if cells := table.columns[name]:
            some = ", ".join(sorted(set(cells), key=cells.index)[:3])
            return Guess(
                None, f"; column {name!r} holds {some}: no grades as A, B, C, D or Normal/Mild, Moderate, Severe"
            )
    return Guess(None)


def _grade_share(cells: list[str]) -> float:
    """Return the share of cells that are grades, 0 to 1; an empty column has none."""

    def is_grade(cell: str) -> bool:
        try:
            return parse_grade(cell) is not None
        except ValueError:
            return False

    said = [cell for cell in cells if plain(cell) not in ("none", "nan", "na", "n/a")]
    return sum(map(is_grade, said)) / len(said) if said else 0.0


def _is_text(cells: list[str]) -> bool:
    return bool(cells) and sum(map(len, cells)) / len(cells) >= MIN_NOTE_LENGTH


def _shared(cells: list[str], patients: list[Collection[str]]) -> int:
    """Return how many patients a column names: of the outermost folders and files, or where none of those of the
    folders in them.
    """
    named = {patient_number(cell) for cell in cells}
    return next((shared for known in patients if (shared := len(named & set(known)))), 0)


def _patients(root: Path) -> list[Collection[str]]:
    """Return names that patients may have: of the folders and files in `root`, then of the folders in those folders."""
    entries = list(root.iterdir())
    folders = [entry for entry in entries if entry.is_dir()]
    stems = {entry.name.split(".")[0] for entry in entries if entry not in folders}
    stems |= {re.sub(r"[_-]\d+$", "", stem) for stem in stems}
    first = {patient_number(name) for name in {*stems, *(folder.name for folder in folders)}}
    second = set()
    for folder in folders:
        try:
            second |= {patient_number(entry.name) for entry in folder.iterdir() if entry.is_dir()}
        except OSError:  # which its files' own lines say
            continue
    return [first, second]


def usable_slices(root: Path, settings: FolderParams) -> tuple[FolderParams, list[Problem]]:
    """Return settings without a table of single files that cannot be read, or with one that lies there and is not
    named.
    """
    if settings.slices is None:
        for table in _tables(root):
            header = table.names.keys()
            if FILE in header and not header.isdisjoint(COLUMNS) and table.name != settings.table:
                detail = f"{table.name} says {', '.join(sorted(header & {*COLUMNS}))} of files"
                mend, remedy = f"cohort.folder.slices: {table.name}", "Name it to use it."
                unused = Problem(Weight.LOOK, "table not named", detail, mend, remedy, table.name)
                return settings.model_copy(update={"slices": table.name}), [unused]
        return settings, []
    try:
        SliceTable(root / settings.slices, [])
    except LssError as error:
        setting = "cohort.folder.slices"
        unread = stop("table cannot be read", str(error), setting, "See the detail.", settings.slices)
        return settings.model_copy(update={"slices": None}), [unread]
    return settings, []


def _no_table(root: Path) -> Problem:
    remedy = "Bring a CSV or Excel table with a row per patient, and name it and its columns."
    detail = "no table in the folder, so no slice has a grade"
    if others := [path.name for path in sorted(root.iterdir()) if path.suffix.lower() in _UNREAD_TABLES]:
        detail += f"; {', '.join(others)} cannot be read: save it as .xlsx"
    elif deeper := sorted(path.relative_to(root).as_posix() for path in root.glob("*/*") if _is_table(path)):
        more = f" and {len(deeper) - 3} more" if len(deeper) > 3 else ""
        detail += f"; in its folders lie {', '.join(deeper[:3])}{more}, which can be named with the folder"
    return stop("no notes or grades", detail, "cohort.folder.table", remedy)


def _tables(root: Path) -> list[Table]:
    """Return tables directly in a folder, by their names; of one that cannot be read the name alone."""
    tables = []
    for path in sorted(filter(_is_table, root.iterdir())):
        try:
            tables.append(_read(root, path.name))
        except LssError:
            tables.append(Table(path.name, [], []))
    return tables


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLES and path.is_file() and not path.name.startswith((".", "~"))


def _read(root: Path, name: str, patient_column: str | None = None) -> Table:
    """Return a table, without what stands above its header. Raises LssError where it cannot be read.

    Args:
        root: folder of the cohort.
        name: of the table, relative to it.
        patient_column: a header in row 1 if it stands there.
    """
    cells = read_cells(root / name) or [[]]
    refuse_double_columns(root / name, cells[0])
    first = {plain(cell) for cell in cells[0]}
    titles = 0 if patient_column and plain(patient_column) in first else rows_above_header(cells)
    return Table(name, cells[titles], cells[titles + 1 :], titles)


def stop(kind: str, detail: str, mend: str, remedy: str, file: str = "") -> Problem:
    """Return a problem that stops the run."""
    return Problem(Weight.STOPS, kind, detail, mend, remedy, file)
