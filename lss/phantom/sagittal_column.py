"""Vertebral bodies, discs and sacrum in a sagittal plane (coordinates as in `spine`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lss.domain.grades import LEVELS
from lss.phantom import tissue
from lss.phantom.anatomy import LUMBARISED, Disc, Patient
from lss.phantom.canvas import Canvas
from lss.phantom.sagittal_canal import BESIDE_CANAL_MM
from lss.phantom.shapes import ellipse, grown, smooth_closed, smooth_open, uneven
from lss.phantom.spine import Spine, back, point, up


def marrow_of(patient: Patient, aside: float) -> tissue.Tissue:
    """Return the marrow of a patient's bones as sagittal slices show it: dull beside fat, most in the midline."""
    return tissue.MARROW.scaled(patient.marrow_t1, (0.82 + 0.008 * aside) * patient.marrow_t2)


def draw_column(
    canvas: Canvas, patient: Patient, spine: Spine, aside: float, draw: np.random.Generator, here: np.random.Generator
) -> None:
    """Draw vertebral bodies between the discs, the sacrum, and the discs."""
    marrow = marrow_of(patient, aside)
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
        _draw_vertebra(canvas, top, bottom, marrow, 1 + 1.8 * float(np.clip((aside - 8) / 10, 0, 1)), draw)
        if patient.haemangioma and index == LEVELS.index("L2-L3"):  # the vertebra above that disc
            x, y = (top[0] + top[1] + bottom[0] + bottom[1]) / 4 + finding.normal(0, 2, 2)
            canvas.fill(ellipse((x, y), (6.0, 5.0)), marrow.scaled(1.9, 2.7), soft_mm=0.8)
    if aside < BESIDE_CANAL_MM:
        _draw_sacrum(canvas, spine, previous, marrow, draw)
    else:
        _draw_lateral_sacrum(canvas, spine, previous, marrow, here)
    if patient.anatomy == LUMBARISED:  # S1-S2 is a disc like any other
        (x, y), tilt, depth = spine.sacrum[0]
        last = spine.discs[-1]
        below = replace(last, centre_2=(x, -y), tilt=tilt, depth=depth, height=8.0, bulge=0.5, shape="normal", slip=0.0,
                        degeneration=0.25)  # fmt: skip
        _draw_disc(canvas, spine, below, aside, here.spawn(1)[0])  # the others are drawn alike without it
    # the longitudinal ligaments along the front and the back of the bodies, thickest in the midline
    for line, width, opacity in ((spine.front(0.0), 1.2, 0.4), (spine.behind(0.2), 1.1, 0.7)):
        canvas.stroke(line, width * draw.uniform(0.8, 1.2), tissue.FASCIA, soft_mm=0.4,
                      alpha=opacity * float(np.exp(-aside / 12)))  # fmt: skip
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


def _draw_sacrum(
    canvas: Canvas,
    spine: Spine,
    previous: tuple[np.ndarray, np.ndarray],
    marrow: tissue.Tissue,
    draw: np.random.Generator,
) -> None:
    """Draw the sacral segments in the midline, grown together: dark seams, with what is left of a disc in some."""
    for centre, tilt, depth in spine.sacrum:
        tilt, depth = tilt + draw.normal(0, 3.0), depth * draw.normal(1, 0.05)
        half = depth / 2 * back(tilt)
        bottom = centre - half + up(tilt) * 1.4, centre + half + up(tilt) * 1.4
        _draw_vertebra(canvas, previous, bottom, marrow, 0.0, draw)
        seam = np.array([centre - 0.96 * half, centre + draw.normal(0, 0.5, 2), centre + 0.96 * half])
        dark = float(draw.uniform(0.7, 1.0))
        canvas.stroke(seam, float(draw.uniform(1.4, 2.6)), tissue.CORTEX, soft_mm=0.5, alpha=dark)
        left = seam[0] + np.outer([0.15, 0.5, draw.uniform(0.6, 1.1)], half)  # of a disc, most of it in front
        remnant = tissue.ANNULUS.scaled(1.0, float(draw.uniform(1.0, 2.5)))
        canvas.stroke(left, float(draw.uniform(0.6, 1.8)), remnant, soft_mm=0.5, alpha=0.75)
        previous = centre - half - up(tilt) * 1.0, centre + half - up(tilt) * 1.0
    # the fifth segment and the coccyx taper off and bend forwards
    tip = (previous[0] + previous[1]) / 2 + 24 * spine.size * np.array([-0.25 + draw.normal(0, 0.15), 1.0])
    end = 0.35 * (previous[1] - previous[0])
    _draw_vertebra(canvas, previous, (tip - end / 2, tip + end / 2), marrow, 0.0, draw)


def _draw_lateral_sacrum(
    canvas: Canvas,
    spine: Spine,
    previous: tuple[np.ndarray, np.ndarray],
    marrow: tissue.Tissue,
    here: np.random.Generator,
) -> None:
    """Draw the sacrum beside its canal: rounded blocks, and between them fat around the roots in the foramina."""
    seams = [(centre, tilt, depth) for centre, tilt, depth in spine.sacrum]
    blocks = []
    for centre, tilt, depth in seams:
        deep = depth * here.normal(1.12, 0.10)
        half = deep / 2 * back(tilt)
        shift = 0.12 * deep * back(tilt)
        blocks.append((previous, (centre - half + shift, centre + half + shift)))
        previous = centre - half + shift, centre + half + shift
    around = np.vstack([[top[0] for top, _ in blocks], [blocks[-1][1][0], blocks[-1][1][1] + [4.0, 0.0]],
                        [top[1] + [7.0, 0.0] for top, _ in blocks[:0:-1]], blocks[0][0][1:]])  # fmt: skip
    canvas.fill(smooth_closed(around), tissue.EPIDURAL_FAT.scaled(1.0, 1.25), soft_mm=1.2, alpha=0.95)
    for number, (top, bottom) in enumerate(blocks):
        corners = np.array([top[0], top[1], bottom[1], bottom[0]])
        middle = corners.mean(axis=0)
        gap = here.uniform(0.12, 0.32, 4)[:, None]
        points = corners + gap * (middle - corners)
        bulged = np.vstack(
            [[points[i], (points[i] + points[(i + 1) % 4]) / 2 * 1.12 - 0.12 * middle] for i in range(4)]
        )
        outline = uneven(smooth_closed(bulged + here.normal(0, 0.6, (8, 2))), here, 0.6, waves=5)
        canvas.fill(outline, tissue.CORTEX, soft_mm=0.35, alpha=0.95)
        canvas.fill(grown(outline, -1.0), marrow.scaled(1.1, float(here.uniform(1.0, 1.3))), soft_mm=0.6)
        glow = ellipse((middle[0], middle[1]), tuple(here.uniform(3, 7, 2)), here.uniform(0, 180))
        canvas.fill(glow, marrow.scaled(1.2, 1.5), soft_mm=2.0, alpha=float(here.uniform(0.2, 0.7)))
        # behind the foramina lie plates and tubercles, as dull as the joints above
        if number < 2:
            behind = 0.4 * top[1] + 0.6 * bottom[1] + here.normal([9.0, -3.0], 1.5)
            plate = uneven(ellipse((behind[0], behind[1]), tuple(here.uniform((4, 2.5), (9, 5))), here.normal(-40, 20)),
                           here, 1.0)  # fmt: skip
            canvas.fill(plate, tissue.CORTEX, soft_mm=0.6, alpha=0.9)
            canvas.fill(grown(plate, -1.3), marrow.scaled(1.0, float(here.uniform(0.3, 0.9))), soft_mm=0.8)
        # the root in the foramen below, and veins around it
        at = 0.35 * bottom[0] + 0.65 * bottom[1] + here.normal(0, 1.0, 2)
        root = uneven(ellipse((at[0], at[1]), (2.6 * spine.size, 2.0 * spine.size), here.uniform(0, 90)), here, 0.5)
        canvas.fill(root, tissue.NERVE.scaled(1.0, 0.7), soft_mm=0.4)
        veins = at + here.normal(0, 4.0, (3, 2))
        canvas.fill_all([ellipse((x, y), (0.9, 0.7), n=10) for x, y in veins], tissue.VESSEL, alpha=0.6, soft_mm=0.3)


def _draw_vertebra(
    canvas: Canvas,
    top: tuple[np.ndarray, np.ndarray],
    bottom: tuple[np.ndarray, np.ndarray],
    marrow: tissue.Tissue,
    waisted: float,
    draw: np.random.Generator,
) -> None:
    """Draw a body between two lines; `waisted`: a factor on how hollow its walls are, 0 for a sacral segment."""
    centre = (top[0] + top[1] + bottom[0] + bottom[1]) / 4
    corners = np.array([top[0], (top[0] + top[1]) / 2, top[1], (top[1] + bottom[1]) / 2, bottom[1],
                        (bottom[0] + bottom[1]) / 2, bottom[0], (bottom[0] + top[0]) / 2])  # fmt: skip
    waist = np.array([0.0, 0.08, 0.0, 0.10, 0.0, 0.07, 0.0, 0.13])[:, None] * draw.uniform(0.6, 1.4, (8, 1))
    waist[[3, 7]] *= waisted or 1.0
    points = corners + waist * (centre - corners)
    points[::2] += draw.normal(0, 0.5, (4, 2))  # no two corners are alike: some worn round, some with a small lip
    # points doubled near the corners keep them from being rounded off
    reach = draw.uniform(0.06, 0.16, (8, 1))
    before, after = np.roll(points, 1, 0), np.roll(points, -1, 0)
    doubled = np.stack([points + reach * (before - points), points + reach * (after - points)], axis=1)
    dense = np.vstack([doubled[i] if i % 2 == 0 else points[i] for i in range(8)])
    outline = smooth_closed(dense)
    own = float(draw.normal(1, 0.04))
    canvas.fill(grown(outline, 0.6), tissue.CORTEX, soft_mm=0.35, alpha=0.95 if waisted else 0.75)
    canvas.fill(grown(outline, -0.5), marrow.scaled(1.0, own), soft_mm=0.45)
    shown = [(draw.normal(0, 1, 2), draw.uniform(0.72, 1.4), draw.uniform((2, 1.5), (8, 6))) for _ in range(5)]
    for place, factor, radii in shown:  # marrow is patchy
        x, y = centre + place * np.abs(corners - centre).max(axis=0) * 0.4
        spot = ellipse((x, y), (radii[0], radii[1]), float(np.degrees(place[0])))
        canvas.fill(spot, marrow.scaled(float(factor), own * float(factor)), soft_mm=1.6, alpha=0.4)
    for low, high, edge in ((0, 2, top), (6, 4, bottom)):  # a band along an endplate, of fat or of water
        if draw.random() < 0.3:
            first, last = np.sort(draw.uniform(0.05, 0.95, 2))
            inwards = 0.13 * (centre - points[[low, high]])
            band = points[low] + np.outer([first, (first + last) / 2, last], edge[1] - edge[0]) + inwards[0]
            signal = float(draw.uniform(0.75, 1.4))
            canvas.stroke(band, float(draw.uniform(2, 4)), marrow.scaled(signal, signal), alpha=0.5, soft_mm=1.2)
    # the basivertebral vein runs forwards from the middle of the back wall, and fans out
    inwards = centre - points[3]
    vein = points[3] + np.outer([0.1, 0.45, 0.75], inwards) + draw.normal(0, 0.6, (3, 2))
    visible = float(draw.uniform(0.0, 0.8)) / max(waisted, 1.0)
    canvas.fill(ellipse(tuple(points[3] + 0.16 * inwards), (3.0, 2.2)), marrow.scaled(0.8, 1.9),
                alpha=visible, soft_mm=0.7)  # fmt: skip
    canvas.stroke(vein, 1.2, marrow.scaled(0.8, 0.65), alpha=0.6 * visible, soft_mm=0.6)


def _draw_disc(canvas: Canvas, spine: Spine, disc: Disc, aside: float, here: np.random.Generator) -> None:
    bulge = disc.bulge * (1 - 0.3 * min(aside / 9, 1))
    if disc.shape == "extrusion" and aside < 10.5:  # a fragment hangs down behind the vertebra below
        x, y = spine.edge(disc, 1, -1.3) + 0.55 * disc.bulge * back(disc.tilt)
        canvas.fill(ellipse((x, y), (0.55 * disc.bulge, 6.0), -disc.tilt), tissue.ANNULUS, soft_mm=0.4)
    backwards = back(disc.tilt)
    points = [spine.edge(disc, -1.02, 0.75), spine.edge(disc, -0.4, 1.0), spine.edge(disc, 0.45, 1.04),
              spine.edge(disc, 0.97, 0.9), spine.edge(disc, 1, 0.7) + backwards * 0.75 * bulge,
              spine.edge(disc, 1, 0.0) + backwards * bulge, spine.edge(disc, 1, -0.7) + backwards * 0.8 * bulge,
              spine.edge(disc, 0.97, -0.9), spine.edge(disc, 0.45, -1.04),
              spine.edge(disc, -0.4, -1.0), spine.edge(disc, -1.02, -0.75),
              spine.edge(disc, -1.06, 0)]  # fmt: skip
    outline = smooth_closed(np.array(points) + here.normal(0, 0.3, (12, 2)))
    canvas.fill(outline, tissue.CORTEX, soft_mm=0.35)
    canvas.fill(grown(outline, -0.8), tissue.ANNULUS.scaled(1.0, 0.9), soft_mm=0.5)
    # the nucleus ends before the edge of the disc, and a slice beside the midline cuts less of it
    chord = float(max(1 - (2 * aside / (0.84 * disc.width)) ** 2, 0.0)) ** 0.5
    if chord < 0.2:
        return
    brightness = (1 - disc.degeneration) ** 1.3
    inner = tissue.NUCLEUS.scaled(1.0, 0.40 + 0.7 * brightness)
    front, rear = (-0.68 + here.normal(0, 0.04)) * chord, (0.74 + here.normal(0, 0.04)) * chord
    tall = 0.70 + 0.12 * brightness
    steps = np.array([0.0, 0.2, 0.5, 0.8, 1.0, 0.8, 0.5, 0.2])
    heights = tall * np.array([0.0, 0.8, 1.0, 0.85, 0.0, -0.85, -1.0, -0.8])
    places = [(front + step * (rear - front), above) for step, above in zip(steps, heights, strict=True)]
    lens = smooth_closed(np.array([spine.edge(disc, along, above) for along, above in places]))
    canvas.fill(uneven(lens, here, 0.5, waves=5), inner, soft_mm=0.9, alpha=chord * (0.45 + 0.5 * brightness))
    # the cleft across the nucleus, and fissures where it is worn
    cleft = [
        spine.edge(disc, front * 0.6, 0),
        spine.edge(disc, 0.1, here.normal(0, 0.14)),
        spine.edge(disc, rear * 0.7, 0),
    ]
    canvas.stroke(smooth_open(np.array(cleft)), float(here.uniform(0.7, 1.5)), tissue.ANNULUS, soft_mm=0.5,
                  alpha=float(here.uniform(0.2, 0.8)) * brightness * chord)  # fmt: skip
