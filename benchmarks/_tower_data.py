"""What the benchmark of towers trains and tests on: a draw from the phantom's shards, real slices without headers."""

from __future__ import annotations

from pathlib import Path

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lss.cohorts.picture_files import read_picture
from lss.errors import LssError
from lss.imaging.codec import encode_png
from lss.imaging.denoise import denoise
from lss.imaging.geometry import field_of_view
from lss.imaging.pseudo_mask import steps
from lss.imaging.roi import region_of_interest
from lss.project import layout
from lss.project.params import Params
from lss.runtime.progress import progress
from lss.runtime.seeding import generator
from lss.storage.io import write_parquet
from lss.storage.schemas import SHARD

REAL_GRADE = "BC"  # line 11 of Algorithm 1; the slices' grades are not known


def phantom_part(subset: str, params: Params, path: Path, most: int | None = None) -> None:
    """Write a subset of the cohort's shards as one; `most`: a draw of so many rows, by the seed, in their order."""
    shards = [layout.SHARD.format(subset=subset, batch=batch) for batch in layout.batch_names(params.cohort.batches)]
    missing = [shard for shard in shards if not Path(shard).exists()]
    if missing:
        raise LssError(f"{missing[0]}: is missing. Run: snakemake --cores 2 shards_all")
    rows = pa.concat_tables([pq.read_table(shard, schema=SHARD) for shard in shards]).to_pylist()
    if most is not None and most < len(rows):
        drawn = generator(params.seed, "towers", subset).permutation(len(rows))[:most]
        rows = [rows[index] for index in sorted(drawn)]
    write_parquet(path, rows, SHARD, row_group_size=64)


def real_part(folder: Path, spacing: float, params: Params, path: Path) -> tuple[int, int]:
    """Write the PNG of axial T2 slices in `folder` (front up, no header) with their pseudo-masks as a shard.

    Returns how many there are, and on how many of them a canal was found; the others are left out.
    """
    files = sorted(folder.glob("*.png"))
    if not files:
        raise LssError(f"{folder}: holds no PNG")
    settings = params.pseudo_mask
    kernels = settings.model_dump(include={"canny_sigma", "kernel_severe", "kernel_small"})
    rows = []
    for file in progress(files, "real slices", unit="slice"):
        raw, _ = read_picture(file.read_bytes())
        clean = denoise(raw, **params.denoise.model_dump(exclude={"device"})).image
        around = region_of_interest(
            clean, spacing, spacing, "T2", "canal", settings.roi_size_mm, settings.roi_margin_mm
        )
        if not around.detected:
            continue
        centre = (around.centre_row, around.centre_column)
        view = field_of_view(clean.shape, (spacing, spacing), centre, params.shards.crop_mm)
        mask = view.crop(steps(clean, around, REAL_GRADE, **kernels).mask)
        rows.append(
            dict.fromkeys(SHARD.names)
            | {
                "image": {"bytes": encode_png(view.crop(clean)), "path": None},
                "mask": {"bytes": encode_png(mask), "path": None},
                "sample_key": file.stem,
                "slice_key": file.stem,
                "patient_key": "unknown",
                "grade": REAL_GRADE,
                "report": "",
                "area_percent": 100 * float(np.mean(mask)),
            }
        )
    write_parquet(path, rows, SHARD)
    return len(files), len(rows)
