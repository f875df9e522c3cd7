"""One DICOM file to one slice: only whitelisted attributes, the stored depth kept.

Pixel rules: compressed transfer syntaxes are decoded where pydicom has a decoder; bits beyond BitsStored are
cleared (old files hold overlays there), and values stored up to HighBit are shifted down; MONOCHROME1 is inverted; a
modality rescale is applied where it loses nothing, and left out where it would (a scale below 1 would merge grey
levels, and no later step needs absolute values).
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import warnings
import zlib
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

from lss.cohorts.base import Geometry, RawSlice, UnusableError
from lss.cohorts.contrast import (
    NO_ANATOMY,
    kind_from_header,
    plane_from_name,
    plane_from_orientation,
    weighting,
    weighting_from_name,
)
from lss.cohorts.privacy import MATCHED, WHITELIST

# values are judged below; pydicom's own remarks would quote them in logs
logging.getLogger("pydicom").setLevel(logging.ERROR)

MAX_PIXELS = 4096 * 4096
MIN_SPACING_MM, MAX_SPACING_MM = 0.1, 10.0
"""Credible sizes of a pixel; a finer one would also ask for images of gigabytes when slices are resampled."""
MAX_INFLATED = 64 * 2**20
"""Bytes to which a deflated file may unpack: an image of `MAX_PIXELS` and its header."""
_PATIENT_ID = Tag("PatientID")
_END_OF_FRAGMENTS = bytes.fromhex("feffdde000000000")
_OTHER_REGIONS = re.compile(
    r"(?<![a-z])(brain|head|skull|kopf|knee|knie|shoulder|schulter|wrist|ankle|elbow|prostate|breast|cervical"
    r"|[ct][ _-]?spine|hws)(?![a-z])",
    re.IGNORECASE,
)
_LUMBAR = re.compile(r"lumb|lws|(?<![a-z])(l|ls)[ -]?spine|sacr", re.IGNORECASE)
_OTHER_MODALITIES = frozenset({"CT", "CR", "DX", "MG", "NM", "OT", "PR", "PT", "RF", "SC", "SEG", "SR", "US", "XA"})
_OTHER_BODY_PARTS = frozenset({"CSPINE", "TSPINE", "BRAIN", "HEAD", "NECK", "KNEE", "SHOULDER", "HIP", "CHEST"})
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_COMPRESSED_REMEDY = "Decompress it (gdcmconv --raw) or install a decoder that pydicom can use."
_AGAIN = "Copy, fetch or export it again."
_SENDER_REMEDY = "Export it again as a single-frame grey MR image."


def read_dicom(data: bytes, file: str, series_name: str, *, assumed_spacing_mm: float | None = None) -> RawSlice:
    """Read one DICOM file.

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
            return _read(_parse(data), data, file, series_name, assumed_spacing_mm)
        except UnusableError:
            raise
        except Exception as error:  # pydicom converts values on access, and raises whatever a broken one makes it
            raise UnusableError("broken DICOM", type(error).__name__, _AGAIN) from error


def _read(
    header: pydicom.Dataset, data: bytes, file: str, series_name: str, assumed_spacing_mm: float | None
) -> RawSlice:
    _check(header)
    pixels, bits = _pixels(header)
    row_spacing, column_spacing, spacing_reason = _spacing(header, assumed_spacing_mm)
    orientation_6 = _floats(header, "ImageOrientationPatient")
    plane, plane_reason, normal_3 = plane_from_orientation(orientation_6)
    corner_3 = _floats(header, "ImagePositionPatient")
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
    kind, kind_reason = weighting(names, _number(header, "EchoTime"), _number(header, "RepetitionTime"))
    scanning, sequence = _values(header, "ScanningSequence"), str(header.get("SequenceName", "") or "")
    lossy = str(header.get("LossyImageCompression", "") or "") == "01"
    if found := kind_from_header(_values(header, "ImageType"), scanning, sequence, lossy=lossy):
        kind, kind_reason = found
    planes = [plane_from_name(name)[0] for name in names]
    return RawSlice(
        file=file,
        source_sha256=hashlib.sha256(data).hexdigest(),
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
        person=_patient_id(header),
        named_plane=next((named for named in planes if named != "unknown"), "unknown"),
        image_type=_values(header, "ImageType"),
    )


def read_patient_id(stream: BinaryIO) -> str:
    """PatientID of a file, of which no more is read than stands before it: it tells whose a file is.

    It leaves ingest as a keyed hash only. "" where there is none, or no DICOM.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            force = _has_no_preamble(stream.read(8))
            stream.seek(0)
            return _patient_id(
                read_partial(stream, lambda tag, *_: tag > _PATIENT_ID, specific_tags=[_PATIENT_ID], force=force)
            )
    except Exception:  # whatever a broken header raises: the file is read as a whole later, and rejected there
        return ""


def _patient_id(header: pydicom.Dataset) -> str:
    return str(header.get("PatientID", "") or "").strip()


def _parse(data: bytes) -> pydicom.Dataset:
    _refuse_bomb(data)
    bare = _has_no_preamble(data)
    try:
        header = _dcmread(data, force=bare)
        if "PixelData" not in header and data.rstrip(b"\0").endswith(b"\xff\xd9"):
            # the last fragment is a whole JPEG image, only the mark that closes the fragments is absent
            header = _dcmread(data + _END_OF_FRAGMENTS, force=bare)
        if bare and "SOPClassUID" not in header:
            raise InvalidDicomError
        if "TransferSyntaxUID" not in header.file_meta and bare:
            implicit = header.original_encoding[0]
            header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        return header
    except InvalidDicomError as error:
        raise UnusableError("not DICOM", "no DICM mark at byte 128", "Remove it, or export it as DICOM.") from error
    except EOFError as error:
        raise UnusableError("truncated file", "ends inside an attribute", _AGAIN) from error
    except Exception as error:  # whatever a broken header makes pydicom raise is this file's fault
        raise UnusableError("broken DICOM", type(error).__name__, _AGAIN) from error


def _dcmread(data: bytes, *, force: bool) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data), specific_tags=list(WHITELIST), force=force)


def _has_no_preamble(start: bytes) -> bool:
    """Whether a file begins with an attribute of group 2 or 8 at once, as old archives wrote DICOM."""
    return start[:2] in (b"\x02\0", b"\x08\0") and start[3:4] == b"\0" and len(start) >= 8


def _refuse_bomb(data: bytes) -> None:
    """Raise UnusableError for a deflated file that unpacks to more than `MAX_INFLATED` bytes."""
    if data[128:132] != b"DICM" or DeflatedExplicitVRLittleEndian.encode() not in data[132:4096]:
        return
    start = 144 + int.from_bytes(data[140:144], "little")  # behind the meta header, by its group length
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = len(unpacker.decompress(data[start:], MAX_INFLATED))
    except zlib.error as error:
        raise UnusableError("broken DICOM", "deflated data that cannot be unpacked", _AGAIN) from error
    if unpacked >= MAX_INFLATED:
        raise UnusableError("file too large", f"unpacks to over {MAX_INFLATED >> 20} MiB", "Do not trust the file.")


def _check(header: pydicom.Dataset) -> None:
    """Raise UnusableError unless this is one grey MR frame of credible size."""
    image_type = _values(header, "ImageType")
    if "POSDISP" in image_type:
        raise UnusableError("position display", "ImageType says POSDISP", "Nothing to do: it shows slice lines.")
    if str(header.get("SOPClassUID", "")).startswith(_SECONDARY_CAPTURE) and "ImagePositionPatient" not in header:
        raise UnusableError("screen save", "SOP class Secondary Capture", "Nothing to do: it is no scan.")
    modality = str(header.get("Modality", "MR") or "MR")
    if modality != "MR":
        known = modality if modality in _OTHER_MODALITIES else "another"  # a broken header may hold anything there
        raise UnusableError("not MR", f"Modality is {known}", "Keep only MR series in the cohort.")
    body_part = str(header.get("BodyPartExamined", "") or "").upper().replace(" ", "")
    if body_part in _OTHER_BODY_PARTS:
        raise UnusableError("not a lumbar study", f"BodyPartExamined is {body_part}", "Nothing to do.")
    names = " ".join(str(header.get(key, "") or "") for key in MATCHED)
    if not body_part and (region := _OTHER_REGIONS.search(names)) and not _LUMBAR.search(names):
        detail = f"the series' name says '{region.group(1).lower()}'"
        raise UnusableError("not a lumbar study", detail, "Nothing to do.")
    if "Rows" not in header or "Columns" not in header:
        if header.get("SOPClassUID") == MRImageStorage:
            raise UnusableError("truncated file", "ends before Rows and Columns", _AGAIN)
        raise UnusableError("no image", "no Rows or Columns", "Remove it: it is no image.")
    if "PixelData" not in header:
        raise UnusableError("truncated file", "ends before the pixels", _AGAIN)
    if int(_number(header, "NumberOfFrames") or 1) > 1:
        raise UnusableError("multi-frame DICOM", "several frames in one file", "Split it (emf2sf) and bring it again.")
    if int(_number(header, "SamplesPerPixel") or 1) != 1:
        raise UnusableError("colour image", "several samples per pixel", _SENDER_REMEDY)
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        raise UnusableError("colour image", "its values are numbers of a palette", _SENDER_REMEDY)
    if not 0 < int(header.Rows) * int(header.Columns) <= MAX_PIXELS:
        raise UnusableError("image too large", f"{header.Rows} x {header.Columns} pixels", _SENDER_REMEDY)


def _pixels(header: pydicom.Dataset) -> tuple[np.ndarray, int]:
    """Grey levels as (rows, columns) uint16 and the stored bits."""
    syntax = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    bits = int(header.BitsStored)
    shift = int(_number(header, "HighBit") or bits - 1) + 1 - bits
    if shift <= 0 or bits + shift > 16 or (syntax is not None and syntax.is_compressed):
        shift = 0
    try:
        header.BitsStored = bits + shift
        stored = header.pixel_array
    except Exception as error:  # decoders raise whatever they like
        if syntax is not None and syntax.is_compressed:
            detail = f"transfer syntax {syntax.name}"
            raise UnusableError("cannot be decompressed", detail, _COMPRESSED_REMEDY) from error
        if isinstance(error, ValueError) and "less than" in str(error):
            raise UnusableError("truncated file", "ends inside the pixels", _AGAIN) from error
        raise UnusableError("broken DICOM", f"pixels: {type(error).__name__}", _AGAIN) from error
    if stored.ndim != 2:
        raise UnusableError("broken DICOM", f"pixels of shape {stored.shape}", _SENDER_REMEDY)
    return to_uint16(
        _down(stored, bits, shift) if shift else stored,
        bits=bits,
        signed=int(_number(header, "PixelRepresentation") or 0) == 1,
        inverted=header.get("PhotometricInterpretation") == "MONOCHROME1",
        slope=_number(header, "RescaleSlope"),
        intercept=_number(header, "RescaleIntercept"),
    )


def _down(stored: np.ndarray, bits: int, shift: int) -> np.ndarray:
    """Values stored `shift` bits too high, moved down; left where only HighBit is wrong.

    Raises UnusableError where values use bits both below and above the place that the header names.
    """
    if not (stored & ((1 << shift) - 1)).any():
        return stored >> shift
    if int(stored.min()) >= 0 and int(stored.max()) < 1 << bits:
        return stored
    detail = f"HighBit {bits + shift - 1} with {bits} bits stored, and values in other bits too"
    raise UnusableError("unsupported depth", detail, _SENDER_REMEDY)


def to_uint16(
    stored: np.ndarray,
    *,
    bits: int,
    signed: bool,
    inverted: bool,
    slope: float | None,
    intercept: float | None,
) -> tuple[np.ndarray, int]:
    """Stored values (rows, columns) to uint16 grey levels, bright = high, and the bits they need.

    Signed values are shifted to start at 0. See the module's text for the pixel rules.

    Raises UnusableError for a blank image and for more than 16 bits.
    """
    if not 1 <= bits <= 16:
        raise UnusableError("unsupported depth", f"{bits} bits stored", "Export it with at most 16 bits.")
    values = stored.astype(np.int32)
    if signed:
        values -= min(int(values.min()), 0)
    else:
        values &= (1 << bits) - 1
    if inverted:
        values = (int(values.max()) if signed else (1 << bits) - 1) - values
    if int(values.min()) == int(values.max()):
        raise UnusableError("blank image", "all pixels are equal", "Remove it from the cohort.")
    if slope is not None and np.isfinite(slope) and slope >= 1 and (slope, intercept or 0.0) != (1.0, 0.0):
        rescaled = np.rint(values * slope + (intercept or 0.0))
        if rescaled.min() >= 0 and rescaled.max() <= 65535:
            values = rescaled.astype(np.int32)
    return values.astype(np.uint16), max(bits, int(values.max()).bit_length())


def _spacing(header: pydicom.Dataset, assumed_mm: float | None) -> tuple[float, float, str]:
    """Row and column spacing in mm, and where they come from."""
    values = _floats(header, "PixelSpacing") or _spelt_spacing(header)
    if len(values) == 2 and all(MIN_SPACING_MM <= value <= MAX_SPACING_MM for value in values):
        return values[0], values[1], "PixelSpacing of the header"
    return missing_spacing(assumed_mm)


def _spelt_spacing(header: pydicom.Dataset) -> list[float]:
    r"""Two numbers of a PixelSpacing that is no DICOM list: "0.5, 0.5", "[0.5 0.5]", or "0,5\0,5"."""
    raw = header.get_item("PixelSpacing").value if "PixelSpacing" in header else b""
    parts = [raw] if isinstance(raw, bytes | str) else list(raw or ())  # a list once pydicom has read it as text
    text = "\\".join(part.decode("ascii", "ignore") if isinstance(part, bytes) else str(part) for part in parts)
    if "\\" in text:
        text = text.replace(",", ".")
    return [float(number) for number in re.findall(r"\d{1,9}(?:\.\d{1,20})?", text)]


def _instance(header: pydicom.Dataset) -> int:
    """InstanceNumber; 0 where it is missing, no number, or beyond 32 bits."""
    number = _number(header, "InstanceNumber")
    return int(number) if number is not None and abs(number) < 2**31 else 0


def missing_spacing(assumed_mm: float | None) -> tuple[float, float, str]:
    """Spacing of an image that carries none: the stated assumption, else UnusableError."""
    if assumed_mm is None:
        raise UnusableError(
            "missing pixel spacing",
            "the file says no size of a pixel",
            "Set ingest.assumed_spacing_mm to the spacing of these images (0.6875 in the Lumbar Spine MRI Dataset).",
        )
    return (
        assumed_mm,
        assumed_mm,
        f"assumed {assumed_mm:g} mm (ingest.assumed_spacing_mm): the file carries none",
    )


def _values(header: pydicom.Dataset, keyword: str) -> frozenset[str]:
    """Values of a text attribute, upper case."""
    value = header.get(keyword) or []
    return frozenset(str(part).upper() for part in ([value] if isinstance(value, str) else value))


def _floats(header: pydicom.Dataset, keyword: str) -> list[float] | None:
    """A multi-valued decimal attribute; None where it is missing or no numbers."""
    try:
        value = header.get(keyword)
        values = [float(part) for part in value] if value is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
    return values if values and np.isfinite(values).all() else None


def _number(header: pydicom.Dataset, keyword: str) -> float | None:
    """A single number; None where it is missing or no number."""
    try:
        return float(header.get(keyword))
    except (TypeError, ValueError, OverflowError):
        return None
