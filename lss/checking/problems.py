"""What a problem of a cohort is, and which setting or column of a table mends it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from lss.cohorts.base import NOTHING_TO_MEND, Reject
from lss.cohorts.labels import unlabelled
from lss.cohorts.lss_tables import NOTE_COLUMN, PATIENT_COLUMN
from lss.cohorts.settings import CohortParams


class Weight(StrEnum):
    """What becomes of a problem when the chain runs, the worst first."""

    STOPS = "stops the run"
    LEFT_OUT = "left out"
    LOOK = "to be looked at"
    AS_IT_SHOULD = "nothing to do"


@dataclass(frozen=True)
class Problem:
    """One problem of one file, one row of a table, or the whole cohort.

    `kind` is short and countable. `mend` is a setting of params.yaml, a table and its column, or empty where only the
    file itself can be mended; `remedy` says it in a sentence. `file` and `patient` are names as the owner has them;
    `slice` is the number of one of several in a file.
    """

    weight: Weight
    kind: str
    detail: str
    mend: str = ""
    remedy: str = ""
    file: str = ""
    slice: int | None = None
    patient: str = ""

    def row(self) -> dict[str, Any]:
        """Return the row of the CSV, whose columns are `COLUMNS`."""
        return asdict(self)


COLUMNS = ["weight", "kind", "patient", "file", "slice", "detail", "mend", "remedy"]


def of_reject(reject: Reject, cohort: CohortParams, patient: str = "") -> Problem:
    """Return a file or row that ingest leaves out."""
    weight = Weight.AS_IT_SHOULD if reject.reason in NOTHING_TO_MEND else Weight.LEFT_OUT
    detail = "; ".join(filter(None, (reject.detail, reject.private)))
    mend = mended_by(reject.reason, cohort, patient or reject.file)
    if reject.reason in ("unusable row", "duplicate row"):
        mend = reject.file.replace("#row", ", row ")
    return Problem(weight, reject.reason, detail, mend, reject.remedy, reject.file, patient=patient)


_NOTE_KINDS = frozenset(
    {"images without a note", "empty note", "duplicate note", "note without grade", "doubtful note"}
)
_PATIENT_KINDS = frozenset({"note without images", "note without a patient", "row without a patient"})
_SETTINGS = {
    "missing pixel spacing": "ingest.assumed_spacing_mm",
    "assumed spacing": "ingest.assumed_spacing_mm",
    "level unknown": "ingest.unknown_level",
    "second table": "cohort.folder.table",
    "near-identical images": "split.file or split.duplicate_bits",
    "one person, several patients": "split.file",
    "grade absent": "split.fractions or split.file",
}
_TABLES = {
    "lss": {
        "note": f"Radiologists Report.xlsx, column {NOTE_COLUMN}",
        "patient": f"Radiologists Report.xlsx, column {PATIENT_COLUMN}",
        "level": "Slices Numbers.csv",
    },
    "rsna": {
        "note": "train.csv, columns spinal_canal_stenosis_...",
        "patient": "train.csv, column study_id",
        "level": "train_label_coordinates.csv, columns instance_number and level",
        "weighting": "train_series_descriptions.csv, column series_description",
    },
}


def mended_by(kind: str, cohort: CohortParams, name: str = "") -> str:
    """Return the setting, or the table and its column, that mends a kind of problem in this cohort; ""
    where none does.

    Args:
        kind: of the problem.
        cohort: its settings.
        name: of the patient or file, by whose label one of several archives is found.
    """
    label, _ = unlabelled(name, cohort.labels)
    if text := _of_archive(kind, cohort.archive_of(name)):
        return f"{label}: {text}" if label else text
    return _SETTINGS.get(kind, "")


def _of_archive(kind: str, cohort: CohortParams) -> str:
    """Return the table of one archive, and its column, that mends a kind of problem; "" where none does."""
    what = kind.removesuffix(" unknown").removeprefix("doubtful ")
    kept = _TABLES.get("lss" if cohort.name == "phantom" else cohort.name, {})
    tables = _folder(cohort) if cohort.name == "folder" else kept
    if kind in _NOTE_KINDS:
        what = "note"
    elif kind in _PATIENT_KINDS:
        what = "patient"
    elif kind in ("unknown grade", "no grade"):
        what = "grade" if "grade" in tables else "note"
    return tables.get(what, "")


def _folder(cohort: CohortParams) -> dict[str, str]:
    """Return columns of a folder's tables."""
    settings = cohort.folder
    slices = settings.slices or "cohort.folder.slices"
    columns = {
        "note": settings.grade_column or settings.note_column,
        "patient": settings.patient_column,
        "grade": settings.grade_column,
    }

    def place(what: str) -> str:
        if settings.table is None:
            return "cohort.folder.table"
        return f"{settings.table}, column {columns[what]}" if columns[what] else f"cohort.folder.{what}_column"

    return {
        **{what: place(what) for what in columns},
        **{what: f"{slices}, column {what}" for what in ("plane", "weighting", "level")},
    }
