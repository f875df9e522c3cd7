"""Where the spinal canal lies on an axial slice, found in the image alone.

The search goes from what is always there to what disease changes, so that a compressed, dark sac is found as well:

1. Shading: grey levels are divided by their blurred self, which takes out the surface coil's fall-off and the
   brightness of skin fat.
2. Midline: the column about which the flattened image best mirrors itself (muscles, psoas, facets are paired).
3. Vertebral body or disc: the ellipse on the midline with the strongest edges along its outline (of either sign,
   since a disc may be darker or brighter than its surroundings), a smooth inside, and fine detail
   behind it.
4. Canal: the ellipse behind the body, on the midline, with the strongest outline and the contrast to be expected
   (bright on T2, dark on T1).

All lengths are in millimetres; the search runs on a grid of 1 mm. Body sizes are those of adult lumbar vertebrae.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

_SHADING_MM = 12.0  # blur that follows the coil's shading but not the anatomy
_EDGE_CAP = 0.12  # gradients of the flattened image above this count alike, so that fat does not outvote the rest
_DETAIL_CAP = 0.2
_ANGLES = np.linspace(0, 2 * np.pi, 36, endpoint=False)
_BODY_HALF_WIDTHS = (19, 21, 23, 25, 27, 29)
_BODY_HALF_HEIGHTS = (13, 15, 17, 19)
_BODY_SIZE_WEIGHT, _BODY_USUAL_SIZE = 0.01, 40.0  # per mm of the half axes: a bright nucleus is an ellipse too
_BODY_POSTERIOR = 0.85  # the posterior wall is flatter than an ellipse
_BODY_OFF_MIDLINE = 6
_CANAL_SIZES = ((3.5, 5.5), (4.5, 7.0), (5.5, 9.0), (6.5, 7.0), (7.0, 9.0), (7.0, 11.0))  # half height, half width
_CANAL_SIZE_POWER = 0.15  # of the area: against small bright spots that happen to have a sharp outline
_CANAL_DEPTH = (-2, 20)  # of the canal's centre behind the body's posterior wall
_CANAL_USUAL_GAP, _CANAL_GAP_SPREAD = 2.0, 5.0  # between the posterior wall and the canal's front
_CANAL_OFF_MIDLINE = 5
_MIN_SYMMETRY, _MIN_BODY_SCORE, _MIN_CANAL_SCORE = 0.35, 0.45, 0.2


@dataclass(frozen=True)
class Ellipse:
    """Upright ellipse in millimetres from the upper left corner of the image; `score` is that of its search."""

    row: float
    column: float
    half_height: float
    half_width: float
    score: float


@dataclass(frozen=True)
class Roi:
    """Region of interest on one slice.

    `detected` is False where no canal was searched or found; `reason` gives the cause. `region` (rows, columns) is
    where a mask may lie; `core` is where it must touch: the canal, or all of the region where none was found. The
    centre is that of the canal in pixels. `body` and `canal` are in millimetres; None where not searched or not found.
    """

    detected: bool
    reason: str
    centre_row: float
    centre_column: float
    region: NDArray[np.bool_]
    core: NDArray[np.bool_]
    body: Ellipse | None = None
    canal: Ellipse | None = None

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns that the region spans, in pixels."""
        rows, columns = np.flatnonzero(self.region.any(axis=1)), np.flatnonzero(self.region.any(axis=0))
        return (int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1) if rows.size else (0, 0)


def region_of_interest(
    image: NDArray[np.uint16],
    row_spacing_mm: float,
    column_spacing_mm: float,
    weighting: str = "T2",
    method: Literal["canal", "centre", "none"] = "canal",
    size_mm: float = 44.0,
    margin_mm: float = 2.0,
) -> Roi:
    """Return the region around the spinal canal of an axial slice (rows, columns), anterior side up.

    Args:
        image: grey levels.
        row_spacing_mm: distance of neighbouring rows.
        column_spacing_mm: distance of neighbouring columns.
        weighting: T1 looks for a dark sac, anything else for a bright one.
        method: `canal` is the canal's ellipse grown by `margin_mm`, without the vertebral body; `centre` a square at
            the image's centre; `none` the whole image. Where no canal is found, `centre` stands in.
        size_mm: side of the square.
        margin_mm: around the canal's ellipse.
    """
    spacing = (row_spacing_mm, column_spacing_mm)
    if method == "none":
        return _square(image.shape, spacing, None, "whole image, as set")
    if method == "centre":
        return _square(image.shape, spacing, size_mm, "image centre, as set")
    flat = flatten_shading(image, row_spacing_mm, column_spacing_mm)
    midline, symmetry = find_midline(flat)
    if symmetry < _MIN_SYMMETRY:
        return _square(image.shape, spacing, size_mm, f"image centre: no midline (symmetry {symmetry:.2f})")
    edges = unit_edges(flat)
    body = find_body(edges, midline)
    if body is None or body.score < _MIN_BODY_SCORE:
        score = "none" if body is None else f"{body.score:.2f}"
        return _square(image.shape, spacing, size_mm, f"image centre: no vertebral body or disc (score {score})")
    canal = find_canal(flat, edges, body, midline, dark=weighting == "T1")
    if canal is None or canal.score < _MIN_CANAL_SCORE:
        score = "none" if canal is None else f"{canal.score:.2f}"
        return _square(image.shape, spacing, size_mm, f"image centre: no canal behind the body (score {score})")
    region = inside_ellipse(image.shape, spacing, canal, margin_mm)
    return Roi(
        True,
        f"symmetry {symmetry:.2f}, body {body.score:.2f}, canal {canal.score:.2f}",
        canal.row / row_spacing_mm,
        canal.column / column_spacing_mm,
        region & ~inside_ellipse(image.shape, spacing, body, 0.0, _BODY_POSTERIOR),
        inside_ellipse(image.shape, spacing, canal, 0.0),
        body,
        canal,
    )


def inside_ellipse(
    shape: tuple[int, ...], spacing_mm: tuple[float, float], ellipse: Ellipse, margin_mm: float, flat: float = 1.0
) -> NDArray[np.bool_]:
    """Return pixels of an image of `shape` inside `ellipse` grown by `margin_mm`; `flat` shrinks the posterior half."""
    down = np.arange(shape[0])[:, None] * spacing_mm[0] - ellipse.row
    right = np.arange(shape[1])[None, :] * spacing_mm[1] - ellipse.column
    height = (ellipse.half_height + margin_mm) * np.where(down > 0, flat, 1.0)
    return np.square(down / height) + np.square(right / (ellipse.half_width + margin_mm)) <= 1


def _square(shape: tuple[int, ...], spacing_mm: tuple[float, float], size_mm: float | None, reason: str) -> Roi:
    """Return a square at the image's centre (the whole image where `size_mm` is None)."""
    region = np.zeros(shape, bool)
    spans = []
    for length, spacing in zip(shape, spacing_mm, strict=True):
        side = length if size_mm is None else min(length, round(size_mm / spacing))
        spans.append(slice((length - side) // 2, (length - side) // 2 + side))
    region[spans[0], spans[1]] = True
    return Roi(False, reason, (shape[0] - 1) / 2, (shape[1] - 1) / 2, region, region)


def flatten_shading(image: NDArray[np.uint16], row_spacing_mm: float, column_spacing_mm: float) -> Floats:
    """Resample to 1 mm, smooth, divide by the local mean: about 1 everywhere, at most 3, 0 in air."""
    floats = image.astype(np.float32)
    size = (max(8, round(image.shape[1] * column_spacing_mm)), max(8, round(image.shape[0] * row_spacing_mm)))
    small = cv2.GaussianBlur(cv2.resize(floats, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0)
    floor = 0.02 * float(np.percentile(small, 99)) + 1e-6  # keeps the noise of air from being blown up
    half = cv2.resize(small, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    local_mean = cv2.resize(cv2.GaussianBlur(half, (0, 0), _SHADING_MM / 4), size, interpolation=cv2.INTER_LINEAR)
    return np.clip(small / (local_mean + floor), 0, 3).astype(np.float32)


def find_midline(flat: Floats) -> tuple[float, float]:
    """Return the column about which `flat` mirrors itself best, and how well (normalised correlation, at most 1)."""
    detail = cv2.GaussianBlur(flat, (0, 0), 2.0) - 1
    columns = flat.shape[1]
    best = (columns / 2, -1.0)
    for doubled in range(columns - 50, columns + 50):  # twice the column: half pixels as well
        reach = min(45, doubled // 2, columns - 1 - (doubled + 1) // 2)
        if reach < 10:
            continue
        left = detail[:, doubled // 2 - reach : doubled // 2]
        first = (doubled + 1) // 2 + 1
        right = detail[:, first : first + reach][:, ::-1]
        norm = float(np.sqrt(np.vdot(left, left) * np.vdot(right, right)))
        score = float(np.vdot(left, right)) / norm if norm > 0 else -1.0
        if score > best[1]:
            best = (doubled / 2, score)
    return best


@dataclass(frozen=True)
class Edges:
    """Gradients of the flattened image: `across_rows` and `across_columns` shortened to at most 1, `detail` in 0-1."""

    across_rows: Floats
    across_columns: Floats
    detail: Floats


def unit_edges(flat: Floats) -> Edges:
    """Return gradient of the flattened image, its length capped so that one bright border cannot
    outweigh the others.
    """
    down = cv2.Sobel(flat, cv2.CV_32F, 0, 1, scale=1 / 8)
    right = cv2.Sobel(flat, cv2.CV_32F, 1, 0, scale=1 / 8)
    length = cv2.magnitude(down, right)
    shorten = np.minimum(length, _EDGE_CAP) / (length + 1e-6) / _EDGE_CAP
    detail = np.minimum(length, _DETAIL_CAP) / _DETAIL_CAP
    return Edges(_floats(down * shorten), _floats(right * shorten), _floats(detail))


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, np.float32)


def outline(
    edges: Edges,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    half_height: float,
    half_width: float,
    flat: float = 1,
) -> Floats:
    """Return the mean gradient along the outward normal on the outline of ellipses, (angles, rows, columns).

    One ellipse per centre in `rows` x `columns`; `flat` shrinks the posterior half. Points outside the image give 0.
    """
    sine, cosine = np.sin(_ANGLES), np.cos(_ANGLES)
    down = np.rint(half_height * sine * np.where(sine > 0, flat, 1)).astype(int)
    right = np.rint(half_width * cosine).astype(int)
    normal_down, normal_right = sine / half_height, cosine / half_width
    length = np.hypot(normal_down, normal_right)
    r = rows[None, :, None] + down[:, None, None]
    c = columns[None, None, :] + right[:, None, None]
    height, width = edges.detail.shape
    inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
    r, c = np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)
    along = (
        edges.across_rows[r, c] * (normal_down / length)[:, None, None]
        + edges.across_columns[r, c] * (normal_right / length)[:, None, None]
    )
    return np.where(inside, along, 0).astype(np.float32)


def find_body(edges: Edges, midline: float) -> Ellipse | None:
    """Return the vertebral body or disc: strong outline, smooth inside, detail (canal, facets) behind; None if off the
    image.

    Score: mean |gradient along the normal| on the outline - mean detail in the inscribed rectangle
    + half the mean detail in a box of 28 x 16 mm behind the posterior wall + a little for size.
    """
    height, width = edges.detail.shape
    rows = np.arange(15, height - 30, 2)
    columns = np.arange(round(midline) - _BODY_OFF_MIDLINE, round(midline) + _BODY_OFF_MIDLINE + 1, 2)
    columns = columns[(columns >= 0) & (columns < width)]
    if rows.size == 0 or columns.size == 0:
        return None
    behind = cv2.blur(edges.detail, (29, 17), borderType=cv2.BORDER_CONSTANT)
    best: Ellipse | None = None
    for half_height in _BODY_HALF_HEIGHTS:
        for half_width in _BODY_HALF_WIDTHS:
            inscribed = (2 * round(0.7 * half_width) + 1, 2 * round(0.7 * half_height) + 1)
            inside = cv2.blur(edges.detail, inscribed, borderType=cv2.BORDER_REPLICATE)
            wall = np.minimum(rows + round(half_height * _BODY_POSTERIOR) + 10, height - 1)
            support = np.abs(outline(edges, rows, columns, half_height, half_width, _BODY_POSTERIOR)).mean(axis=0)
            size = _BODY_SIZE_WEIGHT * (half_height + half_width - _BODY_USUAL_SIZE)
            score = support - inside[np.ix_(rows, columns)] + 0.5 * behind[np.ix_(wall, columns)] + size
            r, c = np.unravel_index(int(score.argmax()), score.shape)
            if best is None or score[r, c] > best.score:
                best = Ellipse(float(rows[r]), float(columns[c]), half_height, half_width, float(score[r, c]))
    return best


def find_canal(flat: Floats, edges: Edges, body: Ellipse, midline: float, dark: bool) -> Ellipse | None:
    """Return the canal behind `body`: an outline of the expected contrast, close to the wall; None if off the image.

    Score: (mean |gradient along the normal| + mean inward gradient of the expected sign) / 2, times Gaussians of
    the gap behind the posterior wall and of the distance from the midline, times a low power of the area.
    """
    height, width = flat.shape
    wall = body.row + body.half_height * _BODY_POSTERIOR
    rows = np.arange(round(wall) + _CANAL_DEPTH[0], round(wall) + _CANAL_DEPTH[1] + 1)
    columns = np.arange(round(midline) - _CANAL_OFF_MIDLINE, round(midline) + _CANAL_OFF_MIDLINE + 1)
    rows, columns = rows[(rows >= 0) & (rows < height)], columns[(columns >= 0) & (columns < width)]
    if rows.size == 0 or columns.size == 0:
        return None
    central = np.exp(-0.5 * ((columns - midline) / _CANAL_OFF_MIDLINE) ** 2)[None, :]
    best: Ellipse | None = None
    for half_height, half_width in _CANAL_SIZES:
        gap = rows - half_height - wall
        usual = np.exp(-0.5 * ((gap - _CANAL_USUAL_GAP) / _CANAL_GAP_SPREAD) ** 2)[:, None]
        along = outline(edges, rows, columns, half_height, half_width)
        expected = along.mean(axis=0) * (1 if dark else -1)
        score = 0.5 * (np.abs(along).mean(axis=0) + expected) * usual * central
        score *= (half_height * half_width / 48) ** _CANAL_SIZE_POWER
        r, c = np.unravel_index(int(score.argmax()), score.shape)
        if best is None or score[r, c] > best.score:
            best = Ellipse(float(rows[r]), float(columns[c]), half_height, half_width, float(score[r, c]))
    return best
