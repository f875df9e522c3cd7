"""DICOM files around the pixels: Siemens-like headers with made-up identifiers, the same bytes every time."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from lss.phantom.acquisition import BITS
from lss.phantom.anatomy import Patient

_IMPLEMENTATION = generate_uid(entropy_srcs=["lss", "phantom"])
_FAMILY_NAMES = ("Muster", "Beispiel", "Probe", "Fantasma", "Sample", "Ejemplo")


@dataclass(frozen=True)
class Protocol:
    """One sequence: how its folder and description are called, and its settings (ms, degrees, mm)."""

    folder: str
    description: str
    echo_ms: float
    repetition_ms: float
    flip_deg: float
    sequence: str
    thickness_mm: float = 4.0
    distance_mm: float = 4.4
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "M", "ND", "DIS2D")


AXIAL_T2 = Protocol("T2_TSE_TRA_384", "t2_tse_tra_384", 113.0, 4000.0, 150.0, "*tse2d1_15")
AXIAL_T1 = Protocol("T1_TSE_TRA", "t1_tse_tra", 11.0, 621.0, 150.0, "*tse2d1_3")
SAGITTAL_T2 = Protocol("T2_TSE_SAG_384", "t2_tse_sag_384", 105.0, 3580.0, 150.0, "*tse2d1_17")
SAGITTAL_T1 = Protocol("T1_TSE_SAG_320", "t1_tse_sag_320", 12.0, 550.0, 150.0, "*tse2d1_3")
LOCALIZER = Protocol(
    "LOCALIZER", "localizer", 3.4, 7.5, 20.0, "*fl2d1", 7.0, 14.0, ("ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D")
)
POSITION_DISPLAY = Protocol(
    "POSDISP_[4]_T2_TSE_TRA_384", "posdisp: [4] t2_tse_tra_384", 105.0, 3580.0, 150.0, "*tse2d1_17",
    image_type=("DERIVED", "SECONDARY", "POSDISP", "ND", "DIS2D"),
)  # fmt: skip


@dataclass(frozen=True)
class Study:
    """One visit. `date` is YYYYMMDD, `time` HHMMSS, `fraction` six digits; `region` heads the folder's name."""

    date: str
    time: str
    fraction: str
    region: str = "L-SPINE_LSS"

    @property
    def folder(self) -> str:
        """Name of the study's folder."""
        return f"{self.region}_{self.date}_{self.time}_{self.fraction}"


@dataclass(frozen=True)
class Plane:
    """Where an image lies in the patient system, mm: centre, unit vectors along rows and down columns, spacing."""

    centre_3: np.ndarray
    row_3: np.ndarray
    column_3: np.ndarray
    spacing_mm: float

    def corner_3(self, rows: int, columns: int) -> np.ndarray:
        """Return the centre of the first pixel (ImagePositionPatient)."""
        across = self.row_3 * (columns - 1) / 2 * self.spacing_mm
        return self.centre_3 - across - self.column_3 * (rows - 1) / 2 * self.spacing_mm


def dicom_bytes(
    pixels: np.ndarray,
    plane: Plane,
    protocol: Protocol,
    patient: Patient,
    study: Study,
    series: int,
    instance: int,
    seed: int,
) -> bytes:
    """Return a DICOM file (explicit VR, little endian, 12 bits of 16) of (rows, columns) uint16 grey levels."""
    rows, columns = pixels.shape
    unique = [str(part) for part in ("phantom", seed, patient.number, study.folder)]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[*unique, "image", str(series), str(instance)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION
    meta.ImplementationVersionName = "LSS_PHANTOM"
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SpecificCharacterSet = "ISO_IR 100"
    data.ImageType = list(protocol.image_type)
    data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = generate_uid(entropy_srcs=[*unique, "study"])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=[*unique, "series", str(series)])
    data.FrameOfReferenceUID = generate_uid(entropy_srcs=[*unique, "frame"])
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = study.date
    data.StudyTime = data.SeriesTime = data.AcquisitionTime = f"{study.time}.{study.fraction}"
    data.ContentTime = f"{study.time}.{instance:06d}"
    data.Modality, data.Manufacturer = "MR", "SIEMENS"
    data.ManufacturerModelName, data.StationName = "Phantom", "MRC00000"
    data.InstitutionName, data.InstitutionAddress = "Phantom Hospital", "1 Nowhere Street"
    data.ReferringPhysicianName = "Nobody^Ada"
    data.AccessionNumber = f"ACC{patient.number:06d}"
    data.StudyDescription, data.SeriesDescription = study.region.replace("_", "^"), protocol.description
    data.ProtocolName = protocol.description
    data.PatientName = f"{_FAMILY_NAMES[patient.number % len(_FAMILY_NAMES)]}^{'Eva' if patient.female else 'Max'}"
    data.PatientID = f"PHANTOM-{patient.number:05d}"
    data.PatientBirthDate = (
        f"{int(study.date[:4]) - patient.age}{1 + patient.number % 12:02d}{1 + patient.number % 28:02d}"
    )
    data.PatientSex, data.PatientAge = "F" if patient.female else "M", f"{patient.age:03d}Y"
    data.PatientWeight = round(55 + 14 * patient.size + 1.1 * patient.fat)
    data.PatientComments = "synthetic image, no patient"
    data.BodyPartExamined, data.PatientPosition = study.region.split("_")[0].replace("-", ""), "HFS"
    data.ScanningSequence, data.SequenceVariant, data.MRAcquisitionType = "SE", "SK", "2D"
    data.SequenceName, data.MagneticFieldStrength, data.ImagedNucleus = protocol.sequence, 1.5, "1H"
    data.EchoTime, data.RepetitionTime, data.FlipAngle = protocol.echo_ms, protocol.repetition_ms, protocol.flip_deg
    data.SliceThickness, data.SpacingBetweenSlices = protocol.thickness_mm, protocol.distance_mm
    data.SeriesNumber, data.AcquisitionNumber, data.InstanceNumber = series, 1, instance
    corner_3 = plane.corner_3(rows, columns)
    data.ImagePositionPatient = [_decimal(value) for value in corner_3]
    data.ImageOrientationPatient = [_decimal(value) for value in (*plane.row_3, *plane.column_3)]
    data.SliceLocation = _decimal(float(corner_3 @ np.cross(plane.row_3, plane.column_3)))
    data.PixelSpacing = [_decimal(plane.spacing_mm)] * 2
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = rows, columns
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, BITS, BITS - 1, 0
    data.SmallestImagePixelValue, data.LargestImagePixelValue = int(pixels.min()), int(pixels.max())
    data.WindowCenter, data.WindowWidth = int(pixels.max()) // 3, int(pixels.max()) * 2 // 3 + 1
    data.PixelData = pixels.astype("<u2").tobytes()
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()


def _decimal(value: float) -> str:
    """Return a number as DICOM's decimal string: at most 16 characters."""
    return f"{value:.10g}" if abs(value) > 1e-6 else "0"
