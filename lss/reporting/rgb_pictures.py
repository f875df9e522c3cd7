"""Grey images, masks and overlays as RGB arrays."""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from lss.imaging.geometry import resample_image, resample_mask
from lss.reporting.style import FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE
from lss.storage.shards import to_model_input

RGB = NDArray[np.uint8]


def grey(image: NDArray[np.uint16], side: int) -> RGB:
    """Return stored grey levels as RGB (side, side, 3), windowed as the models see them."""
    return np.repeat((to_model_input(image, side) * 255).round().astype(np.uint8)[..., None], 3, axis=2)


def tint(picture: RGB, mask: NDArray[np.bool_], colour: str, strength: float = 0.55) -> RGB:
    """Return `picture` with the masked pixels shaded in `colour`; the mask is resized to the picture."""
    inside = enlarge(mask, picture.shape[0])
    shaded = picture.astype(np.float64)
    shaded[inside] = (1 - strength) * shaded[inside] + strength * 255 * np.array(to_rgb(colour))
    return shaded.round().astype(np.uint8)


def outcome(picture: RGB, predicted: NDArray[np.bool_], reference: NDArray[np.bool_]) -> RGB:
    """Return true positives, false positives and false negatives in their colours."""
    for mask, colour in (
        (predicted & reference, TRUE_POSITIVE),
        (predicted & ~reference, FALSE_POSITIVE),
        (reference & ~predicted, FALSE_NEGATIVE),
    ):
        picture = tint(picture, mask, colour, 0.75)
    return picture


def enlarge(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Return a picture resized to (side, side) by its nearest pixels."""
    return resample_mask(mask, (side, side))


def outline(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Return the border of a mask, two pixels wide, in a picture of `side`."""
    large = enlarge(mask, side).astype(np.uint8)
    return (large - cv2.erode(large, np.ones((3, 3), np.uint8), iterations=2)) > 0


def heat(attention: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    """Return an attention map (rows, columns) as (side, side) in [0, 1]: 0 at its least, 1 at its greatest value."""
    low, high = float(attention.min()), float(attention.max())
    scaled = (attention - low) / (high - low) if high > low else np.zeros_like(attention)
    return np.clip(resample_image(scaled.astype(np.float32), (side, side)), 0, 1)
