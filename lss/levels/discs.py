"""Discs on an upright mid-sagittal T2 slice: a filter for each tilt, then the best chain of discs along the spine.

A disc is dark between two brighter vertebral bodies, with the canal's fluid behind it. A bright nucleus would hide it:
a grey opening along the spine, longer than a disc is high and shorter than a body, takes it away. Single discs are
mistaken for other things; a chain of them at credible distances, each across the line to the next, seldom is
(pictorial structures: Felzenszwalb and Huttenlocher 2005; for lumbar discs Alomari et al. 2011).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

Image = np.ndarray
"""(rows, columns) float32."""

TILTS_DEG = tuple(range(-35, 81, 5))
"""Tilts that are tried, positive where the disc's back edge is higher. The sacrum's discs are the steepest."""

OPENING_MM = 13
"""Longer than a nucleus is high, shorter than a vertebral body."""

DEPTH_MM = 23
"""Part of a disc, from front to back, over which its darkness is measured: less than its depth of about 35 mm."""

BODY_MM = 16
"""From a disc's middle to the middle of the bodies above and below."""

CANAL_MM = range(17, 30, 2)
"""Where the canal's middle may lie behind a disc's middle."""

MIN_DISTANCE_MM, MAX_DISTANCE_MM = 20.0, 48.0
"""Between the middles of neighbouring discs; the sacrum's lie closest."""

USUAL_DISTANCE_MM = 34.0
MAX_TURN_DEG, MAX_BEND_DEG = 50.0, 35.0
"""Largest difference between neighbours' tilts, and between their mean normal and the line from one to the other."""

WALL_MM = 16
"""From a disc's middle to the canal's front wall."""

BONE_MM = (-6, 14)
"""Where along a disc its height is measured, from its middle: the hind 20 mm, which bone of the sacrum has too. Further
in front the lower sacral segments end, and bowel or vessels would be measured."""

DARK = 0.75
"""A pixel darker than this share of the bodies above and below belongs to the disc."""

MAX_CORRECTION_DEG = 12.0
"""How far a disc is turned from the tilt of the filter that found it."""

MAX_BACKWARD_DEG = 20.0
"""A disc below that leans forward by more than this against the steepest above it is not a disc of the spine."""

MIN_STRENGTH = 0.12
"""A weaker answer of the filter is no candidate."""

CANDIDATES = 250

SHADING_MM = 30.0
"""Width of the mean by which the coil's shading is taken out."""

CANAL_WIDTH_MM = 23
"""Bright bands that are wider are no canal: fat below the skin."""


@dataclass(frozen=True)
class DetectedDisc:
    """A disc on the image of 1 mm pixels.

    `row` and `column` of its middle, `tilt` in degrees, positive where the back edge is higher, `strength` of the
    filter's answer in [0, 1], and `height_mm`, how thick the dark band between the two bodies is: the median over the
    hind 20 mm. The sacrum's discs are rudiments: thin, or too short to reach half of these 20 mm.
    """

    row: float
    column: float
    tilt: float
    strength: float
    height_mm: float = 0.0


def find_discs(image: Image) -> list[DetectedDisc]:
    """Return discs of the lumbar spine and the sacrum, from above downwards; [] where no chain of three is found.

    Args:
        image: (rows, columns) float32 of 1 mm pixels, upright: the head on top, the back at the right.
    """
    smooth = _smooth(image)
    chain = best_chain(_candidates(smooth))
    refined: list[DetectedDisc] = []
    for disc in chain:
        better = _refined(smooth, disc)
        fits = not refined or _cost(refined[-1], better) is not None
        refined.append(better if fits else replace(disc, height_mm=better.height_mm))
    return _credible(refined)


def _smooth(image: Image) -> Image:
    """Return grey levels with the coil's slow shading taken out, as far as a wide mean shows it."""
    blurred = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.8)
    bright = max(float(np.percentile(blurred, 99)), 1e-6)
    return blurred / (cv2.GaussianBlur(blurred, (0, 0), SHADING_MM) + 0.05 * bright)


def _candidates(image: Image) -> list[DetectedDisc]:
    """Return local maxima of the filters' answers, the strongest first."""
    answers = np.stack([_answer(image, tilt) for tilt in TILTS_DEG])
    best = answers.max(axis=0)
    best_tilt = answers.argmax(axis=0)
    peaks = (best >= cv2.dilate(best, np.ones((9, 9), np.uint8))) & (best > MIN_STRENGTH)
    rows, columns = np.nonzero(peaks)
    order = np.argsort(-best[rows, columns], kind="stable")[:CANDIDATES]
    return [
        DetectedDisc(float(rows[i]), float(columns[i]), float(TILTS_DEG[best_tilt[rows[i], columns[i]]]),
                  float(best[rows[i], columns[i]]))
        for i in order
    ]  # fmt: skip


def _answer(image: Image, tilt: float) -> Image:
    """Return how much each pixel looks like the middle of a disc of that tilt, (rows, columns), 0 to 1."""
    rows, columns = image.shape
    reach = int(np.ceil(np.hypot(rows, columns) / 2)) * 2 + 1
    turn = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), -tilt, 1.0)
    turn[:, 2] += [(reach - columns) / 2, (reach - rows) / 2]
    turned = cv2.warpAffine(image, turn, (reach, reach), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    opened = cv2.morphologyEx(turned, cv2.MORPH_OPEN, np.ones((OPENING_MM, 1), np.uint8))
    across = cv2.blur(opened, (DEPTH_MM, 3))
    bodies = cv2.blur(opened, (DEPTH_MM, 9))
    above, below = _moved(bodies, -BODY_MM, 0), _moved(bodies, BODY_MM, 0)
    body = np.minimum(above, below)
    contrast = np.clip((body - across) / np.maximum(np.maximum(above, below), 1e-3), 0, 1)
    line = cv2.blur(cv2.morphologyEx(turned, cv2.MORPH_TOPHAT, np.ones((1, CANAL_WIDTH_MM), np.uint8)), (4, 25))
    canal = np.max([_moved(line, 0, behind) for behind in CANAL_MM], axis=0)
    fluid = np.clip(canal / np.maximum(body, 1e-3) / 0.5, 0, 1)
    has_tissue = (body > 0.1).astype(np.float32)
    answer = (contrast * fluid * has_tissue).astype(np.float32)
    back = cv2.invertAffineTransform(turn)
    return cv2.warpAffine(answer, back, (columns, rows), flags=cv2.INTER_LINEAR)


def _moved(image: Image, down: int, right: int) -> Image:
    """Return the value `down` rows below and `right` columns to the right of each pixel; 0 outside."""
    shift = np.array([[1, 0, -right], [0, 1, -down]], np.float32)
    return cv2.warpAffine(image, shift, image.shape[::-1], flags=cv2.INTER_NEAREST)


def _credible(discs: list[DetectedDisc]) -> list[DetectedDisc]:
    """Return the longest run of discs of which each is still a neighbour of the next, and none leans forward again."""
    runs: list[list[DetectedDisc]] = [[]]
    for disc in discs:
        run = runs[-1]
        if run and (_cost(run[-1], disc) is None or disc.tilt < max(d.tilt for d in run) - MAX_BACKWARD_DEG):
            runs.append([])
        runs[-1].append(disc)
    longest = max(reversed(runs), key=len)
    return longest if len(longest) >= 3 else []


def _refined(image: Image, detected: DetectedDisc) -> DetectedDisc:
    """Return the disc put in front of the canal, and moved and turned to the line through its darkness, in three
    rounds.

    The line is that of least squares, weighed by darkness. A turn of more than `MAX_CORRECTION_DEG` is not believed.
    """
    disc = detected
    for _ in range(3):
        disc = _moved_along(disc, _canal_wall(_patch(image, disc)) - WALL_MM, 0.0)
        opened, body = _opened_patch(image, disc)
        dark = np.clip(0.85 * body - opened[_ACROSS - 9 : _ACROSS + 10, _ALONG - 15 : _ALONG + 15], 0, None)
        if dark.sum() <= 0:
            break
        down, along = np.mgrid[-9:10, -15:15].astype(np.float64)
        middle, slope = _weighed_line(along, down, dark)
        tilt = disc.tilt - float(np.degrees(np.arctan(slope)))
        tilt = float(np.clip(tilt, detected.tilt - MAX_CORRECTION_DEG, detected.tilt + MAX_CORRECTION_DEG))
        disc = replace(_moved_along(disc, 0.0, float(np.clip(middle, -4, 4))), tilt=tilt)
    return replace(disc, height_mm=_height(_opened_patch(image, disc)[0]))


def _height(opened: Image) -> float:
    """Return how thick the dark band at the middle of an opened patch is, mm: the median over the columns of `BONE_MM`
    of the run of dark pixels about the darkest one, 0 where none is dark.
    """
    columns = opened[:, _ALONG + BONE_MM[0] : _ALONG + BONE_MM[1]]
    bodies = np.concatenate([columns[_ACROSS - 18 : _ACROSS - 9], columns[_ACROSS + 10 : _ACROSS + 19]])
    limit = DARK * max(float(np.median(bodies)), 1e-3)
    heights = []
    for column in columns.T:
        darkest = _ACROSS - 9 + int(np.argmin(column[_ACROSS - 9 : _ACROSS + 10]))
        bright = np.flatnonzero(column >= limit)
        above, below = bright[bright <= darkest], bright[bright >= darkest]
        first, last = above.max(initial=-1), below.min(initial=len(column))
        heights.append(max(int(last - first) - 1, 0))
    return float(np.median(heights))


def _moved_along(disc: DetectedDisc, along: float, across: float) -> DetectedDisc:
    """Return the disc moved by so many mm along its plane to the back, and across it downwards."""
    cos, sin = np.cos(np.radians(disc.tilt)), np.sin(np.radians(disc.tilt))
    row, column = disc.row - along * sin + across * cos, disc.column + along * cos + across * sin
    return replace(disc, row=float(row), column=float(column))


def _canal_wall(patch: Image) -> float:
    """Return where the bodies above and below end at the canal: the steepest rise behind them, mm behind the disc's
    middle.
    """
    bodies = np.concatenate([patch[_ACROSS - 22 : _ACROSS - 9], patch[_ACROSS + 10 : _ACROSS + 23]]).mean(axis=0)
    first, last = _ALONG + WALL_MM - 8, _ALONG + WALL_MM + 9
    rise = np.convolve(bodies, [1, 1, 1, 0, -1, -1, -1], "same")[first:last]
    return float(first + int(np.argmax(rise)) - _ALONG)


def _opened_patch(image: Image, disc: DetectedDisc) -> tuple[Image, float]:
    """Return the patch about a disc without its nucleus, and the mean grey level of the bodies above and below."""
    patch = _patch(image, disc)
    opened = cv2.morphologyEx(patch, cv2.MORPH_OPEN, np.ones((OPENING_MM, 1), np.uint8))
    profile = cv2.blur(opened, (1, 5))[:, _ALONG - 15 : _ALONG + 15].mean(axis=1)
    body = profile[[_ACROSS - BODY_MM, _ACROSS + BODY_MM]].mean()
    return opened, max(float(body), 1e-3)


def _weighed_line(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return the height at x = 0 and slope of the line that fits y best, squared distances weighed by `weight`."""
    total = weight.sum()
    mean_x, mean_y = (weight * x).sum() / total, (weight * y).sum() / total
    slope = (weight * (x - mean_x) * (y - mean_y)).sum() / max((weight * (x - mean_x) ** 2).sum(), 1e-9)
    return float(mean_y - slope * mean_x), float(slope)


_ACROSS, _ALONG = 30, 30
"""Rows of a patch above and below a disc's middle; columns in front of it and behind it."""


def _patch(image: Image, disc: DetectedDisc) -> Image:
    """Return the image about a disc turned level, (61, 61) of 1 mm: the disc's middle in its middle."""
    cos, sin = float(np.cos(np.radians(disc.tilt))), float(np.sin(np.radians(disc.tilt)))
    down, along = np.mgrid[-_ACROSS : _ACROSS + 1, -_ALONG : _ALONG + 1]
    columns, rows = disc.column + along * cos + down * sin, disc.row - along * sin + down * cos
    columns, rows = columns.astype(np.float32), rows.astype(np.float32)
    return cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def best_chain(candidates: list[DetectedDisc]) -> list[DetectedDisc]:
    """Return the chain of greatest sum of strengths, bends and odd distances taken off; from above downwards."""
    order = sorted(candidates, key=lambda disc: (disc.row, disc.column))
    total = [disc.strength for disc in order]
    before: list[int | None] = [None] * len(order)
    for low, disc in enumerate(order):
        for high in range(low):
            cost = _cost(order[high], disc)
            if cost is not None and total[high] + disc.strength - cost > total[low]:
                total[low], before[low] = total[high] + disc.strength - cost, high
    if not order:
        return []
    chain, at = [], int(np.argmax(total))
    step: int | None = at
    while step is not None:
        chain.append(order[step])
        step = before[step]
    chain.reverse()
    return chain if len(chain) >= 3 else []


def _cost(above: DetectedDisc, below: DetectedDisc) -> float | None:
    """Return the cost of two neighbours in the chain, in units of strength; None where they cannot be neighbours."""
    down, right = below.row - above.row, below.column - above.column
    distance = float(np.hypot(down, right))
    if not MIN_DISTANCE_MM <= distance <= MAX_DISTANCE_MM:
        return None
    line = float(np.degrees(np.arctan2(right, down)))  # 0 straight down, positive to the back
    turn, bend = abs(below.tilt - above.tilt), abs(line - (above.tilt + below.tilt) / 2)
    if turn > MAX_TURN_DEG or bend > MAX_BEND_DEG:
        return None
    return 3.75 * float(np.log(distance / USUAL_DISTANCE_MM) ** 2) + 0.06 * (turn / 20) ** 2 + 0.1 * (bend / 20) ** 2


def spacings(discs: list[DetectedDisc]) -> list[float]:
    """Return distances between neighbouring discs, mm."""
    return [float(np.hypot(b.row - a.row, b.column - a.column)) for a, b in pairwise(discs)]
