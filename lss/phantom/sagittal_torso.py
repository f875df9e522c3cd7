"""Skin, fat and muscles behind the spine, and what lies in front of it, in a sagittal plane (see `spine`)."""

from __future__ import annotations

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Patient
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, grown, smooth_open, uneven
from lss.phantom.spine import Spine

_UP_MM = 175.0  # the field of view ends below this height
_SATURATED_MM = -75.0  # in front of this next to nothing shows
_MIDLINE_MM = 5.0
"""Slices nearer to the midline cut the ligaments between the spinous processes, those beside it the muscles."""


def draw_back(
    canvas: Canvas,
    patient: Patient,
    spine: Spine,
    aside: float,
    draw: np.random.Generator,
    here: np.random.Generator,
) -> np.ndarray:
    """Draw skin, fat and the back muscles; return the skin line from above downwards, (n, 2) mm."""
    tips = spine.behind(58.0 * patient.size)
    y = np.linspace(-_UP_MM - 60, _UP_MM + 60, 60)
    order = np.argsort(tips[:, 1])
    fascia = np.interp(y, tips[order, 1], tips[order, 0])
    fascia = np.convolve(np.pad(fascia, 8, "edge"), np.ones(17) / 17, "valid")  # skin bridges the hollow of the back
    # fat is thickest over the sacrum, thin over the ribs
    middle, width = draw.uniform(10, 50), draw.uniform(16, 32)
    thickness = patient.fat * (draw.uniform(0.45, 0.8) + draw.uniform(0.5, 0.9) / (1 + np.exp(-(y - middle) / width)))
    skin = np.column_stack([fascia + 3 + thickness + _wave(60, draw, 0.7), y])
    far = np.array([(-400.0, y[-1]), (-400.0, y[0])])
    canvas.fill(np.vstack([skin, far]), tissue.SKIN.scaled(1.2, 1.4), soft_mm=0.3)
    canvas.fill(np.vstack([skin - np.array([0.9, 0.0]), far]), tissue.SKIN.scaled(0.8, 0.75), soft_mm=0.3)
    canvas.fill(np.vstack([skin - np.array([2.0, 0.0]), far]), tissue.SUBCUTANEOUS_FAT, soft_mm=0.4)
    _draw_septa(canvas, skin, thickness, draw)
    muscle_line = np.column_stack([fascia + _wave(60, draw, 0.5), y])
    canvas.fill(np.vstack([muscle_line + np.array([1.2, 0.0]), far]), tissue.FASCIA, alpha=0.85, soft_mm=0.3)
    canvas.fill(np.vstack([muscle_line, far]), tissue.MUSCLE.scaled(1.0, 1.5 if patient.spasm else 1.0))
    _draw_muscle_fat(canvas, patient, spine, muscle_line, aside, here)
    return skin


def _wave(count: int, draw: np.random.Generator, size_mm: float) -> np.ndarray:
    """Return a random wavy line of that standard deviation, smooth over about 5 of its points."""
    rough = np.convolve(draw.normal(0, 1, count + 8), np.hanning(9), "valid")
    return size_mm * rough / np.linalg.norm(np.hanning(9))


def _draw_septa(canvas: Canvas, skin: np.ndarray, thickness: np.ndarray, draw: np.random.Generator) -> None:
    """Draw the superficial fascia along the skin, and short septa that run from it to the skin."""
    lines = []
    for _ in range(int(draw.integers(1, 3))):
        share = np.clip(draw.uniform(0.3, 0.75) + _wave(60, draw, 0.08), 0.1, 0.95)
        lines.append((skin - np.column_stack([share * thickness, np.zeros(60)]), 0.55, float(draw.uniform(0.15, 0.55))))
    for _ in range(int(draw.integers(25, 60))):
        start = int(draw.integers(8, 52))
        inside = draw.uniform(0.1, 0.9) * thickness[start]
        across = np.array([draw.uniform(2, 7), draw.uniform(-3, 3)])
        path = skin[start] - [inside, 0] + np.outer([-0.5, 0, 0.5], across) + draw.normal(0, 0.4, (3, 2))
        lines.append((path, 0.35, float(draw.uniform(0.08, 0.4))))
    canvas.strokes(lines, tissue.SEPTUM, soft_mm=0.25)


def _draw_muscle_fat(
    canvas: Canvas, patient: Patient, spine: Spine, line: np.ndarray, aside: float, here: np.random.Generator
) -> None:
    """Draw in the midline ligaments and fat; beside it bundles that run down and forwards with fat between them."""
    fatty = patient.fatty_muscle
    deep = spine.behind(20.0 * patient.size)
    inner = np.interp(line[:, 1], deep[:, 1], deep[:, 0])
    if aside < _MIDLINE_MM:
        between = np.vstack([np.column_stack([inner, line[:, 1]]), (line - np.array([2.5, 0.0]))[::-1]])
        canvas.fill(between, tissue.INTERSPINOUS, alpha=1 - 0.5 * aside / _MIDLINE_MM)
    low = np.vstack([np.column_stack([inner, line[:, 1]]), line[::-1]])
    low = low[np.abs(low[:, 1] - 75) < 55]  # multifidus wastes first behind L5 and the sacrum
    if len(low) > 2:
        share = float(np.clip(0.1 + 0.5 * fatty + here.normal(0, 0.1), 0.05, 0.7))
        canvas.fill(low, tissue.LOOSE_FAT, alpha=0.22, speckle=share, soft_mm=0.8)
    lines = []
    for _ in range(60 + round(60 * fatty)):
        y = here.uniform(-150, 140)
        depth = here.uniform(0.02, 1.0)
        x = np.interp(y, line[:, 1], line[:, 0]) * (1 - depth) + depth * np.interp(y, line[:, 1], inner)
        reach = here.uniform(3, 16) * (1.3 if y > 40 else 1.0)
        bow = here.normal(0, 1.0)
        along = np.array([-0.18 - 0.25 * depth + here.normal(0, 0.08), 1.0])
        path = np.array([x, y]) + np.outer([-1, -0.3, 0.3, 1], reach * along) + [[0, 0], [bow, 0], [bow, 0], [0, 0]]
        alpha = float(here.uniform(0.05, 0.45)) * (0.55 + 0.9 * fatty) * (1.3 if y > 40 else 0.9)
        lines.append((path, float(here.uniform(0.4, 1.5)) * (1.5 if y > 40 else 1.0), min(alpha, 0.9)))
    canvas.strokes(lines, tissue.LOOSE_FAT, soft_mm=0.45)


def draw_front(
    canvas: Canvas, spine: Spine, aside: float, draw: np.random.Generator, here: np.random.Generator
) -> None:
    """Draw the belly: its wall far in front, bowel, then fat and vessels along the spine, and fat before the sacrum."""
    y = np.linspace(-_UP_MM - 60, _UP_MM + 60, 12)
    wall = -125 - draw.uniform(0, 25) - 14 * np.cos((y - draw.uniform(-20, 40)) / 90) + draw.normal(0, 1.5, 12)
    wall_line = smooth_open(np.column_stack([wall, y]), 6)
    far = np.array([(-500.0, y[-1]), (-500.0, y[0])])
    spine_front = spine.front(-17.5 * spine.size)
    below = spine_front[-1] + np.array([[12.0, 30.0], [30.0, 120.0]])
    front = np.vstack([spine_front, below])
    end = np.array([(-500.0, below[-1, 1]), (-500.0, front[0, 1])])
    canvas.fill(np.vstack([front, end]), tissue.VISCERAL_FAT.scaled(1.0, 1.3))
    deep = np.vstack([wall_line + np.array([95.0, 0.0]), (wall_line + np.array([18.0, 0.0]))[::-1]])
    canvas.fill(deep, tissue.BOWEL, alpha=0.7)
    canvas.fill(np.vstack([wall_line, far]), tissue.AIR)
    _draw_vessel(canvas, spine, aside, draw)
    for _ in range(int(draw.integers(10, 20))):
        at = (draw.uniform(-110, 30), draw.uniform(45, 170))
        size = draw.uniform(3, 15, 2)
        nearest = np.interp(at[1], front[:, 1], front[:, 0]) - 26 - size.max()
        if not _SATURATED_MM < at[0] < nearest:
            continue
        signal = draw.uniform(0.15, 1.3)
        at = (at[0] + here.normal(0, 1.5), at[1] + here.normal(0, 1.5))
        loop = uneven(ellipse(at, (size[0], size[1]), draw.uniform(0, 180)), draw, 0.8, waves=4)
        canvas.fill(loop, tissue.BOWEL.scaled(0.5, 0.4), alpha=0.9, soft_mm=0.8)
        canvas.fill(grown(loop, -1.6), tissue.BOWEL.scaled(signal, signal), alpha=0.9, soft_mm=1.0)
    lines = []
    for _ in range(int(here.integers(14, 30))):  # vessels and strands in the fat
        y_mm = here.uniform(-140, 150)
        x_mm = np.interp(y_mm, front[:, 1], front[:, 0]) - here.uniform(20, 60)
        path = np.array([x_mm, y_mm]) + np.cumsum(here.normal([0, 2.5], [1.2, 2.0], (4, 2)), axis=0)
        lines.append((path, float(here.uniform(0.4, 1.8)), float(here.uniform(0.1, 0.5))))
    canvas.strokes(lines, tissue.VESSEL_WALL, soft_mm=0.4)


def _draw_vessel(canvas: Canvas, spine: Spine, aside: float, draw: np.random.Generator) -> None:
    """Draw the great vessel that the slice cuts, from above down to where it divides before L4, and an iliac vessel."""
    gap, width = draw.uniform(6, 11), draw.uniform(8, 13) * (1.0 if aside < 6 else 0.85)
    course = spine.front(gap + width / 2)
    upper = course[: int(draw.integers(38, 48))] + np.array([draw.normal(0, 1.0), 0.0])
    shade = tissue.VESSEL.scaled(1.0, float(draw.uniform(0.8, 4.0)))
    shown = float(draw.uniform(0.2, 0.7))  # partial volume, where the slice only grazes it
    half = np.zeros((len(upper), 2))
    half[:, 0] = 0.5 * width * np.sqrt(np.clip(np.arange(len(upper))[::-1] / 14.0, 0, 1))
    for wall, blood, alpha in ((0.9, tissue.VESSEL_WALL, 0.6 * shown), (0.0, shade, shown)):
        edge = half + np.array([wall, 0.0])
        canvas.fill(np.vstack([upper - edge, (upper + edge)[::-1]]), blood, alpha=alpha, soft_mm=0.9)
    # an iliac vessel crosses the slice before L5
    x, y = course[min(50, len(course) - 1)] + draw.normal(0, 2.5, 2) - np.array([0.8 * aside, -1.2 * aside])
    oval = uneven(ellipse((x, y), (draw.uniform(3, 5), draw.uniform(6, 10)), draw.uniform(-25, 5)), draw, 0.4, waves=3)
    canvas.fill(grown(oval, 0.9), tissue.VESSEL_WALL, alpha=0.7, soft_mm=0.4)
    canvas.fill(oval, tissue.VESSEL.scaled(1.0, float(draw.uniform(0.8, 3.0))), soft_mm=0.5)
