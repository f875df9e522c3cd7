"""Pixels as bytes: raw little-endian values in tables, lossless PNG in shards."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lss.errors import LssError


def pixels_to_bytes(image: NDArray[np.uint16]) -> bytes:
    """Return row-major little-endian uint16 values, the column `pixels` of the slice tables."""
    return np.ascontiguousarray(image, "<u2").tobytes()


def pixels_from_bytes(data: bytes, rows: int, columns: int) -> NDArray[np.uint16]:
    """Return the image (rows, columns) that `pixels_to_bytes` wrote, read-only.

    Raises ValueError when the number of bytes does not fit.
    """
    return np.frombuffer(data, "<u2").reshape(rows, columns)


def encode_png(image: NDArray[np.uint16] | NDArray[np.uint8] | NDArray[np.bool_]) -> bytes:
    """Return lossless grey PNG: uint16 as 16 bits, uint8 as 8 bits, bool as 8 bits of 0 or 255."""
    if image.ndim != 2 or image.dtype not in (np.bool_, np.uint8, np.uint16):
        raise ValueError(f"a grey image of uint8, uint16 or bool is needed, not {image.dtype} {image.shape}")
    levels = np.where(image, np.uint8(255), np.uint8(0)) if image.dtype == np.bool_ else image
    return cv2.imencode(".png", np.asarray(levels))[1].tobytes()


def decode_png(data: bytes) -> NDArray[np.uint16] | NDArray[np.uint8]:
    """Return the pixels (rows, columns) of a grey PNG, with the bit depth it was written with.

    Raises LssError when the bytes are no image: tables hold what stages wrote, so it was changed afterwards.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise LssError(
            "a picture in a table is no PNG image that can be unpacked. Rerun the stage that writes the table."
        )
    return image.astype(np.uint16) if image.dtype == np.uint16 else image.astype(np.uint8)
