"""Non-local means against the formula itself, and the noise estimate against known noise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from lss.imaging.denoise import denoise, nlm
from lss.imaging.noise import estimate_sigma

# float32 against float64 on 12-bit data, in grey levels: 5 in a million of the range
TOLERANCE = 0.02


def formula(image: NDArray, h: float, patch_size: int, search_radius: int, squared_norm=np.mean) -> NDArray:
    """Eq. 1-2 pixel by pixel in float64: odd centred patch, mirrored border, window cut at the image's border."""
    x = image.astype(np.float64)
    rows, columns = x.shape
    padded = np.pad(x, patch_size // 2, mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (patch_size, patch_size))
    out = np.zeros_like(x)
    for r in range(rows):
        for c in range(columns):
            window = (
                slice(max(0, r - search_radius), r + search_radius + 1),
                slice(max(0, c - search_radius), c + search_radius + 1),
            )
            distance = squared_norm(np.square(patches[window] - patches[r, c]), axis=(2, 3))
            weight = np.exp(-distance / h**2)
            out[r, c] = (weight * x[window]).sum() / weight.sum()
    return out


def slice_like(rows: int = 40, columns: int = 33, sigma: float = 30.0, seed: int = 1) -> NDArray[np.uint16]:
    """A 12-bit image with a bright disc, a dark one, a ramp, and noise."""
    random = np.random.default_rng(seed)
    r, c = np.mgrid[:rows, :columns]
    clean = 800 + 10.0 * c + 2500 * (np.hypot(r - rows / 2, c - columns / 2) < 9) - 700 * (np.hypot(r - 6, c - 6) < 5)
    return np.clip(np.rint(clean + random.normal(0, sigma, clean.shape)), 0, 4095).astype(np.uint16)


@pytest.mark.parametrize(("patch_size", "search_radius", "h"), [(5, 6, 24.0), (3, 2, 60.0), (1, 3, 10.0), (7, 50, 1e3)])
def test_nlm_is_the_formula(patch_size: int, search_radius: int, h: float) -> None:
    image = slice_like()
    got = nlm(image.astype(np.float32), h, patch_size, search_radius)
    assert np.abs(got - formula(image, h, patch_size, search_radius)).max() < TOLERANCE


def test_nlm_with_the_sum_of_squares_needs_h_times_the_patch_side() -> None:
    image = slice_like(24, 24)
    summed = formula(image, 5 * 24.0, 5, 4, squared_norm=np.sum)
    assert np.abs(nlm(image.astype(np.float32), 24.0, 5, 4) - summed).max() < TOLERANCE


def test_nlm_on_a_real_slice_is_the_formula(shared) -> None:
    image = cv2.imread(str(shared / "data/mendeley-lss-png/axial_t2/lss_025.png"), 0)[180:220, 140:180] * np.uint16(16)
    assert np.abs(nlm(image.astype(np.float32), 25.0) - formula(image, 25.0, 5, 6)).max() < TOLERANCE


def test_scikit_image_fast_mode_is_further_from_the_formula() -> None:
    image = slice_like() / 4095
    truth = formula(image, 0.01, 5, 6)
    fast = denoise_nl_means(image, patch_size=5, patch_distance=6, h=0.01, fast_mode=True)
    ours = nlm(image.astype(np.float32), 0.01)
    assert np.abs(ours - truth).max() * 100 < np.abs(fast - truth).max()


def test_infinite_h_is_the_mean_of_the_window_and_tiny_h_leaves_the_image() -> None:
    image = slice_like().astype(np.float32)
    whole = nlm(image, 1e9, search_radius=60)
    assert np.allclose(whole, image.mean(), rtol=1e-5)
    assert np.allclose(nlm(image, 1e-3), image)


def test_nlm_commutes_with_flips_and_scaling() -> None:
    image = slice_like().astype(np.float32)
    base = nlm(image, 24.0)
    assert np.allclose(nlm(image[:, ::-1], 24.0), base[:, ::-1], atol=TOLERANCE)
    assert np.allclose(nlm(image.T, 24.0), base.T, atol=TOLERANCE)
    assert np.allclose(nlm(image * 4, 96.0), base * 4, atol=4 * TOLERANCE)


@pytest.mark.parametrize(("patch_size", "h"), [(4, 1.0), (5, 0.0), (99, 1.0)])
def test_nlm_refuses_what_the_formula_does_not_define(patch_size: int, h: float) -> None:
    with pytest.raises(ValueError, match="patch_size"):
        nlm(slice_like().astype(np.float32), h, patch_size)


@pytest.mark.parametrize("sigma", [8.0, 20.0, 60.0])
def test_sigma_of_known_noise_within_ten_percent(sigma: float) -> None:
    image = slice_like(320, 320, sigma)
    assert estimate_sigma(image.astype(np.float32)) == pytest.approx(sigma, rel=0.1)


def test_sigma_of_constant_and_empty_images_is_zero_and_they_are_left_alone() -> None:
    for value in (0, 700):
        flat = np.full((32, 32), value, np.uint16)
        result = denoise(flat)
        assert (result.sigma, result.h) == (0, 0)
        assert np.array_equal(result.image, flat)


def test_denoising_gains_psnr_and_keeps_edges() -> None:
    noisy = slice_like(96, 96, 40.0)
    random_free = slice_like(96, 96, 0.0).astype(float)
    clean = denoise(noisy).image.astype(float)
    before, after = np.square(noisy - random_free).mean(), np.square(clean - random_free).mean()
    assert after < before / 4  # 6 dB
    step = clean[48, 30:66].max() - clean[48, 30:36].mean()
    assert step > 2300  # of 2500


def test_rician_correction_removes_the_bias_of_magnitudes() -> None:
    random = np.random.default_rng(3)
    sigma, truth = 50.0, 100.0
    magnitude = np.hypot(truth + random.normal(0, sigma, (128, 128)), random.normal(0, sigma, (128, 128)))
    plain = nlm(magnitude.astype(np.float32), 300.0)
    corrected = nlm(magnitude.astype(np.float32), 300.0, rician_sigma=sigma)
    assert plain.mean() > truth + 8
    assert corrected.mean() == pytest.approx(truth, abs=3)


def test_methods() -> None:
    image = slice_like()
    assert np.array_equal(denoise(image, method="none").image, image)
    assert denoise(image, method="none").h == 0
    h = denoise(image).h
    theirs = denoise_nl_means(image.astype(np.float32), 5, 6, h, fast_mode=True)
    assert np.abs(denoise(image, method="skimage").image - theirs).max() <= 0.5
    theirs = denoise_nl_means(image.astype(np.float32), 5, 6, h, fast_mode=False)
    assert np.abs(denoise(image, method="skimage_slow").image - theirs).max() <= 0.5
    assert not np.array_equal(denoise(image, method="skimage").image, denoise(image, method="skimage_slow").image)


def test_scikit_images_slow_mode_leaves_no_pixel_undefined(monkeypatch: pytest.MonkeyPatch) -> None:
    image = slice_like()
    clean = image.astype(np.float32)
    clean[3, 4], clean[5, 6] = np.nan, np.inf  # what it gives in places at small h
    monkeypatch.setattr("skimage.restoration.denoise_nl_means", lambda *_, **__: clean)
    assert np.array_equal(denoise(image, method="skimage_slow").image, image)


def test_values_above_12_bits_survive() -> None:
    image = np.full((20, 20), 60000, np.uint16)
    image[5:9, 5:9] += 2
    assert denoise(image).image.min() >= 60000
