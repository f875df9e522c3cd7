"""Augmentation as in section 3.2 of the paper: rotation, zoom, horizontal flip, contrast; image and mask together."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lss.seeding import generator


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
    slice_key: str,
    copy: int,
    *,
    rotation_deg: float,
    zoom: float,
    contrast: float,
    flip: bool,
) -> Augmentation:
    """Draw copy number `copy` of a slice: uniform in +-rotation_deg, 1 +- zoom, 1 +- contrast, flipped or not by half.

    The draw depends on the arguments alone, so the same sample is the same on any number of cores.
    """
    random = generator(seed, "augment", slice_key, copy)
    return Augmentation(
        rotation_deg=float(random.uniform(-rotation_deg, rotation_deg)),
        zoom=float(random.uniform(1 - zoom, 1 + zoom)),
        contrast=float(random.uniform(1 - contrast, 1 + contrast)),
        flip=bool(random.random() < 0.5) and flip,
    )


def augment(
    image: NDArray[np.uint16], mask: NDArray[np.bool_], change: Augmentation
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Apply one draw to an image and its mask, both (rows, columns), about the image's centre.

    The image is interpolated linearly, mirrored where it was not seen, and clipped to uint16. The mask is
    interpolated as 0 and 1 and cut at one half, so that its area is kept; unseen parts of it are empty.
    """
    floats = image.astype(np.float32)
    soft = mask.astype(np.float32)
    if change.rotation_deg or change.zoom != 1:
        matrix = _matrix(image.shape, change)
        floats = _warp(floats, matrix, cv2.BORDER_REFLECT_101)
        soft = _warp(soft, matrix, cv2.BORDER_CONSTANT)
    if change.flip:
        floats, soft = floats[:, ::-1], soft[:, ::-1]
    if change.contrast != 1:
        mean = floats.mean(dtype=np.float64)
        floats = mean + (floats - mean) * change.contrast
    stored = np.clip(np.rint(floats), 0, 65535).astype(np.uint16)
    return stored, soft > 0.5


def moved(point: tuple[float, float], shape: tuple[int, ...], change: Augmentation) -> tuple[float, float]:
    """Where `augment` puts a point (row, column) of an image of `shape`, in pixels."""
    column, row = _matrix(shape, change) @ (point[1], point[0], 1.0)
    return float(row), float(shape[1] - 1 - column if change.flip else column)


def _matrix(shape: tuple[int, ...], change: Augmentation) -> NDArray[np.float64]:
    """Rotation and zoom about the image's centre: (2, 3), of columns and rows."""
    centre = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    return np.asarray(cv2.getRotationMatrix2D(centre, change.rotation_deg, change.zoom), np.float64)


def _warp(image: NDArray[np.float32], matrix: NDArray[np.float64], border: int) -> NDArray[np.float32]:
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border), np.float32)
