"""Posterior elements in a sagittal plane: spinous processes in the midline, pedicles and joints beside the canal."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Disc, Patient
from lss.phantom.canal import CANAL_DEPTH_MM
from lss.phantom.canvas import Canvas
from lss.phantom.sagittal_canal import BESIDE_CANAL_MM
from lss.phantom.shapes import ellipse, grown, smooth_closed, smooth_open, uneven
from lss.phantom.spine import Spine, back, up
from lss.phantom.tissue import Tissue


def draw_posterior(
    canvas: Canvas, patient: Patient, spine: Spine, aside: float, draw: np.random.Generator, here: np.random.Generator
) -> None:
    """Draw what lies behind the canal of each vertebra down to L5."""
    marrow = tissue.MARROW.scaled(patient.marrow_t1, patient.marrow_t2)
    first = spine.discs[0]
    higher = [replace(first, centre_2=_above(first, 34.0 * step * spine.size)) for step in (2, 1)]
    for upper, lower in pairwise([*higher, *spine.discs]):
        if aside < 6:
            _draw_spinous(canvas, patient, spine, (upper, lower), marrow, draw, here)
        elif aside < BESIDE_CANAL_MM:
            _draw_lamina(canvas, patient, spine, (upper, lower), marrow, draw)
        else:
            _draw_joint(canvas, patient, spine, (upper, lower), marrow, draw)
    # the crest of the sacrum behind its canal
    line = spine.behind(CANAL_DEPTH_MM * patient.size * 0.85)[-28:-6] + np.array([5.0, 0.0])
    canvas.stroke(line, 8.0, tissue.CORTEX, soft_mm=0.7, alpha=0.7, speckle=0.8)
    canvas.stroke(line, 5.0, marrow, soft_mm=0.9, alpha=0.85, speckle=0.75)


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
    marrow: Tissue,
    draw: np.random.Generator,
    here: np.random.Generator,
) -> None:
    """Draw a spinous process, which hangs down and is thickest at its tip, and the ligaments and fat below it."""
    origin, upwards, backwards = _frame(spine, *discs)
    size = patient.size
    length = 31 * size * draw.normal(1, 0.08) * {"L5-S1": 0.7, "L4-L5": 0.9}.get(discs[1].level, 1.0)
    tall = draw.normal(1, 0.12)
    corners = [(16, -2.5), (12 * tall, 8), (6.5 * tall, 0.55 * length), (5, length - 4), (-1, length), (-8, length - 1),
               (-12.5 * tall, length - 6), (-10 * tall, 0.6 * length), (-6, 10), (0, -2)]  # fmt: skip
    shape = [origin + above * upwards + behind * backwards + draw.normal(0, 1.4, 2) for above, behind in corners]
    outline = uneven(smooth_closed(np.array(shape)), draw, 0.9, waves=9)
    gap = origin - 12 * upwards
    # the fibres of the interspinous ligament fan out backwards and upwards, with fat between
    ends = here.uniform([-6, 2, 5, 0.4, 0.1], [6, 0.75 * length, 15, 2.8, 0.75], (26, 5))
    bend, lift = here.normal([0.6, 0.1], [0.5, 0.2], (26, 2)).T[:, :, None]
    steps = np.linspace(0, 1, 6) * ends[:, 2:3]
    rise = ends[:, :1] + steps**2 / 14 * bend + steps * lift
    paths = gap + rise[..., None] * upwards + (ends[:, 1:2] + steps)[..., None] * backwards
    lines = [(path, width, alpha) for path, (width, alpha) in zip(paths, ends[:, 3:].tolist(), strict=True)]
    canvas.strokes(lines, tissue.LOOSE_FAT, soft_mm=0.6)
    canvas.stroke(outline, 2.6, tissue.LOOSE_FAT, alpha=float(here.uniform(0.2, 0.6)), soft_mm=0.9, closed=True,
                  speckle=0.55)  # fmt: skip
    own = float(draw.uniform(0.75, 1.25))
    canvas.fill(grown(outline, 0.3), tissue.CORTEX, soft_mm=0.9, alpha=0.75)
    canvas.fill(grown(outline, -1.6), marrow.scaled(1.05, own), soft_mm=1.3, alpha=0.9)
    canvas.fill(
        grown(outline, -1.0), marrow.scaled(0.8, 0.5), soft_mm=1.8, alpha=float(draw.uniform(0.2, 0.6)), speckle=0.45
    )
    fatty = uneven(ellipse(tuple(outline.mean(axis=0)), (6.0, 3.5), draw.uniform(-40, 10)), draw, 1.0)
    canvas.fill(fatty, marrow.scaled(1.3, 1.45), soft_mm=2.0, alpha=float(draw.uniform(0.0, 0.6)))
    tip = np.array([shape[3], shape[4], shape[6]]) + 1.5 * backwards  # the supraspinous ligament
    canvas.stroke(smooth_open(tip), 1.6, tissue.FASCIA, soft_mm=0.6, alpha=0.8)
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
    """Draw a lamina cut across: an oval that leans forwards, with ligament to the next one."""
    origin, upwards, backwards = _frame(spine, *discs)
    corners = [(22, -9), (17, -1), (4, 5), (-7, 5), (-11, -1), (-4, -7), (10, -10)]
    shape = [origin + above * upwards + behind * backwards + draw.normal(0, 0.7, 2) for above, behind in corners]
    outline = uneven(smooth_closed(np.array(shape)), draw, 0.8, waves=5)
    canvas.stroke(outline, 3.0, tissue.LOOSE_FAT, alpha=0.6, soft_mm=1.0, closed=True, speckle=0.6)
    canvas.fill(grown(outline, 0.2), tissue.CORTEX, soft_mm=0.6, alpha=0.9)
    canvas.fill(grown(outline, -1.6), marrow, soft_mm=0.9)
    _draw_flavum(canvas, spine, discs[1], origin, upwards, backwards)


def _draw_joint(
    canvas: Canvas, patient: Patient, spine: Spine, discs: tuple[Disc, Disc], marrow: Tissue, draw: np.random.Generator
) -> None:
    """Draw pedicle, pars and both articular processes of a vertebra; the lower one meets the next
    vertebra's in a joint.
    """
    upper, lower = discs
    _, upwards, backwards = _frame(spine, upper, lower)
    size = patient.size
    high, low = spine.edge(upper, 1, -1), spine.edge(lower, 1, 1)
    large = (upper.facets, lower.facets)

    def outline(corners: list[tuple[np.ndarray, float, float]], factor: float) -> np.ndarray:
        placed = [base + size * (above * upwards + factor * behind * backwards) for base, above, behind in corners]
        return smooth_closed(np.array(placed) + draw.normal(0, 0.6, (len(placed), 2)))

    inferior = outline([(high, -5, 10), (high, -4, 17), (high, -16, 22), (low, -4, 23), (low, -17, 20), (low, -16, 15),
                        (low, -3, 14), (high, -16, 10)], (1 + large[1]) / 2)  # fmt: skip
    superior = outline([(high, -5, 10), (high, 6, 11.5), (high, 11, 13.5), (high, 10, 17), (high, 2, 18),
                        (high, -8, 16)], (1 + large[0]) / 2)  # fmt: skip
    pedicle = outline([(high, -2.5, -4), (high, -4, 5), (high, -4, 13), (high, -14, 14), (high, -13, 5),
                       (high, -15, -4)], 1.0)  # fmt: skip
    for part, cortex, dimmest in ((inferior, 2.2, 0.35), (superior, 1.9, 0.5), (pedicle, 0.7, 1.0)):
        canvas.fill(uneven(grown(part, 0.3), draw, 0.5), tissue.CORTEX, soft_mm=0.7, alpha=0.9)
        inner = marrow.scaled(1.05, float(draw.uniform(dimmest, dimmest + 0.35)))
        canvas.fill(grown(part, -cortex), inner, soft_mm=1.1, alpha=float(draw.uniform(0.7, 1.0)))
    root = grown(pedicle, -1.8) - 4.0 * backwards  # no cortex parts the pedicle from the body
    canvas.fill(root, marrow.scaled(1.1, 1.2), soft_mm=1.2)
    # fat behind the joint and below the lamina
    behind = inferior[15:50] + 3.0 * backwards + draw.normal(0, 0.8, (35, 1))
    canvas.stroke(behind, 4.5, tissue.LOOSE_FAT, alpha=float(draw.uniform(0.5, 1.0)), soft_mm=1.0, speckle=0.65)
