"""Open a cohort whose settings may be wrong: each wrong one is a problem, and is replaced, so that all is checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lss.checking.problems import Problem, Weight
from lss.cohorts import open_cohort
from lss.cohorts.base import Cohort, patient_number
from lss.cohorts.lss_dataset import IMAGES as LSS_IMAGES
from lss.cohorts.needed_files import all_missing_files
from lss.cohorts.rsna import IMAGES as RSNA_IMAGES
from lss.cohorts.settings import CohortParams, FolderParams, IngestParams
from lss.cohorts.several import Part, SeveralCohorts
from lss.cohorts.slice_table import COLUMNS, FILE, SliceTable
from lss.cohorts.spreadsheets import TABLES, plain, read_cells
from lss.errors import LssError
from lss.fetch.sources import COHORT_REMEDY
from lss.notes.grade_file import NOTE_COLUMNS, PATIENT_COLUMNS

MIN_NOTE_LENGTH = 20
"""Mean number of signs in the filled cells of a column of notes."""

GRADE_COLUMNS = ("grade", "stenosis grade", "stenosis", "severity")
_UNREAD_TABLES = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_USUAL = {"patient_column": PATIENT_COLUMNS, "note_column": NOTE_COLUMNS, "grade_column": GRADE_COLUMNS}


def open_for_check(
    folder: Path | None, cohort: CohortParams, ingest: IngestParams
) -> tuple[Cohort | None, CohortParams, list[Problem]]:
    """Return the reader, the settings it was opened with, and what was wrong with those of params.yaml.

    Of several archives that are one cohort those are read that can be opened.

    Args:
        folder: where the files lie; None where the settings say.
        cohort: settings of params.yaml. The kind of another folder follows from its content.
        ingest: settings of params.yaml.

    Returns:
        The reader is None where none can be opened.
    """
    if folder is not None:
        known = [archive for archive in cohort.archives.values() if archive.root.resolve() == folder.resolve()]
        cohort = known[0] if known else cohort.model_copy(update={"name": _kind(folder), "root": folder})
    if not cohort.labels:
        return _open_archive(cohort, ingest)
    problems: list[Problem] = []
    readers: dict[str, Part] = {}
    for part in cohort.parts:
        reader, used, wrong = _open_archive(part.as_cohort(cohort.batches), ingest)
        cohort = _with(cohort, part.label, used)
        problems += [
            replace(
                one,
                detail=f"archive {part.label} of cohort.parts: {one.detail}",
                mend=f"{part.label}: {one.mend}" if one.mend else "",
            )
            for one in wrong
        ]
        if reader:
            readers[part.label] = Part(reader, None)
    return SeveralCohorts(readers) if readers else None, cohort, problems


def _with(cohort: CohortParams, label: str, used: CohortParams) -> CohortParams:
    """Return the settings of several archives, of which one is read by those of `used`."""
    parts = [
        part.model_copy(update={"name": used.name, "folder": used.folder}) if part.label == label else part
        for part in cohort.parts
    ]
    return cohort.model_copy(update={"parts": parts})


def _open_archive(cohort: CohortParams, ingest: IngestParams) -> tuple[Cohort | None, CohortParams, list[Problem]]:
    """Do what `open_for_check` does for one archive."""
    problems: list[Problem] = []
    if cohort.name == "folder" and cohort.root.is_dir():
        settings, wrong = _usable_table(cohort.root, cohort.folder)
        problems += wrong
        settings, wrong = _usable_slices(cohort.root, settings)
        problems += wrong
        cohort = cohort.model_copy(update={"folder": settings})
    lacks = all_missing_files(cohort)
    if lacks:
        remedy = COHORT_REMEDY.get(cohort.name, "Run the stage cohort: `lss cohort`.")
        root = str(cohort.root)
        mend = "cohort.root" if not cohort.root.is_dir() else ""
        problems += [Problem(Weight.STOPS, "files missing", lack, mend, remedy, root) for lack in lacks]
        if cohort.name not in ("lss", "rsna") or not _has_images(cohort.root):
            return None, cohort, problems
    unread: list[LssError] = []
    try:
        reader = open_cohort(cohort, ingest, unread)
        messages = [str(error) for error in unread if not _is_named(str(error), lacks)]
        problems += [
            _stop("table cannot be used", text, "", "See the detail; the rest was checked.") for text in messages
        ]
        return reader, cohort, problems
    except LssError as error:
        stop = Problem(Weight.STOPS, "cannot be opened", str(error), remedy="See the detail.", file=str(cohort.root))
        return None, cohort, [*problems, stop]


def _is_named(error: str, lacks: list[str]) -> bool:
    """Return whether what a reader says of a table is that it is missing, which `lacks` says already."""
    absent = "there is no such file" in error or any(lack.removesuffix(" in it") in error for lack in lacks)
    return absent and bool(lacks)


def _has_images(root: Path) -> bool:
    """Return whether images of the archives lss or rsna lie there, with or without their tables."""
    return root.is_dir() and (_kind(root) != "folder" or any(root.glob("*.[zZ][iI][pP]")))


def _kind(folder: Path) -> str:
    """Return the name of the cohort that lies in a folder."""
    if (folder / RSNA_IMAGES).is_dir():
        return "rsna"
    return "lss" if any(folder.glob(LSS_IMAGES)) or any(folder.glob(f"*/{LSS_IMAGES}")) else "folder"


def _usable_table(root: Path, settings: FolderParams) -> tuple[FolderParams, list[Problem]]:
    """Return settings of a folder's table with which it can be read; wrong ones replaced by what its
    header suggests.
    """
    problems = []
    if settings.table is None:
        tables = {name: header for name, header in _tables(root).items() if FILE not in header}
        candidates = sorted(tables, key=lambda name: (tables[name].isdisjoint(PATIENT_COLUMNS), name))
        if not candidates:
            remedy = "Bring a CSV or Excel table with a row per patient, and name it and its columns."
            detail = "no table in the folder, so no slice has a grade"
            if others := [path.name for path in sorted(root.iterdir()) if path.suffix.lower() in _UNREAD_TABLES]:
                detail += f"; {', '.join(others)} cannot be read: save it as .xlsx"
            return settings, [_stop("no notes or grades", detail, "cohort.folder.table", remedy)]
        named = ", ".join(candidates)
        detail = f"tables in the folder: {named}; none is named"
        mend = f"cohort.folder.table: {candidates[0]}"
        problems.append(_stop("table not named", detail, mend, "Name the one with a row per patient."))
        settings = settings.model_copy(update={"table": candidates[0]})
    path = root / str(settings.table)
    try:
        header, *cells = read_cells(path) or [[]]
    except LssError as error:
        unread = _stop(
            "table cannot be read", str(error), "cohort.folder.table", "See the detail.", str(settings.table)
        )
        return settings.model_copy(update={"table": None}), [*problems, unread]
    names = {plain(name): name for name in header if name}
    changes: dict[str, str | None] = {}
    for setting, column in settings.model_dump().items():
        if not setting.endswith("_column") or column is None or plain(column) in names:
            continue
        if setting == "note_column" and settings.grade_column:
            continue  # where grades are given there need be no notes
        guess = next((names[usual] for usual in _USUAL.get(setting, ()) if usual in names), None)
        guess = guess or _by_content(setting, header, cells, root)
        listed = ", ".join(header) or "none"
        mend = f"cohort.folder.{setting}: {guess or ('null' if setting != 'patient_column' else '...')}"
        detail = f"no column {column!r}; its columns: {listed}"
        remedy = "Set it to the column's name" + ("." if setting == "patient_column" else ", or to null without one.")
        problems.append(_stop("column missing", detail, mend, remedy, str(settings.table)))
        changes[setting] = guess
    if "patient_column" in changes and changes["patient_column"] is None:
        return settings.model_copy(update={"table": None}), problems
    settings = settings.model_copy(update=changes)
    if settings.note_column is None and settings.grade_column is None:
        grade = _grade_column(settings, names)
        mend = f"cohort.folder.grade_column: {grade or '...'}"
        detail = f"neither notes nor grades are named; its columns: {', '.join(header)}"
        problems.append(_stop("no notes or grades", detail, mend, "Name the column of one.", str(settings.table)))
        settings = settings.model_copy(update={"grade_column": grade})
    return settings, problems


def _by_content(setting: str, header: list[str], cells: list[list[str]], root: Path) -> str | None:
    """Return the column of a table in any language: of patients, by the names of folders and files; of notes, by the
    length of its cells. None where none fits, and for other columns.
    """
    columns = {name: [row[index] for row in cells if len(row) > index] for index, name in enumerate(header) if name}
    if setting == "patient_column":
        known = {patient_number(entry.stem if entry.is_file() else entry.name) for entry in root.iterdir()}
        shares = {name: len(known & set(map(patient_number, filter(None, own)))) for name, own in columns.items()}
    elif setting == "note_column":
        lengths = {name: sum(map(len, own)) / max(1, len(list(filter(None, own)))) for name, own in columns.items()}
        shares = {name: int(length) for name, length in lengths.items() if length >= MIN_NOTE_LENGTH}
    else:
        return None
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] else None


def _usable_slices(root: Path, settings: FolderParams) -> tuple[FolderParams, list[Problem]]:
    """Return settings without a table of single files that cannot be read, or with one that lies there and is not
    named.
    """
    if settings.slices is None:
        for name, header in _tables(root).items():
            if FILE in header and not header.isdisjoint(COLUMNS) and name != settings.table:
                detail, remedy = f"{name} says {', '.join(sorted(header & {*COLUMNS}))} of files", "Name it to use it."
                mend = f"cohort.folder.slices: {name}"
                unused = Problem(Weight.LOOK, "table not named", detail, mend, remedy, name)
                return settings.model_copy(update={"slices": name}), [unused]
        return settings, []
    try:
        SliceTable(root / settings.slices, [])
    except LssError as error:
        setting = "cohort.folder.slices"
        unread = _stop("table cannot be read", str(error), setting, "See the detail.", settings.slices)
        return settings.model_copy(update={"slices": None}), [unread]
    return settings, []


def _grade_column(settings: FolderParams, names: dict[str, str]) -> str | None:
    return settings.grade_column or next((names[usual] for usual in GRADE_COLUMNS if usual in names), None)


def _tables(root: Path) -> dict[str, set[str]]:
    """Return tables directly in a folder, with the names of their columns."""
    columns = {}
    for path in sorted(root.iterdir()):
        if path.suffix.lower() in TABLES and path.is_file() and not path.name.startswith((".", "~")):
            try:
                columns[path.name] = {plain(cell) for cell in (read_cells(path) or [[]])[0]}
            except LssError:
                columns[path.name] = set()
    return columns


def _stop(kind: str, detail: str, mend: str, remedy: str, file: str = "") -> Problem:
    return Problem(Weight.STOPS, kind, detail, mend, remedy, file)
