"""Eq. 10 on real slices: of what area the masks of Algorithm 1 are which share, and the grades that follow.

`OMP_NUM_THREADS=1 python benchmarks/areas.py FOLDER [--weighting T2] [--spacing 0.6875]`: every image of
FOLDER (PNG of axial slices, front up; no header, so the spacing is given) is denoised and masked twice, as B&C (line 11
of Algorithm 1; as A too with `grade_a: refine`) and as D (line 9). Masks and what their area is of:

- no region: Algorithm 1 to the letter, of the whole slice;
- region: masks inside the region of interest, of the whole slice, of the field of view (`shards.area_of: view`), of the
  region's upright box (H x W to the letter), of the region itself (`shards.area_of: region`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from lss.domain.area import affected_area
from lss.errors import LssError
from lss.imaging.denoise import denoise
from lss.imaging.geometry import field_of_view
from lss.imaging.pseudo_mask import steps
from lss.imaging.roi import region_of_interest
from lss.model.severity import grade_by_area
from lss.project.params import Params, load_params
from lss.runtime.progress import progress

LINES = {"BC": "A, B&C (line 11)", "D": "D (line 9)"}
READINGS = ("no region, of the slice", "region, of the slice", "region, of the field of view", "region, of its box",
            "region, of the region")  # fmt: skip


def areas_of(path: Path, weighting: str, spacing: float, params: Params) -> tuple[bool, dict[tuple[str, str], float]]:
    """Whether the canal was found, and the area in percent by (reading, grade whose line made the mask)."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise LssError(f"{path}: is no image that OpenCV reads")
    clean = denoise(image.astype(np.uint16), **params.denoise.model_dump(exclude={"device"})).image
    settings = params.pseudo_mask
    kernels = settings.model_dump(include={"canny_sigma", "kernel_severe", "kernel_small"})
    around = region_of_interest(
        clean, spacing, spacing, weighting, "canal", settings.roi_size_mm, settings.roi_margin_mm
    )
    whole = region_of_interest(clean, spacing, spacing, weighting, "none")
    centre = (around.centre_row, around.centre_column)
    view = field_of_view(clean.shape, (spacing, spacing), centre, params.shards.crop_mm)
    result: dict[tuple[str, str], float] = {}
    for grade in LINES:
        letter = steps(clean, whole, grade, weighting=weighting, **kernels).mask
        mask = view.crop(steps(clean, around, grade, weighting=weighting, **kernels).mask)
        sizes = (clean.size, mask.size, around.extent[0] * around.extent[1], int(around.region.sum()))
        areas = [100 * float(letter.mean()), *(affected_area(float(mask.mean()), size / mask.size) for size in sizes)]
        result |= {(reading, grade): area for reading, area in zip(READINGS, areas, strict=True)}
    return around.detected, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weighting", default="T2", choices=["T1", "T2"])
    parser.add_argument("--spacing", type=float, default=0.6875, help="mm per pixel (default: %(default)s)")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    params = load_params()
    paths = sorted(given.folder.glob("*.png"))
    if not paths:
        raise SystemExit(f"{given.folder}: holds no PNG")
    slices = [areas_of(path, given.weighting, given.spacing, params) for path in progress(paths, "areas", unit="slice")]
    kept = [areas for result, areas in slices if result]
    print(f"{len(paths)} axial {given.weighting} slices, {given.spacing} mm per pixel; canal found on {len(kept)}:\n")
    print("| mask, area | as of grade | median, % | 5th to 95th percentile, % | by 10 and 25 %: A, B&C, D |")
    print("| --- | --- | ---: | ---: | ---: |")
    for reading in READINGS:
        for grade, line in LINES.items():
            areas = np.array([one[reading, grade] for one in kept])
            grades = [grade_by_area(area) for area in areas]
            low, high = np.percentile(areas, (5, 95))
            counts = ", ".join(str(grades.count(name)) for name in ("A", "BC", "D"))
            print(f"| {reading} | {line} | {np.median(areas):.1f} | {low:.1f} to {high:.1f} | {counts} |")


if __name__ == "__main__":
    main()
