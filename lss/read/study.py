"""A study as it comes: a folder, a zip archive or a disc with a DICOMDIR; DICOM, NIfTI, PNG or TIFF."""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lss.cohorts.base import RawSlice, Reject
from lss.cohorts.file_tree import ONE_PATIENT, FolderTree, OnePatientTree, Tree, ZipTree
from lss.cohorts.folder import FolderDataset
from lss.cohorts.privacy import identifies
from lss.cohorts.settings import FolderParams
from lss.errors import LssError


class RefusedError(LssError):
    """The refusal of a study, with the reason: no reading of it may be written."""


@dataclass(frozen=True)
class Study:
    """The slices of one patient's study.

    Attributes:
        slices: of every plane and weighting, copies left out; levels as the count of blocks gives them.
        axial: the axial T2 slices to be read, of one study, from the head downwards.
        rejects: what could not be used, with reasons.
        notes: what a reader has to know of the choice.
        tree: where the files can be read again.
    """

    slices: list[RawSlice]
    axial: list[RawSlice]
    rejects: list[Reject]
    notes: list[str]
    tree: OnePatientTree

    @property
    def person(self) -> str:
        """The PatientID, "" where no header states one that identifies somebody."""
        return next((item.person for item in self.axial if identifies(item.person)), "")


def open_study(path: Path, assumed_spacing_mm: float | None = None) -> Study:
    """Read all files of a study and choose the axial T2 slices.

    Args:
        path: a folder, a zip archive, a single file, or a DICOMDIR, which stands for the folder it lies in.
        assumed_spacing_mm: pixel spacing of pictures, which have none.

    Raises:
        RefusedError: when there is nothing to read on: another body part, no axial T2, several patients.
        LssError: when the path does not exist or is no archive.
    """
    tree, slices, rejects = _read_files(path, assumed_spacing_mm, "")
    if slices and all(item.plane == "unknown" for item in slices):  # pictures: their folder may say what they are
        tree, slices, rejects = _read_files(path, assumed_spacing_mm, path.resolve().name.split(".")[0])
    persons = {item.person for item in slices if identifies(item.person)}
    if len(persons) > 1:
        raise RefusedError(f"{path}: holds images of {len(persons)} patients (PatientID). Bring one patient's study.")
    axial = [item for item in slices if item.plane == "axial" and item.weighting == "T2"]
    if not axial:
        raise RefusedError(f"{path}: no axial T2 slices. {_contents(slices, rejects)}")
    notes = []
    studies = Counter(item.study for item in axial)
    chosen = max(studies, key=lambda study: (studies[study], study))
    if len(studies) > 1:
        notes.append(
            f"{len(studies)} studies have axial T2 slices; the one with most of them ({studies[chosen]}) was read"
        )
    kept, upside_down = [], 0
    for item in axial:
        if item.study != chosen:
            continue
        if item.geometry is not None and item.geometry.orientation_6[4] < 0:
            upside_down += 1
        else:
            kept.append(item)
    if upside_down:
        notes.append(f"{upside_down} axial slices are stored with the back on top and were not read")
    if not kept:
        raise RefusedError(
            f"{path}: all axial T2 slices are stored with the back on top. Export them as radiologists see them."
        )
    if (twice := _series_of_one_place(kept)) > 1:
        notes.append(
            f"{twice} axial T2 series show the same places: all their slices were read and count together for each disc"
        )
    own = [item for item in slices if item.study == chosen or item.geometry is None]
    return Study(own, _from_the_head(kept), rejects, notes, tree)


def open_prior(path: Path, study: Study, assumed_spacing_mm: float | None = None) -> Study:
    """Read an earlier study of the patient of `study`; see `open_study`.

    Raises RefusedError where its PatientID is another; where one of the two states none, a note of `study` says so.
    """
    prior = open_study(path, assumed_spacing_mm)
    if study.person and prior.person and study.person != prior.person:
        raise RefusedError(
            f"{path}: the prior study is of another patient (PatientID {prior.person}, not {study.person}). Give the "
            "same patient's, or none."
        )
    if not (study.person and prior.person):
        study.notes.append("whether the prior study is of the same patient is not known: a PatientID is missing")
    return prior


def _series_of_one_place(axial: list[RawSlice]) -> int:
    """Return how many series have a slice whose plane and place another series has too, to a millimetre."""
    placed = [(item.series, item.geometry) for item in axial if item.geometry is not None]
    if len({series for series, _ in placed}) < 2:
        return 0
    names = np.array([series for series, _ in placed])
    centres_N3 = np.array([geometry.centre_3 for _, geometry in placed])
    normals_N3 = np.array([geometry.normal_3 for _, geometry in placed])
    apart_NN = np.abs(np.einsum("nmk,nk->nm", centres_N3[None] - centres_N3[:, None], normals_N3))
    same_NN = (apart_NN < 1) & (np.abs(normals_N3 @ normals_N3.T) > np.cos(np.radians(2)))
    other_NN = names[:, None] != names[None]
    return len(set(names[(same_NN & other_NN).any(axis=1)].tolist()))


def _read_files(
    path: Path, assumed_spacing_mm: float | None, name: str
) -> tuple[OnePatientTree, list[RawSlice], list[Reject]]:
    """Return all slices and rejects of a study; `name` stands for the folder that its files lie in, "" for none."""
    tree = OnePatientTree(_tree_at(path), name)
    nobody = FolderParams(
        table=None, patient_column="", note_column=None, grade_column=None, plane_column=None, weighting_column=None
    )
    dataset = FolderDataset(path, nobody, assumed_spacing_mm, tree=tree)
    record = dataset.read_patient(ONE_PATIENT)
    return tree, record.slices, [*record.rejects, *dataset.orphans()]


def _tree_at(path: Path) -> Tree:
    if path.name.upper() == "DICOMDIR" and path.is_file():
        path = path.parent
    if path.is_dir():
        return FolderTree(path)
    if not path.exists():
        raise LssError(f"{path}: no such folder or file. Name a folder, a zip archive or a DICOMDIR of one patient.")
    if not path.is_file():  # to look into a pipe would wait for its other end
        raise LssError(f"{path}: is neither a folder nor a file. Name a folder, a zip archive or a DICOMDIR.")
    if zipfile.is_zipfile(path):
        return ZipTree(path)
    return _OneFile(path)


class _OneFile(FolderTree):
    """A single file, such as a NIfTI volume or an Enhanced MR image."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self._name = path.name

    def files(self, under: str = "") -> list[str]:
        """See `Tree`."""
        return [] if under else [self._name]


def _from_the_head(axial: list[RawSlice]) -> list[RawSlice]:
    """Return slices with a position from the head downwards; the others as their files are named."""

    def key(item: RawSlice) -> tuple[float, str, int]:
        return (-float(item.geometry.centre_3[2]) if item.geometry is not None else 0.0, item.file, item.instance)

    return sorted(axial, key=key)


def _contents(slices: list[RawSlice], rejects: list[Reject]) -> str:
    kinds = Counter(f"{item.plane} {item.weighting}" for item in slices)
    reasons = Counter(f"{reject.reason} ({reject.detail})" for reject in rejects)
    listed = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common(6)) or "no image that can be read"
    rejected = (
        "; left out: " + ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common(4)) if reasons else ""
    )
    remedy = ""
    if any(reject.reason == "missing pixel spacing" for reject in rejects):
        remedy = " If you know the pixels' size, give it: --spacing MM."
    if slices and all(item.plane == "unknown" or item.weighting == "unknown" for item in slices):
        remedy = " Pictures say what they are by a name: if they are axial T2 slices, call their folder axial_t2."
    return f"There are: {listed}{rejected}.{remedy}"
