"""Shards are read back by number and by `datasets`, 16 bits and all; the shuffle is a fixed permutation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch.utils.data import DataLoader

from lss.errors import LssError
from lss.imaging.codec import encode_png
from lss.storage.io import parquet_writer
from lss.storage.schemas import SHARD
from lss.storage.shards import (
    WINDOW_GROUPS,
    ShardReader,
    decode_image,
    decode_mask,
    epoch_order,
    self_describing_schema,
    to_model_input,
)

RANDOM = np.random.default_rng(8)
IMAGES = RANDOM.integers(0, 4096, (23, 12, 16)).astype(np.uint16)
IMAGES[:, 0, 0] = 60000  # more than 8 and more than 12 bits


def row(number: int) -> dict:
    values = dict.fromkeys(SHARD.names) | {
        "image": {"bytes": encode_png(IMAGES[number]), "path": f"{number}.png"},
        "mask": {"bytes": encode_png(IMAGES[number] > 2000), "path": f"{number}.mask.png"},
        "sample_key": f"s{number}",
        "slice_key": f"s{number}",
        "patient_key": f"p{number // 4}",
        "grade": "BC",
        "copy": 0,
    }
    return values


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[Path]:
    """Three shards of 10, 0 and 13 rows, in row groups of 4."""
    folder = tmp_path_factory.mktemp("shards")
    files = []
    for name, numbers in (("train-00", range(10)), ("train-01", range(0)), ("train-02", range(10, 23))):
        with parquet_writer(folder / f"{name}.parquet", self_describing_schema()) as writer:
            if rows := [row(n) for n in numbers]:
                writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema), row_group_size=4)
        files.append(folder / f"{name}.parquet")
    return files


def test_rows_by_number_across_files_and_groups(paths: list[Path]) -> None:
    reader = ShardReader(paths)
    assert len(reader) == 23
    order = RANDOM.permutation(23)
    assert [r["sample_key"] for r in reader.iterate(order)] == [f"s{n}" for n in order]
    assert reader[-1]["sample_key"] == "s22"
    for number in (0, 9, 10, 22):
        assert np.array_equal(decode_image(reader[number]["image"]["bytes"]), IMAGES[number])
        assert np.array_equal(decode_mask(reader[number]["mask"]["bytes"]), IMAGES[number] > 2000)
    with pytest.raises(IndexError):
        reader[23]


def test_columns(paths: list[Path]) -> None:
    reader = ShardReader(paths, columns=["sample_key"])
    assert reader[3] == {"sample_key": "s3"}
    assert reader.column("sample_key") == [f"s{n}" for n in range(23)]
    assert reader.column("grade") == ["BC"] * 23


def test_errors_name_the_file(paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(LssError, match=r"nowhere\.parquet"):
        ShardReader([tmp_path / "nowhere.parquet"])
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(LssError, match=r"broken\.parquet"):
        ShardReader([tmp_path / "broken.parquet"])
    with pytest.raises(LssError, match=r"train-00.parquet.*lung"):
        ShardReader(paths, columns=["lung"])


def test_the_same_rows_for_any_number_of_workers(paths: list[Path]) -> None:
    reader = ShardReader(paths, columns=["sample_key"])
    reader[0]  # files opened before the fork must not be shared
    order = epoch_order(reader.group_sizes, 3, 1).tolist()
    for workers in (0, 1, 2):
        loader = DataLoader(reader, batch_size=5, sampler=order, num_workers=workers)  # type: ignore[arg-type]
        assert [key for batch in loader for key in batch["sample_key"]] == [f"s{n}" for n in order]


def test_datasets_reads_the_images_with_16_bits(paths: list[Path], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(
        "parquet", data_files=[str(path) for path in paths], split="train", cache_dir=str(tmp_path)
    )
    assert isinstance(loaded.features["image"], datasets.Image)
    assert isinstance(loaded.features["mask"], datasets.Image)
    assert len(loaded) == 23
    for number in (0, 13):
        assert np.array_equal(np.asarray(loaded[number]["image"]), IMAGES[number])
        assert np.array_equal(np.asarray(loaded[number]["mask"]) > 0, IMAGES[number] > 2000)


SIZES = (64, 64, 7) * 20  # 60 groups of files whose last group is small


def test_epoch_order_is_a_permutation_of_its_own_per_epoch() -> None:
    first = epoch_order(SIZES, 1, 0)
    assert sorted(first.tolist()) == list(range(sum(SIZES)))
    assert np.array_equal(first, epoch_order(SIZES, 1, 0))
    for other in (epoch_order(SIZES, 1, 1), epoch_order(SIZES, 2, 0)):
        assert sorted(other.tolist()) == sorted(first.tolist()) and not np.array_equal(first, other)
    assert sorted(epoch_order((3, 2), 1, 0).tolist()) == [0, 1, 2, 3, 4]
    assert epoch_order((), 1, 0).tolist() == []


def test_a_window_mixes_its_groups_and_no_others() -> None:
    group = np.repeat(np.arange(len(SIZES)), SIZES)[epoch_order(SIZES, 5, 3)]
    first = {number: np.flatnonzero(group == number).min() for number in range(len(SIZES))}
    windows = [sorted(first, key=lambda number: first[number])[at : at + WINDOW_GROUPS] for at in range(0, 60, 16)]
    at = 0
    for window in windows:
        rows = sum(SIZES[number] for number in window)
        assert set(group[at : at + rows]) == set(window)
        large = max(window, key=lambda number: SIZES[number])
        # 64 of about 700 rows: a thorough shuffle leaves no quarter of the window without one of them
        places = np.flatnonzero(group[at : at + rows] == large) / rows
        assert all(((places >= low) & (places < low + 0.25)).sum() > 4 for low in (0, 0.25, 0.5, 0.75))
        at += rows


def test_every_row_comes_early_and_late_over_the_epochs() -> None:
    places = np.stack([np.argsort(epoch_order(SIZES, 1, epoch)) for epoch in range(300)]) / sum(SIZES)
    # uniform on 0 to 1: mean 0.5 with a standard error of 0.017
    assert np.abs(places.mean(axis=0) - 0.5).max() < 0.1
    assert (places.min(axis=0) < 0.05).all() and (places.max(axis=0) > 0.95).all()


def test_an_epoch_reads_every_row_group_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for name in range(3):  # 3 files of 10 groups, more than a window holds
        with parquet_writer(tmp_path / f"{name}.parquet", self_describing_schema()) as writer:
            rows = [row(n % 23) | {"sample_key": f"{name}-{n}"} for n in range(20)]
            writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema), row_group_size=2)
        files.append(tmp_path / f"{name}.parquet")
    read = []
    original = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda self, i, **kw: read.append((id(self), i)) or original(self, i, **kw)
    )
    reader = ShardReader(files, ["sample_key"])
    assert reader.group_sizes == (2,) * 30 and len(reader.group_sizes) > WINDOW_GROUPS
    keys = [r["sample_key"] for r in reader.iterate(epoch_order(reader.group_sizes, 1, 0))]
    assert len(set(keys)) == 60 and len(read) == len(set(read)) == 30
    read.clear()
    for number in np.random.default_rng(1).permutation(60):  # what a shuffle of all rows would cost
        reader[int(number)]
    assert len(read) > 35


def test_model_input_by_hand() -> None:
    image = np.arange(10000, dtype=np.uint16).reshape(100, 100)
    scaled = to_model_input(image, 100)
    low, high = np.percentile(image, 1), np.percentile(image, 99.5)
    assert np.allclose(scaled, np.clip((image - low) / (high - low), 0, 1), atol=1e-6)
    assert scaled.dtype == np.float32 and scaled.min() == 0 and scaled.max() == 1
    assert np.allclose(to_model_input(image, 50), scaled.reshape(50, 2, 50, 2).mean(axis=(1, 3)), atol=1e-5)
    assert np.allclose(to_model_input(image, 224), cv2.resize(scaled, (224, 224)), atol=1e-6)
    assert not to_model_input(np.full((8, 8), 7, np.uint16), 8).any()
