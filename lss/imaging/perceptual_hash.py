"""Perceptual hash: images that look the same differ in few bits; used to find the same image under two names."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.fft import dctn

HASH_BITS = 256
_SIDE = 16  # lowest cosine frequencies kept per axis: 16 * 16 = HASH_BITS
_SCALED = 64  # pixels; four times the frequencies kept, as in the usual pHash
_BLOCK = 1024


def perceptual_hash(image: np.ndarray) -> bytes:
    """256-bit perceptual hash (pHash, Zauner 2010) of a grey image.

    The image is scaled to 64 x 64 by area, its cosine transform taken, and each of the 16 x 16 lowest
    frequencies compared with their median. Brightness, contrast and a little noise leave it nearly unchanged.

    Args:
        image: (rows, columns), any real type.

    Returns:
        32 bytes.
    """
    small = cv2.resize(np.asarray(image, np.float32), (_SCALED, _SCALED), interpolation=cv2.INTER_AREA)
    frequencies = dctn(small, norm="ortho")[:_SIDE, :_SIDE].ravel()
    # the constant term holds the mean brightness, of no interest and far above all others
    return np.packbits(frequencies > np.median(frequencies[1:])).tobytes()


def near_pairs(first: list[bytes], second: list[bytes], max_bits: int) -> list[tuple[int, int]]:
    """Pairs (i, j) whose hashes `first[i]` and `second[j]` differ in at most `max_bits` bits.

    Exact, in blocks of numpy bit operations: all pairs of 48,000 hashes take seconds, in a few MB.
    """
    if not first or not second:
        return []
    left, right = _words(first), _words(second)
    pairs: list[tuple[int, int]] = []
    for i in range(0, len(left), _BLOCK):
        for j in range(0, len(right), _BLOCK):
            block_i, block_j = left[i : i + _BLOCK], right[j : j + _BLOCK]
            distance = np.zeros((len(block_i), len(block_j)), np.uint16)
            for word in range(left.shape[1]):
                distance += np.bitwise_count(block_i[:, word, None] ^ block_j[None, :, word])
            rows, columns = np.nonzero(distance <= max_bits)
            pairs += [(i + int(row), j + int(column)) for row, column in zip(rows, columns, strict=True)]
    return pairs


def _words(hashes: list[bytes]) -> np.ndarray:
    """(n, 4) uint64."""
    return np.frombuffer(b"".join(hashes), np.uint64).reshape(len(hashes), -1)
