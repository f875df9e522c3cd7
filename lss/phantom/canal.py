"""The thecal sac and what lies in the bony canal around it, in an axial plane.

Coordinates: x to the patient's left, y to the back, origin at the disc's centre, mm.
"""

from __future__ import annotations

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Disc
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import area, ellipse, grown, smooth_closed, uneven

CANAL_DEPTH_MM = 21.0
"""From the back of the disc to where the laminae meet."""


def sac_outline(disc: Disc, relief: float, draw: np.random.Generator) -> np.ndarray:
    """Return the outline of the thecal sac, (n, 2) mm.

    Args:
        disc: gives area, flatness and bulge.
        relief: 0 in the disc's plane, 1 at the far end of the block, where a narrow sac is a little wider.
        draw: asymmetry of this level.
    """
    narrowing = draw.uniform(0.3, 0.8) * (1 - 0.25 * disc.tightness)  # towards the back
    pinch = 0.03 + 0.16 * disc.tightness  # by the facets
    if disc.level == "L5-S1":
        narrowing += 0.12
    target = disc.sac_area * (1 + (0.05 + 0.17 * disc.tightness) * relief)
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.86 * disc.sac_flatness
    y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.92
    x *= 1 - narrowing * np.clip((y + 0.5) / 1.5, 0, 1) ** 1.2
    x *= 1 - pinch * np.exp(-(((y - 0.15) / 0.35) ** 2))
    # the disc pushes the front wall in, more to its own side
    place, width = (0.0, 0.8) if disc.shape in ("normal", "bulge") else (0.45 * disc.bulge_side, 0.42)
    push = 0.16 * disc.bulge * np.exp(-(((x / disc.sac_flatness - place) / width) ** 2))
    y = np.where(y < 0, np.minimum(y + push * (1 - 0.4 * relief), 0.55), y)
    outline = uneven(np.column_stack([x, y]), draw, 0.045, waves=5)
    outline *= np.sqrt(target / area(outline))
    front = disc.depth / 2 + _front_gap(disc, relief)
    outline[:, 1] += front - outline[:, 1].min()
    outline[:, 0] += 0.5 * draw.normal() - 0.7 * disc.bulge_side * disc.tightness
    return outline


def _front_gap(disc: Disc, relief: float) -> float:
    """Return the distance from the unbulged disc's back edge to the sac: the bulge, or a little epidural fat."""
    epidural = {"L3-L4": 0.8, "L4-L5": 1.2, "L5-S1": 3.2}.get(disc.level, 0.8)
    reach = disc.bulge * (1 - 0.6 * relief)
    if disc.grade == "A":  # room is left: the disc touches the sac, or fat lies between
        return reach + 1.0 if disc.abutting else max(reach, epidural) + 3.0
    return max(reach * 0.75, epidural * (1 - disc.tightness), 0.6) + 0.4


def canal_outline(disc: Disc, size: float) -> np.ndarray:
    """Return the bony canal: a rounded triangle behind the disc."""
    back = disc.depth / 2
    depth = CANAL_DEPTH_MM * size
    return smooth_closed(
        [(-12.5 * size, back - 1.5), (0, back - 2.2), (12.5 * size, back - 1.5), (13.0 * size, back + 5),
         (8.2 * size, back + 0.62 * depth), (1.5, back + depth), (-1.5, back + depth),
         (-8.2 * size, back + 0.62 * depth), (-13.0 * size, back + 5)]
    )  # fmt: skip


def draw_canal_content(
    canvas: Canvas, disc: Disc, sac: np.ndarray, size: float, relief: float, draw: np.random.Generator, *, below: bool
) -> None:
    """Draw ligamentum flavum, epidural fat, then the sac with fluid and rootlets.

    `below`: whether the slice lies under the disc, where the fragment of an extrusion lies.
    """
    back = disc.depth / 2
    depth = CANAL_DEPTH_MM * size
    thickness = disc.flavum * (1 - 0.35 * relief)
    sac_back = float(sac[:, 1].max())
    for side in (-1, 1):
        thick = thickness * draw.normal(1, 0.08)
        outer = np.array(
            [
                (15.0 * size, back + 7.0),
                (11.6 * size, back + 0.62 * depth),
                (5.5, back + 0.92 * depth),
                (0.4, back + depth + 2),
            ]
        )
        reach = thick + 1.6  # the outer 1.6 mm lie on the bone
        inward = reach * np.array([(-0.95, -0.45), (-0.85, -0.6), (-0.6, -0.85), (0.0, -1.3)])
        band = np.vstack([outer, (outer + inward)[::-1]]) * np.array([side, 1])
        canvas.fill(smooth_closed(band), tissue.FLAVUM, soft_mm=0.3)
    if disc.tightness > 0 and disc.grade != "D":
        # flavum and facets close in on the sac; some fat stays behind it
        canvas.fill(grown(sac, 2.6), tissue.FLAVUM, soft_mm=0.5, alpha=0.9 * disc.tightness)
        top = sac_back + 0.6
        fat = np.array([(-2.8, top), (2.8, top), (0.4, min(top + 5.5, back + depth - 1)), (-0.4, top + 4)])
        canvas.fill(fat, tissue.EPIDURAL_FAT, soft_mm=0.5, alpha=float(draw.uniform(0.3, 1.0)))
    elif disc.grade == "D":
        canvas.fill(grown(sac, 5.5 if disc.thick_flavum else 2.0), tissue.FLAVUM, soft_mm=0.9)
        # no fat is left behind the sac (Schizas 2010: what tells D from C)
        canvas.fill(ellipse((0.0, sac_back + 3.5), (5.0, 4.5)), tissue.FLAVUM, soft_mm=0.8)
    if disc.grade == "A" and not disc.abutting:
        # behind the disc's dark edge; the sac covers what reaches into it
        fat = ellipse((0.0, float(sac[:, 1].min())), (6.5, 1.7))
        canvas.fill(fat, tissue.EPIDURAL_FAT, soft_mm=0.3)
    if disc.shape == "extrusion" and below:
        place = (disc.bulge_side * 5.0, float(sac[:, 1].min()) - 0.4)
        canvas.fill(uneven(ellipse(place, (5.2, 3.0)), draw, 0.4), tissue.ANNULUS, soft_mm=0.4)
    canvas.fill(grown(sac, 0.4), tissue.DURA, soft_mm=0.25, alpha=0.75)
    _draw_sac(canvas, disc, sac, draw)


def _draw_sac(canvas: Canvas, disc: Disc, sac: np.ndarray, draw: np.random.Generator) -> None:
    crowded = disc.csf_share < 0.25
    ground = tissue.CROWDED_ROOTLETS if crowded else tissue.CSF
    if disc.grade == "D":
        ground = ground.scaled(1.0, 0.8)
    canvas.fill(sac, ground)
    low, high = sac.min(axis=0), sac.max(axis=0)
    middle, extent = (low + high) / 2, high - low
    if crowded:
        # what fluid is left shows as a grain between the rootlets; in grade D none is seen
        drops = round(60 * disc.csf_share * disc.sac_area / 80) if disc.grade != "D" else 0
        places = _inside(sac, drops, draw, backwards=0.0)
        canvas.fill_all(
            [ellipse((x, y), (0.55, 0.5), n=10) for x, y in places],
            tissue.CSF,
            alpha=float(draw.uniform(0.25, 0.5)),
            soft_mm=0.4,
        )
        return
    rootlet_area = 1.35  # mm2 of one rootlet with its blurred edge
    count = round((1 - disc.csf_share) * area(sac) / rootlet_area * 0.75)
    backwards = 1.0 if disc.grade == "A" else 0.4
    places = _inside(sac, count, draw, backwards)
    radii = draw.uniform(0.45, 0.75, len(places))
    rootlets = [ellipse((x, y), (radius, radius), n=10) for (x, y), radius in zip(places, radii, strict=True)]
    # the roots about to leave lie in front at both sides
    for side in (-1, 1):
        for step in (0.30, 0.38):
            x = middle[0] + side * step * extent[0]
            y = low[1] + extent[1] * draw.uniform(0.22, 0.34)
            rootlets.append(ellipse((x, y), (0.75, 0.7), n=12))
    canvas.fill_all(rootlets, tissue.ROOTLET, soft_mm=0.26, alpha=float(draw.uniform(0.75, 0.95)))
    if disc.grade == "A":  # pulsing fluid loses some of its signal
        flows = draw.uniform(-0.3, 0.3, (3, 2)) * extent + middle
        voids = [ellipse((x, y), tuple(draw.uniform(0.8, 2.0, 2)), n=16) for x, y in flows]
        canvas.fill_all(voids, tissue.ROOTLET, soft_mm=0.9, alpha=float(draw.uniform(0.0, 0.45)))


def _inside(sac: np.ndarray, count: int, draw: np.random.Generator, backwards: float) -> np.ndarray:
    """Return up to `count` points inside the sac, not closer than a rootlet's width, (n, 2).

    `backwards`: 0 spreads them evenly; 1 layers them at the back, where rootlets sink in a supine patient.
    """
    inner = grown(sac, -0.8)
    low, high = inner.min(axis=0), inner.max(axis=0)
    trials = low + (high - low) * draw.random((40 * count + 1, 2))
    depth = (trials[:, 1] - low[1]) / (high[1] - low[1])
    steep = 1.6 if backwards < 1 else 2.6
    wanted = draw.random(len(trials)) < np.clip(1 - backwards + backwards * ((depth - 0.1) / 0.75), 0.02, 1) ** steep
    trials = trials[wanted & _contains(inner, trials)]
    chosen: list[np.ndarray] = []
    for point in trials:
        if len(chosen) >= count:
            break
        if all(np.hypot(*(point - other)) > 1.05 for other in chosen[-60:]):
            chosen.append(point)
    return np.array(chosen).reshape(-1, 2)


def _contains(outline: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return which of the points lie inside the outline (even-odd rule)."""
    x, y = points[:, :1], points[:, 1:]
    x1, y1 = outline.T
    x2, y2 = np.roll(outline, -1, 0).T
    crosses = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (x2 - x1) * (y - y1) / (y2 - y1) + x1
    return (crosses & (x < at)).sum(axis=1) % 2 == 1
