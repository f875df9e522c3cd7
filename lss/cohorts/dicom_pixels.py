"""Stored values of one frame to grey levels.

Compressed transfer syntaxes are decoded where pydicom has a decoder; bits beyond BitsStored are cleared (old files hold
overlays there), and values stored up to HighBit are shifted down; MONOCHROME1 is inverted; a modality rescale is
applied where it loses nothing, and left out where it would (a scale below 1 would merge grey levels, and no later step
needs absolute values).
"""

from __future__ import annotations

import numpy as np
import pydicom
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

from lss.cohorts import jpeg_extended
from lss.cohorts.base import UnusableError
from lss.cohorts.decoding_apart import pixel_array_apart
from lss.cohorts.dicom_header import AGAIN, number
from lss.errors import LssError

_COMPRESSED_REMEDY = "Decompress it (gdcmconv --raw) or install a decoder that pydicom can use."
_AT_MOST_12_BITS = (JPEGBaseline8Bit, JPEGExtended12Bit)
_SENDER_REMEDY = "Export it again as grey MR images."

get_decoder(JPEGExtended12Bit).add_plugin(
    "gdcm, 12 bits", (jpeg_extended.__name__, jpeg_extended.decode_frame.__name__)
)


def frame_pixels(header: pydicom.Dataset, frame: pydicom.Dataset, index: int) -> tuple[np.ndarray, int]:
    """Return grey levels of one frame as (rows, columns) uint16, and the stored bits.

    Args:
        header: of the file, with its stored pixels.
        frame: header of the frame (`lss.cohorts.dicom_frames`), of which the rescale is taken.
        index: of the frame, from 0.

    Raises UnusableError.
    """
    syntax = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    if syntax is not None and not syntax.is_transfer_syntax:
        raise UnusableError("cannot be decompressed", "a transfer syntax of one maker alone", _SENDER_REMEDY)
    compressed = syntax is not None and syntax.is_compressed
    bits = int(header.BitsStored)
    shift = int(number(header, "HighBit") or bits - 1) + 1 - bits
    if shift <= 0 or bits + shift > 16 or syntax in _AT_MOST_12_BITS:
        shift = 0
    try:
        header.BitsStored = bits + shift
        stored = pixel_array_apart(header, index) if compressed else pixel_array(header, index=index)
    except LssError:
        raise
    except Exception as error:  # decoders raise whatever they like
        if syntax is not None and compressed:
            detail = f"transfer syntax {syntax.name}"
            raise UnusableError("cannot be decompressed", detail, _COMPRESSED_REMEDY) from error
        if isinstance(error, ValueError) and "less than" in str(error):
            raise UnusableError("truncated file", "ends inside the pixels", AGAIN) from error
        raise UnusableError("broken DICOM", f"pixels: {type(error).__name__}", AGAIN) from error
    finally:
        header.BitsStored = bits
    if stored.ndim != 2:
        raise UnusableError("broken DICOM", f"pixels of shape {stored.shape}", _SENDER_REMEDY)
    return to_uint16(
        _down(stored, bits, shift) if shift else stored,
        bits=bits,
        signed=int(number(header, "PixelRepresentation") or 0) == 1,
        inverted=str(header.get("PhotometricInterpretation", "")).strip().upper() == "MONOCHROME1",
        slope=number(frame, "RescaleSlope"),
        intercept=number(frame, "RescaleIntercept"),
    )


def _down(stored: np.ndarray, bits: int, shift: int) -> np.ndarray:
    """Return values stored `shift` bits too high, moved down; left where only HighBit is wrong.

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
    """Return stored values (rows, columns) as uint16 grey levels, bright = high, and the bits they need.

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
