"""Small DICOM files for the tests, written attribute by attribute with pydicom, and NIfTI volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from lss.cohorts.base import RawSlice
from lss.cohorts.dicom import read_dicom

AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
SAGITTAL = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
CORONAL = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]


def tilted_axial(degrees: float) -> list[float]:
    """An axial plane turned about the left-right axis, as along the sacrum."""
    angle = np.radians(degrees)
    return [1.0, 0.0, 0.0, 0.0, float(np.cos(angle)), float(np.sin(angle))]


def some_pixels(seed: int = 0, shape: tuple[int, int] = (24, 20)) -> np.ndarray:
    """12-bit noise, (rows, columns) uint16."""
    return np.random.default_rng(seed).integers(0, 4096, shape).astype(np.uint16)


def dataset(pixels: np.ndarray | None = None, **attributes: Any) -> FileDataset:
    """A complete axial T2 MR image; `attributes` replace or add, None removes."""
    pixels = some_pixels() if pixels is None else pixels
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = attributes.get("SOPInstanceUID") or generate_uid()
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": MRImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "MR",
        "StudyInstanceUID": "1.2.3.1", "SeriesInstanceUID": "1.2.3.1.4", "FrameOfReferenceUID": "1.2.3.9",
        "PatientID": "RAW-PATIENT-7", "PatientName": "Mustermann^Erika", "PatientBirthDate": "19610712",
        "StudyDate": "20160309", "AccessionNumber": "ACC99421", "InstitutionName": "Irbid Hospital",
        "ReferringPhysicianName": "Jekyll^Henry", "DeviceSerialNumber": "SN-31415",
        "SeriesDescription": "t2_tse_tra_384", "EchoTime": 100.0, "RepetitionTime": 4000.0,
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"], "InstanceNumber": 1,
        "ImageOrientationPatient": AXIAL, "ImagePositionPatient": [-5.0, -6.0, 7.0], "PixelSpacing": [0.6875, 0.5],
        "Rows": pixels.shape[0], "Columns": pixels.shape[1], "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11,
        "PixelRepresentation": 0, "PixelData": pixels.astype("<u2").tobytes(),
    }  # fmt: skip
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(ds, keyword, value)
    return ds


def write_dicom(path: Path, pixels: np.ndarray | None = None, **attributes: Any) -> Path:
    """Write `dataset(...)` to `path`, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset(pixels, **attributes).save_as(path, enforce_file_format=True)
    return path


def dicom_bytes(pixels: np.ndarray | None = None, **attributes: Any) -> bytes:
    """`dataset(...)` as the bytes of a file."""
    import io

    buffer = io.BytesIO()
    dataset(pixels, **attributes).save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def read_one(data: bytes, file: str = "a", series_name: str = "t2", **options: Any) -> RawSlice:
    """The one slice of a DICOM file."""
    result = read_dicom(data, file, series_name, **options)
    (item,) = result.slices
    assert result.rejects == []
    return item


def write_patient(
    root: Path, patient: str, blocks: int = 3, per_block: int = 4, seed: int = 0, **attributes: Any
) -> list[Path]:
    """A patient in the Lumbar Spine MRI Dataset's layout: axial T2 blocks (the lowest tilted by 30 degrees), one
    sagittal T2 slice and one localizer. Heights: block k from the tail lies 36 * k mm above -100. `attributes` go into
    every file.
    """
    folder = root / "01_MRI_Data" / patient / "L-SPINE_LSS_20160309_091629_240000"
    study, written, number = f"1.2.{int(patient) + 10}", [], 0
    for block in range(blocks):
        tilt = 30.0 if block == 0 else 2.0 * block
        orientation = tilted_axial(tilt)
        normal = np.cross(orientation[:3], orientation[3:])
        for index in range(per_block):
            number += 1
            corner = np.array([0.0, 0.0, -100.0 + 36.0 * block]) + normal * 4.4 * index
            corner += _shift(orientation, attributes.get("PixelSpacing"))
            written.append(
                write_dicom(
                    folder / "T2_TSE_TRA_384_0004" / f"T2_TSE_TRA__{patient}_{number:03d}.ima",
                    smooth_pixels(1000 * seed + number),
                    StudyInstanceUID=study,
                    SeriesInstanceUID=f"{study}.4",
                    FrameOfReferenceUID=f"{study}.9",
                    ImageOrientationPatient=orientation,
                    ImagePositionPatient=list(map(float, corner)),
                    InstanceNumber=number,
                    **{"PatientID": f"RAW-{patient}"} | attributes,
                )
            )
    for name, series, orientation in (
        ("T2_TSE_SAG_384_0002", 2, SAGITTAL),
        ("LOCALIZER_0001", 1, CORONAL),
    ):
        written.append(
            write_dicom(
                folder / name / f"{name[:11]}_{patient}_001.ima",
                smooth_pixels(1000 * seed + 900 + series),
                StudyInstanceUID=study,
                SeriesInstanceUID=f"{study}.{series}",
                ImageOrientationPatient=orientation,
                **{
                    "SeriesDescription": name.lower(),
                    "EchoTime": 100.0 if series == 2 else 4.0,
                    "RepetitionTime": 4000.0 if series == 2 else 20.0,
                    "PatientID": f"RAW-{patient}",
                }
                | attributes,
            )
        )
    return written


def _shift(orientation: list[float], spacing: list[float] | None) -> np.ndarray:
    """What keeps the centre of a slice of `smooth_pixels` where it lies with the spacing of `dataset`."""
    if spacing is None:
        return np.zeros(3)
    rows, columns = smooth_pixels(0).shape
    down, across = np.subtract([0.6875, 0.5], spacing) * [(rows - 1) / 2, (columns - 1) / 2]
    return np.array(orientation[:3]) * across + np.array(orientation[3:]) * down


def smooth_pixels(seed: int, shape: tuple[int, int] = (48, 40)) -> np.ndarray:
    """A blurred random picture of 12 bits: each seed looks different, as different bodies do."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 3)
    return np.rint((field - field.min()) / np.ptp(field) * 3000 + 50).astype(np.uint16)


def write_notes(path: Path, notes: dict[object, str | None], columns: tuple[str, str] | None = None) -> Path:
    """The Excel of notes."""
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Sheet1"
    sheet.append(list(columns or ("Patient ID", "Clinician's Notes")))
    for patient, note in notes.items():
        sheet.append([patient, note])
    path.parent.mkdir(parents=True, exist_ok=True)
    workbook.save(path)
    return path


def nifti(values: np.ndarray, codes: str, spacing: tuple[float, float, float]) -> bytes:
    """A volume whose voxel values are given in right-front-head order, stored in the axis order `codes`."""
    ras = nibabel.Nifti1Image(values, np.diag([*spacing, 1.0]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    return ras.as_reoriented(turn).to_bytes()


def volume_values() -> np.ndarray:
    """Voxels of a small volume, (6, 4, 5) int16; no slice is blank."""
    return np.random.default_rng(3).integers(0, 99, (6, 4, 5)).astype(np.int16)
