"""A drawn axial slice whose canal is known, for tests that must not depend on the phantom cohort."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray


@dataclass(frozen=True)
class Drawing:
    """A 12-bit axial T2 (or T1) slice of 320 x 320 pixels of 0.6875 mm; `canal` is its sac."""

    image: NDArray[np.uint16]
    canal: NDArray[np.bool_]


@pytest.fixture(scope="session")
def draw_axial() -> Callable[..., Drawing]:
    """Draws fat, muscle, psoas, body, sac, laminae and skin; `down` and `right` move the spine by pixels."""

    def draw(
        down: int = 0, right: int = 0, t1: bool = False, sac_mm: tuple[float, float] = (6.0, 9.0), shading: float = 0.6
    ) -> Drawing:
        r, c = np.mgrid[:320, :320] * 0.6875
        r, c = r - 110 - down * 0.6875, c - 110 - right * 0.6875  # 0, 0 is the middle of the body

        def oval(row: float, column: float, half_height: float, half_width: float) -> NDArray[np.bool_]:
            return ((r - row) / half_height) ** 2 + ((c - column) / half_width) ** 2 <= 1

        image = np.zeros((320, 320))
        image[oval(10, 0, 75, 105)] = 1500  # fat
        for side in (-1, 1):
            image[oval(5, side * 40, 17, 14)] = 350  # psoas
            image[oval(45, side * 28, 18, 26)] = 400  # erector spinae
            image[oval(26, side * 13, 7, 5)] = 450  # facets
        image[oval(0, 0, 17, 24)] = 800  # body
        canal = oval(24, 0, *sac_mm)
        image[oval(24, 0, sac_mm[0] + 3, sac_mm[1] + 3)] = 1400 if t1 else 250  # epidural fat, or ligament
        image[canal] = 300 if t1 else 2000
        image *= 1 + shading * r / 110  # coil behind the back
        noisy = image + np.random.default_rng(5).normal(0, 25, image.shape)
        return Drawing(np.clip(np.rint(np.abs(noisy)), 0, 4095).astype(np.uint16), canal)

    return draw
