"""Noise level of one slice, estimated from the slice alone."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

_SIDE = 7  # pixels of a window
_FLATTEST = 0.10  # share of the windows taken as free of anatomy
_FREEDOM = _SIDE**2 - 3  # of a window less its fitted plane


def tissue(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where the body is: the smoothed image lies above its own mean.

    Air has Rayleigh noise, whose spread is a third smaller than that of tissue, and scanners often blank or
    saturate it: it must stay out of an estimate.
    """
    smooth = cv2.GaussianBlur(image, (0, 0), 2.0)
    return smooth > smooth.mean()


def estimate_sigma(image: NDArray[np.float32]) -> float:
    """Return the standard deviation of the noise in tissue, in the grey levels of `image` (rows, columns).

    In every 7 x 7 window inside the tissue a plane is fitted and the standard deviation about it taken. The windows
    with least are flat anatomy: their 10th percentile, divided by the 10th percentile of that statistic under pure
    white noise (a chi distribution), is the estimate. Unlike estimates from the finest wavelet or a
    Laplacian, it holds where a scanner's filter and zero filling made the noise of neighbouring pixels alike
    (test_noise.py: 15 % off at most for both kinds). In tissue (signal above about 3 sigma) Rician noise is nearly
    normal.
    """
    image = np.ascontiguousarray(image, np.float32)
    window = np.ones((_SIDE, _SIDE), np.uint8)
    inside = cv2.erode(tissue(image).astype(np.uint8), window, borderValue=0) > 0
    if not inside.any():
        return 0.0
    values = image.astype(np.float64)  # the variance is a small difference of large squares
    steps = np.arange(_SIDE) - _SIDE // 2
    slope, flat = steps / (steps @ steps), np.full(_SIDE, 1 / _SIDE)
    variance = cv2.blur(values * values, (_SIDE, _SIDE)) - np.square(cv2.blur(values, (_SIDE, _SIDE)))
    for along_columns, along_rows in ((slope, flat), (flat, slope)):
        tilt = np.asarray(cv2.sepFilter2D(values, cv2.CV_64F, along_columns, along_rows))
        variance = variance - np.square(tilt) * (steps @ steps) / _SIDE
    deviation = np.sqrt(np.maximum(variance[inside], 0) * _SIDE**2 / _FREEDOM)
    expected = np.sqrt(2 * gammaincinv(_FREEDOM / 2, _FLATTEST) / _FREEDOM)  # scipy.stats takes a second to import
    return float(np.quantile(deviation, _FLATTEST) / expected)
