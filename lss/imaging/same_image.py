"""One image under two names, though it was turned, mirrored, cropped, written over or given another contrast.

Two steps. A perceptual hash of every image is compared with those of the other part's images, as they are and as they
would be turned by 2 degrees, zoomed, cropped and mirrored (`VIEWS`): all pairs, by matrix products. The few pairs
within `max_bits` are laid over each other (Evangelidis and Psarakis 2008) and their local structure is correlated.

Measured by benchmarks/copies.py, see docs/reliability.md: copies altered in 23 ways 0.9 to 1.0 (with noise 0.875, at 6
bits), neighbouring real slices of one patient at most 0.894 and never below 18 bits, real slices of different patients
at most 0.6. Neighbours pass: study, person and position identify them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lss.imaging.perceptual_hash import SCALED, low_frequencies, to_bits

FEW_BITS = 14
"""Hashes of copies with noise differ by no more, those of neighbouring slices by more."""

ALIKE, ALIKE_OF_FEW_BITS = 0.9, 0.8
"""Correlation of local structure from which on two images are one."""

ALIKE_IN_PLACE = 0.6
"""The same for slices that also lie in one plane's frame (`lss.cohorts.leakage`): neighbours of one series."""

MAX_CANDIDATES = 50_000
"""Pairs looked at closely, those of the fewest bits first: about a minute."""

_BLOCK = 2048
_NOISE = 0.4  # pixels of the thumbnail: what is finer counts as noise
_DETAIL = 3.0  # pixels of the thumbnail: what is larger counts as shading
_ODD = np.where(np.arange(16) % 2, -1.0, 1.0).astype(np.float32)
_END = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)


class View(NamedTuple):
    """A change of an image: turned by `degrees`, enlarged about a point of the thumbnail."""

    degrees: float = 0.0
    zoom: float = 1.0
    column: float = (SCALED - 1) / 2
    row: float = (SCALED - 1) / 2


TURNED = (View(), View(degrees=2), View(degrees=-2))
CLOSER = (
    *(View(zoom=zoom) for zoom in (1.05, 1.11, 1.25)),
    *(View(zoom=1.11, column=column, row=row) for column in (0, SCALED - 1) for row in (0, SCALED - 1)),
)
"""An image of which 2.5 to 10 % were cut on every side, or 10 % at two sides that meet."""

VIEWS = TURNED + CLOSER
MIRRORS = 4
"""As it is, left to right, top to bottom, and both."""


@dataclass(frozen=True)
class Copy:
    """Two images that are one: their numbers, the bits by which their hashes differ, and their likeness, -1 to 1."""

    first: int
    second: int
    bits: int
    likeness: float


def thumbnail(image: np.ndarray) -> NDArray[np.uint8]:
    """Return a grey image (rows, columns) as 64 x 64 pixels, 0 to 255 up to its 99.5th percentile."""
    small = cv2.resize(np.asarray(image, np.float32), (SCALED, SCALED), interpolation=cv2.INTER_AREA)
    low, high = float(small.min()), float(np.percentile(small, 99.5))
    return np.rint(np.clip((small - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)


def find_copies(first: list[np.ndarray], second: list[np.ndarray], max_bits: int) -> list[Copy]:
    """Return pairs of thumbnails that show one image, the most alike first.

    Args:
        first, second: thumbnails; a pair of one and the same object is no copy.
        max_bits: of 256, by which hashes of candidates may differ.
    """
    if not first or not second:
        return []
    plain_1, plain_2 = (_signs([view_bits(image, (View(),))[0] for image in part]) for part in (first, second))
    best: dict[tuple[int, int], tuple[int, int]] = {}  # pair to bits and view; those of the second part count on
    for offset, plain, others, views in ((0, plain_1, second, VIEWS), (len(VIEWS) * MIRRORS, plain_2, first, CLOSER)):
        bits = [view_bits(image, views) for image in others]
        for view in range(len(views) * MIRRORS):
            for i, j, distance in _near(plain, _signs([correlation[view] for correlation in bits]), max_bits):
                pair = (i, j) if offset == 0 else (j, i)
                if first[pair[0]] is not second[pair[1]] and distance < best.get(pair, (max_bits + 1, 0))[0]:
                    best[pair] = distance, offset + view
    nearest = sorted(best.items(), key=lambda item: (item[1][0], item[0]))[:MAX_CANDIDATES]
    copies = []
    for (i, j), (distance, view) in nearest:
        if view < len(VIEWS) * MIRRORS:
            correlation = likeness(first[i], as_viewed(second[j], VIEWS, view))
        else:
            correlation = likeness(second[j], as_viewed(first[i], CLOSER, view - len(VIEWS) * MIRRORS))
        if correlation >= (ALIKE if distance > FEW_BITS else ALIKE_OF_FEW_BITS):
            copies.append(Copy(i, j, distance, correlation))
    return sorted(copies, key=lambda copy: (-copy.likeness, copy.first, copy.second))


def view_bits(image: np.ndarray, views: tuple[View, ...]) -> NDArray[np.bool_]:
    """Return bits (views x 4 mirrors, 256) of a thumbnail's hashes. To mirror an image turns the sign of odd
    frequencies.
    """
    bits = []
    for view in views:
        frequencies = low_frequencies(_changed(image, view))
        for columns, rows in ((1.0, 1.0), (_ODD, 1.0), (1.0, _ODD[:, None]), (_ODD, _ODD[:, None])):
            bits.append(to_bits(frequencies * columns * rows))
    return np.array(bits)


def as_viewed(image: np.ndarray, views: tuple[View, ...], number: int) -> np.ndarray:
    """Return a thumbnail as the view and mirror of a row of `view_bits` show it."""
    changed, mirror = _changed(image, views[number // MIRRORS]), number % MIRRORS
    changed = changed[:, ::-1] if mirror in (1, 3) else changed
    return np.ascontiguousarray(changed[::-1] if mirror in (2, 3) else changed)


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return correlation of the local structure of two thumbnails where the second, laid over the first, covers it; -1
    to 1.

    -1 where they cannot be laid over each other, or cover less than half.
    """
    one, other = _structure(first), _structure(second)
    try:
        _, place = cv2.findTransformECC(
            one,
            other,
            np.eye(2, 3, dtype=np.float32),
            cv2.MOTION_AFFINE,
            _END,
            None,
            3,  # type: ignore[call-overload]
        )
    except cv2.error:
        return -1.0
    flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (SCALED, SCALED)
    covered = cv2.warpAffine(np.ones_like(one), place, size, flags=flags) > 0.99
    if covered.mean() < 0.5:
        return -1.0
    a, b = one[covered], cv2.warpAffine(other, place, size, flags=flags)[covered]
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b) + 1e-9))


def _structure(image: np.ndarray) -> NDArray[np.float32]:
    """Return what is finer than `_DETAIL` and coarser than `_NOISE`, of equal strength everywhere."""
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), _NOISE)
    low, high = np.percentile(image, (1, 99))
    grey = np.sqrt(np.clip((image - low) / max(float(high - low), 1e-6), 0, 1))
    fine = grey - cv2.GaussianBlur(grey, (0, 0), _DETAIL)
    strength = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 1.5 * _DETAIL)) + 0.02
    return np.asarray(fine / strength, np.float32)


def _changed(image: np.ndarray, view: View) -> np.ndarray:
    if view == View():
        return np.asarray(image, np.float32)
    matrix = cv2.getRotationMatrix2D((view.column, view.row), view.degrees, view.zoom)
    return cv2.warpAffine(image.astype(np.float32), matrix, (SCALED, SCALED), borderMode=cv2.BORDER_REPLICATE)


def _signs(bits: list[NDArray[np.bool_]]) -> NDArray[np.float32]:
    return np.where(np.array(bits), np.float32(1), np.float32(-1))


def _near(first: NDArray[np.float32], second: NDArray[np.float32], max_bits: int) -> list[tuple[int, int, int]]:
    """Return pairs of rows of +-1, (n, 256) and (m, 256), that differ in at most `max_bits` places, and in how many:
    exact.
    """
    pairs: list[tuple[int, int, int]] = []
    length = first.shape[1]
    block = np.empty((min(_BLOCK, len(first)), min(_BLOCK, len(second))), np.float32)  # a new one each time is slower
    for i in range(0, len(first), _BLOCK):
        for j in range(0, len(second), _BLOCK):
            rows, columns = first[i : i + _BLOCK], second[j : j + _BLOCK]
            agreed = block[: len(rows), : len(columns)]  # places alike minus places that differ
            np.matmul(rows, columns.T, out=agreed)
            if agreed.max() >= length - 2 * max_bits:
                for row, column in zip(*np.nonzero(agreed >= length - 2 * max_bits), strict=True):
                    bits = (length - int(agreed[row, column])) // 2
                    pairs.append((i + int(row), j + int(column), bits))
    return pairs
