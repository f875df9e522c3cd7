"""Stage shards: field of view, balance, augmentation, reference text; one Parquet file per subset and batch.

Which files it reads and writes: `workflow/rules/shards.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lss.domain.area import affected_area
from lss.domain.grades import GRADE_LABELS, parse_level_grades
from lss.imaging.augment import Augmentation, augment, draw, moved
from lss.imaging.codec import decode_png, encode_png, pixels_from_bytes
from lss.imaging.geometry import edge_letters
from lss.imaging.settings import ShardParams
from lss.inference.preparation import Canal, place_view, read_settings_of, region_share, with_settings
from lss.notes.reference import RULES_VERSION, reference_report
from lss.project.manifest import write_manifest
from lss.runtime.progress import progress
from lss.stages._slices import side_by_side, spacing_mm, used_slices
from lss.storage.io import parquet_writer, read_parquet
from lss.storage.schemas import SHARD_VERSION, SPLIT_BATCH
from lss.storage.shards import self_describing_schema

_SLICE_COLUMNS = ["slice_key", "patient_key", "level", "level_grades", "grade", "note", "rows", "columns",
                  "row_spacing_mm", "column_spacing_mm", "orientation", "source_sha256"]  # fmt: skip
_DENOISED_COLUMNS = ["slice_key", "rows", "columns", "pixels"]
_MASK_COLUMNS = ["slice_key", "mask", "canal_found", "centre_row", "centre_column", "region_pixels"]


def run(
    params: ShardParams,
    seed: int,
    *,
    batch: str,
    slices: Path,
    split: Path,
    denoised: Path,
    masks: Path,
    shards: dict[str, Path],
    manifest: Path,
    fold: int | None = None,
) -> None:
    """Write the shards of one batch.

    Args:
        params: section `shards`.
        seed: of params.yaml; every augmented copy draws from it by slice key and copy number.
        batch: name of the batch, for the manifest.
        slices: slice table of the batch (schemas.SLICES).
        split: part of the batch in the split (schemas.SPLIT_BATCH), with the copies that balance the whole cohort.
        denoised: denoised slices of the batch (schemas.DENOISED).
        masks: pseudo-masks of the batch (schemas.PSEUDO_MASKS).
        shards: subset (train, val, test) to output table (schemas.SHARD).
        manifest: where the stage's manifest goes.
        fold: the fold that is tested in place of the one that the split table's subsets are of.
    """
    started = datetime.now(UTC)
    cv2.setNumThreads(1)  # the workflow runs one batch per core
    table = read_parquet(split, SPLIT_BATCH).to_pylist()
    if fold is not None:
        table = [row | {name: row[f"{name}_by_fold"][fold] for name in ("subset", "copies")} for row in table]
    subsets = {row["slice_key"]: row["subset"] for row in table}
    copies = {row["slice_key"]: row["copies"] if params.balance else 1 for row in table if row["subset"] == "train"}
    counts = {subset: Counter[str]() for subset in shards}
    facts: Counter[str] = Counter()
    total, rows = used_slices(slices, subsets, _SLICE_COLUMNS)
    settings = {**read_settings_of(masks), "shards": params.model_dump(mode="json")}
    schema = with_settings(self_describing_schema(), settings)
    with ExitStack() as stack:
        writers = {
            subset: _Writer(stack.enter_context(parquet_writer(path, schema)), params.row_group_size)
            for subset, path in shards.items()
        }
        inputs = side_by_side(slices, rows, {denoised: _DENOISED_COLUMNS, masks: _MASK_COLUMNS})
        for row, image, mask in progress(inputs, "shards", total=total, unit="slice"):
            subset = subsets[row["slice_key"]]
            for sample in _samples(params, seed, row, image, mask, copies.get(row["slice_key"])):
                writers[subset].add(sample)
                counts[subset][sample["grade"] or "none"] += 1
                facts["augmented"] += sample["copy"] > 0
                facts["flipped"] += sample["flipped"]
            facts["canal_not_found"] += not mask["canal_found"]
        for writer in writers.values():
            writer.flush()
    _print(batch, counts)
    write_manifest(
        manifest,
        "shards",
        inputs=[slices, split, denoised, masks],
        outputs=list(shards.values()),
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={
            "batch": batch,
            **({} if fold is None else {"fold": fold}),
            "schema_version": SHARD_VERSION,
            "report_rules_version": RULES_VERSION,
            "rows_by_grade": {subset: dict(sorted(counter.items())) for subset, counter in counts.items()},
            **facts,
        },
    )


def _print(batch: str, counts: dict[str, Counter[str]]) -> None:
    """Print the samples of this batch per grade."""
    for subset, counter in counts.items():
        grades = ", ".join(f"{GRADE_LABELS.get(grade, grade)} {count}" for grade, count in sorted(counter.items()))
        print(f"shards {batch}: {subset}: {grades or 'nothing'}", file=sys.stderr)


def _samples(
    params: ShardParams,
    seed: int,
    row: dict[str, Any],
    image_row: dict[str, Any],
    mask_row: dict[str, Any],
    copies: int | None,
) -> Iterator[dict[str, Any]]:
    """Yield the augmented copies of a slice of the training part; of others (`copies` None) the original."""
    spacing = spacing_mm(row)
    image = pixels_from_bytes(image_row["pixels"], image_row["rows"], image_row["columns"])
    mask = decode_png(mask_row["mask"]["bytes"]) > 0
    canal = Canal.of_row(mask_row)
    view = place_view(image.shape, spacing, canal, params)
    image, mask = view.crop(image), view.crop(mask)
    unchanged_share = region_share(view, canal, params)
    sides = "".join(edge_letters(row["orientation"]) or ()) or None
    centre = (canal.row - view.row, canal.column - view.column)
    for copy in [0] if copies is None else range(1, copies + 1):
        change = Augmentation()
        if copy:
            change = draw(
                seed,
                row["slice_key"],
                copy,
                rotation_deg=params.rotation_deg,
                zoom=params.zoom,
                contrast=params.contrast,
                flip=params.flip,
            )
        share = unchanged_share * change.zoom**2 if params.area_of == "region" else 1.0
        canal_column = (moved(centre, mask.shape, change)[1] + 0.5) / mask.shape[1]
        yield _sample(row, *augment(image, mask, change), change, copy, share) | {
            "canal_column": canal_column if canal.detected else None,
            "row_spacing_mm": spacing[0],
            "column_spacing_mm": spacing[1],
            "sides": sides[::-1] if sides and change.flip else sides,
            "canal_found": canal.detected,
            "crop_row": view.row,
            "crop_column": view.column,
        }


def _sample(
    row: dict[str, Any],
    image: NDArray[np.uint16],
    mask: NDArray[np.bool_],
    change: Augmentation,
    copy: int,
    region_share: float,
) -> dict[str, Any]:
    """Return the columns of a sample that depend on its pixels."""
    key = f"{row['slice_key']}~{copy}" if copy else row["slice_key"]
    area_percent = affected_area(float(mask.mean()), region_share)
    return {
        "image": {"bytes": encode_png(image), "path": f"{key}.png"},
        "mask": {"bytes": encode_png(mask), "path": f"{key}.mask.png"},
        "sample_key": key,
        "slice_key": row["slice_key"],
        "patient_key": row["patient_key"],
        "level": row["level"],
        "level_named": row["level"] in parse_level_grades(row["level_grades"]),
        "grade": row["grade"],
        "report": reference_report(row["grade"], area_percent, row["note"], row["level"]),
        "area_percent": area_percent,
        "region_share": region_share,
        "copy": copy,
        "flipped": change.flip,
        "source_sha256": row["source_sha256"],
    }


class _Writer:
    """A writer of rows in row groups of a fixed size; it holds one group at most."""

    def __init__(self, writer: pq.ParquetWriter, row_group_size: int) -> None:
        self._writer, self._size, self._rows = writer, row_group_size, list[dict[str, Any]]()

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == self._size:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            table = pa.Table.from_pylist(self._rows, schema=self._writer.schema)
            self._writer.write_table(table, row_group_size=self._size)
            self._rows = []
