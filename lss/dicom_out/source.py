"""The source images of an object: of their headers what patient, study and geometry are taken from."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from lss.cohorts.dicom_header import read_closed
from lss.cohorts.privacy import PLAIN, REPLACED
from lss.errors import LssError

TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""Attributes by which an archive files an object with its patient and study: empty where unknown, but present."""

KEPT = frozenset(
    (*PLAIN, *REPLACED, *TYPE_2, "SpecificCharacterSet", "IssuerOfPatientID", "SliceThickness", "SpacingBetweenSlices",
     "SeriesNumber", "PositionReferenceIndicator")
)  # fmt: skip
"""What objects may take from their source images: nothing else that a header says of people, places or devices."""


@dataclass(frozen=True)
class SourceImage:
    """One slice as stored: the data set it stands in, and its frame from 1 where that holds several."""

    data: Dataset
    frame: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Return the numbers of rows and columns."""
        return int(self.data.Rows), int(self.data.Columns)

    def position(self) -> hd.PlanePositionSequence:
        """Return the position of the slice's corner in the patient, mm."""
        if self.frame is None:
            corner = self.data.ImagePositionPatient
        else:
            corner = self._group("PlanePositionSequence").ImagePositionPatient
        return hd.PlanePositionSequence(hd.CoordinateSystemNames.PATIENT, [float(value) for value in corner])

    def orientation(self) -> np.ndarray:
        """Return unit vectors along a row and down a column, (6,)."""
        if self.frame is None:
            values = self.data.ImageOrientationPatient
        else:
            values = self._group("PlaneOrientationSequence").ImageOrientationPatient
        return np.array([float(value) for value in values])

    def _group(self, name: str) -> Dataset:
        """Return the item of a functional group that holds for the frame: its own, or the one that all share."""
        own = self.data.PerFrameFunctionalGroupsSequence[(self.frame or 1) - 1]
        groups = own if name in own else self.data.SharedFunctionalGroupsSequence[0]
        return groups[name].value[0]

    def share_groups(self) -> None:
        """Put the frame's pixel measures and orientation among the groups that all frames share.

        Libraries read them only from the shared groups. A frame's own groups keep precedence, so nothing is lost.
        """
        if "SharedFunctionalGroupsSequence" not in self.data or not self.data.SharedFunctionalGroupsSequence:
            self.data.SharedFunctionalGroupsSequence = [Dataset()]
        own = self.data.PerFrameFunctionalGroupsSequence[(self.frame or 1) - 1]
        for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
            if name in own:
                setattr(self.data.SharedFunctionalGroupsSequence[0], name, own[name].value)


def read_source(data: bytes, frame: int | None = None) -> SourceImage:
    """Return the source image in a DICOM file; `frame` counts from 1 in a multi-frame one, None for a single image.

    Raises LssError for a file without what an object has to refer to.
    """
    header = read_source_header(data)
    return SourceImage(header, frame if "PerFrameFunctionalGroupsSequence" in header else None)


def read_source_header(data: bytes) -> Dataset:
    """Return what is `KEPT` of the header of a DICOM file, for the `SourceImage` of each of its frames.

    Raises LssError for a file without what an object has to refer to.
    """
    try:
        header = read_closed(data, force=data[128:132] != b"DICM")
    except Exception as error:  # whatever a broken header makes pydicom raise
        raise LssError(f"no DICOM objects can be made from a broken header ({type(error).__name__})") from error
    lack = [name for name in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows")
            if name not in header]  # fmt: skip
    if lack:
        raise LssError(f"no DICOM objects can refer to an image without {', '.join(lack)}")
    for tag in list(header.keys()):
        if keyword_for_tag(tag) not in KEPT:
            del header[tag]
    for name in TYPE_2:
        if name not in header:
            setattr(header, name, "")
    if not getattr(header.file_meta, "TransferSyntaxUID", None):
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return header
