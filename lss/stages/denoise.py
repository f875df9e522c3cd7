"""Stage denoise: non-local means on the slices in use."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from lss.errors import LssError
from lss.imaging.codec import pixels_from_bytes, pixels_to_bytes
from lss.imaging.denoise import Denoised, denoise, denoise_batch
from lss.imaging.denoise_gpu import cuda_available
from lss.project.manifest import write_manifest
from lss.project.params import DenoiseParams, ExecutionParams
from lss.runtime.progress import progress
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
        split: split table of the whole cohort (schemas.SPLIT).
        denoised: output table (schemas.DENOISED), in the order of the slice table.
        manifest: where the stage's manifest goes.
    """
    started = datetime.now(UTC)
    cv2.setNumThreads(1)  # the workflow runs one batch per core
    on_gpu = _on_gpu(params, execution)
    sigmas: list[float] = []
    total, rows = used_slices(slices, read_split(split), _COLUMNS)
    waiting = progress(rows, "denoise", total=total, unit="slice")
    with parquet_writer(denoised, DENOISED) as writer:
        while group := list(islice(waiting, _ROWS_PER_WRITE)):
            results = _denoise(group, params, on_gpu)
            sigmas += [result.sigma for result in results]
            table = [_row(row, result) for row, result in zip(group, results, strict=True)]
            writer.write_table(pa.Table.from_pylist(table, schema=DENOISED))
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


def _on_gpu(params: DenoiseParams, execution: ExecutionParams) -> bool:
    """Whether torch on a CUDA device does the work."""
    if params.method != "nlm" or execution.device == "cpu":
        return False
    found = cuda_available()
    if execution.device == "cuda" and not found:
        raise LssError(
            "params.yaml: execution.device: 'cuda' is set, but torch finds no CUDA device. Set it to 'auto'."
        )
    return found


def _denoise(group: list[dict[str, Any]], params: DenoiseParams, on_gpu: bool) -> list[Denoised]:
    """Filter the slices of some rows."""
    images = [pixels_from_bytes(row["pixels"], row["rows"], row["columns"]) for row in group]
    settings = params.model_dump()
    if on_gpu:
        settings.pop("method")
        return denoise_batch(images, **settings)
    return [denoise(image, **settings) for image in images]


def _row(row: dict[str, Any], result: Denoised) -> dict[str, Any]:
    """One row of the output."""
    return {
        "slice_key": row["slice_key"],
        "rows": row["rows"],
        "columns": row["columns"],
        "pixels": pixels_to_bytes(result.image),
        "sigma": result.sigma,
        "h": result.h,
    }
