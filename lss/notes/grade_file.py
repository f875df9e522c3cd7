"""Grade every note of an Excel or CSV file: the verb `lss grade-notes`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lss.errors import LssError
from lss.grades import GRADE_LABELS, GRADES, format_level_grades
from lss.io import write_text
from lss.notes.grading import grade_note

PATIENT_COLUMNS = ("patient id", "patient_id", "patient", "id")
NOTE_COLUMNS = ("clinician's notes", "clinicians notes", "note", "notes", "report", "text")
"""Column names looked for, case and surrounding blanks aside, when none is given."""

NO_GRADE = "none"
"""What the table says where a note has no grade."""


@dataclass(frozen=True)
class GradeSummary:
    """Counts of a run of `grade_file`."""

    notes: int
    empty: int
    by_grade: dict[str, int]  # keys: A, BC, D, none

    def __str__(self) -> str:
        counts = ", ".join(f"{GRADE_LABELS.get(grade, grade)}: {count}" for grade, count in self.by_grade.items())
        return f"{self.notes} notes, {self.empty} of them empty. {counts}"


def grade_file(
    source: Path, output: Path, patient_column: str | None = None, note_column: str | None = None
) -> GradeSummary:
    """Write the grades of all notes in `source` to the CSV `output`.

    Columns written: patient_id, grade (A, BC, D, none), level_grades ("L4-L5:BC;L5-S1:A"), evidence (the words the
    grades rest on). Rows keep the order of the file.

    Args:
        source: .xlsx (first sheet) or .csv (UTF-8).
        output: written atomically, UTF-8.
        patient_column: name of the column of patient ids; None looks for `PATIENT_COLUMNS`.
        note_column: name of the column of notes; None looks for `NOTE_COLUMNS`.

    Raises LssError when the file cannot be read or a column is missing.
    """
    table = _read(source)
    patients = _column(table, source, patient_column, PATIENT_COLUMNS, "--patient-column")
    notes = _column(table, source, note_column, NOTE_COLUMNS, "--note-column").str.strip()
    graded = [grade_note(note) for note in notes]
    grades = [result.grade or NO_GRADE for result in graded]
    written = pd.DataFrame(
        {
            "patient_id": patients,
            "grade": grades,
            "level_grades": [format_level_grades(result.level_grades) for result in graded],
            "evidence": [result.evidence for result in graded],
        }
    )
    write_text(output, written.to_csv(index=False, lineterminator="\n"))
    counts = {grade: grades.count(grade) for grade in (*GRADES, NO_GRADE)}
    return GradeSummary(len(notes), int((notes == "").sum()), counts)


def _read(source: Path) -> pd.DataFrame:
    """All cells as text, empty cells as ""."""
    kind = source.suffix.lower()
    try:
        if kind == ".xlsx":
            return pd.read_excel(source, dtype=str, keep_default_na=False)
        if kind == ".csv":
            return pd.read_csv(source, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise LssError(f"{source}: there is no such file. Give the path of an Excel or CSV file of notes.") from None
    except Exception as error:  # the readers of both formats raise many kinds
        raise LssError(
            f"{source}: cannot be read as {kind[1:]} ({error}). Save it again as .xlsx or UTF-8 .csv."
        ) from error
    raise LssError(f"{source}: is neither .xlsx nor .csv. Save the notes in one of these formats.")


def _column(table: pd.DataFrame, source: Path, name: str | None, usual: tuple[str, ...], option: str) -> pd.Series:
    """A column by its name, or the first one with a usual name."""
    wanted = [name] if name is not None else list(usual)
    by_name = {str(column).strip().lower().replace("\u2019", "'"): column for column in table.columns}
    for candidate in wanted:
        if (column := by_name.get(candidate.strip().lower())) is not None:
            return table[column]
    columns = ", ".join(map(str, table.columns)) or "none"
    raise LssError(f"{source}: no column {' or '.join(map(repr, wanted))}; it has: {columns}. Name it with {option}.")
