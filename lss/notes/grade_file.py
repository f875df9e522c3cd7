"""Grade every note of an Excel or CSV file: the verb `lss grade-notes`."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from lss.cohorts.spreadsheets import read_cells, refuse_double_columns
from lss.domain.grades import GRADE_LABELS, GRADES, format_level_grades
from lss.errors import LssError
from lss.notes.doubt import doubtful_words
from lss.notes.grading import grade_note
from lss.storage.io import write_text

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
    doubtful: int = 0  # notes with wording that no rule knows

    def __str__(self) -> str:
        counts = ", ".join(f"{GRADE_LABELS.get(grade, grade)}: {count}" for grade, count in self.by_grade.items())
        written = self.notes - self.empty
        share = f" ({100 * self.doubtful / written:.1f} % of the notes with text)" if written else ""
        return (
            f"{self.notes} notes, {self.empty} of them empty. {counts}\n"
            f"Doubtful, with wording that no rule knows: {self.doubtful}{share}"
        )


def grade_file(
    source: Path, output: Path, patient_column: str | None = None, note_column: str | None = None
) -> GradeSummary:
    """Write the grades of all notes in `source` to the CSV `output`.

    Columns written: patient_id, grade (A, BC, D, none), level_grades ("L4-L5:BC;L5-S1:A"), evidence (the words the
    grades rest on), doubtful (wording that no rule knows, to be looked at by a person). Rows keep the order of the
    file.

    Args:
        source: .xlsx (first sheet) or .csv (UTF-8; comma, semicolon or tab).
        output: written atomically, UTF-8.
        patient_column: name of the column of patient ids; None looks for `PATIENT_COLUMNS`.
        note_column: name of the column of notes; None looks for `NOTE_COLUMNS`.

    Raises LssError when the file cannot be read or a column is missing.
    """
    if source.suffix.lower() not in (".xlsx", ".csv"):
        raise LssError(f"{source}: is neither .xlsx nor .csv. Save the notes in one of these formats.")
    header, *rows = read_cells(source) or [[]]
    refuse_double_columns(source, header)
    patient = _column(header, source, patient_column, PATIENT_COLUMNS, "--patient-column")
    note = _column(header, source, note_column, NOTE_COLUMNS, "--note-column")
    patients, notes = (
        [row[index] if index < len(row) else "" for row in rows if any(row)] for index in (patient, note)
    )
    graded = [grade_note(note) for note in notes]
    doubts = [doubtful_words(note) for note in notes]
    grades = [result.grade or NO_GRADE for result in graded]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("patient_id", "grade", "level_grades", "evidence", "doubtful"))
    writer.writerows(
        (patient_id, grade, format_level_grades(result.level_grades), result.evidence, "; ".join(doubt))
        for patient_id, grade, result, doubt in zip(patients, grades, graded, doubts, strict=True)
    )
    write_text(output, text.getvalue())
    counts = {grade: grades.count(grade) for grade in (*GRADES, NO_GRADE)}
    return GradeSummary(len(notes), notes.count(""), counts, sum(map(bool, doubts)))


def _column(header: list[str], source: Path, name: str | None, usual: tuple[str, ...], option: str) -> int:
    """Return the index of a column by its name, or of the first one with a usual name."""
    wanted = [name] if name is not None else list(usual)
    by_name = {column.lower().replace("\u2019", "'"): index for index, column in enumerate(header)}
    for candidate in wanted:
        if (index := by_name.get(candidate.strip().lower())) is not None:
            return index
    columns = ", ".join(filter(None, header)) or "none"
    raise LssError(f"{source}: no column {' or '.join(map(repr, wanted))}; it has: {columns}. Name it with {option}.")
