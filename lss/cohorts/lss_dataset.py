"""Reader of the Lumbar Spine MRI Dataset (Sudirman et al. 2019), unpacked or as its zip, and of the phantom.

Layout: `01_MRI_Data/<patient>/<study>/<series>/<file>.ima` and `Radiologists Report.xlsx`. Series numbers, one
study per patient, or unique names are not relied on. An optional companion `Slices Numbers.csv` says which slices
show which disc: per row a patient and three 1-based positions (discs L3-L4, L4-L5, L5-S1) in the naturally sorted
files of an axial series.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path, PurePosixPath

from lss.cohorts.base import (
    PatientRecord,
    RawSlice,
    Reject,
    UnusableError,
    drop_duplicates,
    natural_key,
    patient_number,
)
from lss.cohorts.dicom import read_dicom
from lss.cohorts.levels import assign_levels
from lss.cohorts.tables import read_table
from lss.cohorts.tree import FolderTree, Tree, ZipTree
from lss.errors import LssError

IMAGES = "01_MRI_Data"
PATIENT_COLUMN, NOTE_COLUMN = "Patient ID", "Clinician's Notes"
DISCS = ("L3-L4", "L4-L5", "L5-S1")
_OTHER_REGION = re.compile(r"^[ct][-_ ]?spine|^(head|neck|cervical|thoracic|knee)", re.IGNORECASE)
_POSITION_DISPLAY = re.compile(r"^posdisp", re.IGNORECASE)


class LssDataset:
    """See `lss.cohorts.base.Cohort`. Raises LssError where images or notes are missing altogether."""

    def __init__(self, root: Path, assumed_spacing_mm: float | None = None) -> None:
        self._assumed_spacing_mm = assumed_spacing_mm
        self._tree, self._images = _find_images(root)
        self._folders: dict[str, list[str]] = {}
        for folder in self._tree.folders(self._images):
            self._folders.setdefault(patient_number(folder), []).append(folder)
        self._notes, self._note_rejects = read_notes(root)
        self._slice_numbers = read_slice_numbers(root)

    def patients(self) -> list[str]:
        """See `Cohort`."""
        return sorted(self._folders.keys() | self._notes.keys(), key=natural_key)

    def read_patient(self, patient: str) -> PatientRecord:
        """See `Cohort`."""
        record = PatientRecord(note=self._notes.get(patient))
        for folder in self._folders.get(patient, []):
            for file in self._tree.files(f"{self._images}/{folder}"):
                try:
                    record.slices.append(self._read(file))
                except UnusableError as error:
                    record.rejects.append(Reject.of(file, error))
        record.slices, duplicates = drop_duplicates(record.slices)
        record.rejects += duplicates
        assign_levels(record.slices, self._known_levels(patient, record.slices))
        return record

    def orphans(self) -> list[Reject]:
        """See `Cohort`."""
        remedy = "Put it into a patient's folder, or remove it."
        loose = [
            Reject(file, "outside a patient's folder", "no folder of a patient above it", remedy)
            for file in self._tree.loose_files(self._images)
        ]
        return [*self._tree.rejects(), *loose, *self._note_rejects]

    def _read(self, file: str) -> RawSlice:
        folders = PurePosixPath(file).relative_to(self._images).parts[1:-1]
        study, series = (folders[0], folders[-1]) if folders else ("", "")
        if _POSITION_DISPLAY.search(series):
            raise UnusableError("position display", "series POSDISP", "Nothing to do: it shows the slices' lines.")
        if _OTHER_REGION.search(study):
            raise UnusableError("not a lumbar study", "its folder names another region", "Nothing to do.")
        data = self._tree.read(file)
        raw = read_dicom(data, file, series, assumed_spacing_mm=self._assumed_spacing_mm)
        # a file without UIDs still belongs to the study and series of its folders
        above = PurePosixPath(file).parent.as_posix()
        raw.study = raw.study or PurePosixPath(above).parent.as_posix()
        raw.series = raw.series or above
        return raw

    def _known_levels(self, patient: str, slices: list[RawSlice]) -> dict[str, tuple[str, str]]:
        """Levels that the companion table gives, by file."""
        numbers = self._slice_numbers.get(patient)
        if not numbers:
            return {}
        known = {}
        axial = {str(PurePosixPath(item.file).parent) for item in slices if item.plane == "axial"}
        for series in sorted(axial):
            files = self._tree.files(series)
            for level, number in zip(DISCS, numbers, strict=True):
                if 0 < number <= len(files):
                    known[files[number - 1]] = (level, "companion table")
        return known


def _find_images(root: Path) -> tuple[Tree, str]:
    """The tree with the patients' folders and the folder in it that holds them."""
    if not root.is_dir():
        raise LssError(f"{root}: cohort.root: no such folder. Put the archive there, or name its folder.")
    if found := sorted(path for path in (root / IMAGES, *root.glob(f"*/{IMAGES}")) if path.is_dir()):
        return FolderTree(root), found[0].relative_to(root).as_posix()
    for archive in sorted(root.glob("*.zip")):
        tree = ZipTree(archive)
        for file in tree.files():
            parts = PurePosixPath(file).parts
            if IMAGES in parts[:-1]:
                return tree, "/".join(parts[: parts.index(IMAGES) + 1])
    raise LssError(
        f"{root}: cohort.root: neither a folder {IMAGES} nor a zip archive with one. Fetch the Lumbar Spine MRI "
        "Dataset (Mendeley Data k57fr854j2) and put it there, packed or unpacked."
    )


def read_notes(root: Path) -> tuple[dict[str, str], list[Reject]]:
    """Notes by patient number from the workbook below `root`; empty notes and unusable rows as rejects.

    Raises LssError when there is no workbook, or it lacks a column.
    """
    books = [path for path in _beside_images(root, "*.xlsx") if "radiologist" in path.name.lower()]
    if not books:
        raise LssError(
            f"{root}: no 'Radiologists Report.xlsx'. Fetch the notes (Mendeley Data s6bgczr8s2) and put them there."
        )
    notes: dict[str, str] = {}
    rejects: list[Reject] = []
    name = books[0].relative_to(root).as_posix()
    for number, row in enumerate(read_table(books[0], [PATIENT_COLUMN, NOTE_COLUMN]), start=2):
        patient, note = patient_number(row[PATIENT_COLUMN]), row[NOTE_COLUMN]
        where = f"{name}#row{number}"
        if not row[PATIENT_COLUMN]:
            rejects.append(Reject(where, "note without a patient", "no patient number", "Fill in the patient."))
        elif patient in notes:
            rejects.append(Reject(where, "duplicate note", "a second row of this patient", "Keep one row a patient."))
        else:
            notes[patient] = note
    return notes, rejects


def read_slice_numbers(root: Path) -> dict[str, tuple[int, ...]]:
    """Positions of the slices through the last three discs, by patient number; {} without the companion table.

    The table's first four columns count, with or without a header. Rows that hold no numbers are passed over.
    """
    tables = [path for path in _beside_images(root, "*.csv") if path.name.lower() == "slices numbers.csv"]
    if not tables:
        return {}
    numbers = {}
    with tables[0].open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for row in csv.reader(file):
            cells = [cell.strip() for cell in row[:4]]
            if len(cells) == 4 and all(cell.isdecimal() for cell in cells[1:]):
                numbers[patient_number(cells[0])] = tuple(int(cell) for cell in cells[1:])
    return numbers


def _beside_images(root: Path, pattern: str) -> list[Path]:
    """Files of the archive's other folders; the images' own deep folders are not searched."""
    return sorted(path for depth in ("", "*/", "*/*/") for path in root.glob(depth + pattern) if path.is_file())
