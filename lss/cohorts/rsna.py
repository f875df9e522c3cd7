"""Reader of the RSNA 2024 Lumbar Spine Degenerative Classification files (external test; labels, no notes).

`train_images/<study>/<series>/<n>.dcm`, `train.csv` (labels of 25 findings, of which spinal canal stenosis is
read), `train_series_descriptions.csv`, `train_label_coordinates.csv` (which instance shows which level). Each study
is one patient. Normal/Mild is A, Moderate is B&C, Severe is D. A series is its folder: SOP instance UIDs may repeat in
another one, and the number of an instance is that of its file's name, whatever the header counts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from lss.cohorts.base import (
    Grading,
    PatientRecord,
    RawSlice,
    Reject,
    natural_key,
    whole_number,
)
from lss.cohorts.dicom import read_dicom
from lss.cohorts.file_tree import FolderTree
from lss.cohorts.patient_cds import disc_folders, outside_folders, refuse_no_image
from lss.cohorts.series import settle_series
from lss.cohorts.slice_grade import parse_grade
from lss.cohorts.slice_levels import assign_levels
from lss.cohorts.spreadsheets import Row, numbered_rows, read_or_keep
from lss.domain.grades import worst
from lss.errors import LssError

IMAGES = "train_images"
_LEVELS = {f"l{n}_{'s' if n == 5 else 'l'}{1 if n == 5 else n + 1}": f"L{n}-{'S1' if n == 5 else f'L{n + 1}'}"
           for n in range(1, 6)}  # fmt: skip


class RsnaDataset:
    """See `lss.cohorts.base.Cohort`. Raises LssError where images or tables are missing."""

    def __init__(
        self, root: Path, assumed_spacing_mm: float | None = None, unread: list[LssError] | None = None
    ) -> None:
        """Open the data set; `unread` as of `open_cohort`."""
        if not (root / IMAGES).is_dir():
            raise LssError(
                f"{root}: cohort.root: no folder {IMAGES}. Fetch the files of the RSNA 2024 Lumbar Spine Degenerative "
                "Classification challenge (an account and its rules are needed) and unpack them there."
            )
        self._assumed_spacing_mm = assumed_spacing_mm
        self._tree = FolderTree(root)
        self._folders = set(self._tree.folders(IMAGES))
        self._rejects: list[Reject] = []
        self._gradings = read_or_keep(lambda: self._read_labels(root / "train.csv"), {}, unread)
        described = root / "train_series_descriptions.csv"
        self._descriptions = read_or_keep(lambda: self._read_descriptions(described), {}, unread)
        self._rows_of: dict[tuple[str, str, int], int] = {}
        coordinates = root / "train_label_coordinates.csv"
        self._shown = read_or_keep(lambda: self._read_coordinates(coordinates), {}, unread)

    def patients(self) -> list[str]:
        """See `Cohort`."""
        return sorted({*self._folders, *self._gradings}, key=natural_key)

    def read_patient(self, patient: str) -> PatientRecord:
        """See `Cohort`."""
        record = PatientRecord(grading=self._gradings.get(patient))
        files: dict[str, list[tuple[int | None, RawSlice]]] = defaultdict(list)  # by series, with the name's number
        own = self._tree.files(f"{IMAGES}/{patient}") if patient in self._folders else []
        discs = disc_folders(own)
        for file in own:
            path = PurePosixPath(file)
            series = path.parent.name
            description = self._descriptions.get((patient, series), "")
            try:
                data = self._tree.read(file)
                refuse_no_image(file, data, discs)
                file_slices = read_dicom(data, file, description, assumed_spacing_mm=self._assumed_spacing_mm)
            except Exception as error:
                record.rejects.append(Reject.of(file, error))
                continue
            named = whole_number(path.stem)
            for item in file_slices.slices:
                item.study, item.series = item.study or patient, f"{patient}.{series}"
                item.instance = item.instance or named or 0
                files[series].append((named, item))
            record.slices += file_slices.slices
            record.rejects += file_slices.rejects
        record.slices, lost = settle_series(record.slices)
        record.rejects += lost
        known: dict[str, tuple[str, str]] = {}
        if patient in self._folders:
            for series, levels in self._shown.get(patient, {}).items():
                joined, missing = _join(levels, files.get(series, []))
                known |= joined
                if missing:
                    self._tell_missing(record, patient, series, missing)
        assign_levels(record.slices, known, only_known=True)
        return record

    def sources(self, patient: str) -> tuple[list[str], object]:
        """See `Cohort`."""
        files = self._tree.files(f"{IMAGES}/{patient}") if patient in self._folders else []
        series = sorted({PurePosixPath(file).parent.name for file in files})
        described = [self._descriptions.get((patient, name), "") for name in series]
        return files, [repr(self._gradings.get(patient)), described, repr(self._shown.get(patient))]

    def orphans(self) -> list[Reject]:
        """See `Cohort`."""
        loose = [outside_folders(file) for file in self._tree.loose_files(IMAGES)]
        return [*self._tree.rejects(), *loose, *self._rejects]

    def _read_labels(self, table: Path) -> dict[str, Grading]:
        columns = {f"spinal_canal_stenosis_{suffix}": level for suffix, level in _LEVELS.items()}
        gradings: dict[str, Grading] = {}
        seen: set[str] = set()
        for number, row in _rows(table, ["study_id", *columns]):
            where, study = f"{table.name}#row{number}", row["study_id"]
            try:
                grades = {level: parse_grade(row[column]) for column, level in columns.items()}
            except ValueError as error:
                self._reject(where, "unknown grade", "a cell is no grade", "Correct the table.", str(error))
                continue
            graded_levels = {level: grade for level, grade in grades.items() if grade}
            grading = Grading(worst(list(graded_levels.values())), graded_levels, "table", levels_are_complete=True)
            if gradings.setdefault(study, grading) == grading:
                if study in seen:
                    self._reject(where, "duplicate row", "a second row of this study", "Keep one; the first was used.")
            else:
                detail = "a second row of this study, of other grades: neither was used"
                self._reject(where, "duplicate row", detail, "Keep the right one.")
                gradings[study] = Grading(None, source="table", levels_are_complete=True)
            seen.add(study)
        return gradings

    def _read_descriptions(self, table: Path) -> dict[tuple[str, str], str]:
        """Return the description of a series by (study, series)."""
        descriptions: dict[tuple[str, str], str] = {}
        for number, row in _rows(table, ["study_id", "series_id", "series_description"]):
            described = descriptions.setdefault((row["study_id"], row["series_id"]), row["series_description"])
            if described != row["series_description"]:
                detail = "a second, other description of this series"
                self._reject(f"{table.name}#row{number}", "duplicate row", detail, "Keep one; the first was used.")
        return descriptions

    def _tell_missing(self, record: PatientRecord, patient: str, series: str, missing: list[int]) -> None:
        """Reject the labels of a series whose slices are absent, unreadable or not axial."""
        row = min(self._rows_of[patient, series, number] for number in missing)
        numbers = ", ".join(map(str, missing))
        detail = f"{len(missing)} labelled axial slices of a series are missing, unreadable or not axial: {numbers}"
        remedy = "Fetch the series again; the labels were not used."
        where = f"train_label_coordinates.csv#row{row}"
        record.rejects.append(Reject(where, "label without its slice", detail, remedy, f"series {series}"))

    def _read_coordinates(self, table: Path) -> dict[str, dict[str, dict[int, str]]]:
        """Return the level shown, by study, series and instance, of axial series.

        A sagittal instance shows all levels, so its rows are not used here. An axial instance with two is left out.
        """
        shown: dict[tuple[str, str, int], set[str]] = defaultdict(set)
        for number, row in _rows(table, ["study_id", "series_id", "instance_number", "level"]):
            series = (row["study_id"], row["series_id"])
            if "sagittal" in self._descriptions.get(series, "").lower():
                continue
            level = _LEVELS.get(re.sub(r"^(l\d)[\W_]*([ls]\d)$", r"\1_\2", row["level"].lower()))
            instance = whole_number(row["instance_number"])
            if level and instance is not None:
                key = (*series, instance)
                shown[key].add(level)
                self._rows_of.setdefault(key, number)
            else:
                detail = "no instance number and level in it"
                self._reject(f"{table.name}#row{number}", "unusable row", detail, "Correct the row.")
        for key, levels in shown.items():
            if len(levels) > 1:
                detail = f"one axial instance shows {' and '.join(sorted(levels))}: neither was used"
                self._reject(
                    f"{table.name}#row{self._rows_of[key]}", "ambiguous level", detail, "Keep one level an instance."
                )
        levels_of: dict[str, dict[str, dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
        for (study, series_id, instance), levels in shown.items():
            if len(levels) == 1:
                levels_of[study][series_id][instance] = levels.pop()
        return levels_of

    def _reject(self, where: str, reason: str, detail: str, remedy: str, private: str = "") -> None:
        self._rejects.append(Reject(where, reason, detail, remedy, private))


def _rows(table: Path, columns: list[str]) -> list[tuple[int, Row]]:
    """Return `numbered_rows` without the ".0" that whole numbers get where a column once had an empty cell."""
    numbers = ("study_id", "series_id", "instance_number")
    return [
        (place, row | {name: re.sub(r"^['’]?(\d+)(\.0+)?$", r"\1", row[name]) for name in numbers if name in columns})
        for place, row in numbered_rows(table, columns)
    ]


def _join(
    levels: dict[int, str], files: list[tuple[int | None, RawSlice]]
) -> tuple[dict[str, tuple[str, str]], list[int]]:
    """Return known levels by file, and the labelled numbers without an axial slice.

    The labels' numbers are those of the files' names; where more of them are InstanceNumbers, those.

    Args:
        levels: by number, of one series.
        files: its slices, each with the number in its file's name.
    """
    by_name = {named: item for named, item in files if named is not None}
    by_header = {item.instance: item for _, item in files if item.instance}
    joined = by_header if len(levels.keys() & by_header.keys()) > len(levels.keys() & by_name.keys()) else by_name
    axial = {number: item for number, item in joined.items() if item.plane == "axial"}
    sagittal = bool(files) and not any(item.plane == "axial" for _, item in files)
    missing = [] if sagittal else sorted(levels.keys() - axial.keys())
    source = "label coordinates" if joined is by_header else "label coordinates, by the file's number"
    return {axial[number].file: (level, source) for number, level in levels.items() if number in axial}, missing
