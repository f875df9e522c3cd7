"""The same picture under another name is found; other pictures are not."""

from __future__ import annotations

import numpy as np
from dicom_files import smooth_pixels
from PIL import Image
from scipy.fft import dctn

from lss.imaging.perceptual_hash import HASH_BITS, SCALED, low_frequencies, perceptual_hash


def bits_apart(first: bytes, second: bytes) -> int:
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()


def test_brightness_contrast_and_little_noise_change_few_bits() -> None:
    image = smooth_pixels(0, (320, 320)).astype(float)
    noise = np.random.default_rng(1).normal(0, 5, image.shape)
    original = perceptual_hash(image)
    assert len(original) * 8 == HASH_BITS
    for same in (image * 1.3 + 50, image / 16, (image / 16).astype(np.uint8), image + noise):
        assert bits_apart(original, perceptual_hash(same)) <= 8
    assert bits_apart(original, perceptual_hash(image.astype(np.uint16))) == 0


def test_different_pictures_are_far_apart() -> None:
    hashes = [perceptual_hash(smooth_pixels(seed, (320, 320))) for seed in range(12)]
    distances = [bits_apart(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) > 40


def test_neighbouring_real_slices_are_not_the_same(shared) -> None:  # type: ignore[no-untyped-def]
    files = sorted((shared / "data" / "mendeley-lss-png" / "axial_t2").glob("*.png"))
    hashes = [perceptual_hash(np.asarray(Image.open(file).convert("L"))) for file in files]
    distances = [bits_apart(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) > 8


def test_frequencies_are_those_of_scipy() -> None:
    small = smooth_pixels(4, (SCALED, SCALED)).astype(np.float32)
    assert np.allclose(low_frequencies(small), dctn(small, norm="ortho")[:16, :16], rtol=1e-4, atol=0.1)
