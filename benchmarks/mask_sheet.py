"""A sheet of real slices without headers on their way to a pseudo-mask, to be looked at.

`python benchmarks/mask_sheet.py FOLDER OUTPUT`: FOLDER holds axial_t2/*.png and axial_t1/*.png, 8 bits,
0.6875 mm per pixel, like slices of the Lumbar Spine MRI Dataset; six of each are drawn by the seed. Their
grade is not known and taken as B&C. (`lss show-masks` does the same for the cohort of a run.)
"""

from __future__ import annotations

import sys
from pathlib import Path

from lss.cohorts.picture_files import read_picture
from lss.imaging.denoise import denoise
from lss.project.params import load_params
from lss.reporting.mask_sheet import draw_sheet
from lss.reporting.style import save, style
from lss.runtime.seeding import generator
from lss.tools.show_masks import sheet_slice

SPACING_MM = (0.6875, 0.6875)
OF_EACH = 6


def main(folder: Path, output: Path) -> None:
    params = load_params()
    slices = []
    for weighting in ("T2", "T1"):
        files = sorted((folder / f"axial_{weighting.lower()}").glob("*.png"))
        order = generator(params.seed, "mask sheet", weighting).permutation(len(files))
        for file in sorted(files[index] for index in order[:OF_EACH]):
            raw, _ = read_picture(file.read_bytes())
            clean = denoise(raw, **params.denoise.model_dump(exclude={"device"})).image
            slices.append(
                sheet_slice(f"{weighting}, {file.stem}", raw, clean, SPACING_MM, weighting, "BC", params.pseudo_mask)
            )
    with style():
        sheet = draw_sheet(
            slices,
            "Real slices of the Lumbar Spine MRI Dataset (Sudirman et al. 2019, doi:10.17632/k57fr854j2.2, CC BY 4.0)",
            "Research software: a radiologist decides.",
        )
        for path in save(sheet, output.with_suffix(""), params.figures.dpi):
            print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
