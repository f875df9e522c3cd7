"""Reading shards: rows by number through their row groups, a shuffle that does not depend on workers, decoding."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lss.imaging.codec import decode_png
from lss.imaging.geometry import resample_image
from lss.runtime.seeding import generator
from lss.storage.parquet_files import TableReader
from lss.storage.schemas import IMAGE, SHARD

WINDOW_GROUPS = 16
"""Row groups that are shuffled together, and held in memory: 80 MB of whole 320 x 320 slices in groups of 64."""

_DTYPES = {pa.string(): "string", pa.float32(): "float32", pa.int32(): "int32", pa.bool_(): "bool"}


def self_describing_schema() -> pa.Schema:
    """Return schemas.SHARD, with the metadata by which `datasets` knows image and mask as `Image`."""
    features = {
        field.name: {"_type": "Image"} if field.type == IMAGE else {"_type": "Value", "dtype": _DTYPES[field.type]}
        for field in SHARD
    }
    return SHARD.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


class ShardReader:
    """Rows of several shard files as one sequence, in the order of `paths` and of the rows within them.

    A row is a dict of the asked columns (schemas.SHARD); images stay encoded, see `decode_image`. One row group is
    read at a time and the last `WINDOW_GROUPS` are kept, so memory does not grow with the number of rows, and an
    epoch in `epoch_order` reads each group once. Safe to use in forked workers: each process opens its own files.

    Args:
        paths: shard files.
        columns: names of columns to read; all by default.

    Raises:
        LssError: a file is missing, broken, or lacks a column.
    """

    def __init__(self, paths: Sequence[Path | str], columns: Sequence[str] | None = None) -> None:
        self.paths = [Path(path) for path in paths]
        self.columns = list(columns or SHARD.names)
        self._groups: list[tuple[int, int]] = []  # (file, row group) of every non-empty row group
        sizes = []
        for number, path in enumerate(self.paths):
            with _open(path, self.columns) as file:
                for group, size in enumerate(file.group_sizes):
                    if size:
                        self._groups.append((number, group))
                        sizes.append(size)
        self.group_sizes: tuple[int, ...] = tuple(sizes)  # rows of every row group, in order
        self._starts = [0, *accumulate(sizes)]
        self._forget()

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        index %= len(self)
        place = bisect_right(self._starts, index) - 1
        return self._read_group(place).slice(index - self._starts[place], 1).to_pylist()[0]

    def iterate(self, order: Iterable[int]) -> Iterator[dict[str, Any]]:
        """Yield rows in the given order of numbers, e.g. that of `epoch_order`."""
        for index in order:
            yield self[int(index)]

    def column(self, name: str) -> list[Any]:
        """Return one whole column of all files; not meant for images."""
        values: list[Any] = []
        for path in self.paths:
            with _open(path, [name]) as file:
                values += file.read()[name].to_pylist()
        return values

    def _read_group(self, place: int) -> pa.Table:
        if self._process != os.getpid():  # file handles must not be shared with a parent process
            self._forget()
        if place in self._cache:
            self._cache.move_to_end(place)
            return self._cache[place]
        number, group = self._groups[place]
        if number not in self._files:
            self._files[number] = _open(self.paths[number], self.columns)
        table = self._files[number].group(group)
        self._cache[place] = table
        if len(self._cache) > WINDOW_GROUPS:
            self._cache.popitem(last=False)
        return table

    def _forget(self) -> None:
        self._process = os.getpid()
        self._files: dict[int, TableReader] = {}
        self._cache: OrderedDict[int, pa.Table] = OrderedDict()


def _open(path: Path, columns: Sequence[str]) -> TableReader:
    return TableReader(path, columns, schema=SHARD, remedy="Rerun the stage shards.")


def epoch_order(group_sizes: Sequence[int], seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of all rows in an epoch: a permutation that depends on the shards, `seed` and `epoch` alone.

    Row groups are shuffled and dealt into windows of `WINDOW_GROUPS`; the rows of each window are shuffled. So a group
    is read once per epoch instead of once per row. What that costs: rows of one group (neighbouring patients, copies
    of a slice) come within one window, 1,024 rows at 64 a group, and batches mix the rows of 16 random groups, not of
    all. Every epoch draws other windows. With at most `WINDOW_GROUPS` groups it is an ordinary shuffle.

    Args:
        group_sizes: rows of every row group (`ShardReader.group_sizes`).
        seed: of params.yaml.
        epoch: number of the epoch.

    Returns:
        numbers of rows, (sum of group_sizes,); workers share them out, so the order is the same for any number of them.
    """
    draw = generator(seed, "epoch order", epoch)
    starts = np.concatenate([[0], np.cumsum(group_sizes)]).astype(np.int64)
    groups = draw.permutation(len(group_sizes))
    windows = []
    for first in range(0, len(groups), WINDOW_GROUPS):
        rows = [np.arange(starts[group], starts[group + 1]) for group in groups[first : first + WINDOW_GROUPS]]
        windows.append(draw.permutation(np.concatenate(rows)))
    return np.concatenate(windows) if windows else np.zeros(0, np.int64)


def decode_image(data: bytes) -> NDArray[np.uint16]:
    """Return stored grey levels of a shard's image (rows, columns)."""
    return decode_png(data).astype(np.uint16)


def decode_mask(data: bytes) -> NDArray[np.bool_]:
    """Return a shard's mask (rows, columns)."""
    return decode_png(data) > 0


def to_model_input(image: NDArray[np.uint16], size: int) -> NDArray[np.float32]:
    """Return grey levels as float32 (size, size) in [0, 1]: 0 at the image's 1st, 1 at its 99.5th percentile.

    Shrunk by area, enlarged linearly; a field of view that is not square is stretched.
    """
    low, high = np.percentile(image, (1, 99.5))
    scaled = np.clip((image.astype(np.float32) - low) / max(float(high - low), 1.0), 0, 1).astype(np.float32)
    return resample_image(scaled, (size, size))
