"""Tables beside the images of the Lumbar Spine MRI Dataset: the notes, and which slices show which disc."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lss.cohorts.base import Reject, patient_number, whole_number
from lss.cohorts.needed_files import DEPTHS, NOTES_PATTERNS
from lss.cohorts.spreadsheets import numbered_rows, people_of, read_cells
from lss.errors import LssError
from lss.fetch.sources import COHORT_REMEDY

PATIENT_COLUMN, NOTE_COLUMN = "Patient ID", "Clinician's Notes"
DISCS = ("L3-L4", "L4-L5", "L5-S1")


class Note(NamedTuple):
    """A patient's note, and the other identifying cells of its row."""

    text: str
    people: frozenset[str]


def read_notes(root: Path) -> tuple[dict[str, Note], list[Reject]]:
    """Return notes by patient number from the workbook below `root`; unusable rows and further workbooks as rejects.

    Raises LssError when there is no workbook, or it lacks a column.
    """
    books = _below(root, NOTES_PATTERNS)
    if not books:
        raise LssError(f"{root}: no 'Radiologists Report.xlsx'. {COHORT_REMEDY['lss']}")
    name = books[0].relative_to(root).as_posix()
    rejects = _unread(books, root)
    notes: dict[str, Note] = {}
    for number, row in numbered_rows(books[0], [PATIENT_COLUMN, NOTE_COLUMN]):
        patient, where = patient_number(row[PATIENT_COLUMN]), f"{name}#row{number}"
        if not row[PATIENT_COLUMN]:
            rejects.append(Reject(where, "note without a patient", "no patient number", "Fill in the patient."))
        elif patient in notes:
            rejects.append(Reject(where, "duplicate note", "a second row of this patient", "Keep one row a patient."))
        else:
            text = row.pop(NOTE_COLUMN)
            notes[patient] = Note(text, people_of(row))
    return notes, rejects


def read_slice_numbers(root: Path) -> tuple[dict[str, tuple[int, ...]], list[Reject]]:
    """Return positions of the slices through the last three discs by patient number; nothing without the companion
    table.

    A row of `Slices Numbers.csv` holds a patient and three positions, counted from 1 in the naturally sorted files of
    an axial series: of the discs in `DISCS`. Its first four columns count, with or without a header.
    """
    csv_files = _below(root, tuple(f"{depth}*.csv" for depth in DEPTHS))
    tables = [path for path in csv_files if path.stem.lower() == "slices numbers"]
    numbers: dict[str, tuple[int, ...]] = {}
    rejects = _unread(tables, root)
    for table in tables[:1]:
        for row_number, row in enumerate(read_cells(table), start=1):
            where, patient = f"{table.name}#row{row_number}", patient_number(row[0]) if row else ""
            if len(row) < 4 or not patient or None in map(whole_number, row[1:4]):
                if row_number > 1 and any(row):
                    detail = "no patient and three whole numbers"
                    rejects.append(Reject(where, "unusable row", detail, "Correct the row, or remove it."))
            elif patient in numbers:
                detail = "a second row of this patient"
                rejects.append(Reject(where, "duplicate row", detail, "Keep one row a patient; the first was used."))
            else:
                numbers[patient] = tuple(whole_number(cell) or 0 for cell in row[1:4])
    return numbers, rejects


def _unread(tables: list[Path], root: Path) -> list[Reject]:
    """Return all but the first of several tables of one kind, which is the one that is read."""
    names = [table.relative_to(root).as_posix() for table in tables]
    return [
        Reject(name, "second table", "another one of its kind was read", "Keep one.", private=f"read: {names[0]}")
        for name in names[1:]
    ]


def _below(root: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted(path for pattern in patterns for path in root.glob(pattern) if path.is_file())
