"""Skin, fat and muscles behind the spine, and what lies in front of it, in a sagittal plane (see `spine`)."""

from __future__ import annotations

import numpy as np

from lss.phantom import tissue
from lss.phantom.anatomy import Patient
from lss.phantom.canvas import Canvas
from lss.phantom.shapes import ellipse, grown, smooth_open, uneven
from lss.phantom.spine import Spine

_UP_MM = 175.0  # the field of view ends below this height
_SATURATED_MM = -75.0  # in front of this next to nothing shows
_MIDLINE_MM = 5.0
"""Slices nearer to the midline cut the ligaments between the spinous processes, those beside it the muscles."""


def draw_back(
    canvas: Canvas,
    patient: Patient,
    spine: Spine,
    aside: float,
    draw: np.random.Generator,
    here: np.random.Generator,
) -> np.ndarray:
    """Draw skin, fat and the back muscles; return the skin line from above downwards, (n, 2) mm."""
    tips = spine.behind(58.0 * patient.size)
    y = np.linspace(-_UP_MM - 60, _UP_MM + 60, 60)
    order = np.argsort(tips[:, 1])
    fascia = np.interp(y, tips[order, 1], tips[order, 0])
    fascia = np.convolve(np.pad(fascia, 8, "edge"), np.ones(17) / 17, "valid")  # skin bridges the hollow of the back
    # fat is thickest over the sacrum, thin over the ribs
    middle, width = draw.uniform(10, 50), draw.uniform(16, 32)
    thickness = patient.fat * (draw.uniform(0.45, 0.8) + draw.uniform(0.5, 0.9) / (1 + np.exp(-(y - middle) / width)))
    skin = np.column_stack([fascia + 3 + thickness + _wave(60, draw, 0.7), y])
    far = np.array([(-400.0, y[-1]), (-400.0, y[0])])
    canvas.fill(np.vstack([skin, far]), tissue.SKIN.scaled(1.2, 1.4), soft_mm=0.3)
    canvas.fill(np.vstack([skin - np.array([0.9, 0.0]), far]), tissue.SKIN.scaled(0.8, 0.75), soft_mm=0.3)
    canvas.fill(np.vstack([skin - np.array([2.0, 0.0]), far]), tissue.SUBCUTANEOUS_FAT, soft_mm=0.4)
    _draw_septa(canvas, skin, thickness, draw)
    muscle_line = np.column_stack([fascia + _wave(60, draw, 0.5), y])
    canvas.fill(np.vstack([muscle_line + np.array([1.2, 0.0]), far]), tissue.FASCIA, alpha=0.85, soft_mm=0.3)
    canvas.fill(np.vstack([muscle_line, far]), tissue.MUSCLE.scaled(1.0, 1.5 if patient.spasm else 1.0))
    _draw_muscle_fat(canvas, patient, spine, muscle_line, aside, here)
    return skin


def _wave(count: int, draw: np.random.Generator, size_mm: float) -> np.ndarray:
    """Return a random wavy line of that standard deviation, smooth over about 5 of its points."""
    rough = np.convolve(draw.normal(0, 1, count + 8), np.hanning(9), "valid")
    return size_mm * rough / np.linalg.norm(np.hanning(9))


def _draw_septa(canvas: Canvas, skin: np.ndarray, thickness: np.ndarray, draw: np.random.Generator) -> None:
    """Draw the superficial fascia along the skin, and short septa that run from it to the skin."""
    lines = []
    for _ in range(int(draw.integers(1, 3))):
        slope = draw.uniform(-0.3, 0.3) * np.linspace(-1, 1, 60)
        share = np.clip(draw.uniform(0.3, 0.8) + slope + _wave(60, draw, 0.12), 0.1, 0.95)
        lines.append((skin - np.column_stack([share * thickness, np.zeros(60)]), 0.55, float(draw.uniform(0.15, 0.55))))
    for _ in range(int(draw.integers(25, 60))):
        start = int(draw.integers(8, 52))
        inside = draw.uniform(0.1, 0.9) * thickness[start]
        across = np.array([draw.uniform(2, 7), draw.uniform(-3, 3)])
        path = skin[start] - [inside, 0] + np.outer([-0.5, 0, 0.5], across) + draw.normal(0, 0.4, (3, 2))
        lines.append((path, 0.35, float(draw.uniform(0.08, 0.4))))
    canvas.strokes(lines, tissue.SEPTUM, soft_mm=0.25)


def _draw_muscle_fat(
    canvas: Canvas, patient: Patient, spine: Spine, line: np.ndarray, aside: float, here: np.random.Generator
) -> None:
    """Draw in the midline ligaments and fat; beside it bundles that run down and forwards with fat between them."""
    fatty = patient.fatty_muscle
    deep = spine.behind(20.0 * patient.size)
    inner = np.interp(line[:, 1], deep[:, 1], deep[:, 0])
    if aside < _MIDLINE_MM:
        between = np.vstack([np.column_stack([inner, line[:, 1]]), (line - np.array([2.5, 0.0]))[::-1]])
        canvas.fill(between, tissue.INTERSPINOUS.scaled(1.0, 0.62), alpha=1 - 0.5 * aside / _MIDLINE_MM)
    # streaks along the bundles: more of them near the laminae and low down, where multifidus wastes
    share = float(np.clip(0.05 + 0.18 * fatty + here.normal(0, 0.02), 0.03, 0.3))
    for depth, first, factor, alpha in ((0.0, -400.0, 0.9, 0.16), (0.6, -400.0, 1.3, 0.45), (0.3, 8.0, 3.0, 0.65)):
        outer = line[:, 0] * (1 - depth) + depth * inner
        part = np.vstack([np.column_stack([inner, line[:, 1]]), np.column_stack([outer, line[:, 1]])[::-1]])
        part = part[part[:, 1] > first]
        if aside < _MIDLINE_MM:
            alpha *= 0.35  # there lie ligaments
        canvas.fill(part, tissue.LOOSE_FAT, alpha=alpha, soft_mm=3.0, speckle=min(share * factor, 0.6), fibres=True)
    lines = []
    for _ in range(0 if aside < _MIDLINE_MM else 24 + round(30 * fatty)):  # the septa between the muscles
        y = here.uniform(-150, 120)
        depth = here.uniform(0.1, 0.95)
        steps = np.linspace(0, here.uniform(6, 40), 6)
        x = np.interp(y + steps, line[:, 1], line[:, 0] * (1 - depth) + depth * inner)
        path = np.column_stack([x - here.uniform(0.0, 0.4) * steps + np.cumsum(here.normal(0, 0.8, 6)), y + steps])
        lines.append((path, float(here.uniform(0.3, 0.9)), float(here.uniform(0.05, 0.4))))
    canvas.strokes(lines, tissue.LOOSE_FAT, soft_mm=0.4)


def draw_front(
    canvas: Canvas, spine: Spine, left_mm: float, draw: np.random.Generator, here: np.random.Generator
) -> None:
    """Draw the belly: its wall far in front, bowel, then sheets of fat and vessels along the spine, and fat before the
    sacrum, which is the brightest.
    """
    aside = abs(left_mm)
    y = np.linspace(-_UP_MM - 60, _UP_MM + 60, 12)
    wall = -125 - draw.uniform(0, 25) - 14 * np.cos((y - draw.uniform(-20, 40)) / 90) + draw.normal(0, 1.5, 12)
    wall_line = smooth_open(np.column_stack([wall, y]), 6)
    far = np.array([(-500.0, y[-1]), (-500.0, y[0])])
    spine_front = spine.front(-17.5 * spine.size)
    below = spine_front[-1] + np.array([[12.0, 30.0], [30.0, 120.0]])
    front = np.vstack([spine_front, below])
    end = np.array([(-500.0, below[-1, 1]), (-500.0, front[0, 1])])
    canvas.fill(np.vstack([front, end]), tissue.VISCERAL_FAT.scaled(1.0, 1.36))
    canvas.fill(np.vstack([wall_line, far]), tissue.AIR)
    # the fat of the belly's wall is next to the coils in front: a gleam of it is left in spite of the saturation
    gleam = wall_line + np.array([draw.uniform(4, 12), 0.0])
    canvas.stroke(gleam, float(draw.uniform(5, 10)), tissue.SUBCUTANEOUS_FAT.scaled(1.0, float(draw.uniform(1.0, 4.0))),
                  soft_mm=4.0)  # fmt: skip
    _draw_bowel(canvas, front, draw, here)
    _draw_sheets(canvas, spine, aside, draw, here)
    # vessels and strands in the fat before the sacrum, along it
    lines = []
    for _ in range(int(here.integers(30, 60))):
        course = spine.front(float(here.uniform(1.0, 40.0)))[-int(here.integers(20, 36)) :]
        part = course[: int(here.integers(5, 20))]
        wander = np.column_stack([_wave(len(part), here, 1.2), np.zeros(len(part))])
        lines.append((part + wander, float(here.uniform(0.4, 2.2)), float(here.uniform(0.03, 0.3))))
    canvas.strokes(lines, tissue.VESSEL_WALL, soft_mm=0.6)
    _draw_vessels(canvas, spine, left_mm, draw)


def _draw_sheets(
    canvas: Canvas, spine: Spine, aside: float, draw: np.random.Generator, here: np.random.Generator
) -> None:
    """Draw what runs along the front of the spine down to the sacrum: crura and vessels, grey, and fat between them."""
    low = draw.uniform(30, 52)  # where the sheets end and the fat before the sacrum begins
    dull = draw.uniform(0.45, 0.9) * (1 - 0.6 * min(aside / 17.6, 1))
    line, outer = spine.front(-1.0), spine.front(draw.uniform(26, 60))
    line, outer = line[line[:, 1] < low], outer[outer[:, 1] < low + 6]
    belly = outer - np.array([60.0, 0.0])
    canvas.fill(np.vstack([line, belly[::-1]]), tissue.MUSCLE.scaled(1.0, 1.8), alpha=float(dull), soft_mm=9.0)
    strands: dict[bool, list[tuple[np.ndarray, float, float]]] = {True: [], False: []}
    for number in range(26):
        gap = 1.5 + 26.0 * float(here.random()) ** 1.6
        course = spine.front(gap)
        course = course[course[:, 1] < low + 8]
        first = int(here.integers(0, len(course) - 6))
        part = course[first : first + int(here.integers(6, 30))]
        wander = np.column_stack([_wave(len(part), here, 0.8), np.zeros(len(part))])
        strands[number % 5 < 3].append((part + wander, float(here.uniform(0.7, 3.6)), float(here.uniform(0.1, 0.7))))
    canvas.strokes(strands[False], tissue.VESSEL, soft_mm=0.8)
    canvas.strokes(strands[True], tissue.LOOSE_FAT, soft_mm=0.8)
    # a bright seam of fat and veins on the bodies, deepest at their waists
    seam = spine.front(1.4)
    seam = seam[seam[:, 1] < low + 30]
    canvas.stroke(seam, 1.8, tissue.LOOSE_FAT, alpha=float(draw.uniform(0.3, 0.9)), soft_mm=0.5, speckle=0.6)


def _draw_bowel(canvas: Canvas, front: np.ndarray, draw: np.random.Generator, here: np.random.Generator) -> None:
    """Draw loops before the spine, and the large soft organs of the pelvis before the fat that covers the sacrum."""
    presacral = draw.uniform(20, 36)
    for large in [True] * int(draw.integers(1, 4)) + [False] * int(draw.integers(2, 6)):
        at = (draw.uniform(-90, 45), draw.uniform(92, 165)) if large else (draw.uniform(-95, 0), draw.uniform(-150, 60))
        size = draw.uniform((18, 12), (42, 24)) if large else draw.uniform(3, 11, 2)
        nearest = np.interp(at[1], front[:, 1], front[:, 0]) - presacral - size.max() * 0.8
        signal = draw.uniform(0.15, 1.3) if large else draw.uniform(0.1, 1.2)
        if large:
            at = (nearest - draw.gamma(1.2, 10.0), at[1])
        at = (min(at[0], nearest) + here.normal(0, 3.0), at[1] + here.normal(0, 3.0))
        loop = uneven(ellipse(at, (size[0], size[1]), draw.uniform(20, 110)), here, 0.12 * size.max(), waves=4)
        blur = float(draw.uniform(1.0, 4.0))  # it moves
        canvas.fill(loop, tissue.BOWEL.scaled(0.5, 0.4), alpha=float(draw.uniform(0.3, 0.9)), soft_mm=blur)
        canvas.fill(
            grown(loop, -2.2), tissue.BOWEL.scaled(signal, signal), alpha=float(draw.uniform(0.5, 0.95)), soft_mm=blur
        )
        if large:  # contents lie in streaks
            shown = float(draw.uniform(0.0, 0.4))
            contents = tissue.BOWEL.scaled(1.3, 1.3)
            canvas.fill(grown(loop, -3.0), contents, alpha=shown, soft_mm=2.0, speckle=0.3, fibres=True)
    # the sigmoid lies as a chain of dark loops with gas and thin bright walls at the foot of the picture
    place = np.array(
        [np.interp(105.0, front[:, 1], front[:, 0]) - presacral - draw.uniform(12, 40), draw.uniform(98, 125)]
    )
    for _ in range(int(draw.integers(0, 7))):
        radii = draw.uniform(5, 13, 2)
        loop = uneven(ellipse((place[0], place[1]), (radii[0], radii[1]), draw.uniform(0, 90)), here, 1.5, waves=4)
        canvas.fill(grown(loop, 1.2), tissue.BOWEL, soft_mm=0.8, alpha=0.8)
        canvas.fill(loop, tissue.GAS.scaled(1.0, float(draw.uniform(1, 6))), soft_mm=1.0, alpha=0.9)
        place = place + np.array([draw.uniform(10, 17), draw.uniform(-6, 8)]) + here.normal(0, 1.0, 2)


_DIVISION_MM = 20.0
"""Depth below the disc L3-L4 at which aorta and vena cava divide, before the body of L4."""


def _draw_vessels(canvas: Canvas, spine: Spine, left_mm: float, draw: np.random.Generator) -> None:
    """Draw what the slice cuts of aorta and vena cava before the spine, and of the iliac vessels, which move apart."""
    for place, radius in ((7.0 + draw.normal(0, 2), 8.0), (-12.0 + draw.normal(0, 2), 9.0)):
        gap = draw.uniform(3, 7)
        course = spine.front(gap + radius)
        low = np.clip(course[:, 1] - _DIVISION_MM - draw.uniform(-6, 8), 0, None)
        centre = place + np.sign(place) * 0.62 * low  # how far to the left the vessel's axis lies at each height
        own = radius * draw.uniform(0.85, 1.1) * np.where(low > 0, 0.6, 1.0)
        own = np.convolve(np.pad(own, 3, "edge"), np.ones(7) / 7, "valid")
        half = np.sqrt(np.clip(own**2 - (left_mm - centre) ** 2, 0, None))
        cut = half > 0.8
        shade = tissue.VESSEL.scaled(1.0, float(draw.uniform(0.8, 2.5)))
        if cut.sum() < 3:
            continue
        line = course[cut]
        thinned = half[cut] * np.clip(np.arange(len(line), 0, -1) / 7, 0, 1) ** 0.6  # it leaves the slice aslant
        half = np.column_stack([thinned, np.zeros(len(line))])
        wander = np.column_stack([_wave(len(line), draw, 0.9), np.zeros(len(line))])
        for margin, blood, alpha in ((0.9, tissue.VESSEL_WALL, 0.6), (0.0, shade, float(draw.uniform(0.4, 0.85)))):
            edge = half + np.array([margin, 0.0])
            outline = np.vstack([line + wander - edge, (line + wander + edge)[::-1]])
            canvas.fill(outline, blood, alpha=alpha, soft_mm=1.2)
