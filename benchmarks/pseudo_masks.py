"""Algorithm 1 against the phantom's true thecal sac: what each ingredient adds, by grade.

Needs a phantom cohort (`snakemake --cores 2 split`); then
`OMP_NUM_THREADS=1 python benchmarks/pseudo_masks.py [T1|T2]`. Grade A is refined like B and C, since an empty
mask has nothing to score.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
from _phantom_slices import machine, phantom_slices

from lss.domain.grades import GRADE_LABELS
from lss.imaging.denoise import denoise
from lss.imaging.mask_variants import AS_BUILT, Mask, dice_table, variants
from lss.project.params import load_params


def dice(mask: Mask, truth: Mask) -> float:
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def main(weighting: str) -> None:
    cv2.setNumThreads(1)
    params = load_params()
    denoising = params.denoise.model_dump(exclude={"device"})
    settings = params.pseudo_mask
    scores: dict[str, dict[str, list[float]]] = {}
    areas: dict[str, list[tuple[float, float]]] = {}
    result, offset = [], []
    for one in phantom_slices(weighting):
        image = denoise(one.image, **denoising).image
        masks, roi = variants(image, one.spacing_mm, one.weighting, one.grade, settings)
        pixel = one.spacing_mm[0] * one.spacing_mm[1]
        for name, mask in masks.items():
            scores.setdefault(name, {}).setdefault(one.grade, []).append(dice(mask, one.canal))
        areas.setdefault(one.grade, []).append((masks[AS_BUILT].sum() * pixel, one.canal.sum() * pixel))
        rows, columns = np.nonzero(one.canal)
        result.append(roi.detected)
        offset.append(
            np.hypot(
                (rows.mean() - roi.centre_row) * one.spacing_mm[0],
                (columns.mean() - roi.centre_column) * one.spacing_mm[1],
            )
        )
    grades = [grade for grade in GRADE_LABELS if grade in areas]
    print(f"{machine()}; {len(result)} axial {weighting} slices of the phantom cohort")
    print(f"canal found on {100 * np.mean(result):.1f} %; centre off by {np.mean(offset):.1f} mm in the mean, "
          f"{np.percentile(offset, 95):.1f} mm at the 95th percentile")  # fmt: skip
    print(f"\n{dice_table(scores, 'the true sac')}")
    for row, place in (("mean mask, mm2", 0), ("mean true sac, mm2", 1)):
        print(f"| {row} | {' | '.join(f'{np.mean([a[place] for a in areas[g]]):.0f}' for g in grades)} |")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "T2")
