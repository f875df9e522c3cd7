"""Muscles beside and behind the spine in an axial plane (coordinates as in `canal`, `caudal` as in `torso`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Disc, Patient
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, grown, mirrored, smooth_closed, smooth_open, uneven

Line = tuple[np.ndarray, float, float]
"""Points, width in mm and opacity, as `Canvas.strokes` takes them."""

_ERECTOR_TOP = [(17, 33), (31, 29), (48, 29), (65, 32), (75, 40), (73, 51), (60, 60), (40, 65.5), (18, 67),
                (6, 63), (2.6, 46)]  # fmt: skip
_ERECTOR_TAIL = [(14, 36), (24, 31), (37, 31), (48, 38), (53, 49), (51, 61), (43, 71.5), (29, 78.5), (15, 78),
                 (5, 68), (2.6, 48)]  # fmt: skip
"""Outline of the muscles behind the laminae, from the facets outwards and back along the spinous process."""


def _between(top: Sequence[tuple[float, float]], tail: Sequence[tuple[float, float]], caudal: float) -> np.ndarray:
    """Return the outline between the two, point by point."""
    return (1 - caudal) * np.asarray(top, float) + caudal * np.asarray(tail, float)


def draw_flank(canvas: Canvas, patient: Patient, caudal: float, level: np.random.Generator) -> None:
    """Draw quadratus lumborum between psoas and erector spinae, and the layers of the abdominal wall beside it."""
    for side in (-1, 1):
        centre = np.array([63 + 10 * caudal, 24 + 2 * caudal]) * patient.size + level.normal(0, 2, 2)
        radii = np.array([22 - 4 * caudal, 9.5 - 2.5 * caudal]) * level.normal(1, 0.15, 2) * patient.muscle
        outline = ellipse((centre[0], centre[1]), (radii[0], radii[1]), -level.normal(6, 6))
        outwards = (outline[:, 0] - centre[0]) / radii[0]
        outline[:, 1] -= 0.5 * outwards * (outline[:, 1] - centre[1])  # it tapers towards the flank
        outline = uneven(smooth_closed(mirrored(outline[::4], side), 5), level, 1.0, waves=4)
        canvas.fill(grown(outline, 0.7), tissue.FASCIA, alpha=0.5, soft_mm=0.3)
        canvas.fill(outline, tissue.MUSCLE, soft_mm=0.4)
        start = centre + np.array([radii[0] * 0.8 + 6.0, 0.0])
        path = start + np.array([(0, 0), (8, -3), (17, -12), (24, -28), (27, -50)]) * level.normal(1, 0.1)
        for step, width in ((0.0, 3.5), (4.6, 4.5), (9.5, 3.2)):
            layer = smooth_open(mirrored(path + np.array([step, 0.7 * step]) + level.normal(0, 0.9, (5, 2)), side))
            canvas.stroke(layer, width * level.uniform(0.8, 1.2), tissue.MUSCLE, soft_mm=0.4, alpha=0.95)


def draw_psoas(
    canvas: Canvas, patient: Patient, caudal: float, level: np.random.Generator, here: np.random.Generator
) -> None:
    """Draw the psoas at both sides of the spine, with fat around the lumbar plexus in its back part."""
    shared = level.uniform(0.86, 1.10)
    for side in (-1, 1):
        tall = level.uniform(0.86, 1.2)
        radius = shared * level.normal(1, 0.10) * patient.muscle * np.array([16.0 + 3.5 * caudal, 20.5 + 2 * caudal])
        radius *= [1 / tall, tall]
        x = (40.0 + 9 * caudal) * patient.size + level.normal(0, 2.5)
        y = 2 - 10 * caudal - 12 * max(caudal - 0.5, 0) + level.normal(0, 3.0)
        turn = np.radians(side * (15 + 15 * caudal + level.normal(0, 10)))
        # neither round nor oval: flat where it lies on the spine and on the muscles behind it, with blunt corners
        angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        blunt = level.uniform(0.82, 1.0)
        unit = np.column_stack([np.cos(angle), np.sin(angle)])
        unit = np.sign(unit) * np.abs(unit) ** blunt
        unit[:, 0] += side * level.uniform(0.0, 0.35) * (unit[:, 1] ** 2 - 0.4)  # bent around the body
        unit[:, 0] *= 1 + level.uniform(-0.25, 0.25) * unit[:, 1]
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        outline = uneven(unit * radius @ rotation + np.array([side * x, y]), level, 1.9, waves=4)
        # higher up it is a wedge that lies along the body, its edge towards the front
        outline[:, 0] -= side * (1 - caudal) * 5.0 * np.clip((y - outline[:, 1]) / radius[1], 0, 1)
        canvas.fill(grown(outline, 0.8), tissue.FASCIA, alpha=0.5, soft_mm=0.3)
        canvas.fill(outline, tissue.MUSCLE, soft_mm=0.4)
        lines: list[Line] = []
        hub = np.array([side * (x - 0.45 * radius[0]), y + 0.45 * radius[1]])
        for place, spread, count in ((hub, 4.0, 9), (np.array([side * x, y]), 8.0, 9)):
            for _ in range(count):
                strand = place + level.normal(0, spread, 2) + here.normal(0, 0.3, 2)
                course = level.normal(0, 1, 2) + np.array([side * 1.0, -0.6])
                path = strand + np.outer([-1, 0, 1], level.uniform(0.5, 2.5) * course) + level.normal(0, 0.5, (3, 2))
                alpha = float(level.uniform(0.08, 0.45)) * (0.55 + 0.7 * patient.fatty_muscle)
                lines.append((path, float(level.uniform(0.5, 1.3)), alpha))
        canvas.strokes(lines, tissue.LOOSE_FAT, soft_mm=0.5)


def draw_erectors(
    canvas: Canvas,
    disc: Disc,
    patient: Patient,
    caudal: float,
    level: np.random.Generator,
    here: np.random.Generator,
) -> None:
    """Draw multifidus and erector spinae with their fascia, the cleft between them, and the fat that replaces them."""
    fatty = patient.fatty_muscle * (1 + 0.5 * caudal)
    scale = np.array([patient.size * (0.5 + 0.5 * patient.muscle), patient.size])
    muscle = tissue.MUSCLE.scaled(1.0, 1.5) if patient.spasm else tissue.MUSCLE
    for side in (-1, 1):
        points = _between(_ERECTOR_TOP, _ERECTOR_TAIL, caudal) * scale * level.normal(1, [0.05, 0.02])
        points[2:9] += level.normal(0, 1.3, (7, 2))
        outline = uneven(smooth_closed(mirrored(points, side)), level, 0.9, waves=9)
        canvas.fill(grown(outline, 0.6), tissue.FASCIA, soft_mm=0.3, alpha=float(level.uniform(0.35, 0.8)))
        rim = float(level.uniform(0.1, 0.6)) * (0.5 + fatty)
        canvas.fill(grown(outline, 0.1), tissue.LOOSE_FAT, soft_mm=0.3, alpha=min(rim, 0.8), speckle=0.6)
        canvas.fill(grown(outline, -0.3), muscle, soft_mm=0.4)
        own = fatty * level.uniform(0.7, 1.3)  # the sides waste differently
        _replace_by_fat(canvas, side, disc, points, outline, own, level)
        canvas.strokes(_septa(side, disc, outline, own, level, here), tissue.LOOSE_FAT, soft_mm=0.36)


def _replace_by_fat(
    canvas: Canvas,
    side: int,
    disc: Disc,
    points: np.ndarray,
    outline: np.ndarray,
    fatty: float,
    level: np.random.Generator,
) -> None:
    """Draw fat instead of muscle: from the lamina outwards in multifidus, in a veil of streaks elsewhere."""
    deep = smooth_closed(mirrored(points * [0.5, 0.95] + [1, 0], side))
    share = float(np.clip(0.02 + 0.18 * fatty, 0.02, 0.35))
    canvas.fill(deep, tissue.LOOSE_FAT, alpha=float(level.uniform(0.3, 0.6)), speckle=share, soft_mm=1.2)
    veil = float(np.clip(0.03 + 0.06 * fatty, 0.03, 0.15))
    canvas.fill(outline, tissue.LOOSE_FAT, alpha=0.2, speckle=veil, soft_mm=1.0)
    # fat and small vessels between the facet, the transverse process and the muscles, frayed outwards
    nest = np.array([(27, 14), (33, 17), (33, 26), (28, 34), (23, 28), (24, 19)]) + level.normal(0, 1.5, (6, 2))
    nest = smooth_closed(mirrored(nest + np.array([0.0, disc.depth / 2 - 5.0]), side))
    veiled = float(np.clip(level.uniform(0.2, 0.6) + 0.5 * fatty, 0, 0.9))
    canvas.fill(nest, tissue.LOOSE_FAT, alpha=veiled, speckle=float(level.uniform(0.35, 0.7)), soft_mm=1.6)
    # leaves of fat on the laminae, from the facet along the spinous process
    back = disc.depth / 2
    for shift, width in ((0.0, 1.8 + 3.2 * fatty), (2.8, 1.0 + 2.0 * fatty)):
        leaf = np.array([(27, back + 12), (24, back + 19), (17, back + 25.5), (10, back + 30), (6, back + 38)])
        leaf = smooth_open(mirrored(leaf + shift + level.normal(0, 1.1, leaf.shape), side))
        alpha = float(level.uniform(0.65, 1.0))
        canvas.stroke(leaf, float(width), tissue.LOOSE_FAT, alpha=alpha, speckle=0.88, soft_mm=0.6)


def _septa(
    side: int,
    disc: Disc,
    muscle: np.ndarray,
    fatty: float,
    level: np.random.Generator,
    here: np.random.Generator,
) -> list[Line]:
    """Return bright septa: the cleft between multifidus and longissimus with its branches, and fine ones between
    bundles.
    """
    back = disc.depth / 2
    low, high = muscle.min(axis=0), muscle.max(axis=0)
    drift = here.normal(0, 0.4, 2)
    hub = np.array([side * 24.0, back + 13.0])
    lines: list[Line] = []
    # the cleft runs from the facet to the back; its trunk thins out and gives off branches
    end = np.array([side * level.uniform(20, 36), high[1] - level.uniform(3, 12)])
    steps = np.linspace(0, 1, 9)[:, None]
    trunk = hub + steps * (end - hub) + drift + np.cumsum(level.normal(0, 0.3, (9, 2)), axis=0)
    trunk[:, 0] += side * level.uniform(-3, 4) * np.sin(np.pi * steps[:, 0])
    strong = float(np.clip(0.45 + 0.6 * fatty + level.normal(0, 0.15), 0.25, 1.0))
    for first, width in ((0, 1.4 + 2.0 * fatty), (0, 0.8)):
        stop = 9 if width == 0.8 else int(level.integers(3, 7))
        lines.append((smooth_open(trunk[first:stop], 6), float(width), strong * (0.9 if stop == 9 else 1.0)))
    for _ in range(int(level.integers(4, 9))):
        place = trunk[int(level.integers(1, 8))]
        away = np.array([side * level.choice([-1, 1], p=[0.35, 0.65]) * level.uniform(2, 9), level.uniform(4, 13)])
        path = place + np.linspace(0, 1, 4)[:, None] * away + level.normal(0, 0.5, (4, 2)) * [[0], [1], [1], [1]]
        lines.append((smooth_open(path, 5), float(level.uniform(0.35, 0.9)), strong * float(level.uniform(0.4, 0.9))))
    for _ in range(38 + round(30 * min(fatty, 1.0))):
        across, down = level.uniform(0.05, 0.97), level.uniform(0.35, 0.97)
        middle = low + (high - low) * np.array([across, down])
        if side < 0:
            middle[0] = low[0] + high[0] - middle[0] if level.random() < 0.5 else middle[0]
        along = (middle - hub) / max(float(np.hypot(*(middle - hub))), 1.0)
        along = along + level.normal(0, 0.3, 2)
        reach, bow = level.uniform(1.5, 6.5), level.normal(0, 1.1)
        path = middle + np.outer([-1, -0.3, 0.4, 1], reach * along) + drift
        path = path + np.outer([0, 1, 1, 0], bow * np.array([-along[1], along[0]])) + level.normal(0, 0.25, (4, 2))
        alpha = float(level.uniform(0.1, 0.6)) * (0.65 + 0.7 * fatty)
        lines.append((smooth_open(path, 4), float(level.uniform(0.35, 0.9)), alpha))
    return lines
