"""Perceptual hash: images that look the same differ in few bits; used to find the same image under two names."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

HASH_BITS = 256
SCALED = 64
"""Side, pixels, of the image that is hashed: four times the frequencies kept, as in the usual pHash."""

_SIDE = 16  # lowest cosine frequencies kept per axis: 16 * 16 = HASH_BITS
_COSINES = dct(np.eye(SCALED), axis=0, norm="ortho")[:_SIDE].astype(np.float32)


def perceptual_hash(image: np.ndarray) -> bytes:
    """Return the 256-bit perceptual hash (pHash, Zauner 2010) of a grey image.

    The image is scaled to 64 x 64 by area, its cosine transform taken, and each of the 16 x 16 lowest
    frequencies compared with their median. Brightness, contrast and a little noise leave it nearly unchanged.

    Args:
        image: (rows, columns), any real type.

    Returns:
        32 bytes.
    """
    small = cv2.resize(np.asarray(image, np.float32), (SCALED, SCALED), interpolation=cv2.INTER_AREA)
    return np.packbits(to_bits(low_frequencies(small))).tobytes()


def low_frequencies(small: np.ndarray) -> NDArray[np.float32]:
    """Return the 16 x 16 lowest frequencies of the cosine transform (DCT-II, orthonormal) of 64 x 64 pixels."""
    return np.asarray(_COSINES @ small @ _COSINES.T, np.float32)


def to_bits(frequencies: np.ndarray) -> NDArray[np.bool_]:
    """Return which of the 256 frequencies exceed their median."""
    values = frequencies.ravel()
    # the constant term holds the mean brightness, of no interest and far above all others
    return np.asarray(values > np.median(values[1:]), np.bool_)
