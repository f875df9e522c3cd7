"""A small table of slices taken through the stages denoise, pseudo_mask and shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lss.imaging.balance import balance_plan
from lss.imaging.codec import pixels_to_bytes
from lss.imaging.settings import DenoiseParams, PseudoMaskParams, ShardParams
from lss.project.params import Params, load_params
from lss.stages import denoise as denoise_stage
from lss.stages import pseudo_mask as mask_stage
from lss.stages import shards as shards_stage
from lss.storage.io import write_parquet
from lss.storage.schemas import SLICES, SPLIT, SPLIT_BATCH

SIDE = 160
NOTE = "L4-L5: broad based disc bulge with left foraminal stenosis."
# key: (subset, grade)
CASES = {
    "a0": ("train", "A"), "a1": ("train", "A"), "a2": ("train", "A"), "a3": ("train", "A"), "b0": ("train", "BC"),
    "b1": ("train", "BC"), "d0": ("train", "D"), "v0": ("val", "BC"), "t0": ("test", "D"), "u0": ("unused", "A"),
}  # fmt: skip


def axial(seed: int, off_mm: float = 0.0) -> np.ndarray:
    """A coarse axial slice, 1.375 mm: fat, muscles, body, bright sac; its midline lies off the image's by `off_mm`."""
    r, c = np.mgrid[:SIDE, :SIDE] * 1.375 - 110.0
    c -= off_mm
    image = np.where((r / 80) ** 2 + (c / 105) ** 2 < 1, 1500.0, 0)
    for row, column, height, width, level in (
        (0, -40, 17, 14, 350), (0, 40, 17, 14, 350), (45, -28, 18, 26, 400), (45, 28, 18, 26, 400),
        (26, -13, 7, 5, 450), (26, 13, 7, 5, 450), (0, 0, 17, 24, 800), (24, 0, 9, 12, 250), (24, 0, 6, 9, 2000),
    ):  # fmt: skip
        image[((r - row) / height) ** 2 + ((c - column) / width) ** 2 <= 1] = level
    return np.clip(image + np.random.default_rng(seed).normal(0, 20, image.shape), 0, 4095).astype(np.uint16)


def slice_row(number: int, key: str) -> dict[str, Any]:
    return dict.fromkeys(SLICES.names) | {
        "slice_key": key,
        "patient_key": f"P{number}",
        "weighting": "T2",
        "level": "L4-L5",
        "rows": SIDE,
        "columns": SIDE,
        "orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "row_spacing_mm": 1.375,
        "column_spacing_mm": 1.375,
        "bits": 12,
        "pixels": pixels_to_bytes(axial(number)),
        "note": NOTE,
        "grade": CASES[key][1],
        "source_sha256": f"{number:064x}",
    }


def study(folder: Path, params: Params, sharding: ShardParams, masking: PseudoMaskParams | None = None) -> None:
    """Write the slices of both batches, and run the three stages on them."""
    keys = list(CASES)
    split_rows = []
    for batch, part in (("00", keys[:6]), ("01", keys[6:])):
        write_parquet(folder / f"slices-{batch}.parquet", [slice_row(keys.index(k), k) for k in part], SLICES)
        split_rows += [
            dict.fromkeys(SPLIT.names)
            | {"slice_key": k, "batch": batch, "subset": CASES[k][0], "grade": CASES[k][1], "perceptual_hash": b""}
            for k in part
        ]
    copies = balance_plan({row["slice_key"]: row["grade"] for row in split_rows if row["subset"] == "train"}, 1)
    rows = [row | {"copies": copies.get(row["slice_key"])} for row in split_rows]
    write_parquet(folder / "split.parquet", rows, SPLIT_BATCH)
    for batch in ("00", "01"):
        run_all(folder, batch, params.denoise, masking or params.pseudo_mask, sharding)


def run_all(
    folder: Path, batch: str, denoising: DenoiseParams, masking: PseudoMaskParams, sharding: ShardParams, out: str = ""
) -> None:
    at = {name: folder / f"{out}{name}-{batch}.parquet" for name in ("denoised", "masks", "train", "val", "test")}
    slices, split = folder / f"slices-{batch}.parquet", folder / "split.parquet"
    execution = load_params().execution.model_copy(update={"device": "cpu"})
    denoise_stage.run(
        denoising, 1, execution=execution, slices=slices, split=split, denoised=at["denoised"],
        manifest=folder / f"{out}d-{batch}.json",
    )  # fmt: skip
    mask_stage.run(
        masking,
        1,
        slices=slices,
        split=split,
        denoised=at["denoised"],
        masks=at["masks"],
        manifest=folder / f"{out}m-{batch}.json",
    )
    shards_stage.run(
        sharding,
        1,
        batch=batch,
        slices=slices,
        split=split,
        denoised=at["denoised"],
        masks=at["masks"],
        shards={subset: at[subset] for subset in ("train", "val", "test")},
        manifest=folder / f"{out}s-{batch}.json",
    )
