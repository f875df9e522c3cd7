"""Stage predict: rows of the schema, in order, from models that were trained before."""

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from small_study import params, write_shards

from lss.errors import LssError
from lss.stages import predict, train, weights
from lss.storage.schemas import CLASSIFICATION, SEGMENTATION

LOSSES = {"classification": "cross_entropy", "segmentation": "cross_entropy"}


@pytest.fixture(scope="module")
def study(tmp_path_factory, project_root):
    """Both tasks trained on small shards."""
    folder = tmp_path_factory.mktemp("study")
    shards = write_shards(folder / "shards")
    settings = params(project_root, classification__epochs=6, segmentation__epochs=6, mask_size=48)
    checkpoint = folder / "biomedclip"
    weights.run(
        settings.weights, 1, backbone="biomedclip", published=folder, folder=checkpoint, manifest=folder / "w.json"
    )
    for task, loss in LOSSES.items():
        train.run(
            settings.train,
            3,
            execution=settings.execution,
            backbone="biomedclip",
            task=task,
            loss=loss,
            weights=checkpoint,
            shards=shards,
            segmentation=None,
            folder=folder / task,
            state=folder / "state",
            manifest=folder / "t.json",
        )
    return folder, shards, settings


def run(study, task, out, **execution):
    folder, shards, settings = study
    predict.run(
        settings.predict,
        3,
        execution=settings.execution.model_copy(update=execution),
        model=folder / task,
        weights=folder / "biomedclip",
        shards=shards["test"],
        predictions=out,
        manifest=out.with_suffix(".json"),
    )
    return pq.read_table(out)


def test_classification_rows(study, tmp_path):
    table = run(study, "classification", tmp_path / "p.parquet")
    assert table.schema.equals(CLASSIFICATION)
    assert table["slice_key"].to_pylist() == [f"S{index}" for index in range(2000, 2015)]
    chances = np.stack([table[f"p_{grade}"].to_numpy() for grade in ("A", "BC", "D")], axis=1)
    assert np.allclose(chances.sum(axis=1), 1, atol=1e-5)
    assert [("A", "BC", "D")[best] for best in chances.argmax(axis=1)] == table["predicted"].to_pylist()


def test_segmentation_draws_what_it_learnt(study, tmp_path):
    table = run(study, "segmentation", tmp_path / "p.parquet")
    assert table.schema.equals(SEGMENTATION)
    _, shards, _ = study
    truth = {
        row["slice_key"]: row["mask"]["bytes"] for path in shards["test"] for row in pq.read_table(path).to_pylist()
    }
    dice = []
    for row in table.to_pylist():
        mask = cv2.imdecode(np.frombuffer(row["mask"]["bytes"], np.uint8), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (48, 48) and set(np.unique(mask)) <= {0, 255}
        assert row["area_percent"] == pytest.approx(100 * (mask > 0).mean(), rel=1e-5)
        assert (row["mean_confidence"] is None) == (not mask.any())
        if mask.any():
            assert 0.5 < row["mean_confidence"] <= row["max_confidence"] <= 1
        attention = np.frombuffer(row["attention"], "<f2").astype(float)
        assert len(attention) == row["grid_rows"] * row["grid_columns"] == 196
        assert attention.sum() == pytest.approx(1, abs=0.02)
        true = cv2.imdecode(np.frombuffer(truth[row["slice_key"]], np.uint8), cv2.IMREAD_UNCHANGED)[::2, ::2] > 0
        if true.any():
            dice.append(2 * ((mask > 0) & true).sum() / ((mask > 0).sum() + true.sum()))
    assert np.mean(dice) > 0.6


def test_batch_size_does_not_matter_and_bytes_repeat(study, tmp_path):
    whole = run(study, "segmentation", tmp_path / "a.parquet")
    again = run(study, "segmentation", tmp_path / "b.parquet")
    single = run(study, "segmentation", tmp_path / "c.parquet", predict_batch_size=4)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert whole.equals(again)
    areas = [np.array(table["area_percent"]) for table in (whole, single)]
    assert np.allclose(*areas, atol=0.1)


def test_a_model_without_its_card_is_named(study, tmp_path):
    folder, shards, settings = study
    with pytest.raises(LssError, match=r"model\.json"):
        predict.run(
            settings.predict,
            3,
            execution=settings.execution,
            model=tmp_path,
            weights=folder / "biomedclip",
            shards=shards["test"],
            predictions=tmp_path / "p.parquet",
            manifest=tmp_path / "m.json",
        )
