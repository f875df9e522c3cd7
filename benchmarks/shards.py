"""Slice tables to shards at several sizes, with peak memory; and reading shards against other ways.

Needs a phantom cohort (`.venv/bin/snakemake --cores 2 shards_all`); then
`OMP_NUM_THREADS=1 .venv/bin/python benchmarks/shards.py [slices ...]` (default: 500 2000; the paper's: 48345).
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _phantom_slices import machine

from lss import layout
from lss.io import parquet_writer
from lss.params import load_params
from lss.schemas import SLICES, SPLIT
from lss.shards import ShardReader, decode_image, decode_mask, epoch_order
from lss.stages import denoise, pseudo_mask, shards


def repeated(slices: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows of the run's slice tables over and over under new keys, with their subset; a few in memory at a time."""
    subsets = {row["slice_key"]: row["subset"] for row in pq.read_table(layout.SPLIT).to_pylist()}

    def rows() -> Iterator[tuple[dict[str, Any], str]]:
        for turn in count():
            for path in sorted(Path(layout.SLICES).parent.glob("*.parquet")):
                for batch in pq.ParquetFile(path).iter_batches(32):
                    for row in batch.to_pylist():
                        if subsets.get(row["slice_key"], "unused") != "unused":
                            yield row | {"slice_key": f"{row['slice_key']}-{turn}"}, subsets[row["slice_key"]]

    return islice(rows(), slices)


def write_tables(folder: Path, slices: int) -> None:
    with (
        parquet_writer(folder / "slices.parquet", SLICES) as table,
        parquet_writer(folder / "split.parquet", SPLIT) as split,
    ):
        rows = repeated(slices)
        while group := list(islice(rows, 64)):
            table.write_table(pa.Table.from_pylist([row for row, _ in group], schema=SLICES))
            placed = [
                dict.fromkeys(SPLIT.names) | {"slice_key": row["slice_key"], "subset": subset, "grade": row["grade"]}
                for row, subset in group
            ]
            split.write_table(pa.Table.from_pylist(placed, schema=SPLIT))


def run_stage(folder: Path, stage: str, results: Any) -> None:
    """In a process of its own, for its peak memory."""
    params = load_params()
    start = time.perf_counter()
    common: dict[str, Any] = {
        "slices": folder / "slices.parquet",
        "split": folder / "split.parquet",
        "denoised": folder / "denoised.parquet",
        "manifest": folder / f"{stage}.json",
    }
    if stage == "denoise":
        denoise.run(params.denoise.model_copy(update={"device": "cpu"}), 1, **common)
    elif stage == "pseudo_mask":
        pseudo_mask.run(params.pseudo_mask, 1, masks=folder / "masks.parquet", **common)
    else:
        outputs = {subset: folder / f"{subset}.parquet" for subset in layout.SUBSETS}
        shards.run(params.shards, 1, batch="00", masks=folder / "masks.parquet", shards=outputs, **common)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    results.put((time.perf_counter() - start, int(status["VmHWM"].split()[0]) / 1024))


def stage_table(sizes: list[int]) -> None:
    print("\n| slices | stage | slices per second, one core | peak memory, MiB |\n| ---: | --- | ---: | ---: |")
    spawn = multiprocessing.get_context("spawn")
    for slices in sizes:
        with tempfile.TemporaryDirectory(dir=".") as name:
            write_tables(Path(name), slices)
            for stage in ("denoise", "pseudo_mask", "shards"):
                results = spawn.Queue()
                process = spawn.Process(target=run_stage, args=(Path(name), stage, results))
                process.start()
                taken, memory = results.get()
                process.join()
                print(f"| {slices} | {stage} | {slices / taken:.1f} | {memory:.0f} |", flush=True)


def reading_table() -> None:
    """Image and mask of every training sample, decoded, in a shuffled order."""
    import datasets

    paths = sorted(Path(layout.SHARD.format(subset="train", batch="00")).parent.glob("train-*.parquet"))
    reader = ShardReader(paths, columns=["image", "mask", "grade"])
    order = epoch_order(len(reader), 0, 0).tolist()
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        for number, row in enumerate(reader.iterate(range(len(reader)))):
            for kind in ("image", "mask"):
                (folder / f"{number}.{kind}.png").write_bytes(row[kind]["bytes"])
        hub = datasets.load_dataset(
            "parquet", data_files=[str(path) for path in paths], split="train", cache_dir=str(folder / "cache")
        )

        def ours(numbers: list[int]) -> None:
            for row in reader.iterate(numbers):
                decode_image(row["image"]["bytes"]), decode_mask(row["mask"]["bytes"])

        def loose(numbers: list[int]) -> None:
            for number in numbers:
                for kind in ("image", "mask"):
                    cv2.imread(str(folder / f"{number}.{kind}.png"), cv2.IMREAD_UNCHANGED)

        def of_datasets(numbers: list[int]) -> None:
            for number in numbers:
                np.asarray(hub[number]["image"]), np.asarray(hub[number]["mask"])

        print(f"\n{len(reader)} samples in {len(paths)} shards")
        print("\n| read and decoded | times ours, shuffled | shuffled, samples/s | in order, samples/s |")
        print("| --- | ---: | ---: | ---: |")
        ways: dict[str, Callable[[list[int]], None]] = {
            "ShardReader": ours,
            "loose PNG files (warm cache)": loose,
            "datasets, memory-mapped": of_datasets,
        }
        base = 0.0
        for what, way in ways.items():
            shuffled, straight = seconds(way, order), seconds(way, sorted(order))
            base = base or shuffled
            print(f"| {what} | {shuffled / base:.2f} | {len(order) / shuffled:.0f} | {len(order) / straight:.0f} |")


def seconds(way: Callable[[list[int]], None], numbers: list[int]) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        way(numbers)
        times.append(time.perf_counter() - start)
    return min(times)


def main(sizes: list[int]) -> None:
    cv2.setNumThreads(1)
    print(machine())
    reading_table()
    stage_table(sizes)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [500, 2000])
