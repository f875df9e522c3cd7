"""Stage pseudo_mask: Algorithm 1 on the denoised slices, with the region of interest it was done in.

Which files it reads and writes: `workflow/rules/pseudo_mask.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from lss.imaging.codec import encode_png, pixels_from_bytes
from lss.imaging.settings import PseudoMaskParams
from lss.inference.preparation import draw_mask, find_region, read_settings_of, with_settings
from lss.project.manifest import write_manifest
from lss.runtime.progress import progress
from lss.stages._slices import read_split, side_by_side, spacing_mm, used_slices
from lss.storage.io import parquet_writer
from lss.storage.schemas import PSEUDO_MASKS

_ROWS_PER_WRITE = 256
_SLICE_COLUMNS = ["slice_key", "weighting", "grade", "rows", "columns", "row_spacing_mm", "column_spacing_mm"]
_DENOISED_COLUMNS = ["slice_key", "rows", "columns", "pixels"]


def run(
    params: PseudoMaskParams, seed: int, *, slices: Path, split: Path, denoised: Path, masks: Path, manifest: Path
) -> None:
    """Make the pseudo-masks of one batch.

    Args:
        params: section `pseudo_mask`.
        seed: of params.yaml; recorded only, nothing is drawn.
        slices: slice table of the batch (schemas.SLICES), for grade, weighting and spacing.
        split: which slices of the batch are in use (schemas.USED).
        denoised: denoised slices of the batch (schemas.DENOISED).
        masks: output table (schemas.PSEUDO_MASKS), in the order of the slice table.
        manifest: where the stage's manifest goes.
    """
    started = datetime.now(UTC)
    cv2.setNumThreads(1)  # the workflow runs one batch per core
    total, rows = used_slices(slices, read_split(split), _SLICE_COLUMNS)
    pairs = side_by_side(slices, rows, {denoised: _DENOISED_COLUMNS})
    reasons: Counter[str] = Counter()
    areas: dict[str, list[float]] = {}
    settings = {**read_settings_of(denoised), "pseudo_mask": params.model_dump(mode="json")}
    schema = with_settings(PSEUDO_MASKS, settings)
    with parquet_writer(masks, schema) as writer:
        pending: list[dict[str, Any]] = []
        for row, image in progress(pairs, "pseudo_mask", total=total, unit="slice"):
            mask = _mask_row(params, row, image)
            pending.append(mask)
            reasons["canal found" if mask["canal_found"] else mask["roi_reason"].split(" (")[0]] += 1
            areas.setdefault(row["grade"] or "none", []).append(mask["area_mm2"])
            if len(pending) == _ROWS_PER_WRITE:
                writer.write_table(pa.Table.from_pylist(pending, schema=schema))
                pending = []
        writer.write_table(pa.Table.from_pylist(pending, schema=schema))
    write_manifest(
        manifest,
        "pseudo_mask",
        inputs=[slices, split, denoised],
        outputs=[masks],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={
            "slices": total,
            "region_of_interest": dict(sorted(reasons.items())),
            "mean_area_mm2_by_grade": {grade: round(float(np.mean(a)), 1) for grade, a in sorted(areas.items())},
            "empty_masks": sum(area == 0 for grade in areas.values() for area in grade),
        },
    )


def _mask_row(params: PseudoMaskParams, row: dict[str, Any], image_row: dict[str, Any]) -> dict[str, Any]:
    """Return one row of the output."""
    image = pixels_from_bytes(image_row["pixels"], image_row["rows"], image_row["columns"])
    spacing = spacing_mm(row)
    roi = find_region(image, spacing, row["weighting"], params)
    mask = draw_mask(image, roi, row["grade"], row["weighting"], params).mask
    extent = roi.extent
    return {
        "slice_key": row["slice_key"],
        "mask": {"bytes": encode_png(mask), "path": f"{row['slice_key']}.png"},
        "canal_found": roi.detected,
        "roi_reason": roi.reason,
        "centre_row": roi.centre_row,
        "centre_column": roi.centre_column,
        "roi_rows": extent[0],
        "roi_columns": extent[1],
        "region_pixels": int(roi.region.sum()),
        "area_mm2": float(mask.sum()) * spacing[0] * spacing[1],
    }
