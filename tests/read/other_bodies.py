"""Pictures of what is no axial T2 slice of a lumbar spine: drawn with ellipses, or lumbar phantom slices altered.

Each picture is (320, 320) uint16 of 0.6875 mm. Its header says nothing wrong: only the picture can tell.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

SIDE, SPACING_MM = 320, 0.6875
Ellipse = tuple[float, float, float, float, float]
"""Row and column of the centre, half height and half width, all in mm from the middle; grey level."""


def drawn(ellipses: list[Ellipse], seed: int, noise: float = 25.0, blur: float = 1.2) -> np.ndarray:
    """Ellipses, each over those before it, with a smooth shading, blur and Rician noise."""
    draw = np.random.default_rng(seed)
    rows, columns = (np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2) * SPACING_MM
    rows, columns = rows + draw.normal(0, 3), columns + draw.normal(0, 3)
    image = np.zeros((SIDE, SIDE))
    for row, column, height, width, level in ellipses:
        size = draw.uniform(0.95, 1.05)
        inside = ((rows - row) / height / size) ** 2 + ((columns - column) / width / size) ** 2 <= 1
        image[inside] = level
    texture = cv2.GaussianBlur(draw.standard_normal(image.shape), (0, 0), 4) * 4
    image = cv2.GaussianBlur(image * (1 + 0.08 * texture), (0, 0), blur)
    image = np.hypot(image + draw.normal(0, noise, image.shape), draw.normal(0, noise, image.shape))
    return np.clip(image, 0, 4095).astype(np.uint16)


def brain(seed: int) -> np.ndarray:
    """Scalp fat, skull, fluid, brain, bright ventricles."""
    ventricles: list[Ellipse] = [(-8, side * 9, 22, 6, 2300) for side in (-1, 1)]
    return drawn([(0, 0, 95, 75, 1500), (0, 0, 90, 70, 150), (0, 0, 85, 65, 2200), (0, 0, 82, 62, 900),
                  (0, 0, 74, 54, 650), *ventricles, (25, 0, 8, 3, 2200)], seed)  # fmt: skip


def knee(seed: int) -> np.ndarray:
    """Two condyles with dark cortex in a round limb, bright fluid and a patella."""
    bones: list[Ellipse] = [e for side in (-1, 1)
                            for e in ((5, 22 * side, 30, 24, 150), (5, 22 * side, 28, 22, 1300))]  # fmt: skip
    return drawn([(0, 0, 72, 70, 1400), (2, 0, 62, 60, 400), *bones, (-38, 0, 12, 20, 150), (-38, 0, 10, 18, 1300),
                  (-24, 0, 3, 30, 2400), (45, 0, 6, 6, 80)], seed)  # fmt: skip


def neck(seed: int) -> np.ndarray:
    """A cervical slice: small body, cord in a ring of fluid, airway, great vessels."""
    vessels: list[Ellipse] = [(-12, 32 * side, 6, 6, 100) for side in (-1, 1)]
    return drawn([(0, 0, 58, 66, 1400), (0, 0, 52, 60, 450), (-32, 0, 9, 10, 30), *vessels, (-5, 0, 9, 14, 700),
                  (11, 0, 7, 11, 2300), (11, 0, 3.5, 6, 800), (30, 0, 14, 6, 350)], seed)  # fmt: skip


def abdomen(seed: int) -> np.ndarray:
    """Liver, spleen, kidneys and bowel; the spine at the lower edge of the picture."""
    bowel: list[Ellipse] = [(-45 + 9 * (i % 3), -20 + 13 * (i % 5), 8, 9, 1200 + 250 * (i % 4)) for i in range(9)]
    return drawn([(0, 0, 90, 108, 1500), (0, 0, 78, 96, 500), (-10, -55, 50, 38, 700), (0, 70, 30, 18, 1300),
                  (30, 50, 25, 14, 1700), (30, -55, 25, 14, 1700), *bowel], seed)  # fmt: skip


def thigh(seed: int) -> np.ndarray:
    """Two thighs: muscle about a bone each."""
    legs: list[Ellipse] = [e for side in (-1, 1) for e in (
        (0, 52 * side, 60, 46, 1500), (0, 52 * side, 50, 38, 450), (0, 52 * side, 13, 13, 100),
        (0, 52 * side, 9, 9, 1300))]  # fmt: skip
    return drawn(legs, seed)


def bottle(seed: int) -> np.ndarray:
    """A scanner's test object: bright fluid in a round bottle, rods in it."""
    rods: list[Ellipse] = [(30 * np.sin(a), 30 * np.cos(a), 5, 5, 60) for a in np.arange(6)]
    return drawn([(0, 0, 80, 80, 2500), *rods], seed)


def noise(seed: int) -> np.ndarray:
    """Grey levels drawn independently."""
    return np.random.default_rng(seed).integers(0, 4096, (SIDE, SIDE)).astype(np.uint16)


def smooth_noise(seed: int) -> np.ndarray:
    """Blurred noise: soft spots of all sizes."""
    field = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal((SIDE, SIDE)), (0, 0), 9)
    return np.rint((field - field.min()) / np.ptp(field) * 3000 + 50).astype(np.uint16)


DRAWN: dict[str, Callable[[int], np.ndarray]] = {
    "brain": brain, "knee": knee, "neck": neck, "abdomen": abdomen, "thighs": thigh, "bottle": bottle,
    "noise": noise, "smooth noise": smooth_noise,
}  # fmt: skip


def upside_down(lumbar: np.ndarray) -> np.ndarray:
    """The back on top, the header untouched."""
    return np.ascontiguousarray(lumbar[::-1])


def on_its_side(lumbar: np.ndarray) -> np.ndarray:
    """Turned by a quarter."""
    return np.ascontiguousarray(np.rot90(lumbar))


def inverted(lumbar: np.ndarray) -> np.ndarray:
    """Dark and bright exchanged, as a viewer may export."""
    return (np.percentile(lumbar, 99.8) - np.minimum(lumbar, np.percentile(lumbar, 99.8))).astype(np.uint16)


def with_metal(lumbar: np.ndarray, row: float = 0.55) -> np.ndarray:
    """A void with a bright rim where screws would lie, about the canal."""
    rows, columns = np.mgrid[: lumbar.shape[0], : lumbar.shape[1]]
    away = np.hypot((rows - row * lumbar.shape[0]) / 1.0, (columns - lumbar.shape[1] / 2) / 1.5) * SPACING_MM
    image = np.where(away < 22, 20, np.where(away < 26, 3800, lumbar))
    return image.astype(np.uint16)


ALTERED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "upside down": upside_down, "on its side": on_its_side, "inverted": inverted, "metal": with_metal,
}  # fmt: skip
