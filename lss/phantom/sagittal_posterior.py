"""Posterior elements in a sagittal plane: spinous processes in the midline, pedicles and joints beside the canal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Disc, Patient
from lss.phantom.canal import CANAL_DEPTH_MM
from lss.phantom.canvas import Canvas
from lss.phantom.sagittal_canal import BESIDE_CANAL_MM
from lss.phantom.sagittal_column import marrow_of
from lss.phantom.shapes import ellipse, grown, smooth_closed, smooth_open, uneven
from lss.phantom.spine import Spine, back, up
from lss.phantom.tissue import Tissue


def draw_posterior(
    canvas: Canvas, patient: Patient, spine: Spine, aside: float, draw: np.random.Generator, here: np.random.Generator
) -> None:
    """Draw what lies behind the canal of each vertebra down to L5."""
    marrow = marrow_of(patient, aside)
    first = spine.discs[0]
    higher = [replace(first, centre_2=_above(first, 34.0 * step * spine.size)) for step in (2, 1)]
    for upper, lower in pairwise([*higher, *spine.discs]):
        if aside < 6:
            _draw_spinous(canvas, patient, spine, (upper, lower), aside, draw, here)
        elif aside < BESIDE_CANAL_MM:
            _draw_lamina(canvas, patient, spine, (upper, lower), marrow, draw)
        else:
            _draw_joint(canvas, patient, spine, (upper, lower), aside, draw, here)
    if aside >= BESIDE_CANAL_MM:
        return
    # the crest of the sacrum behind its canal
    line = spine.behind(CANAL_DEPTH_MM * patient.size * 0.85)[-28:-6] + np.array([5.0, 0.0])
    canvas.stroke(line, 8.0, tissue.CORTEX, soft_mm=1.0, alpha=0.5)
    for part in np.array_split(line + draw.normal(0, 0.7, line.shape), 3):  # what the slice cuts of its tubercles
        canvas.stroke(part[1:-1], float(draw.uniform(2.5, 6)), marrow.scaled(1.0, float(draw.uniform(0.4, 0.9))),
                      soft_mm=1.0, alpha=float(draw.uniform(0.2, 0.9)))  # fmt: skip


def _above(disc: Disc, distance_mm: float) -> tuple[float, float]:
    """Return (y, z) of the centre of a disc so far above."""
    y, z = np.array(disc.centre_2) + distance_mm * up(disc.tilt) * [1, -1]
    return float(y), float(z)


def _frame(spine: Spine, upper: Disc, lower: Disc) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where the lamina of the vertebra between two discs ends below, and the unit vectors
    upwards and backwards.
    """
    tilt = (upper.tilt + lower.tilt) / 2
    origin = spine.edge(lower, 1, 0) + back(tilt) * CANAL_DEPTH_MM * spine.size * 0.98
    return origin, up(tilt), back(tilt)


def _draw_spinous(
    canvas: Canvas,
    patient: Patient,
    spine: Spine,
    discs: tuple[Disc, Disc],
    aside: float,
    draw: np.random.Generator,
    here: np.random.Generator,
) -> None:
    """Draw a spinous process, no two alike, and the ligaments and fat below it; beside the midline its root alone."""
    origin, upwards, backwards = _frame(spine, *discs)
    size, marrow = patient.size, marrow_of(patient, aside)
    lumbar = {"L5-S1": 0.62, "L4-L5": 0.88}.get(discs[1].level, 1.0)
    length = 31 * size * draw.normal(1, 0.09) * lumbar
    tall, hang, club = draw.normal(1, 0.17), draw.normal(0, 3.0), draw.normal(0, 2.2)
    corners = [(15, -1.5), (11 * tall, 8), (6 * tall, 0.55 * length), (5 + club, length - 4), (-1, length + 1),
               (-8 - club, length - 1), (-13 * tall - club, length - 7), (-9 * tall, 0.55 * length), (-6, 9),
               (0, -1)]  # fmt: skip
    slope = hang / length
    shape = [
        origin + (above - slope * behind) * upwards + behind * backwards + draw.normal(0, 1.5, 2)
        for above, behind in corners
    ]
    own = float(draw.uniform(0.5, 0.95))
    dull, patch = float(draw.uniform(0.3, 0.8)), float(draw.uniform(0.0, 0.5))
    angle, bright = float(draw.uniform(-40, 10)), float(draw.uniform(0.1, 1.0)) ** 2
    outline = uneven(smooth_closed(np.array(shape)), draw, 1.0, waves=9)
    gap = origin - 12 * upwards
    # the fibres of the interspinous ligament fan out backwards and upwards, with fat between in some gaps
    ends = here.uniform([-6, 2, 4, 0.4, 0.05], [6, 0.8 * length, 15, 2.4, 0.6], (26, 5))
    bend, lift = here.normal([0.6, 0.2], [0.6, 0.3], (26, 2)).T[:, :, None]
    steps = np.linspace(0, 1, 6) * ends[:, 2:3]
    rise = ends[:, :1] + steps**2 / 14 * bend + steps * lift
    paths = gap + rise[..., None] * upwards + (ends[:, 1:2] + steps)[..., None] * backwards
    shown = 0.25 + 0.75 * bright
    lines = [(path, width, alpha * shown) for path, (width, alpha) in zip(paths, ends[:, 3:].tolist(), strict=True)]
    canvas.strokes(lines, tissue.LOOSE_FAT, soft_mm=0.6)
    dark = [(path + 1.3 * upwards, 0.9, 0.6 * alpha) for path, _, alpha in lines[::2]]
    canvas.strokes(dark, tissue.FASCIA, soft_mm=0.5)
    if aside > 2:  # the process is thin: a slice beside it cuts what lies along its side
        outline = grown(outline, -1.5) - 0.12 * length * backwards
    solid = 0.92 if aside < 2 else float(here.uniform(0.35, 0.7))
    canvas.stroke(outline, 1.6, tissue.LOOSE_FAT, alpha=0.45 * bright, soft_mm=0.8, closed=True, speckle=0.5)
    canvas.fill(grown(outline, 0.3), tissue.CORTEX, soft_mm=0.8, alpha=0.8 * solid)
    canvas.fill(grown(outline, -1.7), marrow.scaled(1.0, 0.85 * own), soft_mm=1.2, alpha=solid)
    canvas.fill(grown(outline, -1.0), marrow.scaled(0.8, 0.35), soft_mm=1.8, alpha=dull * solid, speckle=0.45)
    fatty = uneven(ellipse(tuple(outline.mean(axis=0)), (6.0, 3.5), angle), draw, 1.0)
    canvas.fill(fatty, marrow.scaled(1.3, 1.2), soft_mm=2.0, alpha=patch * solid)
    tip = np.array([shape[3], shape[4], shape[6]]) + 1.5 * backwards  # the supraspinous ligament
    canvas.stroke(smooth_open(tip), 2.0, tissue.FASCIA, soft_mm=1.1, alpha=0.6 if aside < 2 else 0.2)
    lamina = np.array([shape[0], shape[9], shape[8]])
    canvas.stroke(smooth_open(lamina), 1.8, tissue.CORTEX, soft_mm=0.5, alpha=0.8)
    _draw_flavum(canvas, spine, discs[1], origin, upwards, backwards)


def _draw_flavum(
    canvas: Canvas, spine: Spine, lower: Disc, origin: np.ndarray, upwards: np.ndarray, backwards: np.ndarray
) -> None:
    start, middle, end = origin + 4 * upwards - backwards, origin - 4 * upwards, origin - 13 * upwards + backwards
    course = smooth_open(np.array([start, middle + (2.0 - 0.5 * lower.flavum) * backwards, end]))
    canvas.stroke(course, 0.8 * float(lower.flavum), tissue.FLAVUM, soft_mm=0.6, alpha=0.9)


def _draw_lamina(
    canvas: Canvas, patient: Patient, spine: Spine, discs: tuple[Disc, Disc], marrow: Tissue, draw: np.random.Generator
) -> None:
    """Draw a lamina cut across: an oval that leans forwards, fat behind it, and ligament to the next one."""
    origin, upwards, backwards = _frame(spine, *discs)
    corners = [(21, -8), (16, 0), (4, 6), (-8, 7), (-12, 1), (-5, -6), (9, -9)]
    stretch = draw.normal(1, 0.10, 2)
    shape = [
        origin + stretch[0] * above * upwards + stretch[1] * behind * backwards + draw.normal(0, 1.4, 2)
        for above, behind in corners
    ]
    outline = uneven(smooth_closed(np.array(shape)), draw, 1.2, waves=6)
    # fat fills the hollow between this lamina and the next one
    hollow = [(-9, 4), (-6, 9), (-11, 12 + draw.uniform(0, 5)), (-17, 11), (-22, 5), (-17, 2)]
    fat = smooth_closed(np.array([origin + above * upwards + behind * backwards for above, behind in hollow]))
    canvas.fill(uneven(fat, draw, 1.2), tissue.EPIDURAL_FAT, alpha=float(draw.uniform(0.4, 1.0)), soft_mm=0.8)
    _draw_flavum(canvas, spine, discs[1], origin, upwards, backwards)
    canvas.stroke(outline, 2.4, tissue.LOOSE_FAT, alpha=0.5, soft_mm=0.9, closed=True, speckle=0.5)
    canvas.fill(grown(outline, 0.3), tissue.CORTEX, soft_mm=0.5)
    canvas.fill(grown(outline, -1.5), marrow.scaled(1.0, float(draw.uniform(0.55, 0.9))), soft_mm=0.9)


def _draw_joint(
    canvas: Canvas,
    patient: Patient,
    spine: Spine,
    discs: tuple[Disc, Disc],
    aside: float,
    draw: np.random.Generator,
    here: np.random.Generator,
) -> None:
    """Draw pedicle and articular processes of a vertebra: a chain of dull, dark-edged bones with fat between them."""
    upper, lower = discs
    _, upwards, backwards = _frame(spine, upper, lower)
    size, marrow = patient.size, marrow_of(patient, aside)
    high, low = spine.edge(upper, 1, -1), spine.edge(lower, 1, 1)
    large = (upper.facets, lower.facets)
    outer = float(np.clip((aside - 13.2) / 4.4, 0, 1))  # further out there is less of the lower process

    def outline(corners: Sequence[tuple[np.ndarray, float, float]], factor: float) -> np.ndarray:
        placed = [base + size * (above * upwards + factor * behind * backwards) for base, above, behind in corners]
        return smooth_closed(np.array(placed) + draw.normal(0, 0.9, (len(placed), 2)))

    reach = float(draw.uniform(-3, 2)) + 9 * outer
    inferior = outline([(high, -6, 9), (high, -4, 19), (high, -14, 25), (low, 1 + reach, 27),
                        (low, -11 + reach, 27), (low, -15 + reach, 21),
                        (low, -6 + reach, 14), (high, -17, 10)], (1 + large[1]) / 2)  # fmt: skip
    spike = float(draw.uniform(8, 13)) - 3 * outer
    superior = outline([(high, -6, 8), (high, 3, 9), (high, spike, 11), (high, spike - 1, 15.5), (high, 1, 20),
                        (high, -10, 20)], (1 + large[0]) / 2)  # fmt: skip
    pedicle = outline([(high, -3, -4), (high, -4.5, 5), (high, -3.5, 13), (high, -13, 15), (high, -13.5, 5),
                       (high, -16, -4)], 1.0)  # fmt: skip
    # fat behind the joint and below the process, out to the muscles in a few strands
    tips = [
        (low, 12, 18),
        (low, 12, 27),
        (low, 2, 31 + draw.uniform(-2, 6)),
        (low, -11, 29),
        (low, -22, 26),
        (low, -16, 19),
    ]
    fat = uneven(outline(tips, 1.0), draw, 1.5)
    canvas.fill(
        fat,
        tissue.EPIDURAL_FAT.scaled(1.0, 1.2),
        alpha=float(draw.uniform(0.5, 1.0)),
        soft_mm=0.9,
        speckle=0.75 + 0.1 * outer,
    )
    strands = []
    for _ in range(9):
        start = low + size * (here.uniform(-14, 8) * upwards + here.uniform(20, 31) * backwards)
        run = here.uniform(5, 20) * (-upwards + here.uniform(0.0, 0.7) * backwards)
        path = start + np.outer(np.linspace(0, 1, 5), run) + np.cumsum(here.normal(0, 0.7, (5, 2)), axis=0)
        strands.append((path, float(here.uniform(0.7, 2.6)), float(here.uniform(0.3, 0.9))))
    canvas.strokes(strands, tissue.LOOSE_FAT, soft_mm=0.6)
    for part, cortex, dimmest in ((inferior, 1.7, 0.3), (superior, 1.4, 0.4), (pedicle, 0.6, 0.85)):
        canvas.fill(uneven(grown(part, 0.5), draw, 0.5), tissue.CORTEX, soft_mm=0.5, alpha=0.95)
        inner = marrow.scaled(1.05, float(draw.uniform(dimmest, dimmest + 0.4)))
        canvas.fill(grown(part, -cortex), inner, soft_mm=0.9, alpha=float(draw.uniform(0.8, 1.0)))
    # the gap of the joint: cartilage and fluid between two dark lines, as long as the slice runs along it
    middle = 17.5 * (1 + large[0]) / 2
    gap = smooth_open(np.array([high + size * (a * upwards + middle * backwards) for a in (spike - 3, 1.0, -6.0)]))
    canvas.stroke(gap, 2.2, tissue.CORTEX, soft_mm=0.5, alpha=0.9)
    canvas.stroke(gap, 0.7, tissue.CARTILAGE, soft_mm=0.4, alpha=float(here.uniform(0.0, 0.7)))
    root = grown(pedicle, -1.8) - 4.0 * backwards  # no cortex parts the pedicle from the body
    canvas.fill(root, marrow.scaled(1.05, 1.0), soft_mm=1.2)
