"""Ablation of Algorithm 1: one ingredient left out or exchanged at a time.

Grade A is refined like B and C in all of them, since the empty mask that the pipeline gives it has nothing to score.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from lss.domain.grades import GRADE_LABELS
from lss.imaging import pseudo_mask as algorithm
from lss.imaging.roi import Roi, region_of_interest
from lss.imaging.settings import PseudoMaskParams

Mask = NDArray[np.bool_]
Refinement = Literal["severe", "mild"]

AS_BUILT = "Algorithm 1 as built"
VARIANTS = (
    AS_BUILT,
    "region: image centre",
    "region: whole slice",
    "without Otsu",
    "without Canny",
    "without Otsu and Canny: the found canal's ellipse",
    "without the connection to the canal",
    "without morphology",
    "small kernel for all grades",
    "large kernel for all grades",
)


def variants(
    image: NDArray[np.uint16],
    spacing_mm: tuple[float, float],
    weighting: str,
    grade: str | None,
    settings: PseudoMaskParams,
) -> tuple[dict[str, Mask], Roi]:
    """Return the masks of one denoised axial slice (rows, columns) under every variant, by the names in `VARIANTS`.

    Args:
        image: grey levels.
        spacing_mm: of rows and of columns.
        weighting: T1 or T2.
        grade: A, BC, D or None; decides the kernel.
        settings: of the algorithm.

    Returns:
        masks like the image, and the region around the canal that most of them were made in.
    """

    def region(method: Literal["canal", "centre", "none"]) -> Roi:
        return region_of_interest(image, *spacing_mm, weighting, method, settings.roi_size_mm, settings.roi_margin_mm)

    canal = region("canal")
    here, centre, whole = (
        _Ingredients(image, roi, weighting, settings) for roi in (canal, region("centre"), region("none"))
    )
    by_grade: Refinement = "severe" if grade == "D" else "mild"
    masks = (
        here.mask(by_grade),
        centre.mask(by_grade),
        whole.mask(by_grade),
        here.mask(by_grade, otsu=False),
        here.mask(by_grade, canny=False),
        canal.core,
        here.mask(by_grade, connected=False),
        here.mask(None),
        here.mask("mild"),
        here.mask("severe"),
    )
    return dict(zip(VARIANTS, masks, strict=True)), canal


class _Ingredients:
    """The initial regions of one slice in one region of interest, to be combined into the variants."""

    def __init__(self, image: NDArray[np.uint16], roi: Roi, weighting: str, settings: PseudoMaskParams) -> None:
        grey = algorithm.gray(image, roi.region, inverted=weighting == "T1")
        self.roi, self.settings = roi, settings
        self.otsu = algorithm.otsu(grey, roi.region)
        self.edges = algorithm.canny_edges(grey, roi.region, settings.canny_sigma)

    def mask(self, refine: Refinement | None, *, otsu: bool = True, canny: bool = True, connected: bool = True) -> Mask:
        nothing = np.zeros_like(self.otsu)
        region = algorithm.union(self.otsu if otsu else nothing, self.edges if canny else nothing)
        if connected:
            region = algorithm.at_canal(region, self.roi.core)
        if refine == "severe":
            region = algorithm.refine_severe(region, self.settings.kernel_severe)
        elif refine == "mild":
            region = algorithm.refine_mild(region, self.settings.kernel_small)
        return algorithm.final_mask(region, self.roi.region)


def dice_table(scores: dict[str, dict[str, list[float]]], against: str) -> str:
    """Return the mean Dice by variant and grade as a Markdown table, with the number of slices.

    Args:
        scores: variant to grade to the Dice of each slice.
        against: what the masks were compared with, for the head.
    """
    first = next(iter(scores.values()), {})
    grades = [grade for grade in GRADE_LABELS if grade in first]
    head = [f"mean Dice against {against}", *(f"{GRADE_LABELS[grade]} ({len(first[grade])})" for grade in grades)]
    rows = [[name, *(f"{np.mean(by_grade[grade]):.3f}" for grade in grades)] for name, by_grade in scores.items()]
    return tabulate(rows, head, tablefmt="github", disable_numparse=True, colalign=["left"] + ["right"] * len(grades))
