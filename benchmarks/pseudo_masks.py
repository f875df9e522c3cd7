"""Algorithm 1 against the phantom's true thecal sac: what each ingredient adds, by grade.

Needs a phantom cohort (`.venv/bin/snakemake --cores 2 split`); then
`OMP_NUM_THREADS=1 .venv/bin/python benchmarks/pseudo_masks.py [T1|T2]`. Grade A is refined like B and C, since an empty
mask has nothing to score.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from _phantom_slices import PhantomSlice, machine, phantom_slices
from numpy.typing import NDArray

from lss.grades import GRADE_LABELS
from lss.imaging import pseudo_mask as algorithm
from lss.imaging.denoise import denoise
from lss.imaging.roi import Roi, inside_ellipse, region_of_interest
from lss.params import load_params

Mask = NDArray[np.bool_]


def dice(mask: Mask, truth: Mask) -> float:
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def assembled(
    grey: NDArray[np.float32],
    roi: Roi,
    grade: str,
    *,
    otsu: bool = True,
    canny: bool = True,
    connected: bool = True,
    refine: str = "by grade",
) -> Mask:
    """The algorithm with some of its parts left out."""
    settings = load_params().pseudo_mask
    region = np.zeros_like(roi.region)
    if otsu:
        region |= algorithm.otsu(grey, roi.region)
    if canny:
        region |= algorithm.canny_edges(grey, roi.region, settings.canny_sigma)
    if connected:
        region = algorithm.at_canal(region, roi.core)
    if refine == "by grade":
        refine = "severe" if grade == "D" else "mild"
    if refine == "severe":
        region = algorithm.refine_severe(region, settings.kernel_severe)
    elif refine == "mild":
        region = algorithm.refine_mild(region, settings.kernel_small)
    return algorithm.final_mask(region, roi.region)


def masks(one: PhantomSlice) -> tuple[dict[str, Mask], Roi]:
    """The masks of one slice under every variant."""
    settings = load_params()
    image = denoise(one.image, **settings.denoise.model_dump(exclude={"device"})).image
    p = settings.pseudo_mask

    def region(method: Any) -> Roi:
        return region_of_interest(image, *one.spacing_mm, one.weighting, method, p.roi_size_mm, p.roi_margin_mm)

    canal, centre, whole = region("canal"), region("centre"), region("none")

    def grey(roi: Roi) -> NDArray[np.float32]:
        return algorithm.gray(image, roi.region, inverted=one.weighting == "T1")

    variant: Callable[..., Mask] = lambda **parts: assembled(grey(canal), canal, one.grade, **parts)  # noqa: E731
    ellipse = canal.canal and inside_ellipse(image.shape, one.spacing_mm, canal.canal, 0.0)
    return {
        "Algorithm 1 as built": variant(),
        "region: image centre, 44 mm": assembled(grey(centre), centre, one.grade),
        "region: whole slice": assembled(grey(whole), whole, one.grade),
        "without Otsu": variant(otsu=False),
        "without Canny": variant(canny=False),
        "without Otsu and Canny: the found canal's ellipse": canal.core if ellipse is None else ellipse,
        "without the connection to the canal": variant(connected=False),
        "without morphology": variant(refine="none"),
        "small kernel for all grades": variant(refine="mild"),
        "9 x 9 for all grades": variant(refine="severe"),
    }, canal


def main(weighting: str) -> None:
    cv2.setNumThreads(1)
    scores: dict[str, dict[str, list[float]]] = {}
    areas: dict[str, list[tuple[float, float]]] = {}
    found, offset = [], []
    for one in phantom_slices(weighting):
        variants, roi = masks(one)
        pixel = one.spacing_mm[0] * one.spacing_mm[1]
        for name, mask in variants.items():
            scores.setdefault(name, {}).setdefault(one.grade, []).append(dice(mask, one.canal))
        areas.setdefault(one.grade, []).append(
            (variants["Algorithm 1 as built"].sum() * pixel, one.canal.sum() * pixel)
        )
        rows, columns = np.nonzero(one.canal)
        found.append(roi.found)
        offset.append(
            np.hypot(
                (rows.mean() - roi.centre_row) * one.spacing_mm[0],
                (columns.mean() - roi.centre_column) * one.spacing_mm[1],
            )
        )
    grades = [grade for grade in GRADE_LABELS if grade in areas]
    print(f"{machine()}; {len(found)} axial {weighting} slices of the phantom cohort")
    print(f"canal found on {100 * np.mean(found):.1f} %; centre off by {np.mean(offset):.1f} mm in the mean, "
          f"{np.percentile(offset, 95):.1f} mm at the 95th percentile")  # fmt: skip
    counts = [f"{GRADE_LABELS[grade]} ({len(areas[grade])})" for grade in grades]
    print(f"\n| mean Dice against the true sac | {' | '.join(counts)} |\n| --- |{' ---: |' * len(grades)}")
    for name, by_grade in scores.items():
        print(f"| {name} | {' | '.join(f'{np.mean(by_grade[grade]):.3f}' for grade in grades)} |")
    for row, place in (("mean mask, mm2", 0), ("mean true sac, mm2", 1)):
        print(f"| {row} | {' | '.join(f'{np.mean([a[place] for a in areas[g]]):.0f}' for g in grades)} |")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "T2")
