"""Phantom slices with their truth, for the benchmarks: from a run's tables (`snakemake --cores 2 split`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lss.imaging.codec import decode_png, pixels_from_bytes
from lss.project import layout


@dataclass(frozen=True)
class PhantomSlice:
    """An axial slice in use: pixels, noise-free pixels (None where not kept), true canal, true grade, spacing."""

    image: NDArray[np.uint16]
    clean: NDArray[np.uint16] | None
    canal: NDArray[np.bool_]
    grade: str
    level: str
    weighting: str
    spacing_mm: tuple[float, float]


def phantom_slices(weighting: str = "T2") -> Iterator[PhantomSlice]:
    """Axial slices of the phantom cohort that have a truth, in the tables' order."""
    truth = {row["source_sha256"]: row for row in pq.read_table(layout.TRUTH).to_pylist()}
    columns = [
        "source_sha256",
        "pixels",
        "rows",
        "columns",
        "row_spacing_mm",
        "column_spacing_mm",
        "weighting",
        "level",
    ]
    for path in sorted(Path(layout.SLICES.format(batch="*")).parent.glob("batch-*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(32, columns=[*columns, "plane"]):
            for row in batch.to_pylist():
                true = truth.get(row["source_sha256"])
                if row["plane"] != "axial" or row["weighting"] != weighting or true is None:
                    continue
                shape = row["rows"], row["columns"]
                yield PhantomSlice(
                    pixels_from_bytes(row["pixels"], *shape),
                    pixels_from_bytes(true["clean"], *shape) if true["clean"] else None,
                    decode_png(true["canal_mask"]["bytes"]) > 0,
                    true["grade"],
                    row["level"],
                    row["weighting"],
                    (row["row_spacing_mm"], row["column_spacing_mm"]),
                )


def machine() -> str:
    """Processor and core count, for the head of a table."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return f"{names[0] if names else 'unknown processor'}, {len(names)} cores"
