"""`lss show-masks`: some slices of the cohort with everything that became their pseudo-masks, on one sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.domain.grades import GRADE_LABELS, GRADES
from lss.errors import LssError
from lss.imaging.codec import decode_png, pixels_from_bytes
from lss.imaging.geometry import edge_letters
from lss.imaging.settings import PseudoMaskParams
from lss.inference.preparation import draw_mask, find_region
from lss.project import layout
from lss.project.params import Params
from lss.reporting.mask_sheet import SheetSlice, draw_sheet
from lss.reporting.style import save, style
from lss.runtime.seeding import derive_seed
from lss.stages._slices import side_by_side, spacing_mm, used_slices
from lss.storage.io import read_parquet
from lss.storage.schemas import SPLIT

_SLICE_COLUMNS = ["slice_key", "weighting", "level", "grade", "rows", "columns", "row_spacing_mm",
                  "column_spacing_mm", "orientation", "pixels"]  # fmt: skip
_DENOISED_COLUMNS = ["slice_key", "rows", "columns", "pixels"]
_MASK_COLUMNS = ["slice_key", "mask"]


def show_masks(params: Params, count: int, output: Path) -> list[Path]:
    """Draw `count` slices, picked by the seed, as many of each grade as there are; the files written.

    Args:
        params: all settings; read are `seed`, `cohort`, `pseudo_mask`, `figures.dpi`.
        count: number of slices.
        output: the picture's path; a PNG and an SVG are written, whatever its suffix.

    Raises LssError when a table is missing, or its masks were made with other settings.
    """
    split = read_parquet(layout.SPLIT, SPLIT, ["slice_key", "grade", "subset"]).to_pylist()
    subsets = {row["slice_key"]: row["subset"] for row in split}
    chosen = pick_slices(
        {row["slice_key"]: row["grade"] for row in split if row["subset"] != "unused"}, count, params.seed
    )
    sheet_slices: dict[str, SheetSlice] = {}
    for batch in layout.batch_names(params.cohort.batches):
        slices, masks = Path(layout.SLICES.format(batch=batch)), Path(layout.PSEUDO_MASKS.format(batch=batch))
        _, rows = used_slices(slices, subsets, _SLICE_COLUMNS)
        others = {Path(layout.DENOISED.format(batch=batch)): _DENOISED_COLUMNS, masks: _MASK_COLUMNS}
        for row, image, mask in side_by_side(slices, rows, others):
            if row["slice_key"] in chosen:
                place = f"grade {GRADE_LABELS[row['grade']]}, {row['level'] or 'level unknown'}"
                label = place if len(params.split.weighting) == 1 else f"{place}, {row['weighting']}"
                stored = decode_png(mask["mask"]["bytes"]) > 0
                one = sheet_slice(
                    label, _pixels(row), _pixels(image), spacing_mm(row), row["weighting"], row["grade"],
                    params.pseudo_mask, edge_letters(row["orientation"]),
                )  # fmt: skip
                if not np.array_equal(one.mask, stored):
                    raise LssError(f"{masks}: was made with other settings of pseudo_mask. Rerun that stage.")
                sheet_slices[row["slice_key"]] = one
    with style():
        sheet = draw_sheet(
            [sheet_slices[key] for key in chosen],
            f"{len(chosen)} slices of the cohort '{params.cohort.title}', picked by seed {params.seed}",
            "Research software: a radiologist decides.",
        )
        return save(sheet, output.with_suffix(""), params.figures.dpi)


def pick_slices(grades: dict[str, str], count: int, seed: int) -> list[str]:
    """Draw `count` keys of `grades` (grade by slice key) by `seed`, evenly over the grades; sorted by grade.

    >>> pick_slices({"a": "A", "b": "BC", "c": "BC", "d": "BC", "e": "D"}, 4, seed=1)
    ['a', 'b', 'c', 'e']
    """
    drawn = {
        grade: sorted(
            (key for key in grades if grades[key] == grade), key=lambda key: derive_seed(seed, "show-masks", key)
        )
        for grade in GRADES
    }
    taken = dict.fromkeys(GRADES, 0)
    while sum(taken.values()) < min(count, sum(map(len, drawn.values()))):
        open_grades = [grade for grade in GRADES if taken[grade] < len(drawn[grade])]
        taken[min(open_grades, key=lambda grade: taken[grade])] += 1
    return [key for grade in GRADES for key in sorted(drawn[grade][: taken[grade]])]


def sheet_slice(
    label: str,
    raw: NDArray[np.uint16],
    denoised: NDArray[np.uint16],
    spacing: tuple[float, float],
    weighting: str,
    grade: str | None,
    params: PseudoMaskParams,
    sides: tuple[str, str] | None = None,
) -> SheetSlice:
    """Run Algorithm 1 on a slice (rows, columns) and keep what the sheet shows; `spacing` in mm of rows and columns.

    `sides`: the patient's sides at the left and right edge; None where they are not known.
    """
    roi = find_region(denoised, spacing, weighting, params)
    made = draw_mask(denoised, roi, grade, weighting, params)
    return SheetSlice(
        label=label, raw=raw, denoised=denoised, region=roi.region, canal=roi.core, otsu=made.otsu, edges=made.edges,
        mask=made.mask, centre=(roi.centre_row, roi.centre_column), spacing_mm=spacing,
        sides=sides,
    )  # fmt: skip


def _pixels(row: dict[str, Any]) -> NDArray[np.uint16]:
    return pixels_from_bytes(row["pixels"], row["rows"], row["columns"])
