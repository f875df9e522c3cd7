"""Skin, fat and its septa in an axial plane (coordinates as in `canal`); muscles and belly have their own modules.

`caudal` runs from 0 at L3-L4 over 0.5 at L4-L5 to 1 at L5-S1 and blends the outlines given for both ends.
"""

from __future__ import annotations

import numpy as np

from lss.phantom import tissue
from lss.phantom.abdomen import draw_belly, draw_vessels
from lss.phantom.anatomy import Disc, Patient
from lss.phantom.canvas import Canvas
from lss.phantom.muscles import draw_erectors, draw_flank, draw_psoas
from lss.phantom.pelvis import draw_pelvis
from lss.phantom.shapes import smooth_open

FAR = 135.0  # mm, outside every field of view


def draw_torso(
    canvas: Canvas,
    disc: Disc,
    patient: Patient,
    caudal: float,
    height_mm: float,
    body: np.random.Generator,
    level: np.random.Generator,
    here: np.random.Generator,
) -> None:
    """Draw everything of the section but spine and canal.

    `height_mm` is that of the slice above the disc L3-L4. `body` gives what all slices of a patient share, `level` what
    those of a block share, `here` what differs from slice to slice.
    """
    _draw_fat(canvas, patient, caudal, level)
    draw_belly(canvas, patient, caudal, height_mm, body, level, here)
    if caudal < 0.75:
        draw_flank(canvas, patient, caudal, level)
    if caudal > 0.35:
        draw_pelvis(canvas, patient, caudal, level)
    draw_psoas(canvas, patient, caudal, level, here)
    draw_vessels(canvas, caudal, level)
    draw_erectors(canvas, disc, patient, caudal, level, here)


def skin_depth(patient: Patient, caudal: float) -> float:
    """Return the y of the skin in the midline, mm behind the disc's centre."""
    return (67.0 + 11.0 * caudal) * patient.size + patient.fat * (1 + 0.25 * caudal)


def _draw_fat(canvas: Canvas, patient: Patient, caudal: float, level: np.random.Generator) -> None:
    y = skin_depth(patient, caudal)
    dip = level.uniform(0.5, 3.0) * (1 + caudal)
    rise = level.uniform(2.0, 9.0) * (1 - 0.4 * caudal)
    lopsided = level.normal(0, 1.5)
    x = np.linspace(-FAR, FAR, 41)
    skin = y - rise * (x / 90) ** 2 - dip * np.exp(-((x / 16) ** 2)) + 1.0 * np.exp(-(((np.abs(x) - 45) / 25) ** 2))
    skin += lopsided * x / 90 + level.normal(0, 0.35, 41)
    line = smooth_open(np.column_stack([x, skin]), 4)
    body = np.vstack([line, [(FAR, -FAR), (-FAR, -FAR)]])
    # skin: a bright film of grease, the dark dermis, then fat
    canvas.fill(body, tissue.SKIN.scaled(1.2, 1.4), soft_mm=0.3)
    canvas.fill(body - np.array([0, 0.9]), tissue.SKIN.scaled(0.8, 0.75), soft_mm=0.3)
    canvas.fill(body - np.array([0, 2.0]), tissue.SUBCUTANEOUS_FAT, soft_mm=0.4)
    _draw_septa(canvas, patient, x, skin, level)


def _draw_septa(canvas: Canvas, patient: Patient, x: np.ndarray, skin: np.ndarray, level: np.random.Generator) -> None:
    """Draw fibrous septa of the subcutaneous fat: a fascia along the skin, fine strands across, small vessels."""
    lines = []
    xs = np.linspace(-115, 115, 13)
    depth = level.uniform(0.25, 0.6) * patient.fat + 2.5
    for step in range(int(level.integers(1, 4))):  # the superficial fascia, split into leaves in places
        wave = level.normal(0, 0.7, 13) + 2.0 * np.sin(xs / level.uniform(25, 60) + level.uniform(0, 6))
        leaf = np.interp(xs, x, skin) - depth - step * level.uniform(1.5, 4.0) + wave - 0.0004 * xs**2
        first, last = sorted(level.choice(13, 2, replace=False)) if step else (0, 12)
        path = smooth_open(np.column_stack([xs, leaf])[first : last + 1]) if last - first > 1 else None
        if path is not None:
            lines.append((path, 0.5, float(level.uniform(0.35, 0.85))))
    for _ in range(int(level.integers(20, 44))):
        start = level.uniform(-110, 110)
        top = float(np.interp(start, x, skin))
        steps = np.cumsum(level.normal([3.5, -1.0], [0.8, 0.5], (5, 2)), axis=0) * [level.choice([-1, 1]), 1]
        path = np.array([start, top - level.uniform(2.5, max(4.0, patient.fat))]) + np.vstack([[0, 0], steps])
        lines.append((smooth_open(path, 4), 0.35, float(level.uniform(0.05, 0.28))))
    canvas.strokes(lines, tissue.SEPTUM, soft_mm=0.35)
