"""Stage denoise: non-local means on the slices in use.

Which files it reads and writes: `workflow/rules/denoise.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from lss.imaging.codec import pixels_from_bytes, pixels_to_bytes
from lss.imaging.denoise import Denoised
from lss.imaging.settings import DenoiseParams
from lss.inference.preparation import denoise_images, denoises_on_gpu, with_settings
from lss.project.manifest import write_manifest
from lss.runtime.progress import progress
from lss.runtime.settings import ExecutionParams
from lss.stages._slices import read_split, used_slices
from lss.storage.io import parquet_writer
from lss.storage.schemas import DENOISED

_ROWS_PER_WRITE = 64
_COLUMNS = ["slice_key", "rows", "columns", "pixels"]


def run(
    params: DenoiseParams,
    seed: int,
    *,
    execution: ExecutionParams,
    slices: Path,
    split: Path,
    denoised: Path,
    manifest: Path,
) -> None:
    """Denoise the slices of one batch whose subset is train, val or test.

    Args:
        params: section `denoise`.
        seed: of params.yaml; recorded only, nothing is drawn.
        execution: the execution section.
        slices: slice table of the batch (schemas.SLICES).
        split: which slices of the batch are in use (schemas.USED).
        denoised: output table (schemas.DENOISED), in the order of the slice table.
        manifest: where the stage's manifest goes.
    """
    started = datetime.now(UTC)
    cv2.setNumThreads(1)  # the workflow runs one batch per core
    on_gpu = denoises_on_gpu(params, execution.device)
    schema = with_settings(DENOISED, {"denoise": params.model_dump(mode="json")})
    sigmas: list[float] = []
    total, rows = used_slices(slices, read_split(split), _COLUMNS)
    waiting = progress(rows, "denoise", total=total, unit="slice")
    with parquet_writer(denoised, schema) as writer:
        while group := list(islice(waiting, _ROWS_PER_WRITE)):
            images = [pixels_from_bytes(row["pixels"], row["rows"], row["columns"]) for row in group]
            results = denoise_images(images, params, execution.device)
            sigmas += [result.sigma for result in results]
            table = [_row(row, result) for row, result in zip(group, results, strict=True)]
            writer.write_table(pa.Table.from_pylist(table, schema=schema))
    write_manifest(
        manifest,
        "denoise",
        inputs=[slices, split],
        outputs=[denoised],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={
            "slices": len(sigmas),
            "device": "cuda" if on_gpu else "cpu",
            "execution": execution.model_dump(mode="json"),
            "sigma_median": round(float(np.median(sigmas)), 3) if sigmas else None,
            "sigma_range": [round(min(sigmas), 3), round(max(sigmas), 3)] if sigmas else None,
        },
    )


def _row(row: dict[str, Any], result: Denoised) -> dict[str, Any]:
    """Return one row of the output."""
    return {
        "slice_key": row["slice_key"],
        "rows": row["rows"],
        "columns": row["columns"],
        "pixels": pixels_to_bytes(result.image),
        "sigma": result.sigma,
        "h": result.h,
    }
