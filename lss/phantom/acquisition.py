"""What the scanner makes of the tissues: coil shading, saturation, a part of k-space, noise, 12 bits."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft

BITS = 12

COILS = (1.0, 0.6)
"""Noise of the coils whose magnitudes are combined as a root of the sum of squares: with it the air has a mean of 2.5
standard deviations as in real slices, between one coil (Rayleigh, 1.9) and two alike (2.7)."""


@dataclass(frozen=True)
class Readout:
    """How far k-space was filled, along rows (across) and columns (down): cycles per pixel from where the filter falls
    from 1 to 0, as a raised cosine. The rest is filled with zeros, which is how scanners make the matrix square.

    The edges are those of the spectra of real slices of the paper's archive.
    """

    across: tuple[float, float]
    down: tuple[float, float]

    def window(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the factor for each frequency as `scipy.fft.rfft2` orders them, (rows, columns // 2 + 1) float32.

        It undoes the mean over a pixel that `canvas.downsample` took, which a scanner does not take.
        """
        rows, columns = np.abs(scipy.fft.fftfreq(shape[0])), scipy.fft.rfftfreq(shape[1])
        down, across = (
            _raised_cosine(rows, *self.down) / np.sinc(rows),
            _raised_cosine(columns, *self.across) / np.sinc(columns),
        )
        return np.outer(down, across).astype(np.float32)

    @staticmethod
    def kernel(edge: tuple[float, float]) -> np.ndarray:
        """Return taps of the filter with that edge in one direction, (2 * _REACH + 1,) float64 with a sum of squares of
        1.
        """
        frequency = np.abs(scipy.fft.fftfreq(64))
        taps = np.fft.fftshift(np.fft.ifft(_raised_cosine(frequency, *edge)).real)[32 - _REACH : 33 + _REACH]
        return taps / np.linalg.norm(taps)


_REACH = 5  # pixels to each side, of the kernel for the noise

AXIAL = Readout(across=(0.43, 0.52), down=(0.30, 0.41))
SAGITTAL = Readout(across=(0.25, 0.48), down=(0.18, 0.41))


def _raised_cosine(frequency: np.ndarray, start: float, stop: float) -> np.ndarray:
    return 0.5 * (1 + np.cos(np.pi * np.clip((frequency - start) / (stop - start), 0, 1)))


def spine_coil(
    shape: tuple[int, int],
    spacing_mm: float,
    skin_row: float | np.ndarray,
    centre_column: float,
    floor: float = 0.30,
) -> np.ndarray:
    """Return sensitivity of the coil under the back, (rows, columns) float32, 1 at the skin: falls with the distance.

    `skin_row` may differ from column to column; `floor` is what is left far away, more where more elements receive.

    Scanners even it out in part, so the fall is slower than that of a bare loop.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    distance = np.maximum(skin_row - rows, 0) * spacing_mm
    aside = (columns - centre_column) * spacing_mm
    return (floor + (1 - floor) * np.exp(-((distance / 62.0) ** 1.25))) * (1 - 0.18 * (aside / 110.0) ** 2)


def saturation(
    shape: tuple[int, int], edge_row: float, tilt: float, sharpness_px: float, residual: float
) -> np.ndarray:
    """Return factor of the band that saturates everything in front of `edge_row`, (rows, columns) float32 in (0, 1].

    `tilt`: rows per column.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    distance = rows - edge_row - tilt * (columns - shape[1] / 2)
    return residual + (1 - residual) / (1 + np.exp(-distance / sharpness_px))


def crossing_band(shape: tuple[int, int], row: float, half_width_px: float, depth: float) -> np.ndarray:
    """Return dark stripe where the slices of another block, excited just before, cross this one; (rows, 1) float32."""
    distance = np.abs(np.arange(shape[0], dtype=np.float32) - row) / half_width_px
    return (1 - depth / (1 + distance**4))[:, None]


def corrected_border(shape: tuple[int, int], draw: np.random.Generator) -> np.ndarray:
    """Return False where the correction of gradient distortion left nothing: thin curved strips at the sides; bool."""
    rows = np.arange(shape[0])[:, None]
    columns = np.arange(shape[1])[None, :]
    bow = (rows / shape[0] - 0.5) ** 2
    left = draw.uniform(1, 5) + draw.uniform(-6, 10) * bow + draw.uniform(-2, 2) * (rows / shape[0])
    right = draw.uniform(1, 4) + draw.uniform(-4, 8) * bow
    low = draw.uniform(0, 2) + draw.uniform(0, 5) * (columns / shape[1] - 0.5) ** 2
    return (columns >= left) & (columns < shape[1] - right) & (rows < shape[0] - low)


@dataclass(frozen=True)
class Motion:
    """Regular motion, as of breathing: it modulates the lines of k-space and so makes two ghosts, above and below.

    `strength` is the ghosts' share of the signal, added in the one and subtracted in the other; `distance` how far from
    their source they lie, as a share of the field of view.
    """

    strength: float
    distance: float

    @classmethod
    def drawn(cls, draw: np.random.Generator) -> Motion:
        """Draw motion as weak as in most patients, seldom strong enough to be seen at first sight."""
        return cls(float(draw.choice([-1, 1]) * draw.gamma(1.5, 0.006)), float(draw.uniform(0.12, 0.5)))

    def modulation(self, rows: int) -> np.ndarray:
        """Return the factor for each line of k-space, (rows, 1) complex64: that of the image and its two ghosts."""
        shift = round(self.distance * rows)
        turn = 2 * np.pi * shift * scipy.fft.fftfreq(rows)
        return (1 - 2j * self.strength * np.sin(turn)).astype(np.complex64)[:, None]


def acquired(signal: np.ndarray, readout: Readout, motion: Motion | None = None) -> np.ndarray:
    """Return what that part of k-space holds of the signal: its point spread, its ringing at sharp edges; float32 >= 0.

    `motion` adds ghosts, shifted along the columns' direction (down).
    """
    spectrum = scipy.fft.rfft2(signal.astype(np.float32, copy=False))
    spectrum *= readout.window(signal.shape)
    if motion is not None:
        spectrum *= motion.modulation(signal.shape[0])
    return np.abs(scipy.fft.irfft2(spectrum, s=signal.shape))


def bowed_border(shape: tuple[int, int], draw: np.random.Generator) -> np.ndarray:
    """Return False outside what the correction of gradient distortion left of a large field, whose ends bend inwards;
    bool.
    """
    rows = np.arange(shape[0])[:, None] / shape[0]
    columns = np.arange(shape[1])[None, :] / shape[1]
    upper, lower, right = draw.uniform(0.01, 0.06), draw.uniform(0.01, 0.06), draw.uniform(0.01, 0.05)
    start = draw.uniform(0.4, 0.7)
    bend = np.clip((columns - start) / (1 - start), 0, 1) ** 2.2
    inside = (rows > upper * bend) & (rows < 1 - lower * bend) & (columns < 1 - right * (2 * np.abs(rows - 0.5)) ** 2)
    return inside & (columns > draw.uniform(0, 0.02) * (2 * np.abs(rows - 0.5)) ** 2)


def blurred(signal: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return the signal with a Gaussian point spread, of a coarser sequence."""
    return cv2.GaussianBlur(signal, (0, 0), sigma_px)


def noisy(clean: np.ndarray, sigma: float, readout: Readout, draw: np.random.Generator) -> np.ndarray:
    """Return magnitude of the signal with Gaussian noise of `sigma` times COILS in both channels of each coil; float32.

    The noise is white within the filled part of k-space, so that it is correlated between neighbouring pixels. Of one
    coil this is Rician, of more noncentral chi noise.
    """
    across, down = (readout.kernel(edge) for edge in (readout.across, readout.down))
    squares = np.zeros_like(clean)
    for coil, weight in enumerate(COILS):
        for channel in range(2):
            white = draw.standard_normal(clean.shape, dtype=np.float32)
            noise = cv2.sepFilter2D(white, cv2.CV_32F, across, sigma * weight * down)
            squares += np.square(noise + clean if coil == channel == 0 else noise)
    return np.sqrt(squares)


def to_stored(signal: np.ndarray, receiver: float) -> np.ndarray:
    """Return grey levels as stored: `receiver` levels per unit of signal, whole numbers of 12 bits, uint16."""
    return np.clip(np.rint(signal * receiver), 0, 2**BITS - 1).astype(np.uint16)
