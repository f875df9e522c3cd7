"""The gate against copies: likeness of altered copies and of different patients, and the time for 48,000 images.

python benchmarks/copies.py [SLICES.parquet ...]   measures on axial T2 slices of those tables (of `lss ingest`)
python benchmarks/copies.py --time 48000           times the search over so many random thumbnails in three subsets
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from altered_copies import CHANGES

from lss.imaging import same_image
from lss.imaging.codec import pixels_from_bytes
from lss.imaging.same_image import Copy, find_copies, thumbnail
from lss.project.params import load_params
from lss.storage.parquet_files import TableReader

COLUMNS = ["patient_key", "plane", "weighting", "rows", "columns", "pixels"]


def measure(tables: list[Path], bits: int) -> None:
    """Print the nearest pairs of different patients, and the least alike copy of each kind."""
    slices = []
    for path in tables:
        with TableReader(path, COLUMNS) as table:
            slices += [row for group in table.groups() for row in group.to_pylist()]
    slices = [row for row in slices if (row["plane"], row["weighting"]) == ("axial", "T2")]
    images = [pixels_from_bytes(row["pixels"], row["rows"], row["columns"]).astype(np.float32) for row in slices]
    small, patients = [thumbnail(image) for image in images], [row["patient_key"] for row in slices]
    usual = same_image.ALIKE, same_image.ALIKE_OF_FEW_BITS
    same_image.ALIKE = same_image.ALIKE_OF_FEW_BITS = -1.0
    result = [pair for pair in find_copies(small, small, bits) if pair.first < pair.second]
    other = [pair for pair in result if patients[pair.first] != patients[pair.second]]
    pairs = sum(a != b for a, b in combinations(patients, 2))
    most = max(other, key=lambda pair: pair.likeness, default=None)
    refused = sum(is_one(pair, usual) for pair in other)
    print(f"{len(images)} slices of {len(set(patients))} patients, {pairs} pairs of different patients")
    print(f"  {len(other)} within {bits} bits, most alike {most and round(most.likeness, 3)}, refused {refused}")
    for name, change in CHANGES.items():
        copies = [
            next(iter(find_copies([thumbnail(change(image.copy()))], [known], bits)), Copy(0, 0, -1, -1.0))
            for image, known in list(zip(images, small, strict=True))[:30]
        ]
        caught = sum(is_one(copy, usual) for copy in copies)
        least = min(copy.likeness for copy in copies)
        apart = max(copy.bits for copy in copies)
        print(f"  {name:24} caught {caught} of {len(copies)}, least alike {least:.2f}, bits up to {apart}")


def is_one(pair: Copy, alike: tuple[float, float]) -> bool:
    return pair.bits >= 0 and pair.likeness >= alike[pair.bits <= same_image.FEW_BITS]


def time_search(count: int, bits: int) -> None:
    """Time the search over thumbnails of noise: 60 % against 20 %, 60 % against 20 %, 20 % against 20 %."""
    draw = np.random.default_rng(0)
    images = list(draw.integers(0, 256, (count, 64, 64), np.uint8))
    parts = images[: count * 3 // 5], images[count * 3 // 5 : count * 4 // 5], images[count * 4 // 5 :]
    began, used = time.monotonic(), time.process_time()
    result = sum(len(find_copies(first, second, bits)) for first, second in combinations(parts, 2))
    print(
        f"{count} images, {result} copies: {time.monotonic() - began:.0f} s, {time.process_time() - used:.0f} s of CPU"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="*")
    parser.add_argument("--time", type=int, default=0)
    asked = parser.parse_args()
    bits = load_params().split.duplicate_bits
    if asked.tables:
        measure(asked.tables, bits)
    if asked.time:
        time_search(asked.time, bits)
