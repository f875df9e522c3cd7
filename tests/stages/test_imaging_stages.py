"""The stages denoise, pseudo_mask and shards on a small table: what they keep, balance, write again byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import imaging_study
import numpy as np
import pyarrow.parquet as pq
import pytest
from imaging_study import CASES, SIDE, axial, run_all, study

from lss.errors import LssError
from lss.imaging.codec import pixels_from_bytes
from lss.imaging.denoise import denoise
from lss.imaging.denoise_gpu import cuda_available
from lss.model.severity import lateral_side
from lss.notes.reference import RULES_VERSION
from lss.project.params import Params, load_params
from lss.stages import denoise as denoise_stage
from lss.stages import pseudo_mask as mask_stage
from lss.storage.io import read_json, write_parquet
from lss.storage.schemas import DENOISED, PSEUDO_MASKS, SHARD, SHARD_VERSION, USED
from lss.storage.shards import decode_image, decode_mask


@pytest.fixture(scope="module")
def params(project_root: Path) -> Params:
    return load_params(project_root / "params.yaml")


@pytest.fixture(scope="module")
def tables(tmp_path_factory, params: Params) -> Path:
    """A folder with everything three stages read and write, two batches."""
    folder = tmp_path_factory.mktemp("stages")
    study(folder, params, params.shards)
    return folder


def shard_rows(folder: Path, subset: str, out: str = "") -> list[dict[str, Any]]:
    return [
        row for batch in ("00", "01") for row in pq.read_table(folder / f"{out}{subset}-{batch}.parquet").to_pylist()
    ]


def test_denoise_filters_used_slices_only(tables: Path, params: Params) -> None:
    rows = [r for b in ("00", "01") for r in pq.read_table(tables / f"denoised-{b}.parquet").to_pylist()]
    assert [row["slice_key"] for row in rows] == [key for key in CASES if key != "u0"]
    expected = denoise(axial(2), **params.denoise.model_dump(exclude={"device"}))
    assert np.array_equal(pixels_from_bytes(rows[2]["pixels"], SIDE, SIDE), expected.image)
    assert rows[2]["h"] == pytest.approx(params.denoise.h_factor * rows[2]["sigma"])
    assert read_json(tables / "d-00.json")["facts"]["slices"] == 6


def test_masks_lie_on_the_canal_and_grade_a_is_empty(tables: Path) -> None:
    for row in [r for b in ("00", "01") for r in pq.read_table(tables / f"masks-{b}.parquet").to_pylist()]:
        assert row["canal_found"], row["roi_reason"]
        assert row["centre_row"] == pytest.approx((110 + 24) / 1.375, abs=2)
        mask = decode_mask(row["mask"]["bytes"])
        assert mask.shape == (SIDE, SIDE)
        assert row["area_mm2"] == pytest.approx(mask.sum() * 1.375**2)
        assert (row["area_mm2"] == 0) == (CASES[row["slice_key"]][1] == "A")


def test_schemas(tables: Path) -> None:
    for name, schema in (("denoised", DENOISED), ("masks", PSEUDO_MASKS), ("train", SHARD), ("val", SHARD)):
        assert pq.read_schema(tables / f"{name}-00.parquet").remove_metadata() == schema


def test_training_part_is_balanced_over_both_batches_and_only_it(tables: Path) -> None:
    train = shard_rows(tables, "train")
    grades = [row["grade"] for row in train]
    assert {grade: grades.count(grade) for grade in set(grades)} == {"A": 4, "BC": 4, "D": 4}
    assert [row["sample_key"] for row in train if row["grade"] == "D"] == ["d0~1", "d0~2", "d0~3", "d0~4"]
    assert all(row["copy"] > 0 for row in train) and len({row["slice_key"] for row in train}) == 7
    assert [row["sample_key"] for row in shard_rows(tables, "val") + shard_rows(tables, "test")] == ["v0", "t0"]


def test_versions_are_recorded_and_counts_are_printed(tables: Path, params: Params, capsys) -> None:
    run_all(tables, "00", params.denoise, params.pseudo_mask, params.shards, "told-")
    facts = read_json(tables / "told-s-00.json")["facts"]
    assert facts["schema_version"] == SHARD_VERSION and facts["report_rules_version"] == RULES_VERSION
    messages = capsys.readouterr().err
    assert "shards 00: train: A 4, B&C 4\n" in messages and "shards 00: val: nothing\n" in messages


def test_a_change_of_the_columns_is_a_new_version() -> None:
    digest = hashlib.sha256(str(SHARD).encode()).hexdigest()
    assert (SHARD_VERSION, digest[:16]) == (4, "7258d11978bc1b0c"), "raise SHARD_VERSION, and write the new pair here"


def test_samples_are_consistent(tables: Path, params: Params) -> None:
    side = round(params.shards.crop_mm / 1.375)
    for row in shard_rows(tables, "train") + shard_rows(tables, "val"):
        image, mask = decode_image(row["image"]["bytes"]), decode_mask(row["mask"]["bytes"])
        assert image.shape == mask.shape == (side, side)
        assert row["area_percent"] == pytest.approx(min(100, 100 * mask.mean() / row["region_share"]), rel=1e-4)
        assert 0.005 < row["region_share"] < 0.2 and row["canal_column"] == pytest.approx(0.5, abs=0.03)
        assert f"{row['area_percent']:.1f} %" in row["report"]
        assert "left foram" in row["report"].lower() and row["sides"] == ("LR" if row["flipped"] else "RL")


def test_the_original_is_the_denoised_crop_and_copies_differ(tables: Path) -> None:
    rows = {row["sample_key"]: row for subset in ("train", "val") for row in shard_rows(tables, subset)}
    image = decode_image(rows["v0"]["image"]["bytes"])
    first = rows["v0"]["crop_row"], rows["v0"]["crop_column"]
    denoised = {
        r["slice_key"]: r for b in ("00", "01") for r in pq.read_table(tables / f"denoised-{b}.parquet").to_pylist()
    }
    whole = pixels_from_bytes(denoised["v0"]["pixels"], SIDE, SIDE)
    assert np.array_equal(image, whole[first[0] : first[0] + len(image), first[1] : first[1] + len(image)])
    copies = [decode_image(rows[f"d0~{n}"]["image"]["bytes"]) for n in (1, 2, 3, 4)]
    assert len({copy.tobytes() for copy in copies}) == 4


def test_the_area_is_of_the_region_or_of_the_field_of_view(tables: Path, params: Params) -> None:
    whole_view = params.shards.model_copy(update={"area_of": "view"})
    run_all(tables, "00", params.denoise, params.pseudo_mask, whole_view, "view-")
    regions = {row["slice_key"]: row for row in pq.read_table(tables / "masks-00.parquet").to_pylist()}
    of_region = {row["sample_key"]: row for row in pq.read_table(tables / "train-00.parquet").to_pylist()}
    for row in pq.read_table(tables / "view-train-00.parquet").to_pylist():
        mask = decode_mask(row["mask"]["bytes"])
        assert row["region_share"] == 1 and row["area_percent"] == pytest.approx(100 * mask.mean(), rel=1e-5)
        zoomed = of_region[row["sample_key"]]["region_share"] * mask.size / regions[row["slice_key"]]["region_pixels"]
        assert 0.95**2 - 1e-6 <= zoomed <= 1.05**2 + 1e-6
        assert (row["copy"] > 0) or zoomed == pytest.approx(1)


@pytest.mark.parametrize("off_mm", [-24.0, 17.0])
def test_sides_are_relative_to_a_canal_off_the_centre_in_flipped_copies_too(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off_mm: float
) -> None:
    monkeypatch.setattr(imaging_study, "axial", lambda seed, draw=axial: draw(seed, off_mm))
    study(tmp_path, params, params.shards.model_copy(update={"crop": "none"}))
    rows = [row for row in shard_rows(tmp_path, "train") if row["grade"] != "A"]
    assert {row["flipped"] for row in rows} == {True, False} and all(row["canal_found"] for row in rows)
    for row in rows:
        mask = decode_mask(row["mask"]["bytes"])
        at = (np.nonzero(mask)[1].mean() + 0.5) / SIDE
        assert row["canal_column"] == pytest.approx(at, abs=0.02)
        assert abs(row["canal_column"] - 0.5) > 0.06 and (at > 0.5) == ((off_mm > 0) != row["flipped"])
        assert lateral_side(mask, row["canal_column"], row["sides"]) is None, (
            "a mask of the whole canal lies on no side"
        )
        assert lateral_side(mask, 0.5, "RL") == ("left" if at > 0.5 else "right"), "which the image's centre would give"
        beside = np.roll(mask, 9, axis=1)
        on_the_right_of_the_image = "right" if row["flipped"] else "left"
        assert lateral_side(beside, row["canal_column"], row["sides"]) == on_the_right_of_the_image


def test_without_a_canal_no_side_is_reported(params: Params, tmp_path: Path) -> None:
    study(tmp_path, params, params.shards, params.pseudo_mask.model_copy(update={"roi": "centre"}))
    assert all(row["canal_column"] is None and row["region_share"] > 0 for row in shard_rows(tmp_path, "train"))


def test_row_groups_have_the_set_size(tables: Path, params: Params) -> None:
    small = params.shards.model_copy(update={"row_group_size": 2})
    run_all(tables, "00", params.denoise, params.pseudo_mask, small, "small-")
    metadata = pq.ParquetFile(tables / "small-train-00.parquet").metadata
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert set(sizes[:-1]) == {2} and sum(sizes) == metadata.num_rows


def test_a_second_run_in_another_order_gives_the_same_bytes(tables: Path, params: Params) -> None:
    for batch in ("01", "00"):
        run_all(tables, batch, params.denoise, params.pseudo_mask, params.shards, "again-")
        for name in ("denoised", "masks", "train", "val", "test"):
            again = (tables / f"again-{name}-{batch}.parquet").read_bytes()
            assert again == (tables / f"{name}-{batch}.parquet").read_bytes(), name


def test_without_balance_and_crop(tables: Path, params: Params) -> None:
    plain = params.shards.model_copy(update={"balance": False, "crop": "none"})
    run_all(tables, "01", params.denoise, params.pseudo_mask, plain, "plain-")
    rows = pq.read_table(tables / "plain-train-01.parquet").to_pylist()
    assert [row["sample_key"] for row in rows] == ["d0~1"]
    assert decode_image(rows[0]["image"]["bytes"]).shape == (SIDE, SIDE)
    assert (rows[0]["crop_row"], rows[0]["crop_column"]) == (0, 0)


@pytest.mark.parametrize(
    ("change", "message"), [(lambda rows: rows[::-1], "b1"), (lambda rows: rows[:4], "None")], ids=["swapped", "short"]
)
def test_tables_of_different_runs_are_refused(tables: Path, params: Params, tmp_path: Path, change, message) -> None:
    rows = pq.read_table(tables / "denoised-00.parquet").to_pylist()
    write_parquet(tmp_path / "other.parquet", change(rows), DENOISED)
    with pytest.raises(LssError, match=rf"other\.parquet: holds slice {message}"):
        mask_stage.run(
            params.pseudo_mask,
            1,
            slices=tables / "slices-00.parquet",
            split=tables / "split.parquet",
            denoised=tmp_path / "other.parquet",
            masks=tmp_path / "masks.parquet",
            manifest=tmp_path / "m.json",
        )
    assert not (tmp_path / "masks.parquet").exists()


def test_a_slice_the_split_does_not_know_is_refused(tables: Path, params: Params, tmp_path: Path) -> None:
    write_parquet(tmp_path / "split.parquet", [], USED)
    with pytest.raises(LssError, match="not in the split"):
        denoise_stage.run(
            params.denoise,
            1,
            execution=params.execution,
            slices=tables / "slices-00.parquet",
            split=tmp_path / "split.parquet",
            denoised=tmp_path / "d.parquet",
            manifest=tmp_path / "m.json",
        )


def test_cuda_is_refused_where_there_is_none(tables: Path, params: Params, tmp_path: Path) -> None:
    if cuda_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(LssError, match=r"execution\.device"):
        denoise_stage.run(
            params.denoise,
            1,
            execution=params.execution.model_copy(update={"device": "cuda"}),
            slices=tables / "slices-00.parquet",
            split=tables / "split.parquet",
            denoised=tmp_path / "d.parquet",
            manifest=tmp_path / "m.json",
        )
