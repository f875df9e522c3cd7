"""Non-local means, eq. 1-2 of the paper.

    NLM(i) = sum_j w(i, j) x(j) / sum_j w(i, j)          w(i, j) = exp(-||N_i - N_j||^2 / h^2)

Conventions, where the paper leaves a choice:
- `N_i` is the square patch of odd side centred on pixel i; patches that overhang the image see it mirrored about
  its border pixels (numpy's "reflect").
- `||.||^2` is the mean of the squared differences over the patch, as in Buades (2005), where the patch kernel
  sums to 1. With the sum instead, the same weights come from `h * patch_size`.
- j runs over the pixels of the image within `search_radius` of i in rows and in columns, i itself included
  with weight 1. (The paper's "all pixels in the image" is what a large radius gives.)
- `h = h_factor * sigma`, with sigma estimated per image (`noise.estimate_sigma`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lss.imaging.noise import estimate_sigma

_SMALLEST_EXPONENT = -80.0  # exp of less is denormal in float32, which is slow, and nothing beside the weight 1 of i


@dataclass(frozen=True)
class Denoised:
    """A filtered slice: `image` like the input, `sigma` and `h` in its grey levels (h = 0: left as it was)."""

    image: NDArray[np.uint16]
    sigma: float
    h: float


def denoise(
    image: NDArray[np.uint16],
    *,
    method: Literal["nlm", "skimage", "skimage_slow", "none"] = "nlm",
    patch_size: int = 5,
    search_radius: int = 6,
    h_factor: float = 1.2,
    rician: bool = False,
) -> Denoised:
    """Denoise one slice (rows, columns) of stored grey levels, uint16; 12 bits are kept.

    `skimage` is scikit-image's fast mode, whose patch is neither odd nor centred, `skimage_slow` its slow mode, whose
    patches have Gaussian weights (benchmarks/README.md: how far both are from the formula). An image without noise
    (sigma 0) is returned as it is.
    """
    floats = image.astype(np.float32)
    sigma = estimate_sigma(floats)
    h = h_factor * sigma
    if method == "none" or h <= 0:
        return Denoised(image.copy(), sigma, 0.0)
    if method in ("skimage", "skimage_slow"):
        from skimage.restoration import denoise_nl_means

        clean = denoise_nl_means(floats, patch_size, search_radius, h, fast_mode=method == "skimage")
        clean = np.where(np.isfinite(clean), clean, floats)  # at small h the slow mode divides by zero in places
    else:
        clean = nlm(floats, h, patch_size, search_radius, rician_sigma=sigma if rician else None)
    return Denoised(to_stored(clean), sigma, h)


def denoise_batch(
    images: list[NDArray[np.uint16]],
    *,
    patch_size: int = 5,
    search_radius: int = 6,
    h_factor: float = 1.2,
    rician: bool = False,
    device: str = "cuda",
) -> list[Denoised]:
    """Run `denoise` with method `nlm` on several slices at once, by torch on `device`; slices of one
    size share a call.
    """
    from lss.imaging.denoise_gpu import nlm_batch

    sigmas = [estimate_sigma(image.astype(np.float32)) for image in images]
    results = [Denoised(image.copy(), sigma, 0.0) for image, sigma in zip(images, sigmas, strict=True)]
    noisy = [number for number, sigma in enumerate(sigmas) if sigma > 0]
    for shape in {images[number].shape for number in noisy}:
        members = [number for number in noisy if images[number].shape == shape]
        sigma = np.array([sigmas[number] for number in members], np.float32)
        stack = np.stack([images[number] for number in members]).astype(np.float32)
        clean = nlm_batch(stack, sigma * h_factor, patch_size, search_radius, sigma if rician else None, device)
        for number, image in zip(members, clean, strict=True):
            results[number] = Denoised(to_stored(image), sigmas[number], h_factor * sigmas[number])
    return results


def to_stored(clean: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round grey levels to uint16."""
    return np.clip(np.rint(clean), 0, 65535).astype(np.uint16)


def half_window(search_radius: int) -> Iterator[tuple[int, int]]:
    """Yield offsets (rows, columns) of one half of the search window; the other half are their negatives.

    >>> list(half_window(1))
    [(0, 1), (1, -1), (1, 0), (1, 1)]
    """
    for rows in range(search_radius + 1):
        for columns in range(-search_radius if rows else 1, search_radius + 1):
            yield rows, columns


def nlm(
    image: NDArray[np.float32],
    h: float,
    patch_size: int = 5,
    search_radius: int = 6,
    rician_sigma: float | None = None,
) -> NDArray[np.float32]:
    """Return non-local means of one image (rows, columns) in float32; conventions at the head of this file.

    One offset j - i at a time, for the whole image: squared differences, patch sums by a separable filter, exp. Every
    weight serves both of its pixels, since w(i, j) = w(j, i).

    Args:
        image: grey levels, any range; at least patch_size in rows and columns.
        h: filtering parameter in the same grey levels, > 0.
        patch_size: side of the patch in pixels, odd.
        search_radius: in pixels; the window is 2 * search_radius + 1 wide.
        rician_sigma: where given, the squared magnitudes are averaged and 2 sigma^2, their bias under
            Rician noise, is taken off before the root (Wiest-Daessle 2008, Manjon 2009).

    Raises:
        ValueError: patch_size is even, h is not positive, or the image is smaller than the patch.
    """
    if patch_size % 2 == 0 or h <= 0 or min(image.shape) < patch_size:
        raise ValueError(f"patch_size {patch_size} must be odd, h {h} positive, the image {image.shape} not smaller")
    half = patch_size // 2
    rows, columns = image.shape
    image = np.ascontiguousarray(image, np.float32)
    averaged = image * image if rician_sigma is not None else image
    # scaled so that a patch sum of squares is the exponent of the weight; one kernel is negative for its sign
    scaled = cv2.copyMakeBorder(image / (h * patch_size), half, half, half, half, cv2.BORDER_REFLECT_101)
    ones = np.ones(patch_size, np.float32)
    difference = np.empty_like(scaled)
    exponent = np.empty_like(scaled)
    weighted = averaged.copy()  # i itself has weight 1
    total = np.ones_like(image)
    for down, right in half_window(search_radius):
        height, width = rows - down, columns - abs(right)
        if height <= 0 or width <= 0:
            continue
        left, shifted = max(0, -right), max(0, right)  # first columns of i and of j
        d = difference[: height + 2 * half, : width + 2 * half]
        e = exponent[: height + 2 * half, : width + 2 * half]
        patches_i = scaled[: height + 2 * half, left : left + width + 2 * half]
        patches_j = scaled[down:, shifted : shifted + width + 2 * half]
        cv2.subtract(patches_i, patches_j, d)
        cv2.multiply(d, d, d)
        cv2.sepFilter2D(d, cv2.CV_32F, -ones, ones, e)
        w = e[half : half + height, half : half + width]
        np.maximum(w, _SMALLEST_EXPONENT, out=w)
        cv2.exp(w, w)
        i = (slice(0, height), slice(left, left + width))
        j = (slice(down, rows), slice(shifted, shifted + width))
        cv2.accumulateProduct(w, averaged[j], weighted[i])
        cv2.accumulateProduct(w, averaged[i], weighted[j])
        cv2.accumulate(w, total[i])
        cv2.accumulate(w, total[j])
    mean = weighted / total
    if rician_sigma is None:
        return mean
    return np.sqrt(np.maximum(mean - 2 * rician_sigma**2, 0))
