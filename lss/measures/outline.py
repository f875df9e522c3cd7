"""The thecal sac's outline on an axial T2 slice, found in the image alone: no grade, no report, no model.

Algorithm 1 takes fluid and epidural fat for one class; an area in mm2 needs the sac by itself. Nerve roots are closed
away, so that the sac is one grey level; about each of several starting points along the midline the star-shaped outline
is sought that holds as much of that level, and as little else, as possible (Chan and Vese 2001, on rays, by dynamic
programming). Of the outlines that are round and clear enough the brightest is the sac: fluid is brighter than fat. None
is better than a wrong one: a compressed sac without fluid, or a slice whose canal was not found, gives no outline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from lss.imaging.roi import Roi

RAYS = 72
STEP_MM, REACH_MM = 0.3, 18.0
"""Distance of samples along a ray, and its length."""

CLOSING_MM = 4.8
"""Dark structures narrower than this are nerve roots."""

STARTS_MM = (-6.0, -3.0, 0.0, 3.0, 6.0)
"""Starting points before and behind the canal's middle."""

START_RADIUS_MM = 2.5
DARKER, BRIGHTER = 0.25, 0.5
"""Relative grey levels below and above the sac's own at which a pixel counts as half of it and less."""

MAX_STEPS, STEP_COST = 4, 1.0
"""Largest change of the radius between neighbouring rays, in steps, and what each step costs."""

MIN_ROUND, MIN_CLEAR = 0.74, 0.28
"""An outline less round (4 pi area / perimeter^2) or less clear (mean likeness inside, less a half) is no sac: on
phantom slices these part outlines with a Dice above and below one half."""

MAX_OFF_MM = 6.0
"""The sac's middle lies no further than this from the canal's, in front, behind or aside."""

MIN_BRIGHT = 0.18
"""Least grey level of a sac, in those of the brightest hundredth of the slice: ligament and bone are darker."""

MIN_AREA_MM2, MAX_AREA_MM2 = 20.0, 420.0


@dataclass(frozen=True)
class SacOutline:
    """The sac on a slice: `mask` (rows, columns) bool, how round and how clear its outline is, its grey `level`, and
    its `brightness`: that level in those of the brightest hundredth of the slice.
    """

    mask: NDArray[np.bool_]
    roundness: float
    clarity: float
    level: float
    brightness: float = 1.0


def find_sac(image: NDArray[np.uint16], region: Roi, spacing_mm: tuple[float, float]) -> SacOutline | None:
    """Find the sac on a denoised axial T2 slice (rows, columns) near the canal of `region`; None where unclear."""
    pixel = float(np.sqrt(spacing_mm[0] * spacing_mm[1]))
    side = max(3, 2 * round(CLOSING_MM / pixel / 2) + 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    closed = cv2.morphologyEx(cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.5), cv2.MORPH_CLOSE, kernel)
    bright = float(np.percentile(image, 99))
    outlines = []
    for start in STARTS_MM:
        centre = region.centre_row + start / spacing_mm[0], region.centre_column
        outline = None
        for _ in range(2):  # once more about its own middle
            outline = _outline_about(closed, centre, spacing_mm)
            if outline is None:
                break
            rows, columns = np.nonzero(outline.mask)
            centre = float(rows.mean()), float(columns.mean())
        if outline is not None and _credible(outline, centre, region, spacing_mm, bright):
            outlines.append(outline)
    best = max(outlines, key=lambda o: o.level * o.clarity * o.roundness**2, default=None)
    return replace(best, brightness=best.level / max(bright, 1e-6)) if best else None


def _credible(
    outline: SacOutline, middle: tuple[float, float], region: Roi, spacing_mm: tuple[float, float], bright: float
) -> bool:
    """Return whether an outline with its `middle` (row, column) there may be the sac of that canal."""
    off = abs(middle[0] - region.centre_row) * spacing_mm[0], abs(middle[1] - region.centre_column) * spacing_mm[1]
    clear = outline.roundness >= MIN_ROUND and outline.clarity >= MIN_CLEAR
    return clear and max(off) <= MAX_OFF_MM and outline.level >= MIN_BRIGHT * bright


def _outline_about(
    image: np.ndarray, centre: tuple[float, float], spacing_mm: tuple[float, float]
) -> SacOutline | None:
    """Return the best star-shaped outline about `centre` (row, column)."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    away = np.hypot((rows - centre[0]) * spacing_mm[0], (columns - centre[1]) * spacing_mm[1])
    if not (away < START_RADIUS_MM).any():
        return None
    level = max(float(np.median(image[away < START_RADIUS_MM])), 1.0)
    ratio = image / level - 1
    like = np.exp(-((np.minimum(ratio, 0) / DARKER) ** 2) - (np.maximum(ratio, 0) / BRIGHTER) ** 2)
    angles = 2 * np.pi * np.arange(RAYS) / RAYS
    radii = np.arange(0, REACH_MM, STEP_MM)
    on_rows = centre[0] + np.outer(np.sin(angles), radii) / spacing_mm[0]
    on_columns = centre[1] + np.outer(np.cos(angles), radii) / spacing_mm[1]
    along = cv2.remap(
        like.astype(np.float32), on_columns.astype(np.float32), on_rows.astype(np.float32), cv2.INTER_LINEAR
    )
    gain = np.cumsum((along - 0.5) * radii * STEP_MM, axis=1)
    path = _closed_path(gain)
    radius = radii[path]
    across, down = np.cos(angles) * radius, np.sin(angles) * radius
    mask = polygon2mask(
        image.shape, np.stack([centre[0] + down / spacing_mm[0], centre[1] + across / spacing_mm[1]], 1)
    )
    area = 0.5 * abs(float((across * np.roll(down, 1) - down * np.roll(across, 1)).sum()))
    length = float(np.hypot(across - np.roll(across, 1), down - np.roll(down, 1)).sum())
    if not MIN_AREA_MM2 <= area <= MAX_AREA_MM2 or not mask.any():
        return None
    clarity = float(gain[np.arange(RAYS), path].sum()) * 2 * np.pi / RAYS / area
    return SacOutline(mask, 4 * np.pi * area / length**2, clarity, level)


def _closed_path(gain: np.ndarray) -> np.ndarray:
    """Return the index of the radius on each ray, (rays,): the greatest sum of `gain` (rays, radii), steps taken off.

    Three turns are run and the middle one is kept, so that the path closes.
    """
    count = gain.shape[1]
    steps = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    cost = np.where(steps > MAX_STEPS, np.inf, STEP_COST * steps)
    turns = np.concatenate([gain] * 3)
    total, before = turns[0].copy(), []
    for of_ray in turns[1:]:
        reached = total[:, None] - cost
        before.append(reached.argmax(axis=0))
        total = reached.max(axis=0) + of_ray
    at = int(total.argmax())
    path = [at]
    for choice in reversed(before):
        at = int(choice[at])
        path.append(at)
    return np.array(path[::-1])[len(gain) : 2 * len(gain)]
