"""Skin, fat, muscles, pelvis, vessels and bowel in an axial plane (coordinates as in `canal`).

`caudal` runs from 0 at L3-L4 over 0.5 at L4-L5 to 1 at L5-S1 and blends the outlines given for both ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Disc, Patient
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, grown, mirrored, smooth_closed, smooth_open, uneven

FAR = 135.0  # mm, outside every field of view

_ERECTOR_TOP = [
    (17, 31),
    (31, 24),
    (50, 24),
    (67, 30),
    (75, 39),
    (69, 49),
    (52, 58),
    (30, 64),
    (10, 65),
    (3, 60),
    (2.6, 46),
]
_ERECTOR_TAIL = [
    (14, 36),
    (24, 31),
    (36, 33),
    (46, 41),
    (49, 52),
    (46, 62),
    (37, 71),
    (23, 77),
    (10, 73),
    (3, 62),
    (2.6, 48),
]
_FLANK = [(35, 12), (50, 9), (68, 14), (88, 17), (FAR, 10), (FAR, 22), (90, 28), (72, 30), (56, 24), (42, 22)]


def _between(top: Sequence[tuple[float, float]], tail: Sequence[tuple[float, float]], caudal: float) -> np.ndarray:
    """Outline between the two, point by point."""
    return (1 - caudal) * np.asarray(top, float) + caudal * np.asarray(tail, float)


def draw_torso(
    canvas: Canvas, disc: Disc, patient: Patient, caudal: float, level: np.random.Generator, here: np.random.Generator
) -> None:
    """Everything of the section but spine and canal.

    `level` gives what the slices of a block share, `here` what differs from slice to slice.
    """
    _draw_fat(canvas, patient, caudal, level)
    _draw_belly(canvas, patient, caudal, level, here)
    if caudal < 0.75:
        _draw_flank(canvas, caudal, level)
    if caudal > 0.35:
        _draw_pelvis(canvas, patient, caudal, level)
    _draw_psoas(canvas, patient, caudal, level)
    _draw_vessels(canvas, caudal, level)
    _draw_erectors(canvas, disc, patient, caudal, level, here)


def skin_depth(patient: Patient, caudal: float) -> float:
    """y of the skin in the midline, mm behind the disc's centre."""
    return (67.0 + 11.0 * caudal) * patient.size + patient.fat * (1 + 0.25 * caudal)


def _draw_fat(canvas: Canvas, patient: Patient, caudal: float, level: np.random.Generator) -> None:
    y = skin_depth(patient, caudal)
    dip = level.uniform(0.5, 3.0) * (1 + caudal)
    rise = level.uniform(2.0, 9.0) * (1 - 0.4 * caudal)
    x = np.linspace(-FAR, FAR, 41)
    skin = y - rise * (x / 90) ** 2 - dip * np.exp(-((x / 16) ** 2)) + 1.0 * np.exp(-(((np.abs(x) - 45) / 25) ** 2))
    line = np.column_stack([x, skin])
    body = np.vstack([line, [(FAR, -FAR), (-FAR, -FAR)]])
    canvas.fill(body, tissue.SKIN)
    canvas.fill(body - np.array([0, 1.6]), tissue.SUBCUTANEOUS_FAT)
    # fibrous strands: long ones along the skin, short ones across
    for _ in range(int(level.integers(2, 5))):
        depth = level.uniform(0.12, 0.6) * patient.fat + 2
        wave = level.normal(0, 1.5, 9)
        xs = np.linspace(-110, 110, 9)
        strand = np.column_stack([xs, np.interp(xs, x, skin) - depth + wave - 0.0004 * xs**2])
        canvas.stroke(smooth_open(strand), 0.45, tissue.SEPTUM, alpha=float(level.uniform(0.4, 0.95)), soft_mm=0.25)
    for _ in range(int(level.integers(8, 18))):
        start = level.uniform(-100, 100)
        top = float(np.interp(start, x, skin))
        steps = np.cumsum(level.normal([3.0, -1.5], [3.0, 2.0], (4, 2)), axis=0) * level.choice([-1, 1])
        strand = np.array([start, top - level.uniform(3, max(4.0, patient.fat))]) + np.vstack([[0, 0], steps])
        canvas.stroke(smooth_open(strand), 0.35, tissue.SEPTUM, alpha=float(level.uniform(0.2, 0.75)), soft_mm=0.2)


def _draw_belly(
    canvas: Canvas, patient: Patient, caudal: float, level: np.random.Generator, here: np.random.Generator
) -> None:
    front = [(-FAR, 16 - 14 * caudal), (-40, 12), (40, 12), (FAR, 16 - 14 * caudal), (FAR, -FAR), (-FAR, -FAR)]
    canvas.fill(np.array(front), tissue.VISCERAL_FAT, alpha=0.9)
    for side in (-1, 1):
        if caudal < 0.3 and (level.random() < 0.4 or patient.renal_cyst == side):
            _draw_kidney(canvas, side, patient.renal_cyst == side, level)
        for _ in range(int(level.integers(2, 5))):
            x = side * level.uniform(58, 108)
            y = level.uniform(-48, -6 - 22 * caudal)
            size = level.uniform(6, 17, 2)
            loop = uneven(ellipse((x, y), (size[0], size[1]), level.uniform(0, 180)), level, 2.0)
            signal = level.uniform(0.5, 1.2)
            canvas.fill(loop, tissue.BOWEL.scaled(0.6, 0.5), soft_mm=0.7)
            canvas.fill(grown(loop, -1.5), tissue.BOWEL.scaled(signal, signal), soft_mm=1.0)
            if level.random() < 0.3:
                gas = ellipse((x, y - 2), (size[0] * 0.5, size[1] * 0.45))
                canvas.fill(gas + here.normal(0, 0.4, 2), tissue.GAS, soft_mm=0.8)
    for _ in range(int(level.integers(5, 12))):  # mesenteric strands and small vessels
        start = np.array([level.uniform(-70, 70), level.uniform(-60, -20)])
        strand = start + np.vstack([[0, 0], np.cumsum(level.normal(0, 5, (3, 2)), axis=0)])
        canvas.stroke(smooth_open(strand), float(level.uniform(0.6, 2.0)), tissue.VESSEL_WALL, alpha=0.6, soft_mm=0.4)


def _draw_kidney(canvas: Canvas, side: int, cyst: bool, level: np.random.Generator) -> None:
    """The lower part of a kidney, in its fascia; a cyst is bright as water."""
    centre = (side * level.uniform(66, 82), level.uniform(-14, -4))
    part = level.uniform(0.55, 1.0)  # how far above its lower end the slice cuts it
    radii = (part * level.uniform(20, 27), part * level.uniform(17, 23))
    outline = uneven(ellipse(centre, radii, level.normal(25, 12) * side), level, 0.8)
    canvas.fill(grown(outline, 0.8), tissue.FASCIA, alpha=0.5, soft_mm=0.3)
    canvas.fill(outline, tissue.KIDNEY, soft_mm=0.4)
    for _ in range(6):
        pyramid = np.array(centre) + level.normal(0, 1, 2) * (8, 6)
        canvas.fill(ellipse(tuple(pyramid), (4, 3)), tissue.KIDNEY.scaled(0.8, 1.15), soft_mm=1.2, alpha=0.6)
    if part > 0.75:  # the sinus ends above the lower pole
        sinus = uneven(ellipse(centre, (8, 3.5), level.uniform(0, 60) * side), level, 1.2)
        canvas.fill(sinus, tissue.VISCERAL_FAT, soft_mm=0.8)
    if cyst:
        place = (centre[0] - side * 0.35 * radii[0], centre[1] + 0.55 * radii[1])
        canvas.fill(ellipse(place, (7.5, 6.5)), tissue.CSF, soft_mm=0.4)


def _draw_flank(canvas: Canvas, caudal: float, level: np.random.Generator) -> None:
    for side in (-1, 1):
        points = np.array(_FLANK) + level.normal(0, 1.3, (len(_FLANK), 2)) + np.array([0, 4 * caudal])
        outline = smooth_closed(mirrored(points, side))
        canvas.fill(grown(outline, 0.9), tissue.FASCIA, alpha=0.6, soft_mm=0.3)
        canvas.fill(outline, tissue.MUSCLE, soft_mm=0.4)


def _draw_pelvis(canvas: Canvas, patient: Patient, caudal: float, level: np.random.Generator) -> None:
    """Iliac wings with the gluteal muscles behind and the iliacus in front; low down the wings of the sacrum."""
    shift = (1 - caudal) * np.array([26.0, -2.0])
    marrow = tissue.MARROW.scaled(patient.marrow_t1 * 1.05, patient.marrow_t2 * 0.95)
    for side in (-1, 1):
        wing = np.array([(50, 45), (58, 33), (70, 14), (86, -4), (104, -20), (FAR, -44)]) * patient.size + shift
        wing = wing + level.normal(0, 1.6, wing.shape)
        gluteus = np.vstack([wing + 2, np.array([(FAR, 2), (98, 24), (70, 48)]) + shift])
        iliacus = np.vstack([wing[1:] - 2, np.array([(FAR, -66), (88, -36), (66, -12), (55, 12)]) + shift])
        for muscle in (gluteus, iliacus):
            outline = uneven(smooth_closed(mirrored(muscle, side)), level, 1.0)
            canvas.fill(grown(outline, 1.0), tissue.FASCIA, alpha=0.5, soft_mm=0.3)
            canvas.fill(outline, tissue.MUSCLE, soft_mm=0.5)
            canvas.fill(outline, tissue.LOOSE_FAT, alpha=0.35, speckle=0.05 + 0.1 * patient.fatty_muscle, soft_mm=0.5)
        for _ in range(int(level.integers(4, 9))):  # fat between the bundles, along the bone
            start = (
                wing[1] + (wing[3] - wing[1]) * level.uniform(0, 1.4) + level.uniform(3, 20) * np.array([0.75, 0.65])
            )
            path = (
                start
                + np.outer([-1, 0, 1], level.uniform(5, 14) * np.array([0.68, -0.73]))
                + level.normal(0, 1.2, (3, 2))
            )
            width = float(level.uniform(0.5, 2.0))
            canvas.stroke(smooth_open(mirrored(path, side)), width, tissue.LOOSE_FAT, alpha=0.55, soft_mm=0.5)
        half = np.array([8.0, 7.0, 5.0, 4.0, 3.5, 3.5]) * level.uniform(0.85, 1.2) * (0.6 + 0.4 * caudal)
        across = half[:, None] * np.array([0.72, 0.69])
        bone = smooth_closed(mirrored(np.vstack([wing + across, (wing - across)[::-1]]), side))
        bone = uneven(bone, level, 0.7)
        canvas.fill(bone, tissue.CORTEX, soft_mm=0.3)
        inner = (half - level.uniform(1.4, 2.2))[:, None] * np.array([0.72, 0.69])
        spongy = smooth_closed(mirrored(np.vstack([wing + inner, (wing - inner)[::-1]]), side))
        canvas.fill(spongy, marrow, soft_mm=0.6)
        if caudal > 0.93:
            ala = [(20, 4), (34, 2), (47, 10), (52, 26), (46, 36), (36, 30), (26, 22), (18, 16)]
            outline = smooth_closed(mirrored(np.array(ala) * patient.size + level.normal(0, 1.2, (8, 2)), side))
            canvas.fill(grown(outline, 0.5), tissue.CORTEX, soft_mm=0.4)
            canvas.fill(grown(outline, -1.0), marrow, soft_mm=0.7)


def _draw_psoas(canvas: Canvas, patient: Patient, caudal: float, level: np.random.Generator) -> None:
    for side in (-1, 1):
        radius = level.normal(1, 0.09) * patient.muscle * np.array([19 + 4 * caudal, 21 + 3 * caudal])
        x = side * ((44 + 8 * caudal) * patient.size + level.normal(0, 1.2))
        y = 1 - 10 * caudal - 12 * max(caudal - 0.5, 0) + level.normal(0, 1.5)
        outline = uneven(ellipse((x, y), (radius[0], radius[1]), side * (15 + 15 * caudal)), level, 1.6, waves=4)
        canvas.fill(grown(outline, 0.8), tissue.FASCIA, alpha=0.5, soft_mm=0.3)
        canvas.fill(outline, tissue.MUSCLE, soft_mm=0.4)
        for _ in range(int(level.integers(1, 4))):
            at = np.array([x, y]) + level.normal(0, 6, 2)
            strand = at + np.vstack([[0, 0], np.cumsum(level.normal(0, 2.5, (3, 2)), axis=0)])
            canvas.stroke(smooth_open(strand), 0.5, tissue.LOOSE_FAT, alpha=0.45, soft_mm=0.3)


def _draw_vessels(canvas: Canvas, caudal: float, level: np.random.Generator) -> None:
    """Aorta and vena cava; from L4 downwards the iliac vessels, further apart. Flowing blood is dark."""
    spread = max(caudal - 0.25, 0)
    pairs = [(7.0 + 34 * spread, 8.0 - 3.0 * caudal), (-9.0 - 34 * spread, 9.0 - 3.0 * caudal)]
    if caudal > 0.4:
        pairs += [(15 + 30 * spread, 5.0), (-18 - 28 * spread, 5.2)]
    for x, radius in pairs:
        flat = 0.75 if x < 0 else 1.0
        y = -25.5 - level.uniform(0, 3) + 11 * spread
        outline = uneven(ellipse((x + level.normal(0, 1.5), y), (radius, radius * flat)), level, 0.4, waves=3)
        canvas.fill(grown(outline, 0.9), tissue.VESSEL_WALL, alpha=0.7, soft_mm=0.3)
        canvas.fill(outline, tissue.VESSEL, soft_mm=0.4)
    small = level.uniform([-34, -34, 0.8], [34, -19, 2.2], (int(level.integers(6, 12)), 3))
    circles = [ellipse((x, y), (radius, radius), n=24) for x, y, radius in small]
    canvas.fill_all(circles, tissue.VESSEL, alpha=0.75, soft_mm=0.3)


def _draw_erectors(
    canvas: Canvas,
    disc: Disc,
    patient: Patient,
    caudal: float,
    level: np.random.Generator,
    here: np.random.Generator,
) -> None:
    """Multifidus and erector spinae with their fascia, the fat around the laminae and the streaks between bundles."""
    fatty = patient.fatty_muscle * (1 + 0.5 * caudal)
    scale = np.array([patient.size * (0.5 + 0.5 * patient.muscle), patient.size])
    muscle = tissue.MUSCLE.scaled(1.0, 1.5) if patient.spasm else tissue.MUSCLE
    for side in (-1, 1):
        points = _between(_ERECTOR_TOP, _ERECTOR_TAIL, caudal) * scale * level.normal(1, [0.05, 0.02])
        points[2:9] += level.normal(0, 1.2, (7, 2))
        outline = smooth_closed(mirrored(points, side))
        canvas.fill(grown(outline, 1.1), tissue.FASCIA, soft_mm=0.3, alpha=0.9)
        canvas.fill(outline, muscle, soft_mm=0.3)
        # fat replaces muscle from the lamina outwards
        deep = smooth_closed(mirrored(points * [0.6, 0.95] + [1, 0], side))
        deep_share = float(np.clip(0.02 + 0.26 * fatty, 0.02, 0.45))
        canvas.fill(deep, tissue.LOOSE_FAT, alpha=0.7, speckle=deep_share, soft_mm=1.2)
        share = float(np.clip(0.01 + 0.035 * fatty, 0.01, 0.12))
        canvas.fill(outline, tissue.LOOSE_FAT, alpha=0.25, speckle=share, soft_mm=1.0)
        # pad of fat on the laminae and around the facets
        back = disc.depth / 2
        pad = mirrored([(30, back + 3), (29, back + 12), (25, back + 20), (16, back + 27), (8, back + 31)], side)
        pad = smooth_open(pad + level.normal(0, 1.0, pad.shape))
        canvas.stroke(pad, float(3.5 + 3.5 * fatty), tissue.LOOSE_FAT, alpha=0.9, speckle=0.6, soft_mm=0.5)
        canvas.stroke(pad, 1.4, tissue.LOOSE_FAT, alpha=0.8, speckle=0.75, soft_mm=0.5)
        _draw_streaks(canvas, side, disc, outline, fatty, level, here)


def _draw_streaks(
    canvas: Canvas,
    side: int,
    disc: Disc,
    muscle: np.ndarray,
    fatty: float,
    level: np.random.Generator,
    here: np.random.Generator,
) -> None:
    """Bright septa from the facets and laminae out to the fascia."""
    back = disc.depth / 2
    low, high = muscle.min(axis=0), muscle.max(axis=0)
    count = 10 + round(12 * min(fatty, 1.0))
    drift = here.normal(0, 0.4, 2)
    hub = np.array([side * 22.0, back + 14.0])
    for index in range(count):
        root = hub + level.normal(0, 1, 2) * (5, 6)
        across, down = level.uniform(0.06, 0.94), level.uniform(0.45, 0.97)
        target = low + (high - low) * np.array([across, down])
        reach = level.uniform(0.3, 1.0)
        steps = np.linspace(0, reach, 5)[:, None]
        path = root + steps * (target - root) + level.normal(0, 0.9, (5, 2)) + drift
        path += np.outer(np.sin(steps[:, 0] * np.pi), level.normal(0, 2.0, 2))
        width = level.uniform(0.35, 0.9) if index > 1 else level.uniform(1.2, 2.6)
        alpha = float(level.uniform(0.25, 0.9))
        canvas.stroke(smooth_open(path, 6), float(width), tissue.LOOSE_FAT, alpha=alpha, soft_mm=0.3)
        if width > 0.7:  # septa are widest where they begin
            canvas.stroke(
                smooth_open(path[:3], 6), float(1.8 * width), tissue.LOOSE_FAT, alpha=0.7 * alpha, soft_mm=0.5
            )
