"""Non-local means against other libraries: time, distance from the formula, gain on noise of known kind.

Needs a phantom cohort (`snakemake --cores 2 split`); then
`OMP_NUM_THREADS=1 python benchmarks/denoise.py [number of slices, default 24]`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import islice

import cv2
import numpy as np
from _phantom_slices import machine, phantom_slices
from dipy.denoise.nlmeans import nlmeans
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, median_filter
from skimage.metrics import structural_similarity
from skimage.restoration import denoise_bilateral, denoise_nl_means

from lss.imaging.denoise import nlm
from lss.imaging.denoise_gpu import cuda_available, nlm_batch
from lss.imaging.noise import estimate_sigma, tissue
from lss.project.params import load_params

Image = NDArray[np.float64]
PATCH, RADIUS, WHITE = 5, 6, 4095.0
GPU_BATCH = 64  # as many as the stage sends at a time


def ours(x: Image, h: float) -> Image:
    return nlm(x.astype(np.float32), h, PATCH, RADIUS).astype(float)


def ours_rician(x: Image, h: float) -> Image:
    floats = x.astype(np.float32)
    return nlm(floats, h, PATCH, RADIUS, rician_sigma=estimate_sigma(floats)).astype(float)


def skimage_fast(x: Image, h: float) -> Image:
    return denoise_nl_means(x.astype(np.float32), PATCH, RADIUS, h, fast_mode=True).astype(float)


def skimage_slow(x: Image, h: float) -> Image:
    return denoise_nl_means(x, PATCH, RADIUS, h, fast_mode=False)


def opencv_8bit(x: Image, h: float) -> Image:
    """12 bits squeezed into 8, as its filter wants them; `h` in 12-bit levels."""
    top = x.max()
    eight = np.rint(x / top * 255).astype(np.uint8)
    out = cv2.fastNlMeansDenoising(eight, None, h / top * 255, PATCH, 2 * RADIUS + 1)
    return out.astype(float) / 255 * top


def opencv_16bit(x: Image, h: float) -> Image:
    """Its 16-bit variant: absolute instead of squared differences."""
    levels = np.rint(x).astype(np.uint16)
    return cv2.fastNlMeansDenoising(levels, [float(h)], None, PATCH, 2 * RADIUS + 1, cv2.NORM_L1).astype(float)


def dipy_blockwise(x: Image, h: float) -> Image:
    """One slice as a volume; `h` stands for its sigma."""
    return nlmeans(x[..., None], h, patch_radius=PATCH // 2, block_radius=RADIUS, rician=False, num_threads=1)[..., 0]


def bilateral(x: Image, h: float) -> Image:
    return denoise_bilateral(x / WHITE, sigma_color=h / WHITE, sigma_spatial=1.5) * WHITE


def formula(x: Image, h: float) -> Image:
    """Eq. 1-2 in float64, patch by patch."""
    padded = np.pad(x, PATCH // 2, mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (PATCH, PATCH))
    out = np.zeros_like(x)
    for r, c in np.ndindex(*x.shape):
        near = (slice(max(0, r - RADIUS), r + RADIUS + 1), slice(max(0, c - RADIUS), c + RADIUS + 1))
        weight = np.exp(-np.square(patches[near] - patches[r, c]).mean(axis=(2, 3)) / h**2)
        out[r, c] = (weight * x[near]).sum() / weight.sum()
    return out


def seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def time_table(x: Image, h: float) -> None:
    floats, eight = x.astype(np.float32), np.rint(x / x.max() * 255).astype(np.uint8)
    methods: dict[str, tuple[Callable[[], object], int]] = {
        "this project": (lambda: nlm(floats, h, PATCH, RADIUS), 15),
        "OpenCV, 8 bits": (lambda: cv2.fastNlMeansDenoising(eight, None, 3.0, PATCH, 2 * RADIUS + 1), 9),
        "OpenCV, 16 bits (L1)": (lambda: opencv_16bit(x, h), 5),
        "scikit-image, fast mode": (lambda: denoise_nl_means(floats, PATCH, RADIUS, h, fast_mode=True), 5),
        "scikit-image, slow mode": (lambda: denoise_nl_means(floats, PATCH, RADIUS, h, fast_mode=False), 2),
        "dipy, blockwise": (lambda: dipy_blockwise(x, h), 2),
    }
    taken = {name: seconds(work, repeats) for name, (work, repeats) in methods.items()}
    if cuda_available():
        import torch

        stack, hs = np.repeat(floats[None], GPU_BATCH, axis=0), np.full(GPU_BATCH, h, np.float32)
        nlm_batch(stack, hs, PATCH, RADIUS)  # the first call sets the device up
        name = f"this project, {torch.cuda.get_device_name()}, {GPU_BATCH} slices at once"
        taken[name] = seconds(lambda: nlm_batch(stack, hs, PATCH, RADIUS), 5) / GPU_BATCH
    print("\n| method | times ours | ms per slice of 320 x 320, one core (or the GPU) |\n| --- | ---: | ---: |")
    for name, value in taken.items():
        print(f"| {name} | {value / taken['this project']:.3g} | {1000 * value:.2f} |")


def distance_table(x: Image, h: float) -> None:
    part = x[170:250, 120:200]
    truth = formula(part, h)
    print("\n| method | largest distance from the formula, of 4095 | same, interior only |\n| --- | ---: | ---: |")
    for name, method in (
        ("this project", ours),
        ("scikit-image, fast mode", skimage_fast),
        ("scikit-image, slow mode", skimage_slow),
    ):
        distance = np.abs(method(part, h) - truth)
        print(f"| {name} | {distance.max():.4f} | {distance[9:-9, 9:-9].max():.4f} |")


def gain_table(slices: list[tuple[Image, Image]]) -> None:
    """Every method but ours at the best of several strengths on these very slices; ours at params.yaml's."""
    factor = load_params().denoise.h_factor
    strengths: dict[str, tuple[Callable[[Image, float], Image], list[float]]] = {
        "noisy input": (lambda x, _: x, [1.0]),
        "Gaussian": (lambda x, s: gaussian_filter(x, s), [0.4, 0.5, 0.6, 0.8, 1.0]),
        "median": (lambda x, s: median_filter(x, int(s)), [3.0, 5.0]),
        "bilateral": (bilateral, [1.0, 1.5, 2.0, 3.0, 4.0]),
        "scikit-image NLM, fast mode": (skimage_fast, [0.6, 0.8, 1.0, 1.2, 1.5]),
        "scikit-image NLM, slow mode": (skimage_slow, [0.6, 1.0, 1.5]),
        "OpenCV NLM, 8 bits": (opencv_8bit, [0.6, 1.0, 1.5, 2.0, 3.0]),
        "dipy NLM, blockwise": (dipy_blockwise, [0.3, 0.5, 0.7, 1.0]),
        "this project": (ours, [factor]),
        "this project, Rician correction": (ours_rician, [factor]),
    }
    print("\n| method | PSNR gain, dB | SSIM gain | PSNR, dB | SSIM | strength |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    base = base_ssim = 0.0
    for name, (method, values) in strengths.items():
        scored = []
        for value in values:
            scores = [score(x, clean, method, value, absolute=name in ("Gaussian", "median")) for x, clean in slices]
            scored.append((*np.mean(scores, axis=0), value))
        psnr, ssim, value = max(scored)
        if name == "noisy input":
            base, base_ssim = psnr, ssim
        gains = f"{psnr - base:+.2f} | {ssim - base_ssim:+.4f}"
        print(f"| {name} | {gains} | {psnr:.2f} | {ssim:.4f} | {value:g} |", flush=True)


def score(
    x: Image, clean: Image, method: Callable[[Image, float], Image], value: float, absolute: bool
) -> tuple[float, float]:
    """PSNR in tissue (peak 4095) and SSIM of the whole slice; `value` is in pixels or in estimated sigmas."""
    out = method(x, value if absolute else value * estimate_sigma(x.astype(np.float32)))
    inside = tissue(clean.astype(np.float32))
    error = np.square(out - clean)[inside].mean()
    return 10 * np.log10(WHITE**2 / error), structural_similarity(out, clean, data_range=WHITE)


def main(count: int) -> None:
    cv2.setNumThreads(1)
    kept = (s for s in phantom_slices() if s.clean is not None)
    every = list(islice(kept, 0, count * 12, 12))
    slices = [(s.image.astype(float), s.clean.astype(float)) for s in every if s.clean is not None]
    x, _ = slices[0]
    sigma = estimate_sigma(x.astype(np.float32))
    print(f"{machine()}; patch {PATCH}, search radius {RADIUS}; {len(slices)} phantom slices")
    ratio = [estimate_sigma(a.astype(np.float32)) / (a - b)[tissue(b.astype(np.float32))].std() for a, b in slices]
    print(f"estimated / true sigma: {np.mean(ratio):.3f} (from {min(ratio):.3f} to {max(ratio):.3f})")
    time_table(x, load_params().denoise.h_factor * sigma)
    distance_table(x, load_params().denoise.h_factor * sigma)
    gain_table(slices)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
