"""Axial sections: what lies in the plane of a slice, before the scanner sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lss.domain.grades import LEVELS
from lss.phantom import tissue
from lss.phantom.anatomy import IMAGED_LEVELS, Patient
from lss.phantom.canal import canal_outline, draw_canal_content, sac_outline
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import area, depth_in_the_middle, grown
from lss.phantom.tissue import Textures
from lss.phantom.torso import draw_torso, skin_depth
from lss.phantom.vertebra import (
    draw_body,
    draw_disc,
    draw_exiting_roots,
    draw_posterior_elements,
)
from lss.runtime.seeding import generator

ROWS = 320
SPACING_MM = 0.6875
SLICE_DISTANCE_MM = 4.4
SLICES_PER_DISC = 4


@dataclass(frozen=True)
class Section:
    """What lies in one slice. `signal` is (rows, columns) float32 per weighting, subcutaneous fat about 1.

    `canal` is the thecal sac, (rows, columns) bool; its exact area and its depth from front to back in the middle (the
    anteroposterior diameter) are those of the outline before it was cut into pixels. `skin_mm` is y of the skin in the
    drawing's coordinates and `centre_mm` the drawing's coordinates of the centre of the image.
    """

    signal: dict[str, np.ndarray]
    canal: np.ndarray
    sac_area_mm2: float
    sac_diameter_mm: float
    skin_mm: float
    centre_mm: tuple[float, float]


def offset_of(index: int) -> float:
    """Return the distance of slice `index` of a block above the disc's plane, mm; index 0 is the highest slice."""
    return ((SLICES_PER_DISC - 1) / 2 - index) * SLICE_DISTANCE_MM


def field_centre(patient: Patient, level: str) -> tuple[float, float]:
    """Return (x, y) of the centre of the field of view from the disc's centre, in the disc's plane, mm."""
    draw = generator(patient.number, "field of view", level)
    # the belly is saturated anyway: the field is moved so that most of the back fits in
    behind = skin_depth(patient, _caudal(level)) - 0.5 * ROWS * SPACING_MM
    return float(draw.normal(0, 2)), float(np.clip(behind + draw.uniform(-8, 34), -14, 24))


def draw_section(
    patient: Patient,
    level: str,
    index: int,
    columns: int,
    textures: Textures,
    seed: int,
    weightings: tuple[str, ...] = ("T1", "T2"),
) -> Section:
    """Draw slice `index` of the block through the disc `level`, on ROWS x `columns` pixels."""
    disc = patient.discs[level]
    offset = offset_of(index)
    relief = float(np.clip(abs(offset) / 6.6, 0, 1))
    caudal = float(np.clip(_caudal(level) - 0.02 * offset, 0, 1))
    centre = field_centre(patient, level)
    names = ("phantom", "section", patient.number, level)
    here = generator(seed, *names, index)

    canvas = Canvas(ROWS, columns, SPACING_MM, centre, textures, weightings, patient.turn_at(level))
    textures.shift(here, canvas.rows, canvas.columns)
    body = generator(seed, "phantom", "section", patient.number, "body")
    draw_torso(canvas, disc, patient, caudal, disc.centre_2[1] + offset, body, generator(seed, *names, "torso"), here)
    draw_exiting_roots(canvas, disc, patient, generator(seed, *names, "roots", index))
    canvas.fill(canal_outline(disc, patient.size), tissue.EPIDURAL_FAT, soft_mm=0.4)
    shapes = generator(seed, *names, "shapes")
    if abs(offset) <= disc.height / 2:
        draw_disc(canvas, disc, relief, shapes, spondylosis=patient.spondylosis)
    else:
        draw_body(canvas, disc, patient, shapes, above=offset > 0)
    draw_posterior_elements(canvas, disc, patient, offset, generator(seed, *names, "bones", index // 2))
    sac = sac_outline(disc, relief, generator(seed, *names, "sac"))
    sac = grown(sac + here.normal(0, 0.2, 2), -canvas.pixel_mm / 2)  # see `canvas`: its area is part of the truth
    rootlets = generator(seed, *names, "rootlets", index)
    draw_canal_content(canvas, disc, sac, patient.size, relief, rootlets, below=offset < 0)
    drawn = grown(sac, canvas.pixel_mm / 2)  # OpenCV fills what the outline runs through
    return Section(
        signal=canvas.images(),
        canal=canvas.coverage(sac) >= 0.5,
        sac_area_mm2=area(drawn),
        sac_diameter_mm=depth_in_the_middle(drawn),
        skin_mm=skin_depth(patient, caudal),
        centre_mm=centre,
    )


def _caudal(level: str) -> float:
    """Return 0 at L3-L4 and above to 1 at L5-S1."""
    return max(LEVELS.index(level) - LEVELS.index(IMAGED_LEVELS[0]), 0) / (len(IMAGED_LEVELS) - 1)
