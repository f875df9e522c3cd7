"""Pictures of a reading: slices with mask and sac, and the sagittal slice with discs and the axial slices' lines."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lss.cohorts.base import RawSlice
from lss.imaging.geometry import SlicePlane, edge_letters
from lss.levels.spine import Spine, upright
from lss.read.reading import SliceReading

RGB = NDArray[np.uint8]

MASK, SAC, LINE, DISC = (213, 94, 0), (86, 180, 233), (240, 228, 66), (0, 158, 115)
"""Okabe and Ito (2008), red green blue: stenotic region by the model, sac as measured, axial slices, discs."""

LABEL = (255, 255, 255)
"""Of a disc's name: green is not legible on dark tissue."""

SCALE = 3
"""Pixels of a picture per mm of a slice."""

BAR_MM = 20
"""Length of the bar in the corner of an axial picture."""

ZOOM_MM = 110.0
"""Side of the part of an axial slice that is shown, about the canal."""


def overlay(one: SliceReading) -> RGB:
    """Return the slice about its canal with the outlines of the model's mask and of the measured sac, (n, n, 3).

    With a bar of `BAR_MM` and, where the header states them, the letters of the patient's sides.
    """
    if one.prepared is None:
        raise ValueError(f"slice {one.number} was not prepared")
    spacing = one.item.row_spacing_mm, one.item.column_spacing_mm
    centre = one.prepared.canal.row, one.prepared.canal.column
    picture = _cut(grey(one.item.pixels), centre, spacing, cv2.INTER_LINEAR)
    drawn = np.repeat(picture[..., None], 3, axis=2)
    for mask, colour in ((one.mask, MASK), (one.sac.mask if one.sac else None, SAC)):
        if mask is not None and mask.any():
            part = _cut(mask.astype(np.uint8), centre, spacing, cv2.INTER_NEAREST)
            outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(drawn, outlines, -1, colour, 1, cv2.LINE_AA)
    if one.measure is not None:
        ends = [_point(end, centre, spacing) for end in one.measure.ends_22]
        cv2.line(drawn, ends[0], ends[1], SAC, 1, cv2.LINE_AA)
    side = len(drawn)
    cv2.line(drawn, (12, side - 12), (12 + BAR_MM * SCALE, side - 12), LABEL, 2)
    geometry = one.item.geometry
    letters = None if geometry is None else edge_letters([float(value) for value in geometry.orientation_6])
    for letter, left in zip(letters or (), (8, side - 22), strict=False):
        _write(drawn, letter, (left, side // 2))
    return drawn


def _write(drawn: RGB, text: str, at: tuple[int, int], size: float = 0.5) -> None:
    """Write white text with its lower left corner at a pixel (x, y); `size` 0.5 is 11 pixels high."""
    for colour, thickness in (((0, 0, 0), round(2 * size) + 4), (LABEL, round(2 * size))):  # legible on bright fat too
        cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA)


def sagittal_picture(spine: Spine, slices: list[RawSlice], readings: list[SliceReading]) -> RGB | None:
    """Return the sagittal slice on which the discs were found, with the lines of the axial slices; None if lost."""
    item = next((s for s in slices if s.file == spine.file and s.instance == spine.instance), None)
    if item is None:
        return None
    image, plane = upright(item)
    picture = cv2.resize(grey(image.astype(np.uint16)), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
    drawn: RGB = np.repeat(picture[..., None], 3, axis=2)
    ends: dict[int, list[tuple[int, tuple[int, int]]]] = {}
    for one in readings:
        if one.item.geometry is not None:
            line = _trace(plane, one.item.geometry.centre_3, one.item.geometry.normal_3, image.shape)
            if line is not None:
                cv2.line(drawn, line[0], line[1], LINE, 1, cv2.LINE_AA)
                ends.setdefault(one.block, []).append((one.number, max(line)))
    for own in ends.values():
        numbers = f"{own[0][0]}-{own[-1][0]}" if len(own) > 1 else str(own[0][0])
        right = min(max(end[0] for _, end in own) + 8, drawn.shape[1] - 100)  # the picture's width is some 900 pixels
        _write(drawn, numbers, (right, own[len(own) // 2][1][1]), 0.9)
    for disc in spine.discs:
        row, column, _ = plane.from_patient(disc.centre_3[None])[0]
        at = round(column * SCALE), round(row * SCALE)
        cv2.circle(drawn, at, 4, DISC, -1, cv2.LINE_AA)
        if disc.level:
            _write(drawn, disc.level, (at[0] - 200, at[1] + 10), 0.9)
    return drawn


def _trace(
    plane: SlicePlane, point_3: NDArray[np.float64], normal_3: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the line in which another slice cuts this one, 90 mm long about the point nearest to that
    slice's middle.
    """
    direction = np.cross(normal_3, plane.normal)
    length = float(np.linalg.norm(direction))
    if length < 0.2:
        return None
    direction /= length
    # the point of the other slice that lies in this one, nearest to the other's middle
    away = float((np.array(plane.origin_mm) - point_3) @ plane.normal)
    within = plane.normal - (plane.normal @ normal_3) * normal_3
    middle_3 = point_3 + away * within / max(float(within @ plane.normal), 1e-6)
    ends = plane.from_patient(np.stack([middle_3 - 45 * direction, middle_3 + 45 * direction]))
    first, last = [(round(float(column) * SCALE), round(float(row) * SCALE)) for row, column, _ in ends]
    return first, last


def grey(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return stored values as grey levels: 0 at the 1st, 255 at the 99.5th percentile."""
    values = pixels.astype(np.float32)
    low, high = np.percentile(values, (1, 99.5))
    return (np.clip((values - low) / max(float(high - low), 1.0), 0, 1) * 255).round().astype(np.uint8)


def _cut(
    image: NDArray[np.uint8], centre: tuple[float, float], spacing: tuple[float, float], interpolation: int
) -> NDArray[np.uint8]:
    """Return the square of `ZOOM_MM` about `centre` at `SCALE` pixels per mm."""
    side = round(ZOOM_MM * SCALE)
    across, down = spacing[1] * SCALE, spacing[0] * SCALE
    move = np.array([[across, 0, side / 2 - centre[1] * across], [0, down, side / 2 - centre[0] * down]])
    return np.asarray(cv2.warpAffine(image, move, (side, side), flags=interpolation), np.uint8)


def _point(end_2: NDArray[np.float64], centre: tuple[float, float], spacing: tuple[float, float]) -> tuple[int, int]:
    side = round(ZOOM_MM * SCALE)
    column = side / 2 + (end_2[1] - centre[1]) * spacing[1] * SCALE
    return round(float(column)), round(float(side / 2 + (end_2[0] - centre[0]) * spacing[0] * SCALE))
