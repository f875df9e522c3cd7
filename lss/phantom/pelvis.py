"""Iliac wings with their muscles, and the wings of the sacrum, in an axial plane (coordinates as in `canal`)."""

from __future__ import annotations

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Patient
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import grown, mirrored, smooth_closed, uneven

FAR = 135.0  # mm, outside every field of view

_OUTWARDS = np.array([0.72, 0.69])
"""Unit vector across the wing, towards the gluteal muscles."""


def draw_pelvis(canvas: Canvas, patient: Patient, caudal: float, level: np.random.Generator) -> None:
    """Draw iliac wings with the gluteal muscles behind and the iliacus in front; low down the wings of the sacrum."""
    general = level.uniform(0.7, 1.05)
    for side in (-1, 1):
        steep = general + level.normal(0, 0.06)
        shift = (1 - caudal) * np.array([26.0, -2.0]) + level.normal(0, 2.2, 2)
        wing = np.array([(50, 45), (58, 33), (70, 14), (86, -4), (104, -20), (FAR, -44)], float)
        wing[:, 1] = 45 + steep * (wing[:, 1] - 45)
        wing = wing * patient.size + shift + level.normal(0, 1.6, wing.shape)
        _draw_gluteus(canvas, patient, wing, shift, side, level)
        # both muscles are thin at the crest and thicken downwards
        thick = float(np.clip(0.3 + 0.6 * caudal**3 + level.normal(0, 0.1), 0.25, 1.0))
        front = np.array([(FAR, -66), (92, -30), (70, -6), (57, 14)]) + shift
        iliacus = np.vstack([wing[1:] - 2, wing[[5, 4, 2, 1]] + thick * (front - wing[[5, 4, 2, 1]])])
        _draw_muscle(canvas, patient, smooth_closed(mirrored(iliacus, side)), level)
        half = np.array([8.0, 7.0, 5.0, 4.0, 3.5, 3.5]) * level.uniform(0.85, 1.2) * (0.6 + 0.4 * caudal)
        _draw_wing(canvas, patient, wing, half, side, level)
        if caudal > 0.93:
            _draw_ala(canvas, patient, side, level)


def _draw_muscle(canvas: Canvas, patient: Patient, outline: np.ndarray, level: np.random.Generator) -> None:
    outline = uneven(outline, level, 2.2, waves=9)
    canvas.fill(grown(outline, 0.8), tissue.FASCIA, alpha=0.5, soft_mm=0.3)
    canvas.fill(outline, tissue.MUSCLE, soft_mm=0.4)
    canvas.fill(outline, tissue.LOOSE_FAT, alpha=0.22, speckle=0.05 + 0.1 * patient.fatty_muscle, soft_mm=0.5)


def _draw_gluteus(
    canvas: Canvas, patient: Patient, wing: np.ndarray, shift: np.ndarray, side: int, level: np.random.Generator
) -> None:
    """Draw gluteus medius behind the wing, its bundles running along the bone with fat between them."""
    behind = np.array([(FAR, 2), (98, 24), (70, 48)]) + shift
    thick = float(level.uniform(0.3, 0.95))
    muscle = np.vstack([wing + 2, wing[[5, 3, 1]] + thick * (behind - wing[[5, 3, 1]])])
    _draw_muscle(canvas, patient, smooth_closed(mirrored(muscle, side)), level)
    lines = []
    for _ in range(int(level.integers(14, 26) * (0.7 + 0.6 * patient.fatty_muscle))):
        place = wing[1] + (wing[3] - wing[1]) * level.uniform(-0.1, 1.7) + level.uniform(4, 22) * thick * _OUTWARDS
        path = place + np.outer([-1, 0, 1], level.uniform(2, 9) * np.array([0.68, -0.73]))
        path = mirrored(path + level.normal(0, 0.8, (3, 2)), side)
        lines.append((path, float(level.uniform(0.35, 1.2)), float(level.uniform(0.15, 0.6))))
    canvas.strokes(lines, tissue.LOOSE_FAT, soft_mm=0.3)


def _draw_wing(
    canvas: Canvas, patient: Patient, wing: np.ndarray, half: np.ndarray, side: int, level: np.random.Generator
) -> None:
    marrow = tissue.MARROW.scaled(patient.marrow_t1 * 1.05, patient.marrow_t2 * 0.95)
    across = half[:, None] * _OUTWARDS
    bone = uneven(smooth_closed(mirrored(np.vstack([wing + across, (wing - across)[::-1]]), side)), level, 0.7)
    canvas.fill(bone, tissue.CORTEX, soft_mm=0.3)
    inner = (half - level.uniform(1.4, 2.2))[:, None] * _OUTWARDS
    spongy = smooth_closed(mirrored(np.vstack([wing + inner, (wing - inner)[::-1]]), side))
    canvas.fill(spongy, marrow, soft_mm=0.7)


def _draw_ala(canvas: Canvas, patient: Patient, side: int, level: np.random.Generator) -> None:
    marrow = tissue.MARROW.scaled(patient.marrow_t1 * 1.05, patient.marrow_t2 * 0.95)
    ala = [(16, 3), (31, 1), (46, 5), (56, 14), (58, 25), (50, 36), (39, 31), (28, 21), (18, 15)]
    outline = smooth_closed(mirrored(np.array(ala) * patient.size + level.normal(0, 1.8, (9, 2)), side))
    outline = uneven(outline, level, 1.0)
    canvas.fill(grown(outline, 0.5), tissue.CORTEX, soft_mm=0.8, alpha=0.75)  # and the joint with the iliac wing
    canvas.fill(grown(outline, -1.0), marrow, soft_mm=1.2)
    canvas.fill(grown(outline, -3.0), marrow.scaled(1.2, 1.3), soft_mm=1.5, alpha=0.35, speckle=0.35)
