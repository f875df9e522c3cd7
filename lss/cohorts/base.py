"""What every cohort reader returns: a patient's slices, rejects and grade.

A reader is a class with three methods (`Cohort`). Readers hand over raw identifiers; the ingest stage replaces
them by pseudonyms (`lss.cohorts.privacy`), so no reader has to think of privacy beyond reading only the
attributes it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol
from unicodedata import normalize

import numpy as np

from lss.errors import LssError

NO_FAULT_OF_A_FILE = frozenset(
    {
        "no image", "no image file", "unsupported picture", "unsupported volume", "packed archive", "screen save",
        "label mask", "mosaic", "position display", "not MR", "not a lumbar study", "blank slice", "corrected copy",
        "archive beside unpacked images", "archive without images", "image under two patients",
        "note without images", "images without a note", "empty note", "note without a patient", "duplicate note",
        "second table", "row without a patient", "duplicate row", "unusable row", "ambiguous level",
        "label without its slice", "unknown grade",
    }
)  # fmt: skip
"""Reasons of rejects that are no fault of an image file: they do not count against `split.min_usable_share`."""

NOTHING_TO_MEND = frozenset(
    {"label mask", "mosaic", "position display", "screen save", "corrected copy", "not MR", "not a lumbar study",
     "blank slice", "no image", "no image file"}
)  # fmt: skip
"""Those of them that are rightly left out: the owner of the data has nothing to do."""


class UnusableError(Exception):
    """A file that cannot become a slice. The run goes on; the file ends in the table of rejects.

    Args:
        reason: short and countable, the same words for the same fault.
        detail: what was found in this file; must quote neither names nor free text of the header.
        remedy: what the owner of the data can do.
    """

    def __init__(self, reason: str, detail: str, remedy: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.remedy = reason, detail, remedy


@dataclass(frozen=True)
class Reject:
    """Something that could not be used.

    `file`, relative to the cohort's root, or the row of a table, and `private` may name patients: they go into the
    owner's table only. `reason`, `detail` and `remedy` may not, since they go into the table of rejects.
    """

    file: str
    reason: str
    detail: str
    remedy: str
    private: str = ""  # what the owner needs beside: another file's name, a cell's text

    @classmethod
    def of(cls, file: str, error: Exception) -> Reject:
        """Return the line of a file that raised `error`: one that nobody foresaw is this file's fault too, and stops
        nothing.

        Raises `error` itself where it is about the cohort as a whole (LssError).
        """
        if isinstance(error, LssError):
            raise error
        if isinstance(error, UnusableError):
            return cls(file, error.reason, error.detail, error.remedy)
        return cls(file, "cannot be decoded", type(error).__name__, "Copy, fetch or export it again.")


@dataclass(frozen=True)
class Geometry:
    """Where a slice lies, in the patient's coordinates (mm; x to the left, y to the back, z to the head).

    `centre_3` is the centre of the image, `normal_3` its unit normal, pointing to the head (or left, or back).
    Positions of different `frame` (frame of reference) cannot be compared. `orientation_6` holds the unit vectors along
    a row and down a column, as ImageOrientationPatient does.
    """

    centre_3: np.ndarray
    normal_3: np.ndarray
    frame: str
    orientation_6: np.ndarray


@dataclass
class RawSlice:
    """One slice as read, with the raw identifiers that must not leave ingest.

    `pixels` is (rows, columns) uint16 with the stored depth kept. `plane`, `weighting` and `level` each carry the
    reason they were taken for, so that a doubtful one can be looked at.
    """

    file: str
    source_sha256: str
    study: str
    series: str
    image: str  # raw unique name of this image: SOP instance UID, or the file's path
    pixels: np.ndarray
    bits: int
    plane: str
    plane_reason: str
    weighting: str
    weighting_reason: str
    instance: int
    row_spacing_mm: float
    column_spacing_mm: float
    spacing_reason: str
    position_mm: float | None = None
    geometry: Geometry | None = None
    level: str | None = None
    level_reason: str = "not an axial slice"
    person: str = ""  # raw PatientID of the header; "" where it identifies nobody
    named_plane: str = "unknown"  # what the series is called: axial, sagittal, coronal, unknown
    image_type: frozenset[str] = frozenset()  # values of ImageType
    people: frozenset[str] = frozenset()  # raw names, ids and addresses of the header, to be blanked in the note


@dataclass(frozen=True)
class Grading:
    """What is known of a patient's stenosis.

    `grade` is the worst of the patient (A, BC, D) or None. `levels_are_complete`: a level missing in
    `level_grades` is unknown (labels), not unmentioned (a note), so no rule may fill it in.
    """

    grade: str | None
    level_grades: dict[str, str] = field(default_factory=dict)
    source: Literal["note", "table", "nothing"] = "nothing"
    levels_are_complete: bool = False


@dataclass
class PatientRecord:
    """Everything the cohort holds of one patient. `grading` None: grade the note."""

    slices: list[RawSlice] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    note: str | None = None
    grading: Grading | None = None
    people: frozenset[str] = frozenset()  # identifying cells of a table, to be blanked in the note


class Cohort(Protocol):
    """A reader of one kind of archive."""

    def patients(self) -> list[str]:
        """Return raw ids of all patients, of the images and of the notes, in natural order."""

    def read_patient(self, patient: str) -> PatientRecord:
        """Read one patient. Never raises for the fault of a file: that becomes a reject."""

    def sources(self, patient: str) -> tuple[list[str], object]:
        """Return what a patient is read from: files by their paths within the cohort (an archive for all that lies
        in it), and what tables say, as JSON values. No image is opened.
        """

    def orphans(self) -> list[Reject]:
        """Return what belongs to no patient: unsafe archive entries, files outside a patient's folder, broken rows."""


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts 2 before 10, for names with numbers in them.

    >>> sorted(["s10", "s2", "s1"], key=natural_key)
    ['s1', 's2', 's10']
    """
    parts = re.split(r"(\d+)", text)
    return [_number_key(part) if part.isdecimal() else (1, 0, part) for part in parts]


def _number_key(digits: str) -> tuple[int, int, str]:
    """Return a key that orders numbers by length, then by digits: `int` refuses those of thousands of digits."""
    significant = digits.lstrip("0")
    return 0, len(significant), f"{significant}\x1f{digits}"


def whole_number(text: str) -> int | None:
    """Return a number of at most nine digits, of an instance or slice; None for anything else.

    >>> whole_number("0012"), whole_number("1.5"), whole_number("9" * 5000)
    (12, None, None)
    """
    return int(text) if text.isdecimal() and len(text) < 10 else None


def patient_number(text: object) -> str:
    """Return a patient's id in the form in which folders and tables can be compared.

    Numbers lose leading zeros, a trailing ".0" and an apostrophe before them (how a spreadsheet may hold them); in
    other text a letter and its accent become one sign, which macOS parts in names of folders.

    >>> patient_number("0001"), patient_number(1.0), patient_number("'0001"), patient_number(" P-7 ")
    ('1', '1', '1', 'P-7')
    """
    name = normalize("NFC", re.sub(r"^['’](?=\d)", "", str(text).strip()))
    if re.fullmatch(r"\d+\.0+", name):
        name = name.split(".")[0]
    return name.lstrip("0") or "0" if name.isascii() and name.isdecimal() else name


def refuse_twins(names: Iterable[str], where: str) -> None:
    """Raise LssError where two names, such as 7 and 007, would be one patient (`patient_number`)."""
    spelt: dict[str, str] = {}
    for name in sorted(names, key=natural_key):
        other = spelt.setdefault(patient_number(name), name)
        if other != name:
            raise LssError(
                f"{where}: two folders of {len(other)} and {len(name)} characters would be one patient: leading zeros "
                "do not count, since tables often lose them, nor how an accent is stored. Rename one, or put them "
                "together if they are one person's."
            )


def drop_duplicates(slices: Iterable[RawSlice]) -> tuple[list[RawSlice], list[Reject]]:
    """Keep the first of the slices that carry one image UID; reject the others with the reason.

    Some archives number images from 1 in every series (RSNA 2024: STUDY.1.1, STUDY.1.2, ...). The same UID in another
    series, with other content, is another image: `image` is then set to a name with the series' in it.
    """
    first_of: dict[str, RawSlice] = {}
    rejects: list[Reject] = []
    for item in slices:
        first = first_of.setdefault(item.image, item)
        if first is not item and first.series != item.series and first.source_sha256 != item.source_sha256:
            item.image = f"{item.series}\x1f{item.image}"
            first = first_of.setdefault(item.image, item)
        if first is item:
            continue
        if first.source_sha256 == item.source_sha256:
            reason, detail, remedy = "duplicate file", "same bytes as another file", "Remove one of the two."
        else:
            reason, detail = "duplicate UID", "same SOP instance UID as another file, other content"
            remedy = "Give each image its own SOPInstanceUID, or remove the wrong file. The first one was kept."
        rejects.append(Reject(item.file, reason, detail, remedy, private=f"as {first.file}"))
    return list(first_of.values()), rejects
