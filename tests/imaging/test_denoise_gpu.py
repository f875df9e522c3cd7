"""The torch form of non-local means is the one of OpenCV, on whatever device there is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lss.imaging.denoise import denoise, denoise_batch, nlm
from lss.imaging.denoise_gpu import nlm_batch

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
RANDOM = np.random.default_rng(4)
IMAGES = (RANDOM.random((3, 37, 41)) * 300 + 2000 * (RANDOM.random((3, 37, 41)) > 0.9) + 500).astype(np.float32)
H = np.array([20.0, 60.0, 400.0], np.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rician", [False, True])
def test_same_as_one_by_one(device: str, rician: bool) -> None:
    sigma = np.array([10.0, 30.0, 50.0], np.float32) if rician else None
    batch = nlm_batch(IMAGES, H, 5, 6, sigma, device)
    for number, image in enumerate(IMAGES):
        one = nlm(image, float(H[number]), 5, 6, float(sigma[number]) if sigma is not None else None)
        assert np.abs(batch[number] - one).max() < 0.02


def test_a_batch_of_slices_of_several_sizes_keeps_its_order() -> None:
    slices = [RANDOM.integers(400, 900, shape).astype(np.uint16) for shape in ((40, 30), (30, 40), (40, 30))]
    slices.append(np.full((40, 30), 7, np.uint16))
    together = denoise_batch(slices, device="cpu")
    for result, image in zip(together, slices, strict=True):
        alone = denoise(image)
        assert (result.sigma, result.h) == (alone.sigma, alone.h)
        assert np.abs(result.image.astype(int) - alone.image).max() <= 1  # a rounding
