"""PNG and TIFF slices: pixels with their depth kept, from bytes."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from lss.cohorts.base import UnusableError

MAX_PIXELS = 4096 * 4096
_AS = {"1": "L", "LA": "L", "P": "RGB", "PA": "RGB"}
"""Modes of Pillow that are unpacked: the numbers of a palette are no grey levels, its colours may be."""

_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # tag of TIFF and its value


def read_picture(data: bytes) -> tuple[np.ndarray, int]:
    """Return a grey PNG or TIFF as (rows, columns) uint16, and its bits (8 or 16).

    RGB with three equal channels, and a palette of greys, count as grey. A TIFF in which 0 is white is inverted, so
    that bright is high.

    Raises UnusableError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=["PNG", "TIFF"])
            if picture.width * picture.height > MAX_PIXELS:
                raise UnusableError("image too large", f"{picture.height} x {picture.width} pixels", "Scale it down.")
            if (pages := getattr(picture, "n_frames", 1)) > 1:
                raise UnusableError("several pages", f"{pages} pages in one file", "Save one file a slice.")
            mode = picture.mode
            if mode not in _AS and not mode.startswith("I") and mode not in ("F", "L", "RGB", "RGBA"):
                raise UnusableError("colour image", f"its mode is {mode}", "Save it as a grey image.")
            pixels = np.asarray(picture.convert(_AS[mode]) if mode in _AS else picture)
            # Pillow itself inverts 8 bits
            inverted = mode.startswith("I") and getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    except UnidentifiedImageError as error:
        raise UnusableError("not an image", "no PNG or TIFF inside", "Remove it, or export it again.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnusableError("truncated file", "ends inside the pixels", "Copy or fetch it again.") from error
    except UnusableError:
        raise
    except Exception as error:  # a damaged directory of a TIFF raises whatever its entries lead to
        raise UnusableError("broken image", type(error).__name__, "Copy or export it again.") from error
    if pixels.ndim == 3:
        colour = pixels[..., :3]
        if (colour != colour[..., :1]).any():
            raise UnusableError("colour image", "its channels differ", "Save it as a grey image.")
        pixels = colour[..., 0]
    if pixels.dtype.kind not in "ui" or int(pixels.min()) < 0 or int(pixels.max()) > 65535:
        raise UnusableError("unsupported depth", f"pixels of type {pixels.dtype}", "Save it with 8 or 16 bits.")
    if int(pixels.min()) == int(pixels.max()):
        raise UnusableError("blank image", "all pixels are equal", "Remove it from the cohort.")
    if inverted:
        pixels = 65535 - pixels.astype(np.int32)
    return pixels.astype(np.uint16), 8 if pixels.dtype == np.uint8 else 16
