"""Reader of a folder of the user's own: DICOM in any nesting, NIfTI, PNG or TIFF, and tables of patients and of files.

The patient of a file (`patient_of`): the outermost folder below the root, or the file's stem where the files lie flat;
a flat DICOM file, or one of a patient's disc that is the root itself, belongs to its header's PatientID. Where there is
a table, its patient column decides: the first of path, folders (from outside in), stem, and stem without a trailing
number that stands in the column; and for a file on a disc, which may hold several patients, its header's PatientID.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from lss.cohorts.base import (
    Geometry,
    Grading,
    PatientRecord,
    RawSlice,
    Reject,
    UnusableError,
    natural_key,
    patient_number,
    refuse_twins,
)
from lss.cohorts.body_regions import other_region
from lss.cohorts.contrast import NO_ANATOMY, weighting
from lss.cohorts.dicom import missing_spacing, read_dicom
from lss.cohorts.dicom_header import begins_like_dicom, read_patient_id
from lss.cohorts.file_tree import FolderTree, OnePatientTree
from lss.cohorts.label_masks import refuse_label_mask
from lss.cohorts.patient_cds import disc_folders, is_no_image, is_on_disc, refuse_no_image, viewer_folders
from lss.cohorts.picture_files import read_picture
from lss.cohorts.series import settle_series
from lss.cohorts.series_names import plane_from_name, weighting_from_name
from lss.cohorts.settings import FolderParams
from lss.cohorts.slice_grade import parse_grade
from lss.cohorts.slice_levels import assign_levels
from lss.cohorts.slice_table import SliceTable
from lss.cohorts.spreadsheets import Row, numbered_rows, people_of
from lss.cohorts.volumes import read_volume
from lss.errors import LssError

PICTURES = (".png", ".tif", ".tiff")
VOLUMES = (".nii", ".nii.gz")
_NOTHING = "Nothing to do."
_MASK_NAME = re.compile(r"(?:^|[_-])((?:d|prob)?seg|segmentation|mask|labels?|prob|pred)(?:$|[_.-])", re.IGNORECASE)
"""Words in names of pictures and volumes that are segmentations, hard or of probabilities."""


@dataclass(frozen=True)
class _Context:
    """What is known of a file beside its bytes."""

    patient: str
    above: str  # the folder it lies in
    place: int  # among the patient's files in that folder, from 1: a number in its name may be the patient's
    row: Row  # of the table


class FolderDataset:
    """See `lss.cohorts.base.Cohort`. Raises LssError for a missing folder or table, or a table without a column."""

    def __init__(
        self,
        root: Path,
        params: FolderParams,
        assumed_spacing_mm: float | None = None,
        tree: FolderTree | OnePatientTree | None = None,
    ) -> None:
        self._params = params
        self._assumed_spacing_mm = assumed_spacing_mm
        self._tree = tree or FolderTree(root)
        self._rejects: list[Reject] = []
        self._rows = self._read_rows(root)
        paths = [PurePosixPath(file) for file in self._all_files if "/" in file]
        own = {path.parts[0] for path in paths if patient_of(str(path), self._rows) == patient_number(path.parts[0])}
        refuse_twins(own, str(root))
        self._slice_table = None if params.slices is None else SliceTable(root / params.slices, self._all_files)

    def patients(self) -> list[str]:
        """See `Cohort`."""
        return sorted(self._files.keys() | self._rows.keys(), key=natural_key)

    def read_patient(self, patient: str) -> PatientRecord:
        """See `Cohort`."""
        row = self._rows.get(patient, {})
        note = row.get(self._params.note_column or "")
        cells = {name: cell for name, cell in row.items() if name != self._params.note_column}
        record = PatientRecord(note=note, people=people_of(cells))
        try:
            record.grading = self._grading(row)
        except ValueError as error:
            record.grading = Grading(None, source="table")
            where, detail = f"{self._params.table}#patient {patient}", "its cell is no grade"
            record.rejects.append(Reject(where, "unknown grade", detail, "Correct the table.", str(error)))
        places: Counter[str] = Counter()
        for file in self._files.get(patient, []):
            places[above := PurePosixPath(file).parent.as_posix()] += 1
            try:
                self._read(record, file, _Context(patient, above, places[above], row))
            except Exception as error:
                record.rejects.append(Reject.of(file, error))
        record.slices, left_out = settle_series(record.slices)
        record.rejects += left_out
        levels, unmatched = self._slice_table.apply(record.slices) if self._slice_table else ({}, [])
        record.rejects += unmatched
        assign_levels(record.slices, levels)
        return record

    def sources(self, patient: str) -> tuple[list[str], object]:
        """See `Cohort`. The table of single files is read as a whole: with it all patients change."""
        table = [self._params.slices] if self._params.slices else []
        return [*self._files.get(patient, []), *table], [dict(self._rows.get(patient, {})), self._params.slices]

    def orphans(self) -> list[Reject]:
        """See `Cohort`."""
        used = (self._params.table, self._params.slices)
        remedy = "Nothing to do; a table to be used is named in cohort.folder.table or cohort.folder.slices."
        unread = [
            Reject(file, "no image file", "a table, a text or a part of a viewer, by its name", remedy)
            for file in self._all_files
            if self._is_paper(file) and file not in used
        ]
        beside = [
            Reject(file, "no image file", "on a patient's disc, and not DICOM", _NOTHING)
            for file in self._beside_images
        ]
        rows = self._slice_table.rejects if self._slice_table else []
        return [*self._tree.rejects(), *self._rejects, *rows, *unread, *beside]

    @cached_property
    def _all_files(self) -> list[str]:
        return self._tree.files()

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        """Files by patient, tables and texts left out."""
        files: dict[str, list[str]] = defaultdict(list)
        beside = set(self._beside_images)
        patients = patients_of([file for file in self._all_files if not self._is_paper(file)], self._rows)
        for file in self._all_files:
            if self._is_paper(file) or file in beside:
                continue
            patient = patients[file]
            of_nobody = "/" not in file or is_on_disc(file, self._discs & {""})
            asked = patient not in self._rows and not file.lower().endswith(PICTURES + VOLUMES)
            if asked and (of_nobody or is_on_disc(file, self._discs)):
                person = self._patient_of_header(file)
                patient = person if person and (of_nobody or person in self._rows) else patient
            files[patient].append(file)
        return dict(files)

    @cached_property
    def _discs(self) -> set[str]:
        def is_dicom(file: str) -> bool:
            return not is_no_image(file) and not file.lower().endswith(PICTURES + VOLUMES) and self._may_be_dicom(file)

        return disc_folders(self._all_files) | viewer_folders(self._all_files, is_dicom)

    @cached_property
    def _beside_images(self) -> list[str]:
        """Files of patients' discs that are neither DICOM nor volumes: a viewer's, whatever they are called."""
        on_discs = (file for file in self._all_files if self._discs and is_on_disc(file, self._discs))
        candidates = [f for f in on_discs if not self._is_paper(f) and not f.lower().endswith(VOLUMES)]
        return [file for file in candidates if not self._may_be_dicom(file)]

    def _may_be_dicom(self, file: str) -> bool:
        try:
            with self._tree.open(file) as stream:
                return begins_like_dicom(stream.read(132))
        except UnusableError:
            return True  # the file will be read again with its patient, and rejected there

    def _is_paper(self, file: str) -> bool:
        used = (self._params.table, self._params.slices)
        return is_no_image(file) or file in used

    def _patient_of_header(self, file: str) -> str:
        try:
            with self._tree.open(file) as stream:
                return patient_number(read_patient_id(stream))
        except UnusableError:
            return ""  # the file will be read again with its patient, and rejected there

    def _read_rows(self, root: Path) -> dict[str, Row]:
        settings = self._params
        if settings.table is None:
            return {}
        path = root / settings.table
        if not path.is_file():
            raise LssError(f"{path}: cohort.folder.table: no such file. The path is relative to cohort.root.")
        columns = [settings.patient_column, settings.grade_column, settings.plane_column, settings.weighting_column]
        note = settings.note_column
        optional = (note,) if note and settings.grade_column else ()  # where grades are given there need be no notes
        needed = [column for column in (*columns, None if optional else note) if column]
        rows: dict[str, Row] = {}
        ambiguous: set[str] = set()
        for number, row in numbered_rows(path, needed, optional):
            patient = patient_number(row[settings.patient_column])
            where = f"{settings.table}#row{number}"
            if not row[settings.patient_column]:
                self._rejects.append(Reject(where, "row without a patient", "empty patient cell", "Fill it in."))
            elif patient in rows:
                detail, remedy = "a second row of this patient", "Keep one row a patient; the first one was used."
                grade = settings.grade_column
                if grade and _unlike(rows[patient][grade], row[grade]):
                    detail += ", of another grade: neither was used"
                    remedy = "Keep one row a patient; grades of single discs go into a note that names them."
                    ambiguous.add(patient)
                self._rejects.append(Reject(where, "duplicate row", detail, remedy))
            else:
                rows[patient] = row
        for patient in ambiguous:
            rows[patient][str(settings.grade_column)] = ""
        return rows

    def _grading(self, row: Row) -> Grading | None:
        """Return the table's grade; None where notes are to be graded. Raises ValueError for an unknown grade."""
        column = self._params.grade_column
        return Grading(parse_grade(row[column]), source="table") if column and row else None

    def _read(self, record: PatientRecord, file: str, context: _Context) -> None:
        """Add a file's slices to the record. A file without UIDs is of its patient's study and series of its folder."""
        data = self._tree.read(file)
        name = file.lower()
        if name.endswith(PICTURES):
            record.slices.append(self._picture(data, file, context))
        elif name.endswith(VOLUMES):
            self._volume(record, data, file, context)
        else:
            refuse_no_image(file, data, self._discs)
            series = PurePosixPath(context.above).name
            file_slices = read_dicom(data, file, series, assumed_spacing_mm=self._assumed_spacing_mm)
            for raw in file_slices.slices:
                raw.study = raw.study or f"{context.patient}/{context.above}"
                raw.series = raw.series or f"{context.patient}/{context.above}"
            record.slices += file_slices.slices
            record.rejects += file_slices.rejects

    def _picture(self, data: bytes, file: str, context: _Context) -> RawSlice:
        _refuse_region(file)
        pixels, bits = read_picture(data)
        refuse_label_mask([pixels])
        rows_mm, columns_mm, spacing_reason = missing_spacing(self._assumed_spacing_mm)
        names = [*reversed(PurePosixPath(file).parts[:-1]), PurePosixPath(file).stem]
        plane, plane_reason = self._plane(names, context.row)
        kind, kind_reason = self._weighting(names, context.row)
        return RawSlice(
            file=file,
            source_sha256=hashlib.sha256(data).hexdigest(),
            study=context.patient,
            series=f"{context.patient}/{context.above}",
            image=file,
            pixels=pixels,
            bits=bits,
            plane=plane,
            plane_reason=plane_reason,
            weighting=kind,
            weighting_reason=kind_reason,
            instance=context.place,
            row_spacing_mm=rows_mm,
            column_spacing_mm=columns_mm,
            spacing_reason=spacing_reason,
        )

    def _volume(self, record: PatientRecord, data: bytes, file: str, context: _Context) -> None:
        _refuse_region(file)
        volume = read_volume(data)
        names = [*reversed(PurePosixPath(file).parts[:-1]), PurePosixPath(file).name.split(".")[0]]
        kind, kind_reason = self._weighting(names, context.row)
        digest = hashlib.sha256(data).hexdigest()
        if volume.blank:
            detail = f"{volume.blank} of {volume.blank + len(volume.slices)} slices of one grey level"
            record.rejects.append(Reject(file, "blank slice", detail, "Nothing to do: they show nothing."))
        record.slices += [
            RawSlice(
                file=file,
                source_sha256=digest,
                study=f"{context.patient}/{context.above}",
                series=file,
                image=f"{file}#{item.index}",
                pixels=item.pixels,
                bits=volume.bits,
                plane=volume.plane,
                plane_reason=volume.plane_reason,
                weighting=kind,
                weighting_reason=kind_reason,
                instance=item.index,
                position_mm=float(item.centre_3 @ volume.normal_3),
                geometry=Geometry(item.centre_3, volume.normal_3, file, volume.orientation_6),
                row_spacing_mm=item.row_spacing_mm,
                column_spacing_mm=item.column_spacing_mm,
                spacing_reason="voxel size of the header",
                named_plane=self._plane(names, context.row)[0],
            )
            for item in volume.slices
        ]

    def _plane(self, names: list[str], row: Row) -> tuple[str, str]:
        if column := self._params.plane_column:
            plane, reason = plane_from_name(row.get(column, ""))
            if plane != "unknown":
                return plane, f"table: {reason}"
        for name in names:
            plane, reason = plane_from_name(name)
            if plane != "unknown":
                return plane, reason
        return "unknown", "no header, and neither folder, file name nor table names a plane"

    def _weighting(self, names: list[str], row: Row) -> tuple[str, str]:
        if column := self._params.weighting_column:
            kind, reason = weighting([row.get(column, "")])
            if kind != "unknown":
                return kind, f"table: {reason}"
        if mask := _MASK_NAME.search(names[-1]):
            return "derived", f"name says '{mask[1].lower()}'"
        own = weighting_from_name(names[-1])  # "t2/loc_001.png": a folder speaks of its files, a file of itself
        return own if own[0] in NO_ANATOMY else weighting(names)


def _refuse_region(file: str) -> None:
    """Raise UnusableError where a picture's or volume's own name says that it shows another region."""
    if region := other_region(PurePosixPath(file).name.split(".")[0]):
        raise UnusableError("not a lumbar study", f"its name says '{region}'", _NOTHING)


def _unlike(first: str, second: str) -> bool:
    """Return whether the first of two cells is a grade, or empty, and the second not the same one."""
    try:
        kept = parse_grade(first)
    except ValueError:
        return False  # which the patient's own line says
    try:
        return parse_grade(second) != kept
    except ValueError:
        return True


def patients_of(files: Sequence[str], known: Container[str]) -> dict[str, str]:
    """Return the patient of each file, by `patient_of`, but for numbers that stand where no patient is named.

    Where patients have folders, a file or series called "1" is not patient 1's: it is of the patient in whose folder it
    lies, whom the table may lack. So a bare number counts only at the place where most files have their patient's name.
    """
    places = {file: _place(file, known) for file in files}
    counts = Counter(place for place in places.values() if place is not None)
    usual = min(counts, key=lambda place: (-counts[place], str(place)), default=None)  # digits before letters
    patients = {}
    for file, place in places.items():
        folders = PurePosixPath(file).parts[:-1]
        patient = patient_of(file, known)
        if isinstance(usual, int) and place != usual and len(folders) > usual:
            if place is None or patient.isdecimal():
                patient = patient_number(folders[usual]) or folders[usual]
        patients[file] = patient
    return patients


def _place(file: str, known: Container[str]) -> int | str | None:
    """Return where a file's path names a patient of `known`: the folder's depth, or "name"; None where nowhere."""
    for depth, folder in enumerate(PurePosixPath(file).parts[:-1]):
        if patient_number(folder) in known:
            return depth
    return "name" if patient_of(file, known) in known else None


def patient_of(file: str, known: Container[str]) -> str:
    """Return the patient a file belongs to: the first candidate in `known` (the table's patients), else the first
    folder, or the stem of a flat file.

    >>> patient_of("7/t2/im_3.png", {}), patient_of("axial_t2/a_12.png", {"a"}), patient_of("0042.png", {})
    ('7', 'a', '42')
    """
    path = PurePosixPath(file)
    stem = path.name.removesuffix(".gz") or path.name
    stem = stem[: stem.rfind(".")] if "." in stem[1:] else stem
    shorter = re.sub(r"[_-]\d+$", "", stem)
    folders = path.parts[:-1]
    for candidate in (file, *folders, stem, shorter):
        if patient_number(candidate) in known:
            return patient_number(candidate)
    name = folders[0] if folders else stem
    return patient_number(name) or name  # a name of nothing but blanks is a name
