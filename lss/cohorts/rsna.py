"""Reader of the RSNA 2024 Lumbar Spine Degenerative Classification files (external test; labels, no notes).

`train_images/<study>/<series>/<n>.dcm`, `train.csv` (labels of 25 findings, of which spinal canal stenosis is
read), `train_series_descriptions.csv`, `train_label_coordinates.csv` (which instance shows which level). Each study
is one patient. Normal/Mild is A, Moderate is B&C, Severe is D.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from lss.cohorts.base import (
    Grading,
    PatientRecord,
    Reject,
    UnusableError,
    drop_duplicates,
    natural_key,
)
from lss.cohorts.dicom import read_dicom
from lss.cohorts.levels import assign_levels
from lss.cohorts.slice_grade import parse_grade
from lss.cohorts.tables import read_table
from lss.cohorts.tree import FolderTree
from lss.errors import LssError
from lss.grades import worst

IMAGES = "train_images"
_LEVELS = {f"l{n}_{'s' if n == 5 else 'l'}{1 if n == 5 else n + 1}": f"L{n}-{'S1' if n == 5 else f'L{n + 1}'}"
           for n in range(1, 6)}  # fmt: skip


class RsnaDataset:
    """See `lss.cohorts.base.Cohort`. Raises LssError where images or tables are missing."""

    def __init__(self, root: Path, assumed_spacing_mm: float | None = None) -> None:
        if not (root / IMAGES).is_dir():
            raise LssError(
                f"{root}: cohort.root: no folder {IMAGES}. Fetch the files of the RSNA 2024 Lumbar Spine Degenerative "
                "Classification challenge (an account and its rules are needed) and unpack them there."
            )
        self._assumed_spacing_mm = assumed_spacing_mm
        self._tree = FolderTree(root)
        self._folders = set(self._tree.folders(IMAGES))
        self._rejects: list[Reject] = []
        self._gradings = self._read_labels(root / "train.csv")
        descriptions = read_table(
            root / "train_series_descriptions.csv", ["study_id", "series_id", "series_description"]
        )
        self._descriptions = {(row["study_id"], row["series_id"]): row["series_description"] for row in descriptions}
        self._shown = self._read_coordinates(root / "train_label_coordinates.csv")

    def patients(self) -> list[str]:
        """See `Cohort`."""
        return sorted({*self._folders, *self._gradings}, key=natural_key)

    def read_patient(self, patient: str) -> PatientRecord:
        """See `Cohort`."""
        record = PatientRecord(grading=self._gradings.get(patient, Grading(None)))
        known: dict[str, tuple[str, str]] = {}
        for file in self._tree.files(f"{IMAGES}/{patient}") if patient in self._folders else []:
            series = PurePosixPath(file).parent.name
            description = self._descriptions.get((patient, series), "")
            try:
                data = self._tree.read(file)
                item = read_dicom(data, file, description, assumed_spacing_mm=self._assumed_spacing_mm)
            except UnusableError as error:
                record.rejects.append(Reject.of(file, error))
                continue
            item.study, item.series = item.study or patient, item.series or f"{patient}/{series}"
            if item.plane == "axial" and (patient, series, item.instance) in self._shown:
                known[file] = (self._shown[patient, series, item.instance], "label coordinates")
            record.slices.append(item)
        record.slices, duplicates = drop_duplicates(record.slices)
        record.rejects += duplicates
        assign_levels(record.slices, known)
        return record

    def orphans(self) -> list[Reject]:
        """See `Cohort`."""
        return [*self._tree.rejects(), *self._rejects]

    def _read_labels(self, table: Path) -> dict[str, Grading]:
        columns = {f"spinal_canal_stenosis_{suffix}": level for suffix, level in _LEVELS.items()}
        gradings = {}
        for row in read_table(table, ["study_id", *columns]):
            try:
                grades = {level: parse_grade(row[column]) for column, level in columns.items()}
            except ValueError as error:
                where = f"{table.name}#{row['study_id']}"
                self._rejects.append(Reject(where, "unknown grade", str(error), "Correct the table."))
                continue
            given = {level: grade for level, grade in grades.items() if grade}
            gradings[row["study_id"]] = Grading(worst(list(given.values())), given, "table", levels_are_complete=True)
        return gradings

    def _read_coordinates(self, table: Path) -> dict[tuple[str, str, int], str]:
        """Level shown by (study, series, instance); instances with two levels are left out."""
        shown: dict[tuple[str, str, int], set[str]] = defaultdict(set)
        for row in read_table(table, ["study_id", "series_id", "instance_number", "level"]):
            level = _LEVELS.get(row["level"].lower().replace("/", "_"))
            if level and row["instance_number"].isdecimal():
                shown[row["study_id"], row["series_id"], int(row["instance_number"])].add(level)
        return {key: levels.pop() for key, levels in shown.items() if len(levels) == 1}
