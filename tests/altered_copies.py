"""Ways in which one image comes to lie under two names, used by the tests of the gate and by its benchmark."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Change = Callable[[np.ndarray], np.ndarray]


def moved(degrees: float = 0, zoom: float = 1, right: float = 0, down: float = 0) -> Change:
    """Turned about the centre, enlarged, shifted by pixels."""

    def change(image: np.ndarray) -> np.ndarray:
        rows, columns = image.shape
        matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, zoom)
        matrix[:, 2] += (right, down)
        return cv2.warpAffine(image, matrix, (columns, rows))

    return change


def cropped(share: float, sides: int = 4) -> Change:
    """Cut by a share on all sides, or on the two that meet in the upper left corner."""

    def change(image: np.ndarray) -> np.ndarray:
        down, right = (int(size * share) for size in image.shape)
        return image[down : -down if sides == 4 else None, right : -right if sides == 4 else None]

    return change


def noisy(share: float) -> Change:
    return lambda image: image + np.random.default_rng(0).normal(0, share * image.max(), image.shape)


def with_text(image: np.ndarray) -> np.ndarray:
    letters = np.zeros(image.shape, np.uint8)
    cv2.putText(letters, "LSS 123 R", (5, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2)
    return np.where(letters > 0, image.max(), image)


def as_jpeg(image: np.ndarray) -> np.ndarray:
    grey = np.rint(image / image.max() * 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_GRAYSCALE)


CHANGES: dict[str, Change] = {
    "same": lambda image: image,
    "gamma 0.5": lambda image: (image / image.max()) ** 0.5,
    "gamma 1.5": lambda image: (image / image.max()) ** 1.5,
    "contrast": lambda image: np.clip(1.3 * image - 0.1 * image.max(), 0, image.max()),
    "8 bits": lambda image: np.rint(image / image.max() * 255),
    "shift 1": moved(right=1, down=1),
    "noise 5 %": noisy(0.05),
    "rotation 0.5": moved(0.5),
    "rotation 1": moved(1),
    "rotation 2": moved(2),
    "rotation -2": moved(-2),
    "zoom 1.05": moved(zoom=1.05),
    "zoom 0.95": moved(zoom=0.95),
    "zoom 1.1": moved(zoom=1.1),
    "crop 5 %": cropped(0.05),
    "crop 10 %": cropped(0.1),
    "crop 10 % of two sides": cropped(0.1, sides=2),
    "corner text": with_text,
    "left to right": lambda image: image[:, ::-1],
    "top to bottom": lambda image: image[::-1],
    "half the matrix": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "mirrored, rotation 2": lambda image: moved(2)(np.ascontiguousarray(image[:, ::-1])),
    "JPEG": as_jpeg,
}
