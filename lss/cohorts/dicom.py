"""Read the slices of one DICOM file: only whitelisted attributes, with the stored bit depth.

The file is parsed (`dicom_header`), checked (`dicom_checks`), split into frames (`dicom_frames`), and each frame's
stored values become grey levels (`dicom_pixels`).
"""

from __future__ import annotations

import hashlib
import re
import warnings
from typing import NamedTuple

import numpy as np
import pydicom

from lss.cohorts.base import Geometry, RawSlice, Reject, UnusableError
from lss.cohorts.contrast import (
    NO_ANATOMY,
    is_gradient_echo,
    kind_from_header,
    plane_from_orientation,
    plane_without_position,
    weighting,
)
from lss.cohorts.dicom_checks import check_file, check_frame, kind_of_values
from lss.cohorts.dicom_frames import frame_headers
from lss.cohorts.dicom_header import AGAIN, floats, number, parse_dicom, patient_id, people, stored_text, texts
from lss.cohorts.dicom_pixels import frame_pixels
from lss.cohorts.series_names import plane_from_name, weighting_from_name
from lss.errors import LssError

MIN_SPACING_MM, MAX_SPACING_MM = 0.1, 10.0
"""Credible sizes of a pixel; a finer one would also ask for images of gigabytes when slices are resampled."""

MOST_IMAGES = 99_999
"""Greatest InstanceNumber that is taken for one."""

_ECHOES = {"GRADIENT": {"GR"}, "SPIN": {"SE"}, "BOTH": {"GR", "SE"}}
"""EchoPulseSequence of an Enhanced MR file in the words of ScanningSequence, which such files lack."""


class DicomSlices(NamedTuple):
    """Slices of one file, and rejects of its frames that are no slices."""

    slices: list[RawSlice]
    rejects: list[Reject]


def read_dicom(data: bytes, file: str, series_name: str, *, assumed_spacing_mm: float | None = None) -> DicomSlices:
    """Read one DICOM file: one slice, or one per frame of an Enhanced MR file.

    Args:
        data: the file's bytes.
        file: its path relative to the cohort's root.
        series_name: what the archive calls the series (its folder), used beside the header's names.
        assumed_spacing_mm: pixel spacing where the header has none; None rejects such a file.

    Raises:
        UnusableError: with the reason, when no grey MR slice can be had from the file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values are judged here, attribute by attribute
        try:
            return _read(parse_dicom(data), data, file, series_name, assumed_spacing_mm)
        except (UnusableError, LssError):
            raise
        except Exception as error:  # pydicom converts values on access, and raises whatever a broken one makes it
            raise UnusableError("broken DICOM", type(error).__name__, AGAIN) from error


def _read(
    header: pydicom.Dataset, data: bytes, file: str, series_name: str, assumed_spacing_mm: float | None
) -> DicomSlices:
    check_file(header)
    frames = frame_headers(header)
    digest = hashlib.sha256(data).hexdigest()
    slices: list[RawSlice] = []
    faults: dict[tuple[str, str], list[UnusableError]] = {}
    for index, frame in enumerate(frames):
        try:
            check_frame(frame)
            pixels, bits = frame_pixels(header, frame, index)
            item = _slice(frame, pixels, bits, file, series_name, assumed_spacing_mm)
        except UnusableError as error:
            faults.setdefault((error.reason, error.detail), []).append(error)
            continue
        item.source_sha256 = digest
        if len(frames) > 1:
            item.image, item.instance = f"{item.image}#{index + 1}", index + 1
        slices.append(item)
    if not slices:
        raise next(iter(faults.values()))[0]
    rejects = [
        Reject(file, reason, f"{len(errors)} of {len(frames)} frames: {detail}", errors[0].remedy)
        for (reason, detail), errors in faults.items()
    ]
    return DicomSlices(slices, rejects)


def _slice(
    header: pydicom.Dataset,
    pixels: np.ndarray,
    bits: int,
    file: str,
    series_name: str,
    assumed_spacing_mm: float | None,
) -> RawSlice:
    """Return the slice of one frame; `source_sha256` is still empty."""
    row_spacing, column_spacing, spacing_reason = _spacing(header, assumed_spacing_mm)
    orientation_6 = floats(header, "ImageOrientationPatient")
    plane, plane_reason, normal_3 = plane_from_orientation(orientation_6)
    corner_3 = floats(header, "ImagePositionPatient")
    geometry, position = None, None
    if normal_3 is not None and corner_3 is not None and len(corner_3) == 3:
        directions_6 = np.asarray(orientation_6, float)
        row_3, column_3 = directions_6[:3], directions_6[3:]
        rows, columns = pixels.shape
        centre_3 = (
            np.asarray(corner_3) + row_3 * column_spacing * (columns - 1) / 2 + column_3 * row_spacing * (rows - 1) / 2
        )
        geometry = Geometry(centre_3, normal_3, str(header.get("FrameOfReferenceUID", "")), directions_6)
        position = float(np.asarray(corner_3) @ normal_3)
    description, protocol = (str(header.get(key, "") or "") for key in ("SeriesDescription", "ProtocolName"))
    planning = weighting_from_name(description)[0] in NO_ANATOMY
    names = [description, series_name, protocol] if planning else [series_name, description, protocol]
    scanning = texts(header, "ScanningSequence")
    if "YES" in texts(header, "EchoPlanarPulseSequence"):
        scanning |= {"EP"}
    scanning |= _ECHOES.get(str(header.get("EchoPulseSequence", "") or "").upper(), set())
    sequence = str(header.get("SequenceName", "") or header.get("PulseSequenceName", "") or "")
    image_type = texts(header, "ImageType")
    gradient = is_gradient_echo(scanning, image_type, sequence)
    times = number(header, "EchoTime"), number(header, "RepetitionTime")
    kind, kind_reason = weighting(names, *times, scanning, gradient=gradient)
    lossy = str(header.get("LossyImageCompression", "") or "") == "01"
    contrast = image_type | texts(header, "AcquisitionContrast") | texts(header, "ComplexImageComponent")
    if excluded := kind_from_header(contrast, scanning, sequence, lossy=lossy) or kind_of_values(header):
        kind, kind_reason = excluded
    planes = [plane_from_name(name)[0] for name in names]
    named_plane = next((named for named in planes if named != "unknown"), "unknown")
    if geometry is None and normal_3 is not None:
        plane, plane_reason = plane_without_position(plane, plane_reason, normal_3, named_plane)
    return RawSlice(
        file=file,
        source_sha256="",
        study=str(header.get("StudyInstanceUID", "") or ""),
        series=str(header.get("SeriesInstanceUID", "") or ""),
        image=str(header.get("SOPInstanceUID", "") or "") or file,
        pixels=pixels,
        bits=bits,
        plane=plane,
        plane_reason=plane_reason,
        weighting=kind,
        weighting_reason=kind_reason,
        instance=_instance(header),
        row_spacing_mm=row_spacing,
        column_spacing_mm=column_spacing,
        spacing_reason=spacing_reason,
        position_mm=position,
        geometry=geometry,
        person=patient_id(header),
        named_plane=named_plane,
        image_type=image_type,
        people=people(header),
    )


def _spacing(header: pydicom.Dataset, assumed_mm: float | None) -> tuple[float, float, str]:
    """Return the row and column spacing in mm, and where they come from."""
    values = floats(header, "PixelSpacing") or _spelt_spacing(header)
    if len(values) == 2 and all(MIN_SPACING_MM <= value <= MAX_SPACING_MM for value in values):
        return values[0], values[1], "PixelSpacing of the header"
    return missing_spacing(assumed_mm)


def _spelt_spacing(header: pydicom.Dataset) -> list[float]:
    r"""Return two numbers of a PixelSpacing that is no DICOM list: "0.5, 0.5", "[0.5 0.5]", or "0,5\0,5"."""
    text = stored_text(header, "PixelSpacing")
    if "\\" in text:
        text = text.replace(",", ".")
    return [float(number) for number in re.findall(r"\d{1,9}(?:\.\d{1,20})?", text)]


def _instance(header: pydicom.Dataset) -> int:
    """Return InstanceNumber; 0 where it is missing, no number, or one that counts no images: it could be somebody's."""
    instance = number(header, "InstanceNumber")
    return int(instance) if instance is not None and abs(instance) <= MOST_IMAGES else 0


def missing_spacing(assumed_mm: float | None) -> tuple[float, float, str]:
    """Return spacing of an image that carries none: the stated assumption, else UnusableError."""
    if assumed_mm is None:
        raise UnusableError(
            "missing pixel spacing",
            "the file gives no pixel spacing",
            "Set ingest.assumed_spacing_mm to the spacing of these images (0.6875 in the Lumbar Spine MRI Dataset).",
        )
    return (
        assumed_mm,
        assumed_mm,
        f"assumed {assumed_mm:g} mm (ingest.assumed_spacing_mm): the file carries none",
    )
