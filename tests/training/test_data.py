"""Batches of shards: the pixels, the order, the remaining columns."""

from itertools import chain

import cv2
import numpy as np
import pytest
import torch

from lss.imaging.settings import AugmentParams
from lss.model.batch import Batch
from lss.notes.prompts import TEST_WORDING, TRAINING_WORDINGS
from lss.storage.io import write_parquet
from lss.storage.schemas import SHARD
from lss.training import data
from lss.training.data import BatchLoader, Samples, Subsets, change_by_epoch


def png(pixels):
    return {"bytes": cv2.imencode(".png", pixels)[1].tobytes(), "path": None}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two files of 7 and 4 samples; sample i has a bright square whose side tells i."""
    folder = tmp_path_factory.mktemp("shards")
    rows = []
    for index in range(11):
        image = np.random.default_rng(index).integers(100, 1000, (48, 48)).astype(np.uint16)
        mask = np.zeros((48, 48), np.uint8)
        mask[10 : 12 + index, 10 : 12 + index] = 255
        image[mask > 0] += 2000
        empty = {name: None for name in SHARD.names}
        rows.append(
            empty
            | {
                "image": png(image),
                "mask": png(mask),
                "slice_key": f"S{index}",
                "sample_key": f"S{index}",
                "patient_key": f"P{index // 3}",
                "grade": ("A", "BC", "D")[index % 3],
                "report": f"report {index}",
            }
        )
    write_parquet(folder / "a.parquet", rows[:7], SHARD, row_group_size=3)
    write_parquet(folder / "b.parquet", rows[7:], SHARD, row_group_size=3)
    return [folder / "a.parquet", folder / "b.parquet"]


def keys(loader, **where):
    return [[row["slice_key"] for row in batch.rows] for batch in loader.batches(**where)]


def test_sizes_ranges_and_columns(shards):
    batch = next(BatchLoader(Samples(shards, 32, 24), 4, seed=None).batches())
    assert batch.image_B1YX.shape == (4, 1, 32, 32) and batch.mask_B1YX.shape == (4, 1, 24, 24)
    assert batch.image_B1YX.dtype == batch.mask_B1YX.dtype == torch.float32
    assert batch.image_B1YX.min() >= 0 and batch.image_B1YX.max() <= 1
    assert set(batch.mask_B1YX.unique().tolist()) == {0.0, 1.0}
    assert batch.grade_B.tolist() == [0, 1, 2, 0]
    assert batch.report == [f"report {index}" for index in range(4)]
    assert batch.rows[2]["patient_key"] == "P0"


def test_mask_lies_on_its_image(shards):
    for batch in BatchLoader(Samples(shards, 24, 24), 4, seed=None).batches():
        inside, outside = batch.image_B1YX[batch.mask_B1YX > 0], batch.image_B1YX[batch.mask_B1YX == 0]
        assert inside.mean() > 0.7 > 0.4 > outside.mean()


def test_without_a_seed_the_order_is_that_of_the_shards(shards):
    flat = [key for batch in keys(BatchLoader(Samples(shards, 16, 16), 4, seed=None)) for key in batch]
    assert flat == [f"S{index}" for index in range(11)]


def test_epochs_shuffle_and_a_start_skips(shards):
    loader = BatchLoader(Samples(shards, 16, 16), 4, seed=1)
    first, second = keys(loader, epoch=0), keys(loader, epoch=1)
    assert len(loader) == len(first) == 3
    assert first != second
    assert sorted(chain(*first)) == sorted(chain(*second)) == sorted(f"S{index}" for index in range(11))
    assert keys(loader, epoch=1, start=2) == second[2:]


def test_kept_streamed_and_by_workers_is_the_same(shards):
    loader = BatchLoader(Samples(shards, 16, 16, keep=True), 4, seed=1)
    list(loader.batches())
    kept = list(loader.batches(epoch=2))
    for workers in (0, 2):
        streamed = list(BatchLoader(Samples(shards, 16, 16), 4, seed=1, workers=workers).batches(epoch=2))
        for one, other in zip(kept, streamed, strict=True):
            assert torch.equal(one.image_B1YX, other.image_B1YX) and one.rows == other.rows


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_known_samples_come_without_pixels(shards, workers):
    loader = BatchLoader(Samples(shards, 16, 16), 4, seed=1, workers=workers)
    whole = list(loader.batches(epoch=1))
    known = {row["sample_key"] for batch in whole[:2] for row in batch.rows} - {whole[1].rows[0]["sample_key"]}
    result = list(loader.batches(epoch=1, known=known))
    assert [batch.image_B1YX.shape[2:] for batch in result] == [(0, 0), (16, 16), (16, 16)]
    for one, other in zip(whole, result, strict=True):
        assert (one.rows, one.report, one.grade_B.tolist()) == (other.rows, other.report, other.grade_B.tolist())
        assert len(one) == len(other)
    assert torch.equal(whole[1].image_B1YX, result[1].image_B1YX)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_asked_for_within_autocast_are_not_cast(shards, workers):
    plain = next(BatchLoader(Samples(shards, 16, 16), 4, seed=None).batches())
    with torch.autocast("cpu", torch.bfloat16):
        batch = next(BatchLoader(Samples(shards, 16, 16), 4, seed=None, workers=workers).batches())
    assert torch.equal(batch.image_B1YX, plain.image_B1YX) and batch.image_B1YX.dtype == torch.float32


@pytest.mark.parametrize(("workers", "limit", "decoded"), [(0, 10**9, 1), (1, 10**9, 3), (0, 0, 3)])
def test_samples_are_decoded_once_by_one_process_that_has_room(shards, monkeypatch, workers, limit, decoded):
    """Asked thrice, with what is kept shared by all who ask for the same sizes."""
    monkeypatch.setattr(data, "CACHE_BYTES", limit)
    seen = []
    real = data.decode_image
    monkeypatch.setattr(data, "decode_image", lambda content: seen.append(1) or real(content))
    subsets = Subsets({"train": shards}, workers)
    first = [subsets.samples("train", 16, 16)[3, 0]["image"] for _ in range(3)]
    assert len(seen) == decoded and torch.equal(first[0], first[2])


def test_every_epoch_changes_the_images_anew_and_any_number_of_workers_in_the_same_way(shards):
    change = change_by_epoch(AugmentParams(rotation_deg=8.0, zoom=0.1, contrast=0.1), seed=3)
    images = {}
    for workers, keep in ((0, True), (0, False), (2, False)):
        loader = BatchLoader(Samples(shards, 48, 48, keep, change), 4, seed=1, workers=workers)
        for epoch in (0, 1, 0):
            for batch in loader.batches(epoch=epoch):
                for row, image, mask in zip(batch.rows, batch.image_B1YX, batch.mask_B1YX, strict=True):
                    first = images.setdefault((row["sample_key"], epoch), (image, mask))
                    assert torch.equal(first[0], image) and torch.equal(first[1], mask)
                    bright = (
                        image[0] > 0.6
                    )  # the square of the sample, which the mask covers; the smallest set no scale
                    assert row["sample_key"] in ("S0", "S1", "S2") or (bright != (mask[0] > 0.5)).float().mean() < 0.02
    assert not torch.equal(images["S9", 0][0], images["S9", 1][0])
    still = change_by_epoch(AugmentParams(rotation_deg=0.0, zoom=0.0, contrast=0.0), seed=3)
    plain, same = Samples(shards, 48, 48), Samples(shards, 48, 48, change=still)
    assert all(torch.equal(plain[index, 0]["image"], same[index, 5]["image"]) for index in range(11))


def test_batches_are_pinned_whole(monkeypatch):
    """DataLoader pins what says how; without a GPU there is nothing to pin to, so tensors only tell that they were."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor + 1)
    batch = Batch(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), torch.zeros(1), ["report"], [{"level": "L1-L2"}])
    pinned = torch.utils.data._utils.pin_memory.pin_memory(batch)
    assert all(part.min() == 1 for part in (pinned.image_B1YX, pinned.mask_B1YX, pinned.grade_B))
    assert (pinned.report, pinned.rows) == (batch.report, batch.rows)


def test_looping_draws_nothing_from_torch(shards):
    loader = BatchLoader(Samples(shards, 16, 16), 4, seed=1)
    before = torch.get_rng_state()
    list(loader.batches())
    assert torch.equal(before, torch.get_rng_state())


def test_wordings_are_drawn_by_sample_and_epoch_and_the_held_out_one_is_for_tests(shards):
    samples = Samples(shards, 16, 16)

    def wordings(loader, epoch):
        return {
            row["slice_key"]: int(asked[1])
            for batch in loader.batches(epoch)
            for row, asked in zip(batch.rows, batch.query_B3, strict=True)
        }

    assert set(wordings(BatchLoader(samples, 4, seed=None), 0).values()) == {TEST_WORDING}
    first = wordings(BatchLoader(samples, 4, seed=1), 0)
    assert set(first.values()) <= set(range(TRAINING_WORDINGS)) and len(set(first.values())) > 1
    assert first == wordings(BatchLoader(samples, 3, seed=1), 0)  # whatever the batches
    assert first != wordings(BatchLoader(samples, 4, seed=1), 1) and first != wordings(BatchLoader(samples, 4, 2), 0)
