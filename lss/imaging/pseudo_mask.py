"""Report-conditioned pseudo-masks: Algorithm 1 of the paper, inside a region of interest.

| line | published | here |
| --- | --- | --- |
| 3 | X_g = Gray(X_raw) | `gray`: grey levels scaled by the region's own range; inverted on T1, where the sac is dark |
| 4 | B = Otsu(X_g) | `otsu`: threshold of the region's histogram |
| 5 | E = Canny(X_g) | `canny_edges`: the strongest edges, inside the region |
| 6 | R = B u E | `union` |
| 7 | s = Severity(r) | the slice's grade, read from the radiologist's note at ingest |
| 9 | Close(Dilate(R, 9x9)) for D | `refine_severe` |
| 11 | Erode(Dilate(R, k_s)) else | `refine_mild` |
| 13 | M = Mask(R) | `final_mask`: holes (rootlets) filled, cut to the region; empty for grade A where so set |

What the algorithm needs, and the paper only hints at ("around the spinal canal region"):
the region of interest (`roi`), since Otsu over a whole axial slice marks fat and muscle; and between lines 6 and 8
`at_canal`, which keeps the parts of R that are connected to the canal by more than a thin line, since edges and
fat at the region's border are none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import canny
from skimage.filters import threshold_otsu

from lss.imaging.roi import Roi

Mask = NDArray[np.bool_]

_TOP_PERCENTILE = 65
_EDGE_SEEDS, _EDGE_FOLLOWED = 0.92, 0.80  # quantiles of the gradient: Canny's high and low threshold
_THIN = 5  # pixels: what a disc of this diameter does not fit into is a line, no part of the canal
_GAP = 3  # pixels: dark nerve roots and the gaps between them are narrower than this
_MARGIN = 12  # pixels around the region that filters may look at


@dataclass(frozen=True)
class Steps:
    """Every intermediate image of Algorithm 1, each (rows, columns) of the slice; `gray` float32 in [0, 1]."""

    gray: NDArray[np.float32]
    otsu: Mask
    edges: Mask
    union: Mask
    at_canal: Mask
    refined: Mask
    mask: Mask


def steps(
    image: NDArray[np.uint16],
    roi: Roi,
    grade: str | None,
    *,
    weighting: str = "T2",
    canny_sigma: float = 1.0,
    kernel_severe: int = 9,
    kernel_small: int = 3,
    grade_a: Literal["empty", "refine"] = "empty",
) -> Steps:
    """Run Algorithm 1 on a denoised slice and keep every step.

    Args:
        image: grey levels (rows, columns).
        roi: its region of interest.
        grade: A, BC, D, or None (treated as BC).
        weighting: T1 inverts the grey levels.
        canny_sigma: of Canny's smoothing, pixels.
        kernel_severe: side of the square kernel of line 9, pixels.
        kernel_small: side k_s of the square kernel of line 11, pixels.
        grade_a: `empty` gives grade A an empty mask (as in Fig. 4), `refine` treats it like B and C.
    """
    grey = gray(image, roi.region, inverted=weighting == "T1")
    above = otsu(grey, roi.region)
    edges = canny_edges(grey, roi.region, canny_sigma)
    both = union(above, edges)
    canal = at_canal(both, roi.core)
    refined = refine_severe(canal, kernel_severe) if grade == "D" else refine_mild(canal, kernel_small)
    mask = np.zeros_like(refined) if grade == "A" and grade_a == "empty" else final_mask(refined, roi.region)
    return Steps(grey, above, edges, both, canal, refined, mask)


def gray(image: NDArray[np.uint16], region: Mask, inverted: bool = False) -> NDArray[np.float32]:
    """Return grey levels in [0, 1] (line 3). On T2 all above the region's 65th percentile count alike.

    So fluid and epidural fat are one class against ligament and bone; otherwise Otsu's two classes would be fat
    and the rest wherever a crowded sac has little fluid left. On T1 (`inverted`) fat is the other class anyway.
    """
    if not region.any():
        return np.zeros(image.shape, np.float32)
    top = max(float(np.percentile(image[region], 99 if inverted else _TOP_PERCENTILE)), 1.0)
    grey = np.clip(image.astype(np.float32) / top, 0, 1)
    return 1 - grey if inverted else grey


def otsu(grey: NDArray[np.float32], region: Mask) -> Mask:
    """Return pixels of the region above the threshold that best parts its histogram in two classes (line 4)."""
    values = grey[region]
    if values.size == 0 or values.min() == values.max():
        return np.zeros_like(region)
    return (grey > threshold_otsu(values)) & region


def canny_edges(grey: NDArray[np.float32], region: Mask, sigma: float) -> Mask:
    """Return Canny edges inside the region (line 5); thresholds are quantiles of the gradient around it."""
    edges = np.zeros_like(region)
    window = _window(region)
    if min(edges[window].shape) > 2:
        edges[window] = canny(
            grey[window],
            sigma=sigma,
            low_threshold=_EDGE_FOLLOWED,
            high_threshold=_EDGE_SEEDS,
            use_quantiles=True,
            mode="nearest",
        )
    return edges & region


def union(above: Mask, edges: Mask) -> Mask:
    """Return the initial region R = B u E (line 6)."""
    return above | edges


def at_canal(both: Mask, core: Mask) -> Mask:
    """Return parts of R that touch `core`: gaps between nerve roots bridged, then lines thinner than 5 pixels opened
    away.
    """
    bridged = cv2.morphologyEx(_u8(both), cv2.MORPH_CLOSE, _disc(_GAP))
    solid = cv2.morphologyEx(_u8(ndimage.binary_fill_holes(bridged)), cv2.MORPH_OPEN, _disc(_THIN))
    labels = cv2.connectedComponents(solid, connectivity=4)[1]
    touching = np.unique(labels[core])
    return np.isin(labels, touching[touching > 0])


def refine_severe(region: Mask, kernel: int) -> Mask:
    """Apply Close(Dilate(R)) with a square kernel (line 9): a compressed sac is seen only in part."""
    square = np.ones((kernel, kernel), np.uint8)
    return cv2.morphologyEx(cv2.dilate(_u8(region), square), cv2.MORPH_CLOSE, square) > 0


def refine_mild(region: Mask, kernel: int) -> Mask:
    """Apply Erode(Dilate(R)) with a small square kernel (line 11)."""
    square = np.ones((kernel, kernel), np.uint8)
    return cv2.erode(cv2.dilate(_u8(region), square), square) > 0


def final_mask(refined: Mask, region: Mask) -> Mask:
    """Apply Mask(R) (line 13): fill holes, leave nothing outside the region."""
    return ndimage.binary_fill_holes(refined) & region


def _u8(mask: Mask) -> NDArray[np.uint8]:
    return mask.astype(np.uint8)


def _disc(diameter: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)).astype(np.uint8)


def _window(region: Mask) -> tuple[slice, slice]:
    """Return the region's bounding box with a margin; empty for an empty region."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    return (
        slice(max(0, int(rows[0]) - _MARGIN), int(rows[-1]) + 1 + _MARGIN),
        slice(max(0, int(columns[0]) - _MARGIN), int(columns[-1]) + 1 + _MARGIN),
    )
