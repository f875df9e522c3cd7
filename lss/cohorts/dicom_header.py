"""Parse a DICOM file's header: only whitelisted attributes, whose values may be missing or broken."""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.valuerep import PersonName

from lss.cohorts.base import UnusableError
from lss.cohorts.privacy import PEOPLE, WHITELIST

# values are judged here; pydicom's own remarks would quote them in logs
logging.getLogger("pydicom").setLevel(logging.ERROR)

MAX_INFLATED = 64 * 2**20
"""Bytes to which a deflated file may unpack: an image of 4096 x 4096 and its header."""

AGAIN = "Copy, fetch or export it again."
"""Remedy for a file that is damaged."""

_PATIENT_ID = Tag("PatientID")
_IMAGES_IN_MOSAIC = Tag(0x0019, 0x100A)  # Siemens: how many slices a mosaic is tiled of
_WANTED = [*map(Tag, (*WHITELIST, *PEOPLE)), _IMAGES_IN_MOSAIC]
_END_OF_FRAGMENTS = bytes.fromhex("feffdde000000000")


def parse_dicom(data: bytes) -> pydicom.Dataset:
    """Return the header and stored pixels of a file, with or without a preamble. Raises UnusableError."""
    _refuse_bomb(data)
    bare = _has_no_preamble(data)
    try:
        header = read_closed(data, force=bare, tags=_WANTED)
        if "PixelData" not in header and "Rows" not in header and _ends_in_pixels(data, force=bare):
            raise UnusableError("truncated file", "ends inside the pixels", AGAIN)
        if bare and "SOPClassUID" not in header:
            raise InvalidDicomError
        if "TransferSyntaxUID" not in header.file_meta and bare:
            implicit = header.original_encoding[0]
            header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        return header
    except UnusableError:
        raise
    except InvalidDicomError as error:
        raise UnusableError("not DICOM", "no DICM mark at byte 128", "Remove it, or export it as DICOM.") from error
    except EOFError as error:
        raise UnusableError("truncated file", "ends inside an attribute", AGAIN) from error
    except Exception as error:  # whatever a broken header makes pydicom raise is this file's fault
        raise UnusableError("broken DICOM", type(error).__name__, AGAIN) from error


def read_patient_id(stream: BinaryIO) -> str:
    """Return the PatientID of a file, read no further than that attribute: it assigns the file to a patient.

    It leaves ingest as a keyed hash only. "" where there is none, or no DICOM.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            force = _has_no_preamble(stream.read(8))
            stream.seek(0)
            return patient_id(
                read_partial(stream, lambda tag, *_: tag > _PATIENT_ID, specific_tags=[_PATIENT_ID], force=force)
            )
    except Exception:  # whatever a broken header raises: the file is read as a whole later, and rejected there
        return ""


def patient_id(header: pydicom.Dataset) -> str:
    """Return PatientID; "" where there is none."""
    return str(header.get("PatientID", "") or "").strip()


def people(header: pydicom.Dataset) -> frozenset[str]:
    """Return names, ids and addresses of the patient and of those who treat him, as they stand in the header."""
    values = {patient_id(header)}
    for keyword in PEOPLE:
        try:
            value = header.get(keyword) or ()
            values |= {str(part) for part in ([value] if isinstance(value, str | PersonName) else value)}
        except Exception:  # a broken value is no reason to leave the image out
            continue
    return frozenset(filter(None, values))


def texts(header: pydicom.Dataset, keyword: str) -> frozenset[str]:
    """Return values of a text attribute, upper case."""
    value = header.get(keyword) or []
    return frozenset(str(part).upper() for part in ([value] if isinstance(value, str) else value))


def floats(header: pydicom.Dataset, keyword: str) -> list[float] | None:
    """Return a multi-valued decimal attribute; None where it is missing or no numbers.

    Numbers with a comma for the decimal point, as some programs write them, are read.
    """
    try:
        value = header.get(keyword)
        values = [float(part) for part in value] if value is not None else None
    except (TypeError, ValueError, OverflowError):
        values = _with_commas(header, keyword)
    return values if values and np.isfinite(values).all() else None


def number(header: pydicom.Dataset, keyword: str) -> float | None:
    """Return a single number; None where it is missing or no number."""
    try:
        return float(header.get(keyword))
    except (TypeError, ValueError, OverflowError):
        values = _with_commas(header, keyword)
    return values[0] if values and len(values) == 1 else None


def stored_text(header: pydicom.Dataset, keyword: str) -> str:
    """Return an attribute as it is stored, whatever it holds; its parts are parted by backslashes."""
    raw = header.get_item(keyword).value if keyword in header else b""
    parts = [raw] if isinstance(raw, bytes | str) else list(raw or ())  # a list once pydicom has read it as text
    return "\\".join(part.decode("ascii", "ignore") if isinstance(part, bytes) else str(part) for part in parts)


def _with_commas(header: pydicom.Dataset, keyword: str) -> list[float] | None:
    try:
        parts = stored_text(header, keyword).strip(" \0").split("\\")
        return [float(part.replace(",", ".")) for part in parts]
    except (TypeError, ValueError):
        return None


def images_in_mosaic(header: pydicom.Dataset) -> int:
    """Return how many slices a Siemens mosaic says it is tiled of; 0 where it says nothing."""
    value = header[_IMAGES_IN_MOSAIC].value if _IMAGES_IN_MOSAIC in header else 0
    try:
        return int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(value or 0)
    except (TypeError, ValueError):
        return 0


def read_closed(data: bytes, *, force: bool, tags: list[BaseTag] | None = None) -> pydicom.Dataset:
    """Return the header and pixels of a file, of all attributes or of `tags`, by pydicom and with its exceptions.

    Where the last fragment is a whole JPEG image and only the mark that closes the fragments is absent, it is added.
    """
    header = pydicom.dcmread(io.BytesIO(data), specific_tags=tags, force=force)
    if "PixelData" not in header and data.rstrip(b"\0").endswith(b"\xff\xd9"):
        header = pydicom.dcmread(io.BytesIO(data + _END_OF_FRAGMENTS), specific_tags=tags, force=force)
    return header


def _ends_in_pixels(data: bytes, *, force: bool) -> bool:
    """Return whether a file has the size of an image before its pixels: pydicom gives nothing at all of one that ends
    within compressed ones.
    """
    return "Rows" in pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=["Rows"], force=force)


def begins_like_dicom(start: bytes) -> bool:
    """Return whether the first 132 bytes of a file are those of DICOM, with or without a preamble."""
    return start[128:132] == b"DICM" or _has_no_preamble(start)


def _has_no_preamble(start: bytes) -> bool:
    """Return whether a file begins with an attribute of group 2 or 8 at once, as old archives wrote DICOM."""
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
        raise UnusableError("broken DICOM", "deflated data that cannot be unpacked", AGAIN) from error
    if unpacked >= MAX_INFLATED:
        raise UnusableError("file too large", f"unpacks to over {MAX_INFLATED >> 20} MiB", "Do not trust the file.")
