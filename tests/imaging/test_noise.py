"""The noise estimate against noise of known strength on a drawn and on real anatomy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from lss.imaging.denoise import nlm
from lss.imaging.noise import estimate_sigma


def noise(shape: tuple[int, ...], sigma: float, correlated: bool) -> NDArray[np.float64]:
    white = np.random.default_rng(7).normal(0, 1, shape)
    if correlated:
        kernel = np.array([0.3, 1, 0.3]) / np.linalg.norm([0.3, 1, 0.3])
        white = correlate1d(correlate1d(white, kernel, 0), kernel, 1)
    return sigma * white


@pytest.mark.parametrize("correlated", [False, True], ids=["white", "correlated"])
@pytest.mark.parametrize("sigma", [10.0, 40.0, 120.0])
def test_known_noise_on_a_drawing(sigma: float, correlated: bool) -> None:
    rows, columns = np.mgrid[:320, :320]
    clean = 900 + 3.0 * columns + 1500 * (np.hypot(rows - 160, columns - 160) < 60)
    clean[:90] = 0  # air
    assert estimate_sigma((clean + noise(clean.shape, sigma, correlated)).astype(np.float32)) == pytest.approx(
        sigma, rel=0.15
    )


@pytest.mark.parametrize("correlated", [False, True], ids=["white", "correlated"])
def test_known_noise_on_real_anatomy(shared, correlated: bool) -> None:
    image = cv2.imread(str(shared / "data/mendeley-lss-png/axial_t2/lss_025.png"), 0).astype(np.float32)
    clean = nlm(image, 8.0)
    assert estimate_sigma((clean + noise(clean.shape, 8.0, correlated)).astype(np.float32)) == pytest.approx(
        8, rel=0.15
    )


def test_scales_with_the_grey_levels_and_ignores_an_offset() -> None:
    image = (500 + noise((64, 64), 20, False)).astype(np.float32)
    assert estimate_sigma(image * 8) == pytest.approx(8 * estimate_sigma(image), rel=1e-3)


def test_no_noise() -> None:
    ramp = np.add.outer(np.arange(64.0), np.arange(64.0)).astype(np.float32)
    assert estimate_sigma(ramp) == pytest.approx(0, abs=1e-3)
    assert estimate_sigma(np.zeros((8, 8), np.float32)) == 0
