"""Drawing of tissues in millimetres, on a canvas finer than the image, in several weightings at once.

Shapes are polygons, (n, 2) arrays of (x, y) in mm. The canvas has OVERSAMPLING times the pixels of the image in
each direction, so that averaging them gives the partial volume at the edges. OpenCV also fills the pixels that the
outline runs through, so a shape comes out half a canvas pixel larger all round.
"""

from __future__ import annotations

import cv2
import numpy as np

from lss.phantom.tissue import Textures, Tissue

OVERSAMPLING = 2
_OWN_SOFTNESS_MM = 0.25  # of an edge that OpenCV fills up to
_FRACTION_BITS = 4  # of the fixed-point coordinates OpenCV draws with


class Canvas:
    """Signal of the tissues drawn so far, (rows, columns) float32 of the canvas for each weighting (T1, T2).

    Args:
        rows, columns: size of the image, pixels.
        spacing_mm: size of an image pixel.
        centre_mm: (x, y) in the drawing's coordinates of the centre of the image.
        textures: for a canvas pixel of `spacing_mm / OVERSAMPLING`.
        weightings: which of T1 and T2 to draw.
        turn_deg: everything is drawn turned by this angle about the origin of the drawing.
        texture: factor on the unevenness of all tissues.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        spacing_mm: float,
        centre_mm: tuple[float, float],
        textures: Textures,
        weightings: tuple[str, ...],
        turn_deg: float = 0.0,
        texture: float = 1.0,
    ) -> None:
        self.rows, self.columns = rows * OVERSAMPLING, columns * OVERSAMPLING
        self.pixel_mm = spacing_mm / OVERSAMPLING
        self._corner = np.asarray(centre_mm) - 0.5 * self.pixel_mm * np.array([self.columns - 1, self.rows - 1])
        self._textures, self._texture = textures, np.float32(texture)
        turn = np.radians(turn_deg)
        self._rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        self._signal = {name: np.zeros((self.rows, self.columns), np.float32) for name in weightings}

    def fill(
        self,
        points: np.ndarray,
        tissue: Tissue,
        *,
        alpha: float = 1.0,
        soft_mm: float = 0.0,
        speckle: float = 0.0,
        fibres: bool = False,
    ) -> None:
        """Fill a polygon. `soft_mm`: standard deviation of a blurred edge; `alpha`: opacity in [0, 1].

        `speckle`: share of the area in (0, 1) that is painted at all, in frayed patches of 2 by 5 mm; 0 paints all.
        With `fibres` the patches are long streaks.
        """
        window, mask = self._raster(points, 3 * soft_mm + self.pixel_mm, None)
        self._blend(window, mask, tissue, alpha, soft_mm, speckle, fibres=fibres)

    def fill_all(self, shapes: list[np.ndarray], tissue: Tissue, *, alpha: float = 1.0, soft_mm: float = 0.0) -> None:
        """Fill many small polygons at once, much faster than one by one; see `fill`."""
        if not shapes:
            return
        window, mask = self._raster(np.vstack(shapes), 3 * soft_mm + self.pixel_mm, None)
        mask[:] = 0
        if mask.size:
            low = window[1].start, window[0].start
            for shape in shapes:
                cv2.fillPoly(mask, [_fixed(self._pixels(shape) - low)], 255, cv2.LINE_8, _FRACTION_BITS)
        self._blend(window, mask, tissue, alpha, soft_mm, 0.0)

    def stroke(
        self,
        points: np.ndarray,
        width_mm: float,
        tissue: Tissue,
        *,
        alpha: float = 1.0,
        soft_mm: float = 0.0,
        closed: bool = False,
        speckle: float = 0.0,
    ) -> None:
        """Draw a line of `width_mm` along the points."""
        window, mask = self._raster(points, 3 * soft_mm + width_mm + self.pixel_mm, (width_mm, closed))
        self._blend(window, mask, tissue, alpha, soft_mm, speckle)

    def strokes(
        self,
        lines: list[tuple[np.ndarray, float, float]],
        tissue: Tissue,
        *,
        soft_mm: float = 0.0,
        speckle: float = 0.0,
    ) -> None:
        """Draw many lines at once, much faster than one by one: points, width in mm and opacity of each.

        Where lines cross, the most opaque one shows.
        """
        if not lines:
            return
        widest = max(width for _, width, _ in lines)
        window, mask = self._raster(np.vstack([points for points, _, _ in lines]), 3 * soft_mm + widest, None)
        mask[:] = 0
        if mask.size:
            low = window[1].start, window[0].start
            for points, width, alpha in sorted(lines, key=lambda line: line[2]):
                thickness = max(1, round(width / self.pixel_mm))
                fixed = _fixed(self._pixels(points) - low)
                cv2.polylines(mask, [fixed], False, 255 * min(alpha, 1.0), thickness, cv2.LINE_8, _FRACTION_BITS)
        self._blend(window, mask, tissue, 1.0, soft_mm, speckle)

    def coverage(self, points: np.ndarray) -> np.ndarray:
        """Return the share of each image pixel inside a polygon, (rows, columns) of the image, float32 in [0, 1]."""
        mask = np.zeros((self.rows, self.columns), np.uint8)
        cv2.fillPoly(mask, [_fixed(self._pixels(points))], 255, cv2.LINE_8, _FRACTION_BITS)
        return downsample(mask.astype(np.float32) / 255)

    def images(self) -> dict[str, np.ndarray]:
        """Return the signal at the size of the image by weighting, each (rows, columns) float32."""
        return {name: downsample(signal) for name, signal in self._signal.items()}

    def _raster(
        self, points: np.ndarray, margin_mm: float, line: tuple[float, bool] | None
    ) -> tuple[tuple[slice, slice], np.ndarray]:
        """Return window of the canvas around the points, and the shape in it as uint8 0 or 255."""
        pixels = self._pixels(points)
        margin = margin_mm / self.pixel_mm + 1
        low = np.maximum(np.floor(pixels.min(axis=0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(pixels.max(axis=0) + margin) + 1, [self.columns, self.rows]).astype(int)
        high = np.maximum(high, low)
        window = slice(low[1], high[1]), slice(low[0], high[0])
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        if mask.size:
            fixed = _fixed(pixels - low)
            if line is None:
                cv2.fillPoly(mask, [fixed], 255, cv2.LINE_8, _FRACTION_BITS)
            else:
                width, closed = line
                thickness = max(1, round(width / self.pixel_mm))
                cv2.polylines(mask, [fixed], closed, 255, thickness, cv2.LINE_8, _FRACTION_BITS)
        return window, mask

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        return (points @ self._rotation - self._corner) / self.pixel_mm

    def _blend(
        self,
        window: tuple[slice, slice],
        mask: np.ndarray,
        tissue: Tissue,
        alpha: float,
        soft_mm: float,
        speckle: float,
        *,
        fibres: bool = False,
    ) -> None:
        if not mask.size:
            return
        if soft_mm > _OWN_SOFTNESS_MM:
            added = np.sqrt(soft_mm**2 - _OWN_SOFTNESS_MM**2)
            mask = _blurred(mask, added / self.pixel_mm)
        unevenness = self._textures.unevenness(tissue, *window)
        if alpha == 1 and soft_mm <= _OWN_SOFTNESS_MM and not speckle:  # opaque: much faster
            for name, signal in self._signal.items():
                value = np.float32(tissue.t1 if name == "T1" else tissue.t2)
                np.copyto(signal[window], self._uneven(value, unevenness), where=mask > 0)
            return
        opacity = np.multiply(mask, np.float32(alpha / 255), dtype=np.float32)
        if speckle:
            field = self._textures.fibres if fibres else self._textures.patches
            patches = field(self.rows, self.columns)[window]
            steep = 1.1 if fibres else 2.0  # streaks fade out, patches are frayed
            opacity *= np.clip((patches - _normal_quantile(1 - speckle)) * np.float32(steep) + 0.5, 0, 1)
        for name, signal in self._signal.items():
            part = signal[window]
            change = self._uneven(np.float32(tissue.t1 if name == "T1" else tissue.t2), unevenness)
            change -= part
            change *= opacity
            part += change

    def _uneven(self, value: np.float32, unevenness: np.ndarray) -> np.ndarray:
        """Return the signal `value` with so much of the unevenness as this canvas shows, float32."""
        signal = (value * self._texture) * unevenness
        if self._texture != 1:
            signal += value * (1 - self._texture)
        return signal


def _blurred(mask: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return the mask with an edge of that width; a wide one as a triangle of the same variance, which is faster."""
    if sigma_px < 2:
        return cv2.GaussianBlur(mask, (0, 0), sigma_px)
    reach = round(np.sqrt(6 * sigma_px**2 + 1) - 1)
    return cv2.stackBlur(mask, (2 * reach + 1, 2 * reach + 1))


def _fixed(pixels: np.ndarray) -> np.ndarray:
    """Return coordinates as OpenCV takes them."""
    return np.rint(pixels * 2**_FRACTION_BITS).astype(np.int32).reshape(-1, 1, 2)


def _normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution, by the logistic approximation (error below 0.1 for
    0.02-0.98).
    """
    return float(np.log(probability / (1 - probability)) / 1.702)


def downsample(channel: np.ndarray) -> np.ndarray:
    """Return the mean over blocks of OVERSAMPLING x OVERSAMPLING pixels."""
    rows, columns = channel.shape
    return cv2.resize(channel, (columns // OVERSAMPLING, rows // OVERSAMPLING), interpolation=cv2.INTER_AREA)
