"""Reader of the Lumbar Spine MRI Dataset (Sudirman et al. 2019), unpacked or as its zip, and of the phantom.

Layout: `01_MRI_Data/<patient>/<study>/<series>/<file>.ima` and `Radiologists Report.xlsx`. The reader does not rely on
series numbers, on one study per patient, or on unique names. The images may lie in several such folders, or in several
zip archives; zip archives beside unpacked images are rejected. An optional companion `Slices Numbers.csv` tells which
slices show which disc.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lss.cohorts.base import (
    PatientRecord,
    Reject,
    UnusableError,
    natural_key,
    patient_number,
    refuse_twins,
)
from lss.cohorts.contrast import NO_ANATOMY
from lss.cohorts.dicom import DicomSlices, read_dicom
from lss.cohorts.file_tree import FolderTree, Tree, ZipTree
from lss.cohorts.lss_tables import DISCS, read_notes, read_slice_numbers
from lss.cohorts.patient_cds import disc_folders, outside_folders, refuse_no_image
from lss.cohorts.series import settle_series
from lss.cohorts.slice_levels import assign_levels
from lss.cohorts.spreadsheets import read_or_keep
from lss.errors import LssError
from lss.fetch.sources import COHORT_REMEDY

IMAGES = "01_MRI_Data"
_OTHER_REGION = re.compile(r"^[ct][-_ ]?spine|^(head|neck|cervical|thoracic|knee)", re.IGNORECASE)
_POSITION_DISPLAY = re.compile(r"^posdisp", re.IGNORECASE)


@dataclass(frozen=True)
class _Place:
    """A folder of patients' folders."""

    tree: Tree
    images: str  # its path in the tree
    archive: str = ""  # name of the zip archive, put before the paths in it

    def name(self, file: str) -> str:
        """Return a file's path relative to the cohort's root."""
        return f"{self.archive}/{file}" if self.archive else file


class LssDataset:
    """See `lss.cohorts.base.Cohort`. Raises LssError where images or notes are missing altogether."""

    def __init__(
        self, root: Path, assumed_spacing_mm: float | None = None, unread: list[LssError] | None = None
    ) -> None:
        """Open the data set; `unread` as of `open_cohort`."""
        self._assumed_spacing_mm = assumed_spacing_mm
        self._places, self._rejects = _find_images(root)
        self._folders: dict[str, list[tuple[_Place, str]]] = defaultdict(list)
        for place in self._places:
            refuse_twins(place.tree.folders(place.images), str(root / place.name(place.images)))
            for folder in place.tree.folders(place.images):
                self._folders[patient_number(folder)].append((place, f"{place.images}/{folder}"))
        no_rejects: list[Reject] = []
        self._notes, note_rejects = read_or_keep(lambda: read_notes(root), ({}, no_rejects), unread)
        self._slice_numbers, row_rejects = read_or_keep(lambda: read_slice_numbers(root), ({}, no_rejects), unread)
        self._rejects += [*note_rejects, *row_rejects]

    def patients(self) -> list[str]:
        """See `Cohort`."""
        return sorted(self._folders.keys() | self._notes.keys(), key=natural_key)

    def read_patient(self, patient: str) -> PatientRecord:
        """See `Cohort`."""
        note = self._notes.get(patient)
        record = PatientRecord(note=note.text, people=note.people) if note else PatientRecord()
        series: dict[str, list[str]] = defaultdict(list)
        for place, folder in self._folders.get(patient, []):
            files = place.tree.files(folder)
            discs = disc_folders(files)
            for file in files:
                name = place.name(file)
                try:
                    file_slices = self._read(place, file, discs)
                    record.slices += file_slices.slices
                    record.rejects += file_slices.rejects
                except Exception as error:
                    reject = Reject.of(name, error)
                    record.rejects.append(reject)
                    if reject.reason == "no image file":
                        continue  # the table of slice numbers counts images
                series[str(PurePosixPath(name).parent)].append(name)
        record.slices, left_out = settle_series(record.slices)
        record.rejects += left_out
        counted = [item for item in record.slices if item.plane == "axial" and item.weighting not in NO_ANATOMY]
        axial = sorted({str(PurePosixPath(item.file).parent) for item in counted})
        known, row_rejects = self._known_levels(patient, [series[name] for name in axial])
        record.rejects += row_rejects
        assign_levels(record.slices, known)
        return record

    def sources(self, patient: str) -> tuple[list[str], object]:
        """See `Cohort`."""
        files: list[str] = []
        for place, folder in self._folders.get(patient, []):
            files += [place.archive] if place.archive else place.tree.files(folder)
        note = self._notes.get(patient)
        note_inputs = [note.text, sorted(note.people)] if note else None
        return files, [note_inputs, list(self._slice_numbers.get(patient, ()))]

    def orphans(self) -> list[Reject]:
        """See `Cohort`."""
        loose = [
            outside_folders(place.name(file)) for place in self._places for file in place.tree.loose_files(place.images)
        ]
        unlisted = [reject for tree in dict.fromkeys(place.tree for place in self._places) for reject in tree.rejects()]
        return [*unlisted, *loose, *self._rejects]

    def _read(self, place: _Place, file: str, discs: set[str]) -> DicomSlices:
        folders = PurePosixPath(file).relative_to(place.images).parts[1:-1]
        study, series = (folders[0], folders[-1]) if folders else ("", "")
        if _POSITION_DISPLAY.search(series):
            raise UnusableError("position display", "series POSDISP", "Nothing to do: it shows the slices' lines.")
        if _OTHER_REGION.search(study):
            raise UnusableError("not a lumbar study", "its folder names another region", "Nothing to do.")
        data = place.tree.read(file)
        refuse_no_image(file, data, discs)
        file_slices = read_dicom(data, place.name(file), series, assumed_spacing_mm=self._assumed_spacing_mm)
        # a file without UIDs still belongs to the study and series of its folders
        above = PurePosixPath(place.name(file)).parent
        for raw in file_slices.slices:
            raw.study = raw.study or above.parent.as_posix()
            raw.series = raw.series or above.as_posix()
        return file_slices

    def _known_levels(self, patient: str, series: list[list[str]]) -> tuple[dict[str, tuple[str, str]], list[Reject]]:
        """Return levels that the companion table gives to the files of a patient's axial series, by file."""
        known: dict[str, tuple[str, str]] = {}
        rejects: list[Reject] = []
        for level, number in zip(DISCS, self._slice_numbers.get(patient, ()), strict=False):
            shown = [files[number - 1] for files in series if 0 < number <= len(files)]
            known |= dict.fromkeys(shown, (level, "companion table"))
            if series and not shown:
                detail = f"{level} is given as slice {number}, which no axial series has"
                rejects.append(Reject(f"Slices Numbers.csv#{patient}", "unusable row", detail, "Correct the number."))
        return known, rejects


def _find_images(root: Path) -> tuple[list[_Place], list[Reject]]:
    """Return all folders of patients' folders: unpacked ones, or those in zip archives; and the archives left out."""
    if not root.is_dir():
        raise LssError(f"{root}: cohort.root: no such folder. Put the archive there, or name its folder.")
    folders = sorted(path for path in (root / IMAGES, *root.glob(f"*/{IMAGES}")) if path.is_dir())
    folders = [path for path in folders if not any(path in other.parents for other in folders)]  # unpacked into itself
    archives = sorted(path for path in root.iterdir() if path.suffix.lower() == ".zip" and path.is_file())
    if folders:
        tree = FolderTree(root)
        remedy = "Move it away; if it holds other patients, unpack it."
        detail = "the unpacked images were read, the archive was not"
        return (
            [_Place(tree, folder.relative_to(root).as_posix()) for folder in folders],
            [Reject(archive.name, "archive beside unpacked images", detail, remedy) for archive in archives],
        )
    places, rejects = [], []
    for archive in archives:
        packed = ZipTree(archive)
        paths = (PurePosixPath(file).parts for file in packed.files())
        image_folders = {"/".join(parts[: parts.index(IMAGES) + 1]) for parts in paths if IMAGES in parts[:-1]}
        places += [_Place(packed, images, archive.name) for images in sorted(image_folders)]
        if not image_folders:
            unreadable = packed.rejects()[:1]
            reason = "; ".join(f"{reject.reason}, {reject.detail}. {reject.remedy}" for reject in unreadable)
            detail = f"no folder {IMAGES} in it{'; ' + reason if reason else ''}"
            rejects.append(Reject(archive.name, "archive without images", detail, "Move it away, or unpack it."))
    if not places:
        raise LssError(
            f"{root}: cohort.root: neither a folder {IMAGES} nor a zip archive with one. {COHORT_REMEDY['lss']}"
            + "".join(f"\n  {reject.file}: {reject.detail}" for reject in rejects)
        )
    return places, rejects
