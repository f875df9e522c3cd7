"""Vertebral bodies, discs and sacrum in a sagittal plane (coordinates as in `spine`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lss.domain.grades import LEVELS
from lss.phantom import tissue
from lss.phantom.anatomy import LUMBARISED, Disc, Patient
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, grown, smooth_closed, smooth_open, uneven
from lss.phantom.spine import Spine, back, point, up


def draw_column(
    canvas: Canvas, patient: Patient, spine: Spine, aside: float, draw: np.random.Generator, here: np.random.Generator
) -> None:
    """Draw vertebral bodies between the discs, the sacrum, and the discs."""
    marrow = tissue.MARROW.scaled(patient.marrow_t1, patient.marrow_t2)
    far = point(spine.discs[0]) + up(spine.discs[0].tilt) * 36
    first = spine.discs[0]
    tops = [(far - first.depth / 2 * back(first.tilt), far + first.depth / 2 * back(first.tilt))]
    tops += [(spine.edge(d, -1, -1), spine.edge(d, 1, -1)) for d in spine.discs]
    bottoms = [(spine.edge(d, -1, 1), spine.edge(d, 1, 1)) for d in spine.discs]
    previous = tops.pop()
    thoracic = replace(first, centre_2=(float(far[0]), float(-far[1])), bulge=0.0)
    _draw_disc(canvas, spine, thoracic, aside, here)
    finding = draw.spawn(1)[0]  # so that all else is drawn alike with and without it
    for index, (top, bottom) in enumerate(zip(tops, bottoms, strict=True)):
        _draw_vertebra(canvas, top, bottom, marrow, draw)
        if patient.haemangioma and index == LEVELS.index("L2-L3"):  # the vertebra above that disc
            x, y = (top[0] + top[1] + bottom[0] + bottom[1]) / 4 + finding.normal(0, 2, 2)
            canvas.fill(ellipse((x, y), (6.0, 5.0)), marrow.scaled(1.9, 2.7), soft_mm=0.8)
    for centre, tilt, depth in spine.sacrum:
        tilt, depth = tilt + draw.normal(0, 3.0), depth * draw.normal(1, 0.05)
        half = depth / 2 * back(tilt)
        bottom = centre - half + up(tilt) * 1.5, centre + half + up(tilt) * 1.5
        _draw_vertebra(canvas, previous, bottom, marrow, draw)
        # the sacral segments are grown together: a thin dark line, with what is left of a disc in front
        seam = np.array([centre - 0.96 * half, centre + draw.normal(0, 0.5, 2), centre + 0.96 * half])
        canvas.stroke(
            seam, float(draw.uniform(1.4, 2.8)), tissue.CORTEX, soft_mm=0.5, alpha=float(draw.uniform(0.5, 0.95))
        )
        canvas.stroke(seam[:2], float(draw.uniform(0.6, 1.8)), tissue.ANNULUS.scaled(1.0, 2.0), soft_mm=0.5, alpha=0.7)
        previous = centre - half - up(tilt) * 1.0, centre + half - up(tilt) * 1.0
    # the fifth segment and the coccyx taper off and bend forwards
    tip = (previous[0] + previous[1]) / 2 + 24 * spine.size * np.array([-0.25 + draw.normal(0, 0.15), 1.0])
    end = 0.35 * (previous[1] - previous[0])
    _draw_vertebra(canvas, previous, (tip - end / 2, tip + end / 2), marrow, draw)
    if patient.anatomy == LUMBARISED:  # S1-S2 is a disc like any other
        (x, y), tilt, depth = spine.sacrum[0]
        last = spine.discs[-1]
        below = replace(last, centre_2=(x, -y), tilt=tilt, depth=depth, height=8.0, bulge=0.5, shape="normal", slip=0.0,
                        degeneration=0.25)  # fmt: skip
        _draw_disc(canvas, spine, below, aside, here)
    # the longitudinal ligaments along the front and the back of the bodies, thickest in the midline
    for line, width in ((spine.front(0.5), 1.2), (spine.behind(0.2), 1.1)):
        canvas.stroke(line, width * draw.uniform(0.8, 1.2), tissue.FASCIA, soft_mm=0.4,
                      alpha=0.7 * float(np.exp(-aside / 12)))  # fmt: skip
    for disc in spine.discs:
        if patient.endplates:
            for side in (-1, 1):
                band = np.array([spine.edge(disc, along, side * 1.9) for along in (-0.75, 0.0, 0.75)])
                canvas.stroke(smooth_open(band), 6.0, marrow.scaled(1.6, 2.15), alpha=0.8, soft_mm=1.2)
        if patient.spondylosis:
            for side in (-1, 1):
                # a beak that goes on from the corner of the body along the disc
                corner = [(-0.80, 1.1), (-0.98, 1.0), (-1.16, 0.6), (-1.02, 2.2), (-0.92, 3.0), (-0.80, 2.4)]
                beak = smooth_closed(np.array([spine.edge(disc, along, side * above) for along, above in corner]))
                canvas.fill(grown(beak, 0.4), tissue.CORTEX, soft_mm=0.4, alpha=0.9)
                inside = grown(beak, -0.7) + 2.2 * back(disc.tilt)  # no cortex parts it from the body
                canvas.fill(np.vstack([grown(beak, -0.7)[:30], inside[30:]]), marrow.scaled(1.2, 1.35), soft_mm=0.5)
        _draw_disc(canvas, spine, disc, aside, here)
        if patient.schmorl:
            for side in (-1, 1):
                x, y = spine.edge(disc, 0.1, side * 1.25)
                canvas.fill(ellipse((x, y), (4.6, 3.6), -disc.tilt), tissue.CORTEX, soft_mm=0.4)
                canvas.fill(ellipse((x, y), (3.4, 2.5), -disc.tilt), tissue.ANNULUS.scaled(1.0, 1.6), soft_mm=0.4)
    if patient.tarlov and aside < 10.5:
        x, y = spine.sacrum[0][0] + 0.75 * spine.sacrum[0][2] * back(spine.sacrum[0][1])
        canvas.fill(ellipse((x, y + 9), (5.0, 8.0), 30), tissue.CSF, soft_mm=0.4)


def _draw_vertebra(
    canvas: Canvas,
    top: tuple[np.ndarray, np.ndarray],
    bottom: tuple[np.ndarray, np.ndarray],
    marrow: tissue.Tissue,
    draw: np.random.Generator,
) -> None:
    centre = (top[0] + top[1] + bottom[0] + bottom[1]) / 4
    corners = [top[0], (top[0] + top[1]) / 2, top[1], (top[1] + bottom[1]) / 2, bottom[1],
               (bottom[0] + bottom[1]) / 2, bottom[0], (bottom[0] + top[0]) / 2]  # fmt: skip
    waist = np.array([0.0, 0.07, 0.0, 0.11, 0.0, 0.06, 0.0, 0.13])[:, None] * draw.uniform(0.75, 1.25, (8, 1))
    points = np.array(corners) + waist * (centre - np.array(corners))
    # points doubled near the corners keep them from being rounded off
    before, after = np.roll(points, 1, 0), np.roll(points, -1, 0)
    doubled = np.stack([points + 0.12 * (before - points), points + 0.12 * (after - points)], axis=1)
    dense = np.vstack([doubled[i] if i % 2 == 0 else points[i] for i in range(8)])
    outline = smooth_closed(dense)
    canvas.fill(grown(outline, 0.6), tissue.CORTEX, soft_mm=0.45, alpha=0.75)
    canvas.fill(grown(outline, -0.3), marrow.scaled(1.15, 1.28), soft_mm=0.5)
    for _ in range(3):  # marrow is patchy
        x, y = centre + draw.normal(0, 6, 2) * [1.0, 0.7]
        factor = draw.uniform(0.8, 1.25)
        canvas.fill(ellipse((x, y), (7.0, 5.0)), marrow.scaled(1.15 * factor, 1.28 * factor), soft_mm=2.5, alpha=0.5)
    # the basivertebral vein runs forwards from the middle of the back wall, and fans out
    inwards = centre - points[3]
    vein = points[3] + np.outer([0.1, 0.45, 0.75], inwards) + draw.normal(0, 0.6, (3, 2))
    shown = float(draw.uniform(0.1, 0.8))
    canvas.stroke(vein[:2], 2.2, marrow.scaled(0.7, 1.8), alpha=shown, soft_mm=0.7)
    canvas.stroke(vein, 1.2, marrow.scaled(0.8, 0.65), alpha=0.5 * shown, soft_mm=0.6)


def _draw_disc(canvas: Canvas, spine: Spine, disc: Disc, aside: float, here: np.random.Generator) -> None:
    bulge = disc.bulge * (1 - 0.3 * min(aside / 9, 1))
    if disc.shape == "extrusion" and aside < 10.5:  # a fragment hangs down behind the vertebra below
        x, y = spine.edge(disc, 1, -1.3) + 0.55 * disc.bulge * back(disc.tilt)
        canvas.fill(ellipse((x, y), (0.55 * disc.bulge, 6.0), -disc.tilt), tissue.ANNULUS, soft_mm=0.4)
    backwards = back(disc.tilt)
    points = [spine.edge(disc, -1.02, 0.75), spine.edge(disc, -0.4, 1.0), spine.edge(disc, 0.45, 1.04),
              spine.edge(disc, 0.98, 0.75), spine.edge(disc, 1, 0.1) + backwards * bulge, spine.edge(disc, 0.98, -0.75),
              spine.edge(disc, 0.45, -1.04), spine.edge(disc, -0.4, -1.0), spine.edge(disc, -1.02, -0.75),
              spine.edge(disc, -1.06, 0)]  # fmt: skip
    outline = smooth_closed(np.array(points) + here.normal(0, 0.3, (10, 2)))
    canvas.fill(outline, tissue.CORTEX, soft_mm=0.4)
    canvas.fill(grown(outline, -0.9), tissue.ANNULUS, soft_mm=0.5)
    brightness = (1 - disc.degeneration) ** 1.3
    inner = tissue.NUCLEUS.scaled(1.0, 0.45 + 1.25 * brightness)
    nucleus = [
        (-0.55, 0.0),
        (-0.3, 0.5),
        (0.1, 0.62),
        (0.5, 0.52),
        (0.68, 0.0),
        (0.5, -0.52),
        (0.1, -0.62),
        (-0.3, -0.5),
    ]
    lens = smooth_closed(np.array([spine.edge(disc, along, above) for along, above in nucleus]))
    canvas.fill(uneven(lens, here, 0.5, waves=5), inner, soft_mm=1.3, alpha=0.35 + 0.6 * brightness)
    cleft = np.array(
        [spine.edge(disc, -0.35, 0), spine.edge(disc, 0.1, here.normal(0, 0.12)), spine.edge(disc, 0.45, 0)]
    )
    canvas.stroke(cleft, 1.0, tissue.ANNULUS, alpha=0.5 * brightness, soft_mm=0.5)
