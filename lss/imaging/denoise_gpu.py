"""Non-local means on a batch of slices with torch: for a machine with a CUDA device."""

from __future__ import annotations

import shutil
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lss.imaging.denoise import half_window


@cache
def cuda_available() -> bool:
    """Return whether torch finds a CUDA device; torch, slow to import, is asked only where a driver is installed."""
    if shutil.which("nvidia-smi") is None:
        return False
    import torch

    return torch.cuda.is_available()


def nlm_batch(
    images: NDArray[np.float32],
    h: NDArray[np.float32],
    patch_size: int = 5,
    search_radius: int = 6,
    rician_sigma: NDArray[np.float32] | None = None,
    device: str = "cuda",
) -> NDArray[np.float32]:
    """Run `lss.imaging.denoise.nlm` on (slices, rows, columns) at once, with one `h` (and sigma) per slice.

    Same formula, border and window; float32 sums in another order, so grey levels differ in the last digits
    (test_denoise_gpu.py: by less than 0.02 of 4095).
    """
    import torch
    import torch.nn.functional as F

    half = patch_size // 2
    x = torch.from_numpy(np.ascontiguousarray(images, np.float32)).to(device)
    scale = torch.from_numpy(np.asarray(h, np.float32)).to(device)[:, None, None] * patch_size
    averaged = x if rician_sigma is None else x * x
    padded = F.pad((x / scale)[:, None], (half,) * 4, mode="reflect")[:, 0]
    rows, columns = x.shape[1:]
    weighted, total = averaged.clone(), torch.ones_like(x)
    for down, right in half_window(search_radius):
        height, width = rows - down, columns - abs(right)
        if height <= 0 or width <= 0:
            continue
        left, shifted = max(0, -right), max(0, right)
        patches_i = padded[:, : height + 2 * half, left : left + width + 2 * half]
        patches_j = padded[:, down:, shifted : shifted + width + 2 * half]
        squares = torch.square(patches_i - patches_j)[:, None]
        w = torch.exp(-F.avg_pool2d(squares, patch_size, stride=1)[:, 0] * patch_size**2)
        i = (slice(None), slice(0, height), slice(left, left + width))
        j = (slice(None), slice(down, rows), slice(shifted, shifted + width))
        weighted[i] += w * averaged[j]
        weighted[j] += w * averaged[i]
        total[i] += w
        total[j] += w
    mean = weighted / total
    if rician_sigma is not None:
        bias = 2 * torch.square(torch.from_numpy(np.asarray(rician_sigma, np.float32)).to(device))[:, None, None]
        mean = torch.sqrt(torch.clamp(mean - bias, min=0))
    return mean.cpu().numpy()
