"""Disc, vertebral body and posterior elements in an axial plane (coordinates as in `canal`)."""

from __future__ import annotations

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Disc, Patient
from lss.phantom.canal import CANAL_DEPTH_MM
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, grown, mirrored, smooth_closed, smooth_open, uneven
from lss.phantom.tissue import Tissue


def body_outline(disc: Disc, bulge: float, draw: np.random.Generator) -> np.ndarray:
    """Return outline of disc or vertebral body: an oval with a flat or slightly hollow back, plus a bulge of `bulge`
    mm.
    """
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    x = disc.width / 2 * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.95
    y = disc.depth / 2 * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.90
    behind = y > 0
    across = x / (disc.width / 2)
    y = np.where(behind, y - 1.6 * np.exp(-((across / 0.35) ** 2)) * (bulge < 1.5), y)
    place, width = (0.0, 0.62) if disc.shape in ("normal", "bulge") else (0.22 * disc.bulge_side, 0.24)
    y = np.where(behind, y + bulge * np.exp(-(((across - place) / width) ** 4)), y)
    spread = 1 + 0.02 * bulge  # a bulging disc is wider all round
    return uneven(np.column_stack([x * spread, y]), draw, 0.45, waves=6)


def draw_osteophytes(canvas: Canvas, disc: Disc, draw: np.random.Generator) -> None:
    """Draw spurs of marrow in a dark shell around the front and the sides of the disc."""
    for angle in (-2.95, -2.35, -1.25, -0.75, -0.2):
        turn = angle + draw.normal(0, 0.08)
        tip = np.array([np.cos(turn) * disc.width, np.sin(turn) * disc.depth]) / 2 * 1.06
        radii = (float(draw.uniform(4.5, 7.0)), float(draw.uniform(3.0, 4.2)))
        spur = ellipse((tip[0], tip[1]), radii, float(np.degrees(turn)) + 90)
        canvas.fill(grown(spur, 0.5), tissue.CORTEX, soft_mm=0.4)
        canvas.fill(grown(spur, -0.9), tissue.MARROW.scaled(0.9, 0.8), soft_mm=0.5)


def draw_disc(canvas: Canvas, disc: Disc, relief: float, draw: np.random.Generator, *, spondylosis: bool) -> None:
    """Draw the disc: dark annulus, nucleus as bright as its degeneration leaves it, with osteophytes
    around a worn one.
    """
    outline = body_outline(disc, disc.bulge * (1 - 0.5 * relief), draw)
    if spondylosis:
        draw_osteophytes(canvas, disc, draw)
    canvas.fill(grown(outline, 0.9), tissue.CORTEX, soft_mm=0.35)
    canvas.fill(outline, tissue.ANNULUS, soft_mm=0.45)
    brightness = (1 - disc.degeneration) ** 1.3
    centre = (draw.normal(0, 1.0), draw.normal(1.0, 0.8))
    inner = tissue.NUCLEUS.scaled(1.0, 0.36 + 1.4 * brightness)
    canvas.fill(ellipse(centre, (disc.width * 0.36, disc.depth * 0.33)), inner, soft_mm=3.6, alpha=0.85)
    canvas.fill(ellipse(centre, (disc.width * 0.21, disc.depth * 0.19)), inner, soft_mm=3.0, alpha=0.75 * brightness)


def draw_body(canvas: Canvas, disc: Disc, patient: Patient, draw: np.random.Generator, *, above: bool) -> None:
    """Draw the vertebral body beside the disc: marrow within a thin dark shell, the basivertebral vein now and then."""
    outline = body_outline(disc, 0.0, draw)
    outline = outline * (0.97 if above else 0.98) + np.array([0.0, -0.75 * disc.slip if above else 0.25 * disc.slip])
    marrow = tissue.MARROW.scaled(patient.marrow_t1, patient.marrow_t2)
    canvas.fill(grown(uneven(outline, draw, 0.35, waves=9), 0.5), tissue.CORTEX, soft_mm=0.5)
    # the ligament along the front is thickest in the midline
    front = outline[(outline[:, 1] < 0) & (np.abs(outline[:, 0]) < 0.36 * disc.width)]
    canvas.stroke(front - [0.0, 0.4], float(draw.uniform(1.2, 2.6)), tissue.FASCIA, soft_mm=0.6, alpha=0.8)
    canvas.fill(grown(uneven(outline, draw, 0.3, waves=12), -0.6), marrow.scaled(1.1, 1.2), soft_mm=0.8)
    if above:  # the basivertebral veins meet behind the middle of the body
        behind = float(outline[:, 1].max())
        for x in (-5.0, 0.0, 5.0):
            vein = np.array([(x, 0.25 * behind), (0.4 * x, 0.6 * behind), (0.1 * x, behind)])
            vein = smooth_open(vein + draw.normal(0, 1.0, vein.shape))
            canvas.stroke(vein, 1.6, marrow.scaled(0.7, 1.35), alpha=float(draw.uniform(0.0, 0.5)), soft_mm=0.8)
    if patient.endplates:  # fatty marrow beside the endplate (Modic type 2), in patches
        bright = marrow.scaled(1.55, 1.9)
        for x, y in ((-0.22, -0.2), (0.2, 0.05), (-0.05, 0.25)):
            spot = (x * disc.width + draw.normal(0, 1.5), y * disc.depth + draw.normal(0, 1.0))
            canvas.fill(uneven(ellipse(spot, (9.0, 6.0)), draw, 1.5), bright, soft_mm=1.6, alpha=0.85)
    if patient.schmorl:
        spot = (float(draw.normal(0, 3.0)), float(draw.normal(2.0, 1.5)))
        nodule = uneven(ellipse(spot, (5.2, 4.4)), draw, 0.6)
        canvas.fill(grown(nodule, 1.3), tissue.CORTEX, soft_mm=0.4)
        canvas.fill(nodule, tissue.ANNULUS.scaled(1.0, 1.6), soft_mm=0.5)
    for _ in range(int(draw.integers(0, 4))):  # islands of fatty or dense marrow
        spot = (draw.uniform(-0.3, 0.3) * disc.width, draw.uniform(-0.3, 0.25) * disc.depth)
        factor = draw.uniform(0.7, 1.35)
        size = draw.uniform(2, 5, 2)
        canvas.fill(ellipse(spot, (size[0], size[1])), marrow.scaled(factor, factor), soft_mm=1.5, alpha=0.6)


def draw_posterior_elements(
    canvas: Canvas, disc: Disc, patient: Patient, offset_mm: float, draw: np.random.Generator
) -> None:
    """Draw facet joints, laminae and spinous process around the canal.

    `offset_mm`: distance of the slice above the disc's plane. Above it the laminae of the upper vertebra join in its
    spinous process; below it the ligamenta flava meet in the midline and a ligament takes the place of the bone.
    """
    size, back = patient.size, disc.depth / 2
    marrow = tissue.MARROW.scaled(patient.marrow_t1 * 0.95, patient.marrow_t2 * 0.9)
    facet = disc.facets * (1.0 - 0.018 * abs(offset_mm + 1))
    for side in (-1, 1):
        superior = np.array(
            [
                (13.4, 5),
                (16.0, 2.2),
                (20.5, 2.4),
                (25.0, 6.0),
                (26.5, 11.5),
                (24.0, 16.0),
                (22.0, 12.0),
                (18.2, 8.6),
                (15.0, 8.2),
            ]
        )
        own = float(draw.normal(1, 0.05))  # the two sides are never alike
        turn = np.radians(draw.normal(0, 6))
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        hub = np.array([20.0, 11.0])

        def placed(points: np.ndarray, hub: np.ndarray = hub, rotation: np.ndarray = rotation) -> np.ndarray:
            return (points + draw.normal(0, 0.7, points.shape) - hub) @ rotation + hub

        superior = placed(superior) * size * facet * own + np.array([0, back])
        inferior = np.array(
            [(13.0, 9.6), (16.8, 10.4), (20.6, 14.0), (22.6, 18.0), (20.0, 22.5), (14.0, 24.0),
             (8.5, 27.0), (3.2, 26.5), (2.4, 23.0), (7.6, 17.0)]
        )  # fmt: skip
        inferior = placed(inferior) * size * np.array([facet * own, 1]) + np.array([0, back])
        _bone(canvas, smooth_closed(mirrored(superior, side)), marrow, draw.uniform(1.4, 2.3))
        _bone(canvas, smooth_closed(mirrored(inferior, side)), marrow, draw.uniform(1.6, 2.6))
        joint = smooth_open(mirrored((superior[[8, 7, 6, 5]] + inferior[[0, 1, 2, 3]]) / 2, side))
        canvas.stroke(joint, 2.0, tissue.CORTEX, soft_mm=0.3, alpha=0.9)
        canvas.stroke(
            joint, 0.7, tissue.CARTILAGE, alpha=float(draw.uniform(0.1, 1.0)) * disc.joint_fluid, soft_mm=0.25
        )
        rim = smooth_open(mirrored(superior[[3, 4, 5]] + [1.8, 1.0], side))
        canvas.stroke(rim, 1.4, tissue.LOOSE_FAT, alpha=float(draw.uniform(0.2, 0.9)), soft_mm=0.4)
        if abs(offset_mm) > 3 and draw.random() < 0.7:
            root = back + draw.uniform(1, 4)
            process = [(22, root), (30, root + 1.5), (39, root + 6), (38.5, root + 8.5), (30, root + 6), (22, root + 6)]
            bone = np.array(process) + draw.normal(0, 0.6, (6, 2))
            _bone(canvas, smooth_closed(mirrored(bone * size, side)), marrow, 1.2)
    _draw_spinous(canvas, patient, back + CANAL_DEPTH_MM * size, offset_mm, marrow, draw)


def _draw_spinous(
    canvas: Canvas, patient: Patient, start: float, offset_mm: float, marrow: Tissue, draw: np.random.Generator
) -> None:
    """Draw the spinous process behind `start`, or the ligament between two of them; fat at both sides of it."""
    size = patient.size
    lean = draw.normal(0, 1.3)
    end = start + 21.0 * size * draw.normal(1, 0.1)
    width = draw.uniform(1.7, 2.8) * size
    thick = draw.uniform(1.1, 2.0)
    middle = start + draw.uniform(0.35, 0.6) * (end - start)
    outline = [
        (-4.2, start + 0.5), (0, start + 1.5), (4.2, start + 0.5), (width + 0.4 * lean, middle),
        (width * thick + lean, end - 3), (lean, end + 0.5), (-width * thick + lean, end - 3),
        (-width + 0.4 * lean, middle),
    ]  # fmt: skip
    for side in (-1, 1):
        edge = smooth_open(mirrored([(7, start + 7), (width + 2.0, middle), (width + 2.2, end - 2)], side))
        canvas.stroke(edge, 2.0, tissue.LOOSE_FAT, alpha=0.75, speckle=0.55, soft_mm=0.4)
    if offset_mm > -3:
        _bone(canvas, smooth_closed(outline), marrow.scaled(0.9, 0.85), draw.uniform(0.8, 1.4))
        return
    canvas.fill(smooth_closed(outline), tissue.FLAVUM, soft_mm=0.5)
    canvas.fill(smooth_closed(np.array(outline) * [0.6, 1]), tissue.LOOSE_FAT, alpha=0.7, speckle=0.4, soft_mm=0.4)


def draw_exiting_roots(canvas: Canvas, disc: Disc, patient: Patient, draw: np.random.Generator) -> None:
    """Draw foraminal fat at both sides of the canal with the root in it, and small veins."""
    back = disc.depth / 2
    for side in (-1, 1):
        centre = (side * (18.5 + draw.normal(0, 0.8)) * patient.size, back - 1.5 + draw.normal(0, 0.6))
        space = uneven(ellipse(centre, (6.5 * patient.size, 4.4), side * 20), draw, 0.9)
        narrow = disc.foramina[0 if side < 0 else 1]
        canvas.fill(space, tissue.ANNULUS, soft_mm=0.6, alpha=0.9 * narrow)
        canvas.fill(space, tissue.EPIDURAL_FAT, soft_mm=0.6, alpha=0.9 * (1 - narrow))
        root = (centre[0] + side * draw.uniform(-1, 2.5), centre[1] + draw.uniform(-1, 1))
        canvas.fill(ellipse(root, (2.6, 1.9), side * 25), tissue.NERVE, soft_mm=0.25)
        veins = np.asarray(centre) + draw.uniform([-6, -4], [9, 5], (4, 2))
        canvas.fill_all([ellipse((x, y), (0.7, 0.7), n=10) for x, y in veins], tissue.VESSEL, alpha=0.8, soft_mm=0.2)
        lines = []
        for _ in range(11):  # small vessels, nerves and fasciae between body, psoas and facet
            start = np.array([side * draw.uniform(25, 36) * patient.size, draw.uniform(-16, back + 8)])
            steps = np.cumsum(draw.normal([side * 0.8, 1.2], [1.8, 2.2], (4, 2)), axis=0)
            lines.append((smooth_open(start + steps, 4), float(draw.uniform(0.5, 1.3)), float(draw.uniform(0.15, 0.6))))
        canvas.strokes(lines, tissue.VESSEL_WALL.scaled(0.8, 0.6), soft_mm=0.35)


def _bone(canvas: Canvas, outline: np.ndarray, marrow: Tissue, cortex_mm: float) -> None:
    canvas.fill(grown(outline, 0.3), tissue.CORTEX, soft_mm=0.45, alpha=0.95)
    canvas.fill(grown(outline, -cortex_mm), marrow, soft_mm=0.9, alpha=0.95)
    canvas.fill(grown(outline, -cortex_mm - 0.5), marrow.scaled(1.3, 1.5), speckle=0.25, alpha=0.5, soft_mm=0.7)
    canvas.fill(grown(outline, -cortex_mm + 0.5), tissue.CORTEX, speckle=0.25, alpha=0.5, soft_mm=0.5)
