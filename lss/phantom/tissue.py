"""What each tissue looks like: signal in T1 and T2, and how uneven it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Tissue:
    """Signal relative to subcutaneous fat (1.0) before coil shading; set by eye against real 1.5 T slices.

    `fine`, `medium` and `coarse` are the relative standard deviations of texture with a correlation length of
    about 0.5, 1.5 and 6 mm.
    """

    t1: float
    t2: float
    fine: float = 0.0
    medium: float = 0.0
    coarse: float = 0.0

    def scaled(self, t1: float, t2: float) -> Tissue:
        """Return the same texture with both signals multiplied."""
        return Tissue(self.t1 * t1, self.t2 * t2, self.fine, self.medium, self.coarse)


SMOOTH = 0.11, 0.10, 0.09
"""Texture of what real slices show nearly even. Tissues that share their amplitudes share a field: one is 5 MB."""

AIR = Tissue(0.0, 0.0)
SKIN = Tissue(0.45, 0.42, 0.05, 0.1)
SUBCUTANEOUS_FAT = Tissue(1.0, 1.0, 0.01, 0.012, 0.02)
SEPTUM = Tissue(0.55, 0.5, 0.05, 0.1)
VISCERAL_FAT = Tissue(1.0, 1.1, 0.02, 0.04, 0.14)
LOOSE_FAT = Tissue(1.0, 1.0, 0.08, 0.14, 0.15)
EPIDURAL_FAT = Tissue(1.05, 1.1, *SMOOTH)
MUSCLE = Tissue(0.31, 0.115, 0.16, 0.18, 0.16)
FASCIA = Tissue(0.12, 0.06, 0.05)
MARROW = Tissue(0.56, 0.60, *SMOOTH)
CORTEX = Tissue(0.09, 0.06, 0.05)
ANNULUS = Tissue(0.30, 0.14, *SMOOTH)
NUCLEUS = Tissue(0.36, 0.62, *SMOOTH)
INTERSPINOUS = Tissue(0.42, 0.34, 0.05, 0.12, 0.40)
FLAVUM = Tissue(0.25, 0.15, 0.12, 0.14)
CARTILAGE = Tissue(0.40, 0.75, 0.05, 0.1)
CSF = Tissue(0.20, 1.62, 0.01, 0.02, 0.03)
ROOTLET = Tissue(0.31, 0.62, 0.03, 0.05)
CROWDED_ROOTLETS = Tissue(0.30, 0.52, 0.12, 0.14)
DURA = Tissue(0.16, 0.14)
NERVE = Tissue(0.36, 0.42, 0.05, 0.1)
CORD = Tissue(0.45, 0.55, 0.03, 0.05)
VESSEL = Tissue(0.05, 0.045, 0.2, 0.3)
VESSEL_WALL = Tissue(0.3, 0.3, 0.05)
KIDNEY = Tissue(0.52, 0.78, *SMOOTH)
BOWEL = Tissue(0.42, 0.48, 0.05, 0.12, 0.40)
GAS = Tissue(0.03, 0.03)


class Textures:
    """Fields of correlated noise (mean 0, standard deviation 1), from which every tissue takes its unevenness.

    Made once per patient; `shift` moves to another part of the fields for the next slice.
    """

    SIDE = 1152

    def __init__(self, generator: np.random.Generator, pixel_mm: float) -> None:
        """Prepare the tissue for a canvas with pixels of `pixel_mm`."""
        self._fields = [self._field(generator, length / pixel_mm) for length in (0.38, 0.76, 3.0)]
        # patches are longer from front to back, and frayed
        patches = self._field(generator, 0.8 / pixel_mm, 2.0 / pixel_mm)
        self._patches = 0.85 * patches + 0.5 * self._fields[1]
        fibres = self._slanted(self._field(generator, 0.7 / pixel_mm, 7.0 / pixel_mm))
        self._fibres = 0.8 * fibres + 0.6 * self._field(generator, 3.5 / pixel_mm, 12.0 / pixel_mm)
        self._sums: dict[tuple[float, float, float], np.ndarray] = {}  # the weighted fields, by amplitudes
        self._row = self._column = 0

    def shift(self, generator: np.random.Generator, rows: int, columns: int) -> None:
        """Choose where in the fields a canvas of `rows` x `columns` pixels lies."""
        self._row = int(generator.integers(0, self.SIDE - rows + 1))
        self._column = int(generator.integers(0, self.SIDE - columns + 1))

    def unevenness(self, tissue: Tissue, rows: slice, columns: slice) -> np.ndarray:
        """Return factor around 1 for a window of the canvas, (rows, columns) float32; a view, not to be written to."""
        amplitudes = (tissue.fine, tissue.medium, tissue.coarse)
        if amplitudes not in self._sums:
            fine, medium, coarse = self._fields
            total = cv2.addWeighted(fine, tissue.fine, medium, tissue.medium, 1.0)
            total = cv2.scaleAdd(coarse, tissue.coarse, total, total)
            self._sums[amplitudes] = total
        return self._sums[amplitudes][
            rows.start + self._row : rows.stop + self._row, columns.start + self._column : columns.stop + self._column
        ]

    def patches(self, rows: int, columns: int) -> np.ndarray:
        """Return the field of frayed patches of 2 by 5 mm under a canvas of that size."""
        return self._patches[self._row : self._row + rows, self._column : self._column + columns]

    def fibres(self, rows: int, columns: int) -> np.ndarray:
        """Return the field of streaks 0.7 mm wide and 7 mm long, in clusters, under a canvas of that size."""
        return self._fibres[self._row : self._row + rows, self._column : self._column + columns]

    @classmethod
    def _slanted(cls, field: np.ndarray) -> np.ndarray:
        """Return the field sheared along rows, and bent, as the bundles of a muscle are."""
        row = np.arange(cls.SIDE)
        shift = np.rint(0.15 * row + 14.0 * np.sin(row / 75.0)).astype(int)
        sheared = np.empty_like(field)
        for place, by in enumerate(shift % cls.SIDE):
            sheared[place, : cls.SIDE - by], sheared[place, cls.SIDE - by :] = field[place, by:], field[place, :by]
        return sheared

    @classmethod
    def _field(cls, generator: np.random.Generator, sigma: float, sigma_down: float = 0.0) -> np.ndarray:
        """Return a field with that correlation, drawn on a coarser grid where the correlation is long,
        which is faster.
        """
        step = 4 if sigma > 6 else 2 if sigma > 2 else 1
        noise = generator.standard_normal((cls.SIDE // step, cls.SIDE // step), dtype=np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma / step, sigmaY=sigma_down / step)
        smooth = (smooth - smooth.mean()) / smooth.std()
        if step > 1:
            smooth = cv2.resize(smooth, (cls.SIDE, cls.SIDE), interpolation=cv2.INTER_LINEAR)
            smooth /= smooth[::step].std()
        return np.clip(smooth, -3, 3, out=smooth)
