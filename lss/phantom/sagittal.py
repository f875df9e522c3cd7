"""Sagittal sections: what lies in the plane of a slice, before the scanner sees it (coordinates as in `spine`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lss.phantom.anatomy import Patient
from lss.phantom.canvas import Canvas
from lss.phantom.sagittal_canal import BESIDE_CANAL_MM, draw_canal, draw_foramina
from lss.phantom.sagittal_column import draw_column
from lss.phantom.sagittal_posterior import draw_posterior
from lss.phantom.sagittal_torso import draw_back, draw_front
from lss.phantom.spine import Spine
from lss.phantom.tissue import Textures
from lss.phantom.torso import skin_depth
from lss.runtime.seeding import generator

FIELD_MM = 280.0
SLICE_DISTANCE_MM = 4.4
_TEXTURE = 0.75
"""Of the unevenness of axial slices: real sagittal ones are smoother, by their longer readout or their filter."""


@dataclass(frozen=True)
class Section:
    """What lies in one slice: `signal` (size, size) float32 per weighting; columns in pixels.

    `skin_columns` (size,) is where the skin is in each row, `saturation_column` where the saturated belly begins.
    """

    signal: dict[str, np.ndarray]
    skin_columns: np.ndarray
    saturation_column: float


def field_centre(patient: Patient, field_mm: float) -> tuple[float, float]:
    """Return the centre of a field of view of that size, in drawing coordinates: the back lies near its right edge."""
    draw = generator(patient.number, "field of view", "sagittal")
    behind = skin_depth(patient, 0.5)
    share = 0.5 if field_mm > FIELD_MM else 0.84
    return behind - share * field_mm / 2 + float(draw.normal(0, 5)), float(draw.normal(12, 9))


def draw_section(
    patient: Patient,
    left_mm: float,
    size: int,
    field_mm: float,
    centre_mm: tuple[float, float],
    textures: Textures,
    seed: int,
    weightings: tuple[str, ...],
) -> Section:
    """Draw the sagittal slice `left_mm` to the left of the midline on size x size pixels over `field_mm`."""
    names = ("phantom", "sagittal", patient.number)

    def draw(part: str) -> np.random.Generator:
        """Return a generator that is the same for all slices: they differ by where they cut."""
        return generator(seed, *names, part)

    here = generator(seed, *names, round(10 * left_mm))
    canvas = Canvas(size, size, field_mm / size, centre_mm, textures, weightings, texture=_TEXTURE)
    textures.shift(here, canvas.rows, canvas.columns)
    aside = abs(left_mm)
    spine = Spine(patient, aside)
    skin = draw_back(canvas, patient, spine, aside, draw("back"), here)
    draw_front(canvas, spine, left_mm, draw("front"), here)
    if aside < BESIDE_CANAL_MM:
        draw_canal(canvas, patient, spine, aside, draw("canal"))
    else:
        draw_foramina(canvas, patient, spine, left_mm > 0, here)
    if aside < BESIDE_CANAL_MM:
        draw_posterior(canvas, patient, spine, aside, draw("posterior"), here)
        draw_column(canvas, patient, spine, aside, draw("column"), here)
    else:  # the pedicles grow out of the bodies
        draw_column(canvas, patient, spine, aside, draw("column"), here)
        draw_posterior(canvas, patient, spine, aside, draw("posterior"), here)
    pixel = field_mm / size
    saturated = -0.5 * patient.saturation - 9 - float(generator(patient.number, "band").uniform(-4, 16))
    rows = (np.arange(size) - (size - 1) / 2) * pixel + centre_mm[1]
    skin_x = np.interp(rows, skin[:, 1], skin[:, 0])
    return Section(
        signal=canvas.images(),
        skin_columns=((skin_x - centre_mm[0]) / pixel + (size - 1) / 2).astype(np.float32),
        saturation_column=float((saturated - centre_mm[0]) / pixel + (size - 1) / 2),
    )
