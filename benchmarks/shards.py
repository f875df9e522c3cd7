"""Reading shards against other ways, on more samples than any of them holds in memory decoded.

Needs the shards of a phantom run (`snakemake --cores 2 shards_all`); then
`OMP_NUM_THREADS=1 python benchmarks/shards.py [samples, default 6000]`. The training samples are
repeated under new keys.
"""

from __future__ import annotations

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
from _phantom_slices import machine

from lss.project import layout
from lss.project.params import load_params
from lss.storage.io import parquet_writer
from lss.storage.shards import (
    WINDOW_GROUPS,
    ShardReader,
    decode_image,
    decode_mask,
    epoch_order,
    self_describing_schema,
)

FILES = 4


def repeated() -> Iterator[dict[str, Any]]:
    """Training samples over and over under new keys."""
    reader = ShardReader(sorted(Path(layout.SHARD).parent.glob("train-*.parquet")))
    for turn in count():
        for row in reader.iterate(range(len(reader))):
            yield row | {"sample_key": f"{row['sample_key']}-{turn}"}


def write_samples(folder: Path, samples: int) -> list[Path]:
    """Shards with the row groups of params.yaml, and every image and mask as a file of its own."""
    size = load_params().shards.row_group_size
    rows, paths, number = islice(repeated(), samples), [], 0
    for file in range(FILES):
        paths.append(folder / f"train-{file:02d}.parquet")
        with parquet_writer(paths[-1], self_describing_schema()) as writer:
            part = islice(rows, -(-samples // FILES))
            while group := list(islice(part, size)):
                writer.write_table(pa.Table.from_pylist(group, schema=writer.schema), row_group_size=size)
                for row in group:
                    for kind in ("image", "mask"):
                        (folder / f"{number}.{kind}.png").write_bytes(row[kind]["bytes"])
                    number += 1
    return paths


def main(samples: int) -> None:
    import datasets

    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(dir=".", prefix=".shards-") as name:
        folder = Path(name)
        paths = write_samples(folder, samples)
        reader = ShardReader(paths, columns=["image", "mask", "grade"])
        hub = datasets.load_dataset(
            "parquet", data_files=[str(path) for path in paths], split="train", cache_dir=str(folder / "cache")
        )

        def ours(numbers: list[int]) -> None:
            for row in reader.iterate(numbers):
                decode_image(row["image"]["bytes"]), decode_mask(row["mask"]["bytes"])

        def undecoded(numbers: list[int]) -> None:
            for _ in reader.iterate(numbers):
                pass

        def loose(numbers: list[int]) -> None:
            for number in numbers:
                for kind in ("image", "mask"):
                    cv2.imread(str(folder / f"{number}.{kind}.png"), cv2.IMREAD_UNCHANGED)

        def of_datasets(numbers: list[int]) -> None:
            for number in numbers:
                np.asarray(hub[number]["image"]), np.asarray(hub[number]["mask"])

        groups = len(reader.group_sizes)
        print(f"{machine()}; {samples} samples in {FILES} shards, {groups} row groups, {WINDOW_GROUPS} held at a time")
        epoch = epoch_order(reader.group_sizes, 0, 0).tolist()
        any_order = np.random.default_rng(0).permutation(samples).tolist()
        print("\n| read and decoded | times ours | samples/s, order of an epoch | in order | in any order |")
        print("| --- | ---: | ---: | ---: | ---: |")
        ways: dict[str, Callable[[list[int]], None]] = {
            "ShardReader": ours,
            "loose PNG files (warm cache)": loose,
            "datasets, memory-mapped": of_datasets,
            "ShardReader, nothing decoded": undecoded,
        }
        base = 0.0
        for what, way in ways.items():
            taken = [seconds(way, order) for order in (epoch, sorted(epoch), any_order)]
            base = base or taken[0]
            speeds = " | ".join(f"{samples / one:.0f}" for one in taken)
            print(f"| {what} | {taken[0] / base:.2f} | {speeds} |", flush=True)


def seconds(way: Callable[[list[int]], None], numbers: list[int]) -> float:
    """CPU time of the better of two passes."""
    times = []
    for _ in range(2):
        start = time.process_time()
        way(numbers)
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6000)
