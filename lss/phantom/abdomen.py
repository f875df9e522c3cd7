"""What lies in front of the spine in an axial plane: fat, bowel, kidneys, vessels (coordinates as in `canal`)."""

from __future__ import annotations

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Patient
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, grown, uneven

FAR = 135.0  # mm, outside every field of view

_KIDNEY_MM = 42.0
"""Height above its lower pole at which a kidney is widest."""


def draw_belly(
    canvas: Canvas,
    patient: Patient,
    caudal: float,
    height_mm: float,
    body: np.random.Generator,
    level: np.random.Generator,
    here: np.random.Generator,
) -> None:
    """Draw fat with kidneys, colon, loops of small bowel and mesenteric vessels; most of it in the saturated region."""
    front = [(-FAR, 16 - 14 * caudal), (-40, 12), (40, 12), (FAR, 16 - 14 * caudal), (FAR, -FAR), (-FAR, -FAR)]
    canvas.fill(np.array(front), tissue.VISCERAL_FAT, alpha=0.9, soft_mm=7.0)
    for side, own in zip((-1, 1), body.spawn(2), strict=True):
        part = kidney_part(patient, side, height_mm)
        if part > 0.25:
            _draw_kidney(canvas, side, patient.renal_cyst == side, part, own)
        # the colon lies beside the psoas, or in front of the kidney
        x, y = side * level.normal(86, 6), level.normal(-18 - 14 * caudal - 22 * (part > 0.5), 5)
        wide = level.uniform(11, 19) if side < 0 else level.uniform(7, 13)
        _draw_loop(canvas, (x, y), (wide, wide * level.uniform(0.8, 1.15)), level, here)
        for _ in range(int(level.integers(1, 3))):
            place = side * level.uniform(30, 105), level.uniform(-60, -34)
            _draw_loop(canvas, place, tuple(level.uniform(7, 16, 2)), level, here)
    # mesenteric strands and small vessels: long ones in sheets, and their branches
    count = int(level.integers(90, 150))
    starts = level.uniform([-100, -48], [100, 6], (count, 2))
    turns = np.cumsum(level.normal(0, 0.35, (count, 5)), axis=1) + level.uniform(0, 2 * np.pi, (count, 1))
    reach = level.uniform(1.0, 4.5, (count, 1))
    paths = starts[:, None] + np.cumsum(np.stack([reach * np.cos(turns), reach * np.sin(turns)], axis=2), axis=1)
    looks = level.uniform([0.35, 0.03], [1.2, 0.24], (count, 2)).tolist()
    lines = [(path, width, alpha) for path, (width, alpha) in zip(paths, looks, strict=True)]
    canvas.strokes(lines, tissue.VESSEL_WALL, soft_mm=0.3)


def kidney_part(patient: Patient, side: int, height_mm: float) -> float:
    """Return the size of the section through the kidney of that side, 0 below its lower pole to 1 at its middle."""
    lowest = patient.kidneys[0 if side < 0 else 1]
    if patient.renal_cyst == side:  # what the note states is to be seen in the slices of L3-L4
        lowest = min(lowest, -22.0)
    above = np.clip((height_mm - lowest) / _KIDNEY_MM, 0, 1)
    return float(np.sqrt(1 - (1 - above) ** 2))


def _draw_kidney(canvas: Canvas, side: int, cyst: bool, part: float, draw: np.random.Generator) -> None:
    """Draw a kidney in its fascia; `draw` is the same in all slices of a patient. A cyst is bright as water."""
    centre = (side * draw.uniform(68, 80), draw.uniform(-12, -3))
    radii = (part * draw.uniform(25, 30), part * draw.uniform(21, 25))
    outline = uneven(ellipse(centre, radii, draw.normal(28, 10) * side), draw, 0.9, waves=4)
    canvas.fill(grown(outline, 5.0), tissue.FASCIA, alpha=0.12, soft_mm=0.6)
    canvas.fill(grown(outline, 4.2), tissue.VISCERAL_FAT.scaled(1.05, 1.1), soft_mm=0.4)
    canvas.fill(grown(outline, 0.4), tissue.FASCIA, alpha=0.35, soft_mm=0.5)
    canvas.fill(outline, tissue.KIDNEY, soft_mm=0.6)
    for _ in range(9):
        pyramid = np.array(centre) + part * draw.normal(0, 1, 2) * (11, 9)
        canvas.fill(ellipse(tuple(pyramid), (4, 3)), tissue.KIDNEY.scaled(0.85, 1.12), soft_mm=1.6, alpha=0.5)
    if part > 0.6:  # the sinus ends above the lower pole
        sinus = uneven(ellipse(centre, (part * 9, part * 3.5), draw.uniform(10, 50) * side), draw, 1.5)
        canvas.fill(sinus, tissue.VISCERAL_FAT, soft_mm=1.0, alpha=0.9)
        dark = np.array(centre) + draw.normal(0, 3, (4, 2))
        canvas.fill_all([ellipse((x, y), (1.4, 0.9), n=12) for x, y in dark], tissue.VESSEL, alpha=0.8, soft_mm=0.3)
    if cyst:
        place = (centre[0] - side * 0.35 * radii[0], centre[1] + 0.55 * radii[1])
        canvas.fill(ellipse(place, (7.5, 6.5)), tissue.CSF, soft_mm=0.4)


def _draw_loop(
    canvas: Canvas,
    place: tuple[float, float],
    radii: tuple[float, ...],
    level: np.random.Generator,
    here: np.random.Generator,
) -> None:
    """Draw a loop of bowel: a grey wall around mottled contents, with gas in some."""
    loop = uneven(ellipse(place, (radii[0], radii[1]), level.uniform(0, 180)), level, 0.16 * radii[0], waves=5)
    signal = level.uniform(0.2, 1.2)
    canvas.fill(loop, tissue.BOWEL.scaled(0.6, 0.5), soft_mm=1.0, alpha=float(level.uniform(0.5, 0.95)))
    canvas.fill(grown(loop, -1.8), tissue.BOWEL.scaled(signal, signal), soft_mm=1.6, alpha=0.9)
    canvas.fill(grown(loop, -2.5), tissue.BOWEL.scaled(1.4, 1.4), soft_mm=1.5, alpha=float(level.uniform(0, 0.45)),
                speckle=float(level.uniform(0.15, 0.5)))  # fmt: skip
    if level.random() < 0.3:
        gas = uneven(ellipse((place[0], place[1] - 0.25 * radii[1]), (radii[0] * 0.6, radii[1] * 0.5)), level, 0.8)
        canvas.fill(gas + here.normal(0, 0.4, 2), tissue.GAS, soft_mm=0.8)


def draw_vessels(canvas: Canvas, caudal: float, level: np.random.Generator) -> None:
    """Draw aorta and vena cava; from L4 downwards the iliac vessels, further apart. Flowing blood is dark."""
    spread = max(caudal - 0.25, 0)
    pairs = [(7.0 + 15 * spread, 7.0 - 2.5 * caudal), (-12.0 - 12 * spread, 9.5 - 3.5 * caudal)]
    if caudal > 0.4:
        pairs += [(15 + 15 * spread, 4.6), (-20 - 12 * spread, 5.2)]
    for x, radius in pairs:
        flat = level.uniform(0.5, 0.85) if x < 0 else level.uniform(0.92, 1.05)
        y = -26.5 - level.uniform(0, 3) + 0.5 * spread * (abs(x) - 8)
        centre = (x + level.normal(0, 1.8), y + level.normal(0, 1.0))
        outline = uneven(ellipse(centre, (radius, radius * flat), level.normal(0, 15)), level, 0.4, waves=3)
        canvas.fill(grown(outline, 0.8), tissue.VESSEL_WALL, alpha=0.7, soft_mm=0.3)
        canvas.fill(outline, tissue.VESSEL.scaled(1.0, level.uniform(0.8, 2.4)), soft_mm=0.4)
        if level.random() < 0.35:  # slow flow at the wall, or the entry of fresh spins
            rim = ellipse((centre[0], centre[1] + 0.35 * radius * flat), (0.5 * radius, 0.25 * radius))
            canvas.fill(rim, tissue.NERVE, alpha=float(level.uniform(0.2, 0.7)), soft_mm=0.8)
    small = level.uniform([-36, -36, 0.6], [36, -19, 2.0], (int(level.integers(2, 8)), 3))
    circles = [ellipse((x, y), (radius, radius), n=24) for x, y, radius in small]
    canvas.fill_all(circles, tissue.VESSEL_WALL.scaled(0.5, 0.4), alpha=0.75, soft_mm=0.3)
