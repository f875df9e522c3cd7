"""The canal in a sagittal plane: fat, sac, cord and roots, the foramina beside it (coordinates as in `spine`)."""

from __future__ import annotations

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Disc, Patient
from lss.phantom.canal import CANAL_DEPTH_MM
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, smooth_closed, smooth_open, uneven
from lss.phantom.spine import Spine, back, up

BESIDE_CANAL_MM = 10.5
"""Slices further from the midline show the foramina instead of the canal."""


_FLUID = tissue.CSF.scaled(1.0, 0.84)
"""Fluid as sagittal slices show it: their longer echo train leaves it less far above fat."""


def sac_depth(disc: Disc) -> float:
    """Return the depth of the sac at the disc in the midline, mm (its area as an ellipse of the sac's flatness)."""
    return float(np.sqrt(disc.sac_area / disc.sac_flatness / np.pi) * 2)


def draw_canal(canvas: Canvas, patient: Patient, spine: Spine, aside: float, draw: np.random.Generator) -> None:
    """Draw epidural fat, the sac with fluid, cord and roots; narrow behind stenotic discs."""
    size = patient.size
    canal = np.vstack([spine.behind(0.0), spine.behind(CANAL_DEPTH_MM * size * 0.95)[::-1]])
    canvas.fill(canal, tissue.EPIDURAL_FAT, soft_mm=0.5)
    if aside < 6:  # the laminae touch the sac; fat lies behind it at the discs alone, in pads
        laminae = spine.behind(19.0 * size)
        canvas.stroke(laminae, 8.0, tissue.FLAVUM, soft_mm=1.0, alpha=0.9)
    if aside > 6:  # beside the sac ligament and joint capsules fill the canal in part
        canvas.fill(canal, tissue.FLAVUM, soft_mm=1.0, alpha=0.75, speckle=0.5, fibres=True)
    chord = np.sqrt(max(1 - (aside / (9.6 * size)) ** 2, 0.0))
    if chord < 0.2:
        return
    front, rear = _walls(patient, spine)
    if chord < 1:
        middle = (front + rear) / 2
        front, rear = middle + chord * (front - middle), middle + chord * (rear - middle)
    end = (front[-1] + rear[-1]) / 2 + np.array([1.5, 5.0])
    canvas.fill(_sac_wall(front, rear, end, 0.6), tissue.DURA, soft_mm=0.2)
    canvas.fill(np.vstack([front, end, rear[::-1]]), _FLUID, soft_mm=0.25)
    if aside < 6:
        _draw_pads(canvas, spine, rear, draw.spawn(1)[0])
        _draw_cord(canvas, spine, front, rear, draw)
    _draw_roots(canvas, spine, front, rear, draw)
    for disc in spine.discs[3:]:
        if disc.csf_share < 0.6:
            place = spine.edge(disc, 1, 0) + back(disc.tilt) * (disc.bulge * 0.7 + sac_depth(disc) / 2)
            spot = ellipse((place[0], place[1]), (sac_depth(disc) * 0.7, 5.5), -disc.tilt)
            canvas.fill(spot, tissue.CROWDED_ROOTLETS, soft_mm=1.6, alpha=0.85 * (1 - disc.csf_share))


def _draw_pads(canvas: Canvas, spine: Spine, rear: np.ndarray, draw: np.random.Generator) -> None:
    """Draw the pads of fat behind the sac, which dent it a little; the tighter the canal, the less of them is left."""
    for disc in spine.discs:
        upwards, backwards = up(disc.tilt), back(disc.tilt)
        at = rear[np.argmin(((rear - spine.edge(disc, 1, 0)) ** 2).sum(axis=1))]
        deep, tall = draw.uniform(3.5, 6.5) * (1 - 0.7 * disc.tightness), draw.uniform(8, 13) * spine.size
        dent = draw.uniform(0.0, 1.2) * (1 - disc.tightness)
        shape = [(tall, 0.6), (0.4 * tall, 0.3 - dent), (-0.4 * tall, 0.2 - dent), (-0.9 * tall, 0.6),
                 (-0.4 * tall, 0.7 * deep), (0.1 * tall, deep), (0.5 * tall, 0.6 * deep)]  # fmt: skip
        pad = smooth_closed(np.array([at + above * upwards + behind * backwards for above, behind in shape]))
        canvas.stroke(pad, 0.8, tissue.DURA, soft_mm=0.3, closed=True, alpha=0.8)
        canvas.fill(pad, tissue.EPIDURAL_FAT.scaled(1.0, float(draw.uniform(0.75, 1.0))), soft_mm=0.4)


def _walls(patient: Patient, spine: Spine) -> tuple[np.ndarray, np.ndarray]:
    """Return front and back wall of the sac in the midline from above to its end, of one length, each (n, 2) mm."""
    size = patient.size
    wide = [sac_depth(disc) for disc in spine.discs if disc.grade == "A"]
    depth = float(np.clip(np.median(wide) + 1.0, 12.0, 15.5)) if wide else 12.5 * size
    front, rear = spine.behind(1.6), spine.behind(1.6 + depth)
    stop = int(np.argmin(((front - spine.sacrum[1][0]) ** 2).sum(axis=1)))  # behind the second sacral segment
    front, rear = front[:stop], rear[:stop]
    for disc in spine.discs:
        if disc.level == "T12-L1":
            continue
        place, backwards = spine.edge(disc, 1, 0), back(disc.tilt)
        gap = 0.8 * disc.bulge * (disc.grade != "A") + 1.0
        reach = 60.0 if disc.grade != "A" else 160.0  # mm2: a stenosis is short
        for line, target in ((front, gap), (rear, gap + sac_depth(disc) * (1.0 if disc.grade != "A" else 1.05))):
            apart = ((line - place) ** 2).sum(axis=1)
            near = np.exp(-(apart - apart.min()) / reach)
            closest = line[np.argmin(apart)]
            line += near[:, None] * ((place + backwards * target - closest) @ backwards) * backwards
    # behind the sacrum the sac tapers, and fat fills the canal around it
    left = np.cumsum(np.hypot(*np.diff(front, axis=0, append=front[-1:]).T)[::-1])[::-1]
    taper = (0.3 + 0.7 * np.sqrt(np.clip(left / 38.0, 0, 1)))[:, None]
    axis = front + 0.55 * (rear - front)
    return axis + taper * (front - axis), axis + taper * (rear - axis)


def _sac_wall(front: np.ndarray, rear: np.ndarray, end: np.ndarray, by_mm: float) -> np.ndarray:
    """Return the outline of a sac between two walls, each moved outwards by `by_mm`."""
    across, down = np.array([by_mm, 0.0]), np.array([0.0, by_mm])
    return np.vstack([front - across, end + down, (rear + across)[::-1]])


def _draw_cord(canvas: Canvas, spine: Spine, front: np.ndarray, rear: np.ndarray, draw: np.random.Generator) -> None:
    """Draw the cord, tapering to the conus at L1."""
    conus = -spine.discs[1].centre_2[1] + draw.uniform(-14, 4)
    upper = front[:, 1] < conus
    if upper.sum() > 2:
        share = np.clip((conus - front[upper, 1]) / 25.0, 0, 1)[:, None] ** 0.6
        middle = front[upper] + 0.55 * (rear[upper] - front[upper])
        half = 0.26 * (rear[upper] - front[upper]) * share
        canvas.fill(np.vstack([middle - half, (middle + half)[::-1]]), tissue.CORD, soft_mm=0.5)


def _draw_roots(canvas: Canvas, spine: Spine, front: np.ndarray, rear: np.ndarray, draw: np.random.Generator) -> None:
    """Draw the cauda equina: roots that sink to the back wall; wavy above a level of grade D, where
    they are held up.
    """
    conus = int((front[:, 1] < -spine.discs[1].centre_2[1] - 8).sum())
    tight = [-disc.centre_2[1] for disc in spine.discs if disc.grade == "D"]
    lines = []
    for _ in range(int(draw.integers(14, 26))):
        start = max(conus + int(draw.integers(-8, 5)), 0)  # they leave the cord one after the other
        stop = int(draw.integers(min(start + 12, len(front) - 1), len(front)))
        if stop - start < 3:
            continue
        steps = np.linspace(0, 1, stop - start)
        share = draw.uniform(0.40, 0.85) + (draw.uniform(0.3, 0.97) - 0.62) * steps**1.5
        share = share + 0.05 * np.sin(draw.uniform(2, 5) * steps + draw.uniform(0, 6))
        y = front[start:stop, 1]
        if tight:
            held = np.exp(-np.clip((min(tight) - y) / 25.0, 0, None)) * (y < min(tight))
            share = share + 0.13 * held * np.sin(y / draw.uniform(1.6, 3.0) + draw.uniform(0, 6))
        path = front[start:stop] + np.clip(share, 0.05, 0.97)[:, None] * (rear[start:stop] - front[start:stop])
        lines.append((path, float(draw.uniform(0.3, 0.8)), float(draw.uniform(0.15, 0.7))))
    canvas.strokes(lines, tissue.ROOTLET.scaled(1.0, 0.72), soft_mm=0.4)


def draw_foramina(canvas: Canvas, patient: Patient, spine: Spine, left: bool, here: np.random.Generator) -> None:
    """Draw beside the canal: fat around the exiting roots, between the pedicles; in the sacrum between bone."""
    for disc in spine.discs:
        place = spine.edge(disc, 1.22, 2.4 * 9 / disc.height)
        upwards, backwards = up(disc.tilt), back(disc.tilt)
        wide, tall = here.normal(1, 0.12), here.normal(1, 0.10)
        keyhole = [(11, -2), (12, 3), (8, 6.5), (1, 6), (-6, 4), (-12, 3.5), (-13, 0), (-6, -2.5), (1, -4), (7, -5)]
        outline = np.array([place + tall * a * upwards + wide * b * backwards for a, b in keyhole])
        outline = uneven(smooth_closed(outline + here.normal(0, 0.6, (10, 2))), here, 0.7)
        canvas.fill(
            outline, tissue.EPIDURAL_FAT.scaled(1.0, 1.2), soft_mm=0.5, alpha=1 - 0.85 * disc.foramina[int(left)]
        )
        # the root below the pedicle, its ganglion, and veins
        root = place + here.normal([0.3, -3.0], 0.9)
        around = uneven(ellipse((root[0], root[1]), tuple(here.uniform(1.6, 2.7, 2)), here.normal(0, 30)), here, 0.5)
        canvas.fill(around, tissue.NERVE.scaled(1.0, 0.8), soft_mm=0.6, alpha=float(here.uniform(0.6, 0.95)))
        veins = place + here.uniform([-4, -7], [4, 9], (7, 2))
        dots = [ellipse((x, y), (r, 0.8), n=10) for (x, y), r in zip(veins, here.uniform(0.5, 1.4, 7), strict=True)]
        canvas.fill_all(dots, tissue.VESSEL, alpha=0.4, soft_mm=0.4)
        lower = smooth_open(
            np.array([spine.edge(disc, 1.1, 1.2), spine.edge(disc, 1.3, 0.2), spine.edge(disc, 1.35, -0.8)])
        )
        canvas.stroke(lower, 2.0, tissue.EPIDURAL_FAT, soft_mm=0.6, alpha=0.5 * (1 - disc.foramina[int(left)]))
