"""Augmentation as in section 3.2 of the paper: rotation, zoom, horizontal flip, contrast; image and mask together."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lss.runtime.seeding import generator


@dataclass(frozen=True)
class Augmentation:
    """One draw. The default changes nothing.

    rotation_deg: counter-clockwise; zoom: factor, above 1 enlarges; contrast: factor on the distance to the
    image's mean.
    """

    rotation_deg: float = 0.0
    zoom: float = 1.0
    flip: bool = False
    contrast: float = 1.0


def draw(
    seed: int,
    key: str,
    number: int,
    *,
    rotation_deg: float,
    zoom: float,
    contrast: float,
    flip: bool = False,
) -> Augmentation:
    """Draw change `number` of an image: uniform in +-rotation_deg, 1 +- zoom, 1 +- contrast, flipped or not by half.

    The number is that of a copy in the shards, where `key` is a slice's, or of an epoch, where it is a sample's.

    The draw depends on the arguments alone, so the same sample is the same on any number of cores.
    """
    random = generator(seed, "augment", key, number)
    return Augmentation(
        rotation_deg=float(random.uniform(-rotation_deg, rotation_deg)),
        zoom=float(random.uniform(1 - zoom, 1 + zoom)),
        contrast=float(random.uniform(1 - contrast, 1 + contrast)),
        flip=bool(random.random() < 0.5) and flip,
    )


def augment(
    image: NDArray[np.uint16], mask: NDArray[np.bool_], change: Augmentation
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Apply one draw to stored grey levels and their mask, both (rows, columns); see `transform`."""
    floats, mask = transform(image.astype(np.float32), mask, change)
    return np.clip(np.rint(floats), 0, 65535).astype(np.uint16), mask


def transform(
    image: NDArray[np.float32], mask: NDArray[np.bool_], change: Augmentation
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Apply one draw to an image and its mask about their centres; their sizes may differ.

    Both are interpolated by cubics, which blur less than lines do. The image is mirrored where it was not seen. The
    mask is interpolated as 0 and 1 and cut at one half, so that its area is kept; unseen parts of it are empty.
    """
    soft = mask.astype(np.float32)
    if change.rotation_deg or change.zoom != 1:
        image = _warp(image, change, cv2.BORDER_REFLECT_101)
        soft = _warp(soft, change, cv2.BORDER_CONSTANT)
    if change.flip:
        image, soft = image[:, ::-1], soft[:, ::-1]
    if change.contrast != 1:
        mean = np.float32(image.mean(dtype=np.float64))
        image = mean + (image - mean) * np.float32(change.contrast)
    return image, soft > 0.5


def moved(point: tuple[float, float], shape: tuple[int, ...], change: Augmentation) -> tuple[float, float]:
    """Return where `augment` puts a point (row, column) of an image of `shape`, in pixels."""
    column, row = _matrix(shape, change) @ (point[1], point[0], 1.0)
    return float(row), float(shape[1] - 1 - column if change.flip else column)


def _matrix(shape: tuple[int, ...], change: Augmentation) -> NDArray[np.float64]:
    """Return the rotation and zoom about the image's centre: (2, 3), of columns and rows."""
    centre = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    return np.asarray(cv2.getRotationMatrix2D(centre, change.rotation_deg, change.zoom), np.float64)


def _warp(image: NDArray[np.float32], change: Augmentation, border: int) -> NDArray[np.float32]:
    rows, columns = image.shape
    matrix = _matrix((rows, columns), change)
    warped = cv2.warpAffine(image, matrix, (columns, rows), flags=cv2.INTER_CUBIC, borderMode=border)
    return np.asarray(warped, np.float32)
