"""Sagittal sections: vertebrae, discs, canal and back, before the scanner sees them.

Drawing coordinates: x is the patient's y (to the back), y is minus the patient's z (downwards), mm, with the disc
L3-L4 at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lss.domain.grades import LEVELS
from lss.phantom import tissue
from lss.phantom.anatomy import LUMBARISED, Disc, Patient
from lss.phantom.canal import CANAL_DEPTH_MM
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, grown, smooth_closed, smooth_open, uneven
from lss.phantom.tissue import Textures
from lss.phantom.torso import skin_depth
from lss.runtime.seeding import generator

FIELD_MM = 280.0
SLICE_DISTANCE_MM = 4.4
_UP_MM = 175.0  # the field of view ends below this height


@dataclass(frozen=True)
class Section:
    """What lies in one slice: `signal` (size, size) float32 per weighting; columns in pixels.

    `skin_columns` (size,) is where the skin is in each row, `saturation_column` where the saturated belly begins.
    """

    signal: dict[str, np.ndarray]
    skin_columns: np.ndarray
    saturation_column: float


def field_centre(patient: Patient, field_mm: float) -> tuple[float, float]:
    """Centre of a field of view of that size, in drawing coordinates: the back lies near its right edge."""
    draw = generator(patient.number, "field of view", "sagittal")
    behind = skin_depth(patient, 0.5)
    return behind - (0.5 if field_mm > FIELD_MM else 0.66) * field_mm / 2 + float(draw.normal(0, 4)), float(
        draw.normal(12, 6)
    )


def draw_section(
    patient: Patient,
    left_mm: float,
    size: int,
    field_mm: float,
    centre_mm: tuple[float, float],
    textures: Textures,
    seed: int,
    weightings: tuple[str, ...],
) -> Section:
    """Draw the sagittal slice `left_mm` to the left of the midline on size x size pixels over `field_mm`."""
    names = ("phantom", "sagittal", patient.number)
    draw = generator(seed, *names)  # the same for all slices: they differ by where they cut
    here = generator(seed, *names, round(10 * left_mm))
    canvas = Canvas(size, size, field_mm / size, centre_mm, textures, weightings)
    textures.shift(here, canvas.rows, canvas.columns)
    spine = Spine(patient)
    skin = _draw_back(canvas, patient, spine, left_mm, draw, here)
    _draw_front(canvas, spine, draw)
    aside = abs(left_mm)
    if aside < 10.5:
        _draw_canal(canvas, patient, spine, aside, draw)
    else:
        _draw_foramina(canvas, patient, spine, left_mm > 0, here)
    _draw_posterior(canvas, patient, spine, aside, draw, here)
    _draw_column(canvas, patient, spine, aside, draw, here)
    pixel = field_mm / size
    rows = (np.arange(size) - (size - 1) / 2) * pixel + centre_mm[1]
    skin_x = np.interp(rows, skin[:, 1], skin[:, 0])
    return Section(
        signal=canvas.images(),
        skin_columns=((skin_x - centre_mm[0]) / pixel + (size - 1) / 2).astype(np.float32),
        saturation_column=float((-patient.saturation - 14 - centre_mm[0]) / pixel + (size - 1) / 2),
    )


class Spine:
    """The midline curve: discs with their edges, the sacrum, and the canal behind them, in drawing coordinates."""

    def __init__(self, patient: Patient) -> None:
        self.discs = [patient.discs[level] for level in LEVELS]
        self.size = patient.size
        tail = self.discs[-1]
        step = 30.0 * patient.size
        self.sacrum: list[tuple[np.ndarray, float, float]] = []  # centre, tilt, depth of the sacral discs
        position, tilt = _point(tail), tail.tilt
        shrinking = (0.92 if patient.anatomy == LUMBARISED else 0.74), 0.58, 0.46, 0.36
        for bend, shrink in zip((18.0, 18.0, 10.0, -14.0), shrinking, strict=True):
            angle = np.radians(tilt + bend / 2)
            position = position + step * np.array([np.sin(angle), np.cos(angle)])
            tilt += bend
            step *= 0.88
            self.sacrum.append((position, tilt, tail.depth * shrink))

    def edge(self, disc: Disc, along: float, above: float) -> np.ndarray:
        """Point of a disc: `along` in half depths from its centre to the back, `above` in half heights upwards."""
        slip = -0.5 * disc.slip * float(np.clip(above, -1, 1))
        return (
            _point(disc) + (along * disc.depth / 2 + slip) * _back(disc.tilt) + above * disc.height / 2 * _up(disc.tilt)
        )

    def behind(self, distance_mm: float) -> np.ndarray:
        """Line that runs `distance_mm` behind the back edges of bodies and discs, from above downwards, (n, 2)."""
        first = self.discs[0]
        points = [self.edge(first, 1, 0) + _up(first.tilt) * 70 * step for step in (2, 1)]
        points += [self.edge(disc, 1, 0) for disc in self.discs]
        points += [centre + depth / 2 * _back(tilt) for centre, tilt, depth in self.sacrum]
        tilts = [first.tilt] * 2 + [disc.tilt for disc in self.discs] + [tilt for _, tilt, _ in self.sacrum]
        # the canal tapers in the sacrum
        shares = [1.0] * (len(points) - len(self.sacrum)) + ([0.9, 0.6, 0.35, 0.2] if distance_mm > 0 else [1.0] * 4)
        moved = [p + share * distance_mm * _back(t) for p, t, share in zip(points, tilts, shares, strict=True)]
        return smooth_open(np.array(moved), 8)


def _point(disc: Disc) -> np.ndarray:
    return np.array([disc.centre_2[0], -disc.centre_2[1]])


def _back(tilt: float) -> np.ndarray:
    """Unit vector along a disc of that tilt towards the back."""
    return np.array([np.cos(np.radians(tilt)), -np.sin(np.radians(tilt))])


def _up(tilt: float) -> np.ndarray:
    return np.array([-np.sin(np.radians(tilt)), -np.cos(np.radians(tilt))])


def _draw_back(
    canvas: Canvas,
    patient: Patient,
    spine: Spine,
    left_mm: float,
    draw: np.random.Generator,
    here: np.random.Generator,
) -> np.ndarray:
    """Skin, fat and the back muscles; returns the skin line from above downwards."""
    tips = spine.behind(58.0 * patient.size)
    y = np.linspace(-_UP_MM - 60, _UP_MM + 60, 60)
    order = np.argsort(tips[:, 1])
    fascia = np.interp(y, tips[order, 1], tips[order, 0])
    fascia = np.convolve(np.pad(fascia, 8, "edge"), np.ones(17) / 17, "valid")  # skin bridges the hollow of the back
    thickness = patient.fat * (0.75 + 0.5 / (1 + np.exp(-(y - 25) / 22)))
    skin = np.column_stack([fascia + 3 + thickness, y])
    far = np.array([(-400.0, y[-1]), (-400.0, y[0])])
    canvas.fill(np.vstack([skin, far]), tissue.SKIN)
    canvas.fill(np.vstack([skin - np.array([1.7, 0.0]), far]), tissue.SUBCUTANEOUS_FAT)
    for _ in range(int(draw.integers(6, 14))):
        start = int(draw.integers(5, 45))
        inside = draw.uniform(0.15, 0.9)
        part = skin[start : start + int(draw.integers(6, 14))] - np.array([inside, 0]) * thickness[0]
        canvas.stroke(part, 0.4, tissue.SEPTUM, alpha=float(draw.uniform(0.2, 0.6)), soft_mm=0.25)
    muscle_line = np.column_stack([fascia, y])
    canvas.fill(np.vstack([muscle_line + np.array([0.8, 0.0]), far]), tissue.FASCIA, alpha=0.8)
    canvas.fill(np.vstack([muscle_line, far]), tissue.MUSCLE)
    fatty = patient.fatty_muscle
    band = np.vstack([muscle_line, (muscle_line - np.array([42.0, 0.0]))[::-1]])
    canvas.fill(band, tissue.LOOSE_FAT, alpha=0.6, speckle=float(np.clip(0.02 + 0.12 * fatty, 0.02, 0.3)), soft_mm=0.3)
    for _ in range(12 + round(22 * fatty)):
        at = np.array([0.0, here.uniform(-130, 110)])
        at[0] = np.interp(at[1], y, fascia) - here.uniform(3, 34)
        path = at + np.outer([-1, 0, 1], [here.uniform(-3, 3), here.uniform(4, 16)]) + here.normal(0, 1, (3, 2))
        canvas.stroke(smooth_open(path), float(here.uniform(0.4, 1.3)), tissue.LOOSE_FAT,
                      alpha=float(here.uniform(0.25, 0.8)), soft_mm=0.35)  # fmt: skip
    return skin


def _draw_front(canvas: Canvas, spine: Spine, draw: np.random.Generator) -> None:
    """The belly: its wall far in front, bowel, then fat and vessels along the spine."""
    y = np.linspace(-_UP_MM - 60, _UP_MM + 60, 12)
    wall = -125 - draw.uniform(0, 25) - 14 * np.cos((y - draw.uniform(-20, 40)) / 90) + draw.normal(0, 1.5, 12)
    wall_line = smooth_open(np.column_stack([wall, y]), 6)
    far = np.array([(-500.0, y[-1]), (-500.0, y[0])])
    spine_front = spine.behind(-17.5 * spine.size)
    below = spine_front[-1] + np.array([[12.0, 30.0], [30.0, 120.0]])
    front = np.vstack([spine_front, below])
    end = np.array([(-500.0, below[-1, 1]), (-500.0, front[0, 1])])
    canvas.fill(np.vstack([front, end]), tissue.VISCERAL_FAT)
    deep = np.vstack([wall_line + np.array([95.0, 0.0]), (wall_line + np.array([18.0, 0.0]))[::-1]])
    canvas.fill(deep, tissue.BOWEL, alpha=0.7)
    canvas.fill(np.vstack([wall_line, far]), tissue.AIR)
    vessel = spine.behind(-44 * spine.size)[:62] - np.array([draw.uniform(2, 5), 0])
    canvas.stroke(vessel, 13.0, tissue.VESSEL_WALL, alpha=0.6, soft_mm=0.5)
    canvas.stroke(vessel, 11.5, tissue.VESSEL, alpha=float(draw.uniform(0.6, 0.95)), soft_mm=0.7)
    for _ in range(int(draw.integers(14, 24))):
        at = (draw.uniform(-95, 30), draw.uniform(35, 165))
        if at[0] > np.interp(at[1], front[:, 1], front[:, 0]) - 14:
            continue
        size = draw.uniform(2, 15, 2)
        signal = draw.uniform(0.2, 1.4)
        loop = uneven(ellipse(at, (size[0], size[1]), draw.uniform(0, 180)), draw, 1.0, waves=4)
        canvas.fill(loop, tissue.BOWEL.scaled(signal, signal), alpha=0.85, soft_mm=1.0)


def _sac_depth(disc: Disc) -> float:
    """Depth of the sac at the disc in the midline, mm (its area as an ellipse of the sac's flatness)."""
    return float(np.sqrt(disc.sac_area / disc.sac_flatness / np.pi) * 2)


def _draw_canal(canvas: Canvas, patient: Patient, spine: Spine, aside: float, draw: np.random.Generator) -> None:
    """Epidural fat, the sac with fluid, cord and roots; narrow behind stenotic discs."""
    size = patient.size
    canal = np.vstack([spine.behind(0.0), spine.behind(CANAL_DEPTH_MM * size * 0.95)[::-1]])
    canvas.fill(canal, tissue.EPIDURAL_FAT, soft_mm=0.5)
    half_width = 9.0 * size
    chord = np.sqrt(max(1 - (aside / half_width) ** 2, 0.0))
    if chord < 0.2:
        return
    front, back = spine.behind(1.6), spine.behind(14.5 * size)
    front, back = front[: _sac_end(spine, front)], back[: _sac_end(spine, back)]
    for disc in spine.discs:
        if disc.level == "T12-L1":
            continue
        place = spine.edge(disc, 1, 0)
        depth = _sac_depth(disc)
        gap = 0.8 * disc.bulge * (disc.grade != "A") + 1.0
        for line, target in ((front, gap), (back, gap + depth * (1.0 if disc.grade != "A" else 1.05))):
            near = np.exp(-(((line - place) ** 2).sum(axis=1) - ((line - place) ** 2).sum(axis=1).min()) / 60.0)
            wanted = place + _back(disc.tilt) * target
            closest = line[np.argmin(((line - place) ** 2).sum(axis=1))]
            line += near[:, None] * ((wanted - closest) @ _back(disc.tilt)) * _back(disc.tilt)
    middle = (front + back[: len(front)]) / 2 if len(front) == len(back) else None
    if middle is not None and chord < 1:
        front, back = middle + chord * (front - middle), middle + chord * (back - middle)
    end = (front[-1] + back[-1]) / 2 + np.array([1.5, 5.0])
    sac = np.vstack([front, end, back[::-1]])
    canvas.fill(_sac_wall(front, back, end, 0.6), tissue.DURA, soft_mm=0.2)
    canvas.fill(sac, tissue.CSF, soft_mm=0.25)
    if aside < 6:
        _draw_cord(canvas, spine, front, back, draw)
    for disc in spine.discs[3:]:
        if disc.csf_share < 0.6:
            place = spine.edge(disc, 1, 0) + _back(disc.tilt) * (disc.bulge * 0.7 + _sac_depth(disc) / 2)
            spot = ellipse((place[0], place[1]), (_sac_depth(disc) * 0.7, 5.5), -disc.tilt)
            canvas.fill(spot, tissue.CROWDED_ROOTLETS, soft_mm=1.6, alpha=0.85 * (1 - disc.csf_share))


def _sac_wall(front: np.ndarray, back: np.ndarray, end: np.ndarray, by_mm: float) -> np.ndarray:
    """The outline of a sac between two walls, each moved outwards by `by_mm`."""
    across, down = np.array([by_mm, 0.0]), np.array([0.0, by_mm])
    return np.vstack([front - across, end + down, (back + across)[::-1]])


def _sac_end(spine: Spine, line: np.ndarray) -> int:
    """Index at which the sac ends, behind the second sacral segment."""
    return int(np.argmin(((line - spine.sacrum[1][0]) ** 2).sum(axis=1)))


def _draw_cord(canvas: Canvas, spine: Spine, front: np.ndarray, back: np.ndarray, draw: np.random.Generator) -> None:
    """The cord down to L1, the roots of the cauda equina along the back wall below."""
    count = min(len(front), len(back))
    front, back = front[:count], back[:count]
    conus = -spine.discs[1].centre_2[1] + draw.uniform(-14, 4)
    upper = front[:, 1] < conus
    if upper.sum() > 2:
        share = np.clip((conus - front[upper, 1]) / 25.0, 0, 1)[:, None] ** 0.6
        middle = front[upper] + 0.55 * (back[upper] - front[upper])
        half = 0.26 * (back[upper] - front[upper]) * share
        canvas.fill(np.vstack([middle - half, (middle + half)[::-1]]), tissue.CORD, soft_mm=0.5)
    for _ in range(9):
        start = max(int(upper.sum()) - 3, 0)
        stop = int(draw.integers(start + 6, max(start + 7, count)))
        share = np.linspace(0.6, draw.uniform(0.5, 0.97), stop - start)[:, None] + draw.normal(0, 0.02)
        path = front[start:stop] + share * (back[start:stop] - front[start:stop])
        canvas.stroke(path, 0.7, tissue.ROOTLET, alpha=float(draw.uniform(0.35, 0.8)), soft_mm=0.25)


def _draw_foramina(canvas: Canvas, patient: Patient, spine: Spine, left: bool, here: np.random.Generator) -> None:
    """Beside the canal: fat around the exiting roots, between the pedicles."""
    for disc in spine.discs:
        place = spine.edge(disc, 1.22, 2.4 * 9 / disc.height)
        outline = uneven(ellipse((place[0], place[1]), (5.0, 8.5), -disc.tilt), here, 0.8)
        canvas.fill(outline, tissue.EPIDURAL_FAT, soft_mm=0.5, alpha=1 - 0.85 * disc.foramina[int(left)])
        canvas.fill(ellipse((place[0], place[1] - 2), (2.2, 2.6)), tissue.NERVE, soft_mm=0.3)


def _draw_posterior(
    canvas: Canvas, patient: Patient, spine: Spine, aside: float, draw: np.random.Generator, here: np.random.Generator
) -> None:
    """Spinous processes in the midline; laminae and facets beside it."""
    marrow = tissue.MARROW.scaled(patient.marrow_t1, patient.marrow_t2)
    size = patient.size
    for upper, lower in zip(spine.discs, spine.discs[1:], strict=False):
        tilt = (upper.tilt + lower.tilt) / 2
        origin = spine.edge(lower, 1, 0) + _back(tilt) * CANAL_DEPTH_MM * size * 0.98
        up, back = _up(tilt), _back(tilt)
        if aside < 6:
            length = 31 * size
            # the process hangs down and is thickest at its tip
            corners = [(15, 0), (15, 9), (9, 0.6 * length), (5, length - 2), (-3, length + 1), (-10, length + 2),
                       (-13, length - 3), (-8, 0.6 * length), (-1, 9), (4, 1)]  # fmt: skip
        else:
            corners = [(21, -12), (18, -4), (4, 2), (-7, -1), (-9, -5), (4, -9)]
        shape = [origin + above * up + behind * back + draw.normal(0, 0.8, 2) for above, behind in corners]
        outline = smooth_closed(np.array(shape))
        if aside < 6:  # ligament and fat between the processes
            gap = origin - 13 * up + 11 * back
            between = uneven(ellipse((gap[0], gap[1]), (11.0 * size, 7.5), -tilt), draw, 1.5)
            canvas.fill(between, tissue.LOOSE_FAT, alpha=float(draw.uniform(0.35, 0.7)), speckle=0.75, soft_mm=1.5)
        canvas.stroke(outline, 5.0, tissue.LOOSE_FAT, alpha=0.75, soft_mm=1.4, closed=True, speckle=0.7)
        canvas.fill(grown(outline, 0.1), tissue.CORTEX, soft_mm=0.7, alpha=0.75)
        canvas.fill(grown(outline, -1.2), marrow.scaled(1.1, 1.15), soft_mm=1.0)
        flavum = np.array(
            [origin + up * 3 - back * 1.5, spine.edge(lower, 1, -0.3) + back * (CANAL_DEPTH_MM * size - 5)]
        )
        canvas.stroke(flavum, float(lower.flavum), tissue.FLAVUM, soft_mm=0.4)


def _draw_column(
    canvas: Canvas, patient: Patient, spine: Spine, aside: float, draw: np.random.Generator, here: np.random.Generator
) -> None:
    """Vertebral bodies between the discs, the sacrum, and the discs."""
    marrow = tissue.MARROW.scaled(patient.marrow_t1, patient.marrow_t2)
    far = _point(spine.discs[0]) + _up(spine.discs[0].tilt) * 36
    first = spine.discs[0]
    tops = [(far - first.depth / 2 * _back(first.tilt), far + first.depth / 2 * _back(first.tilt))]
    tops += [(spine.edge(d, -1, -1), spine.edge(d, 1, -1)) for d in spine.discs]
    bottoms = [(spine.edge(d, -1, 1), spine.edge(d, 1, 1)) for d in spine.discs]
    previous = tops.pop()
    for index, (top, bottom) in enumerate(zip(tops, bottoms, strict=True)):
        _draw_vertebra(canvas, top, bottom, marrow, draw)
        if patient.haemangioma and index == LEVELS.index("L2-L3"):  # the vertebra above that disc
            x, y = (top[0] + top[1] + bottom[0] + bottom[1]) / 4 + draw.normal(0, 2, 2)
            canvas.fill(ellipse((x, y), (6.0, 5.0)), marrow.scaled(1.9, 2.7), soft_mm=0.8)
    for centre, tilt, depth in spine.sacrum:
        half = depth / 2 * _back(tilt)
        bottom = centre - half + _up(tilt) * 1.5, centre + half + _up(tilt) * 1.5
        _draw_vertebra(canvas, previous, bottom, marrow, draw)
        previous = centre - half - _up(tilt) * 1.0, centre + half - _up(tilt) * 1.0
    if patient.anatomy == LUMBARISED:  # S1-S2 is a disc like any other
        (x, y), tilt, depth = spine.sacrum[0]
        last = spine.discs[-1]
        below = replace(last, centre_2=(x, -y), tilt=tilt, depth=depth, height=8.0, bulge=0.5, shape="normal", slip=0.0,
                        degeneration=0.25)  # fmt: skip
        _draw_disc(canvas, spine, below, aside, here)
    for disc in spine.discs:
        if patient.endplates:
            for side in (-1, 1):
                band = np.array([spine.edge(disc, along, side * 1.9) for along in (-0.75, 0.0, 0.75)])
                canvas.stroke(smooth_open(band), 6.0, marrow.scaled(1.6, 2.15), alpha=0.8, soft_mm=1.2)
        if patient.spondylosis:
            for side in (-1, 1):
                spur = np.array([spine.edge(disc, -0.9, side * 1.5), spine.edge(disc, -1.28, side * 0.8)])
                canvas.stroke(spur, 4.2, tissue.CORTEX, soft_mm=0.4)
                canvas.stroke(spur, 2.4, marrow.scaled(0.95, 0.9), soft_mm=0.4)
        _draw_disc(canvas, spine, disc, aside, here)
        if patient.schmorl:
            for side in (-1, 1):
                x, y = spine.edge(disc, 0.1, side * 1.25)
                canvas.fill(ellipse((x, y), (4.6, 3.6), -disc.tilt), tissue.CORTEX, soft_mm=0.4)
                canvas.fill(ellipse((x, y), (3.4, 2.5), -disc.tilt), tissue.ANNULUS.scaled(1.0, 1.6), soft_mm=0.4)
    if patient.tarlov and aside < 10.5:
        x, y = spine.sacrum[0][0] + 0.75 * spine.sacrum[0][2] * _back(spine.sacrum[0][1])
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
    waist = np.array([0.0, 0.04, 0.0, 0.09, 0.0, 0.04, 0.0, 0.10])[:, None]
    points = np.array(corners) + waist * (centre - np.array(corners))
    # points doubled near the corners keep them from being rounded off
    before, after = np.roll(points, 1, 0), np.roll(points, -1, 0)
    doubled = np.stack([points + 0.12 * (before - points), points + 0.12 * (after - points)], axis=1)
    dense = np.vstack([doubled[i] if i % 2 == 0 else points[i] for i in range(8)])
    outline = smooth_closed(dense)
    canvas.fill(grown(outline, 0.5), tissue.CORTEX, soft_mm=0.5)
    canvas.fill(grown(outline, -0.6), marrow.scaled(1.2, 1.35), soft_mm=0.7)
    for _ in range(2):  # marrow is patchy
        x, y = centre + draw.normal(0, 6, 2) * [1.0, 0.7]
        factor = draw.uniform(0.85, 1.25)
        canvas.fill(ellipse((x, y), (7.0, 5.0)), marrow.scaled(1.2 * factor, 1.35 * factor), soft_mm=2.5, alpha=0.5)
    vein = (points[3] * 0.75 + centre * 0.25)[None] + np.outer([0, 1], (centre - points[3]) * 0.45)
    canvas.stroke(vein, 1.6, marrow.scaled(0.7, 1.5), alpha=float(draw.uniform(0, 0.7)), soft_mm=0.7)


def _draw_disc(canvas: Canvas, spine: Spine, disc: Disc, aside: float, here: np.random.Generator) -> None:
    bulge = disc.bulge * (1 - 0.3 * min(aside / 9, 1))
    if disc.shape == "extrusion" and aside < 10.5:  # a fragment hangs down behind the vertebra below
        x, y = spine.edge(disc, 1, -1.3) + 0.55 * disc.bulge * _back(disc.tilt)
        canvas.fill(ellipse((x, y), (0.55 * disc.bulge, 6.0), -disc.tilt), tissue.ANNULUS, soft_mm=0.4)
    back = _back(disc.tilt)
    points = [spine.edge(disc, -1.02, 0.75), spine.edge(disc, 0, 0.92), spine.edge(disc, 0.98, 0.75),
              spine.edge(disc, 1, 0.1) + back * bulge, spine.edge(disc, 0.98, -0.75), spine.edge(disc, 0, -0.92),
              spine.edge(disc, -1.02, -0.75), spine.edge(disc, -1.06, 0)]  # fmt: skip
    outline = smooth_closed(np.array(points) + here.normal(0, 0.15, (8, 2)))
    canvas.fill(outline, tissue.CORTEX, soft_mm=0.3)
    canvas.fill(grown(outline, -0.9), tissue.ANNULUS, soft_mm=0.4)
    brightness = (1 - disc.degeneration) ** 1.3
    centre = spine.edge(disc, 0.08, 0)
    inner = tissue.NUCLEUS.scaled(1.0, 0.5 + 0.9 * brightness)
    nucleus = ellipse((centre[0], centre[1]), (disc.depth * 0.33, disc.height * 0.27), -disc.tilt)
    canvas.fill(nucleus, inner, soft_mm=1.5, alpha=0.35 + 0.6 * brightness)
    cleft = np.array([spine.edge(disc, -0.35, 0), spine.edge(disc, 0.4, 0)])
    canvas.stroke(cleft, 1.0, tissue.ANNULUS, alpha=0.5 * brightness, soft_mm=0.5)
