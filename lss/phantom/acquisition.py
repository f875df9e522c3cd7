"""What the scanner makes of the tissues: coil shading, saturation, blur, Rician noise, 12 bits."""

from __future__ import annotations

import cv2
import numpy as np

BITS = 12

_ACROSS, _DOWN = 0.30, 0.45
"""Neighbour weights of the noise, from the raw filter and the zero filling of the scanner: they reproduce the
correlation of the noise in the air of real slices (0.3 between columns, 0.5 between rows)."""


def spine_coil(
    shape: tuple[int, int], spacing_mm: float, skin_row: float | np.ndarray, centre_column: float
) -> np.ndarray:
    """Sensitivity of the coil under the back, (rows, columns) float32, 1 at the skin: falls with the distance.

    `skin_row` may differ from column to column.

    Scanners even it out in part, so the fall is slower than that of a bare loop.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    distance = np.maximum(skin_row - rows, 0) * spacing_mm
    aside = (columns - centre_column) * spacing_mm
    return (0.30 + 0.70 * np.exp(-((distance / 62.0) ** 1.25))) * (1 - 0.18 * (aside / 110.0) ** 2)


def saturation(
    shape: tuple[int, int], edge_row: float, tilt: float, sharpness_px: float, residual: float
) -> np.ndarray:
    """Factor of the band that saturates everything in front of `edge_row`, (rows, columns) float32 in (0, 1].

    `tilt`: rows per column.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    distance = rows - edge_row - tilt * (columns - shape[1] / 2)
    return residual + (1 - residual) / (1 + np.exp(-distance / sharpness_px))


def crossing_band(shape: tuple[int, int], row: float, half_width_px: float, depth: float) -> np.ndarray:
    """Dark stripe where the slices of another block, excited just before, cross this one; (rows, 1) float32."""
    distance = np.abs(np.arange(shape[0], dtype=np.float32) - row) / half_width_px
    return (1 - depth / (1 + distance**4))[:, None]


def corrected_border(shape: tuple[int, int], draw: np.random.Generator) -> np.ndarray:
    """False where the correction of gradient distortion left nothing: thin curved strips at the sides; bool."""
    rows = np.arange(shape[0])[:, None]
    columns = np.arange(shape[1])[None, :]
    bow = (rows / shape[0] - 0.5) ** 2
    left = draw.uniform(1, 5) + draw.uniform(-6, 10) * bow + draw.uniform(-2, 2) * (rows / shape[0])
    right = draw.uniform(1, 4) + draw.uniform(-4, 8) * bow
    low = draw.uniform(0, 2) + draw.uniform(0, 5) * (columns / shape[1] - 0.5) ** 2
    return (columns >= left) & (columns < shape[1] - right) & (rows < shape[0] - low)


def blurred(signal: np.ndarray, sigma_px: float) -> np.ndarray:
    """Point spread of the acquisition, as a Gaussian."""
    return cv2.GaussianBlur(signal, (0, 0), sigma_px)


def noisy(clean: np.ndarray, sigma: float, draw: np.random.Generator) -> np.ndarray:
    """Rician noise: the magnitude of the signal with Gaussian noise of `sigma` in both channels; float32."""
    real, imaginary = (sigma * _correlated(clean.shape, draw) for _ in range(2))
    return np.hypot(clean + real, imaginary)


def _correlated(shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    white = draw.standard_normal(shape, dtype=np.float32)
    kernels = [np.array([weight, 1, weight]) for weight in (_ACROSS, _DOWN)]
    across, down = (kernel / np.linalg.norm(kernel) for kernel in kernels)
    return cv2.sepFilter2D(white, cv2.CV_32F, across, down, borderType=cv2.BORDER_REFLECT_101)


def to_stored(signal: np.ndarray, receiver: float) -> np.ndarray:
    """Grey levels as stored: `receiver` levels per unit of signal, whole numbers of 12 bits, uint16."""
    return np.clip(np.rint(signal * receiver), 0, 2**BITS - 1).astype(np.uint16)
