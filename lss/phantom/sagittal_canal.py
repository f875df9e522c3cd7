"""The canal in a sagittal plane: fat, sac, cord and roots, the foramina beside it (coordinates as in `spine`)."""

from __future__ import annotations

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Disc, Patient
from lss.phantom.canal import CANAL_DEPTH_MM
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, smooth_open, uneven
from lss.phantom.spine import Spine, back

BESIDE_CANAL_MM = 10.5
"""Slices further from the midline show the foramina instead of the canal."""


def sac_depth(disc: Disc) -> float:
    """Return the depth of the sac at the disc in the midline, mm (its area as an ellipse of the sac's flatness)."""
    return float(np.sqrt(disc.sac_area / disc.sac_flatness / np.pi) * 2)


def draw_canal(canvas: Canvas, patient: Patient, spine: Spine, aside: float, draw: np.random.Generator) -> None:
    """Draw epidural fat, the sac with fluid, cord and roots; narrow behind stenotic discs."""
    size = patient.size
    canal = np.vstack([spine.behind(0.0), spine.behind(CANAL_DEPTH_MM * size * 0.95)[::-1]])
    canvas.fill(canal, tissue.EPIDURAL_FAT, soft_mm=0.5)
    if aside > 6:  # beside the sac ligament and joint capsules fill the canal in part
        canvas.fill(canal, tissue.FLAVUM, soft_mm=1.0, alpha=0.75, speckle=0.5, fibres=True)
    # behind the sac fat lies in triangles at the discs; the laminae touch it between them
    between = spine.behind(17.5 * size)
    canvas.stroke(between, 4.0, tissue.FLAVUM, soft_mm=1.0, alpha=0.6, speckle=0.4)
    chord = np.sqrt(max(1 - (aside / (9.6 * size)) ** 2, 0.0))
    if chord < 0.2:
        return
    front, rear = _walls(patient, spine)
    if chord < 1:
        middle = (front + rear) / 2
        front, rear = middle + chord * (front - middle), middle + chord * (rear - middle)
    end = (front[-1] + rear[-1]) / 2 + np.array([1.5, 5.0])
    canvas.fill(_sac_wall(front, rear, end, 0.6), tissue.DURA, soft_mm=0.2)
    canvas.fill(np.vstack([front, end, rear[::-1]]), tissue.CSF, soft_mm=0.25)
    if aside < 6:
        _draw_cord(canvas, spine, front, rear, draw)
    _draw_roots(canvas, spine, front, rear, draw)
    for disc in spine.discs[3:]:
        if disc.csf_share < 0.6:
            place = spine.edge(disc, 1, 0) + back(disc.tilt) * (disc.bulge * 0.7 + sac_depth(disc) / 2)
            spot = ellipse((place[0], place[1]), (sac_depth(disc) * 0.7, 5.5), -disc.tilt)
            canvas.fill(spot, tissue.CROWDED_ROOTLETS, soft_mm=1.6, alpha=0.85 * (1 - disc.csf_share))


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
    start = int((front[:, 1] < -spine.discs[1].centre_2[1] - 8).sum())
    tight = [-disc.centre_2[1] for disc in spine.discs if disc.grade == "D"]
    lines = []
    for _ in range(int(draw.integers(14, 26))):
        stop = int(draw.integers(min(start + 6, len(front) - 1), len(front)))
        if stop - start < 3:
            continue
        share = np.linspace(draw.uniform(0.5, 0.8), draw.uniform(0.7, 0.97), stop - start) + draw.normal(0, 0.04)
        y = front[start:stop, 1]
        if tight:
            held = np.exp(-np.clip((min(tight) - y) / 25.0, 0, None)) * (y < min(tight))
            share = share + 0.13 * held * np.sin(y / draw.uniform(1.6, 3.0) + draw.uniform(0, 6))
        path = front[start:stop] + np.clip(share, 0.05, 0.97)[:, None] * (rear[start:stop] - front[start:stop])
        lines.append((path, float(draw.uniform(0.5, 1.1)), float(draw.uniform(0.4, 0.9))))
    canvas.strokes(lines, tissue.ROOTLET, soft_mm=0.4)


def draw_foramina(canvas: Canvas, patient: Patient, spine: Spine, left: bool, here: np.random.Generator) -> None:
    """Draw beside the canal: fat around the exiting roots, between the pedicles; in the sacrum between bone."""
    marrow = tissue.MARROW.scaled(patient.marrow_t1, patient.marrow_t2)
    for (centre, tilt, depth), size in zip(spine.sacrum, (1.0, 0.8, 0.6, 0.4), strict=True):
        place = centre + (depth / 2 + 6 * size) * back(tilt)
        bone = ellipse((place[0], place[1] - 9), (9 * size, 12 * size), 90 - tilt)
        canvas.fill(uneven(bone, here, 0.8), marrow, soft_mm=1.0, alpha=0.9)
        hole = uneven(ellipse((place[0], place[1]), (6 * size, 5 * size), -tilt), here, 0.8)
        canvas.fill(hole, tissue.EPIDURAL_FAT, soft_mm=0.8, alpha=0.9)
        canvas.fill(ellipse((place[0] - 1, place[1]), (2.2 * size, 2.4 * size)), tissue.NERVE, soft_mm=0.4)
    for disc in spine.discs:
        place = spine.edge(disc, 1.22, 2.4 * 9 / disc.height)
        outline = uneven(ellipse((place[0] + 1.0, place[1]), (7.2, 11.5), -disc.tilt), here, 0.9)
        canvas.fill(outline, tissue.EPIDURAL_FAT, soft_mm=0.5, alpha=1 - 0.85 * disc.foramina[int(left)])
        root = place + here.normal([-0.3, -2.0], 0.7)
        canvas.fill(
            ellipse((root[0], root[1]), (2.3, 2.9), here.normal(0, 20)), tissue.NERVE.scaled(1.0, 0.75), soft_mm=0.6
        )
        veins = place + here.uniform([-3, 2], [3, 9], (2, 2))
        canvas.fill_all([ellipse((x, y), (0.7, 0.7), n=10) for x, y in veins], tissue.VESSEL, alpha=0.45, soft_mm=0.3)
        lower = smooth_open(
            np.array([spine.edge(disc, 1.1, 1.2), spine.edge(disc, 1.3, 0.2), spine.edge(disc, 1.35, -0.8)])
        )
        canvas.stroke(lower, 2.0, tissue.EPIDURAL_FAT, soft_mm=0.6, alpha=0.5 * (1 - disc.foramina[int(left)]))
