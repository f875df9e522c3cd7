"""A bundle against the stages: the same image for the same slice, the same prediction for the same image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import pyarrow.parquet as pq
import pytest
from imaging_study import CASES, axial, slice_row, study

from lss.errors import LssError
from lss.imaging.codec import encode_png
from lss.inference.bundle import Bundle, load_bundle
from lss.inference.prediction import GradePrediction, MaskPrediction
from lss.inference.preparation import Preparation, SliceImage, prepare_slice, read_settings_of
from lss.project.models import Run, training_settings
from lss.project.params import Params, load_params
from lss.stages import predict, train, weights
from lss.storage.io import write_parquet
from lss.storage.schemas import PREDICTIONS, SHARD
from lss.training.registry import task_record

RUNS = {"classification": "cross_entropy", "segmentation": "pid_tversky", "report": "focal"}


def settings(project_root: Path) -> Params:
    params = load_params(project_root / "params.yaml")
    tasks = {task: params.train.of(task).model_copy(update={"epochs": 1}) for task in RUNS}
    tasks["report"] = tasks["report"].model_copy(update={"max_tokens": 24})
    return params.model_copy(update={"train": params.train.model_copy(update={"mask_size": 32, **tasks})})


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    """Slices through denoise, pseudo_mask, shards, train and predict; the folder holds models and predictions."""
    folder, params = tmp_path_factory.mktemp("chain"), settings(project_root)
    study(folder, params, params.shards)
    shards = {name: [folder / f"{name}-{batch}.parquet" for batch in ("00", "01")] for name in ("train", "val", "test")}
    checkpoint = folder / "biomedclip"
    weights.run(
        params.weights, 1, backbone="biomedclip", published=folder, folder=checkpoint, manifest=folder / "w.json"
    )
    for task, loss in RUNS.items():
        segmentation = folder / "segmentation" if task == "report" else None
        train.run(
            params.train, 3, execution=params.execution,
            backbone="biomedclip", task=task, loss=loss, weights=checkpoint, shards=shards,
            segmentation=segmentation, folder=folder / task, state=folder / "state", manifest=folder / "t.json",
        )  # fmt: skip
        predict.run(
            params.predict, 3, execution=params.execution,
            model=folder / task, weights=checkpoint,
            shards=shards["test"], predictions=folder / f"{task}.parquet", manifest=folder / "p.json",
        )  # fmt: skip
    return folder


def as_read(key: str) -> SliceImage:
    """The slice of a case as a reader of studies would hand it over: without grade and note."""
    row = slice_row(list(CASES).index(key), key)
    spacing = (row["row_spacing_mm"], row["column_spacing_mm"])
    return SliceImage(key, axial(list(CASES).index(key)), spacing, row["weighting"], row["level"], row["orientation"])


def rows_of(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def load(folder: Path, task: str) -> Bundle:
    return load_bundle(folder / task, weights=folder / "biomedclip", device="cpu")


@pytest.mark.parametrize("key", ["v0", "t0"])
def test_an_image_is_prepared_as_the_stages_did_to_the_byte(chain: Path, key: str) -> None:
    stored = next(row for name in ("val", "test") for batch in ("00", "01")
                  for row in rows_of(chain / f"{name}-{batch}.parquet") if row["slice_key"] == key)  # fmt: skip
    prepared = load(chain, "segmentation").prepare(as_read(key))
    assert encode_png(prepared.image) == stored["image"]["bytes"]
    assert (prepared.view.row, prepared.view.column) == (stored["crop_row"], stored["crop_column"])
    assert (prepared.region_share, prepared.canal_column) == (stored["region_share"], stored["canal_column"])
    assert (prepared.canal.detected, prepared.sides) == (stored["canal_found"], stored["sides"])


@pytest.mark.parametrize(
    ("denoising", "masking", "sharding"),
    [
        ({"method": "none"}, {"roi": "centre"}, {"crop": "centre", "crop_mm": 61.3}),
        ({"h_factor": 2.5, "rician": True}, {"roi": "none"}, {"crop": "none", "area_of": "view"}),
        ({"patch_size": 3}, {"roi_margin_mm": 7.5}, {"crop_mm": 150.0}),  # the view overhangs the slice
    ],
)
def test_whatever_the_settings(
    tmp_path: Path, project_root: Path, denoising: dict[str, Any], masking: dict[str, Any], sharding: dict[str, Any]
) -> None:
    params = load_params(project_root / "params.yaml")
    changed = {"denoise": denoising, "pseudo_mask": masking, "shards": sharding}
    params = params.model_copy(
        update={stage: getattr(params, stage).model_copy(update=change) for stage, change in changed.items()}
    )
    study(tmp_path, params, params.shards, params.pseudo_mask)
    shard = tmp_path / "test-01.parquet"
    [stored] = rows_of(shard)
    message = Preparation.of(read_settings_of(shard), shard)
    assert message.shards == params.shards and message.pseudo_mask == params.pseudo_mask
    prepared = prepare_slice(as_read("t0"), message)
    assert encode_png(prepared.image) == stored["image"]["bytes"]
    assert (prepared.region_share, prepared.canal_column) == (stored["region_share"], stored["canal_column"])


@pytest.mark.parametrize("task", RUNS)
def test_predictions_are_those_of_the_stage(chain: Path, project_root: Path, task: str) -> None:
    bundle, params = load(chain, task), settings(project_root).predict
    [stage] = rows_of(chain / f"{task}.parquet")
    [result] = bundle.predict(
        bundle.batch([bundle.prepare(as_read("t0"))]), writing=params, seed=3, exchange=predict.EXCHANGES
    )
    own = predict.prediction_row(stage | {"report": stage.get("reference")}, result)
    write_parquet(
        chain / "own.parquet", [own], PREDICTIONS[task_record(task).predicts]
    )  # in the precision of the table
    assert rows_of(chain / "own.parquet") == [stage]


def test_several_slices_at_once(chain: Path) -> None:
    bundle = load(chain, "segmentation")
    prepared = [bundle.prepare(as_read(key)) for key in ("t0", "v0", "u0")]
    together = bundle.predict(bundle.batch(prepared))
    for one, result in zip(prepared, together, strict=True):
        [alone] = bundle.predict(bundle.batch([one]))
        assert isinstance(alone, MaskPrediction) and isinstance(result, MaskPrediction)
        assert result.mask.shape == (32, 32) and result.attention.sum() == pytest.approx(1, abs=1e-4)
        assert (result.mask != alone.mask).mean() < 0.005  # a batch rounds otherwise
    [graded] = load(chain, "classification").predict(bundle.batch(prepared[:1]))
    assert isinstance(graded, GradePrediction) and sum(graded.probabilities.values()) == pytest.approx(1)


def test_what_a_bundle_knows(chain: Path, project_root: Path) -> None:
    params, bundle = settings(project_root), load(chain, "report")
    card = bundle.card
    assert bundle.preparation.denoise.patch_size == params.denoise.patch_size
    assert bundle.preparation.shards == params.shards and card.train == training_settings(
        params.train, Run("biomedclip", "report", "focal")
    )
    assert card.grades == ["A", "BC", "D"] and bundle.thresholds is not None
    assert card.facts["weights"]["licence"].startswith("Apache-2.0") and "open_clip_config.json" in str(card.facts)
    assert {len(digest) for digest in card.made_from["shards"]["train"].values()} == {64}
    assert len(card.made_from["segmentation"]) == 64 and "torch" in card.made_from["versions"]
    assert set(card.files) == {"model.safetensors", "adapter/adapter_config.json", "adapter/adapter_model.safetensors"}
    assert load(chain, "segmentation").thresholds is None


def test_shards_that_do_not_say_how_they_were_prepared(tmp_path: Path, chain: Path, project_root: Path) -> None:
    """Written by hand or by another version: no model is trained whose input nobody could prepare again."""
    params = settings(project_root)
    write_parquet(tmp_path / "train.parquet", rows_of(chain / "train-00.parquet"), SHARD)
    with pytest.raises(LssError, match=r"train\.parquet: does not say how its images were prepared"):
        train.run(
            params.train, 3, execution=params.execution,
            backbone="unet", task="segmentation", loss="pid_tversky", weights=None,
            shards={"train": [tmp_path / "train.parquet"], "val": [chain / "val-00.parquet"]},
            segmentation=None, folder=tmp_path / "m", state=tmp_path / "s", manifest=tmp_path / "t.json",
        )  # fmt: skip
    assert not (tmp_path / "m").exists()


def test_a_model_that_needs_the_grade_reads_no_new_image(chain: Path) -> None:
    from dataclasses import replace

    bundle = load(chain, "segmentation")
    messages = replace(bundle, card=replace(bundle.card, leak=True))
    with pytest.raises(LssError, match="oracle"):
        messages.batch([bundle.prepare(as_read("t0"))])
