"""Folds pooled from predictions of known quality: two folds, two repeats."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import synthetic_results

from lss.errors import LssError
from lss.evaluation.settings import EvaluateParams
from lss.project import layout
from lss.project.models import Run, Trial, stage_manifests
from lss.project.params import load_params
from lss.reporting.results import Results
from lss.reporting.table_grid import grid_of
from lss.reporting.tables.table15_folds import TABLE
from lss.stages._fold_pooling import NO_FOLDS, commonest_mask, pool_folds
from lss.storage.io import write_parquet
from lss.storage.schemas import TRUTH


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    """Paths of predictions and shards, and what the stage makes of them."""
    folder = tmp_path_factory.mktemp("folds")
    predictions, shards, truth_rows = {}, {}, []
    for fold in (0, 1):
        for repeat, quality in ((1, 0.95), (2, 0.85)):
            made = synthetic_results.make(folder / f"{fold}-{repeat}", patients=6, quality=quality, prefix=f"f{fold}-")
            predictions |= {(Trial(fold, repeat), Run(*model)): path for model, path in made.predictions.items()}
        shards[fold] = {"train": made.shards["train"], "test": made.shards["test"]}
        truth_rows += pq.read_table(made.truth).to_pylist()
    write_parquet(folder / "truth.parquet", truth_rows, TRUTH)
    return predictions, shards, folder / "truth.parquet", run(folder, predictions, shards, folder / "truth.parquet")


def run(folder, predictions, shards, truth):
    settings = EvaluateParams(bootstrap_draws=200, interval="bca", confidence=0.95, compare_with=None)
    pool_folds(
        settings, 3, predictions=predictions, shards=shards, truth=truth,
        comparison=folder / "pooled.json", manifest=folder / "manifest.json",
    )  # fmt: skip
    return json.loads((folder / "pooled.json").read_text())


def row_of(comparison, **key):
    (row,) = [row for row in comparison["measures"] if all(row[name] == value for name, value in key.items())]
    return row


def test_every_patient_of_both_folds_counts_once(pooled):
    predictions, _, _, comparison = pooled
    assert comparison["about"] | {"interval": "", "interval_of_trainings": ""} == {
        "folds": 2, "repeats": 2, "images": 48, "patients": 12, "confidence": 0.95,
        "interval": "", "interval_of_trainings": "",
    }  # fmt: skip
    model = Run("biomedclip", "classification", "cross_entropy")
    right = [
        [row["predicted"] == row["grade"] for fold in (0, 1)
         for row in pq.read_table(predictions[Trial(fold, repeat), model]).to_pylist()]
        for repeat in (1, 2)
    ]  # fmt: skip
    row = row_of(comparison, backbone="biomedclip", task="classification", source="model", unit="image",
                 metric="accuracy", stratum="all")  # fmt: skip
    assert row["value"] == pytest.approx(np.mean(right), abs=1e-6)
    assert row["sd_repeats"] == pytest.approx(np.std(np.mean(right, axis=1), ddof=1), abs=1e-6)
    assert (row["n"], row["patients"], row["trainings"]) == (48, 12, 4)
    assert row["low"] < row["value"] < row["high"]


def test_models_are_held_against_a_table_of_the_level_alone(pooled):
    _, _, _, comparison = pooled
    for task, metric, stratum in (("classification", "accuracy", "all"), ("segmentation", "dice", "true_mask"),
                                  ("report", "finding_score", "all")):  # fmt: skip
        rows = {
            source: row_of(comparison, backbone="biomedclip", loss=_first_loss(task), task=task, source=source,
                           unit="image", metric=metric, stratum=stratum)
            for source in ("model", "table", "difference")
        }  # fmt: skip
        assert rows["difference"]["value"] == pytest.approx(rows["model"]["value"] - rows["table"]["value"], abs=2e-6)
        assert rows["model"]["value"] > rows["table"]["value"]
        assert rows["table"]["sd_repeats"] == 0


def _first_loss(task):
    return {"classification": "cross_entropy", "segmentation": "pid_tversky", "report": "focal"}[task]


def test_discs_are_pooled_over_their_slices(pooled):
    _, _, _, comparison = pooled
    row = row_of(comparison, backbone="biomedclip", task="classification", source="model", unit="disc",
                 metric="accuracy", stratum="all")  # fmt: skip
    assert (row["n"], row["patients"]) == (48, 12)  # four slices of a patient, each of another disc


def test_predictions_of_another_fold_are_refused(pooled, tmp_path):
    predictions, shards, truth, _ = pooled
    model = Run("biomedclip", "report", "focal")
    exchanged = predictions | {(Trial(0, 1), model): predictions[Trial(1, 1), model]}
    with pytest.raises(LssError, match=r"holds other slices than the test shards\. Rerun predict"):
        run(tmp_path, exchanged, shards, truth)


def test_one_training_leaves_nothing_to_pool(tmp_path):
    comparison = run(tmp_path, {}, {}, tmp_path / "none.parquet")
    assert comparison == {"about": {"folds": 1, "repeats": 1}, "measures": []}
    assert json.loads((tmp_path / "manifest.json").read_text())["inputs"] == {}


def test_the_commonest_mask_is_the_one_with_the_highest_mean_dice():
    random = np.random.default_rng(1)
    centre = np.zeros((12, 12), dtype=bool)
    centre[4:8, 4:8] = True
    masks = np.stack([np.roll(centre, tuple(random.integers(-1, 2, 2)), axis=(0, 1)) for _ in range(20)])
    with_empty = np.concatenate([masks, np.zeros((5, 12, 12), dtype=bool)])
    common = commonest_mask(with_empty)
    dice = [2 * (common & mask).sum() / (common.sum() + mask.sum()) for mask in masks]
    for share in (0.25, 0.35, 0.55, 0.75):
        other = masks.mean(axis=0) >= share
        assert (
            np.mean([2 * (other & mask).sum() / (other.sum() + mask.sum()) for mask in masks]) <= np.mean(dice) + 0.02
        )
    assert not commonest_mask(np.zeros((3, 4, 4), dtype=bool)).any()


ABOUT = {"phantom": True, "cohort": "phantom", "weights": {"biomedclip": "tiny"}, "leak": [], "cohort_caveat": None}


def test_the_table_has_every_measure_and_its_mean_over_trainings(pooled):
    _, _, _, comparison = pooled
    table = TABLE.build(15, Results({"about": ABOUT, "folds": comparison, "measures": []}))
    assert len(table.rows) == 2 * len(comparison["measures"])
    of_discs = [row for row in table.rows if row["model"] == "BiomedCLIP" and row["stratum"] == "discs, D"]
    assert [row["metric"] for row in of_discs if row["system"] == "model"] == ["Recall", "Recall, of trainings"]
    assert "12 patients, 48 images, 2 folds, 2 seeds" in table.notes[0]
    grid = grid_of(table, 3)
    assert len(grid.lines) == len({tuple(row[name] for name in table.row_fields) for row in table.rows})


def test_the_table_says_how_to_have_folds_pooled():
    table = TABLE.build(15, Results({"about": ABOUT, "folds": NO_FOLDS, "measures": []}))
    assert not table.rows and "split.fold to all" in table.notes[0]


def test_page_and_cards_are_of_the_first_fold_and_seed(project_root):
    """Of several trainings of one model the page would otherwise show the last."""
    first = load_params(project_root / "params.yaml")
    split = first.split.model_copy(update={"folds": 3, "fold": "all"})
    several = first.model_copy(update={"split": split, "train": first.train.model_copy(update={"seeds": 2})})
    assert len(stage_manifests(several)) == len(stage_manifests(first)) + 2 * 4 + 5 * 2 * 12  # shards; models
    assert layout.of_first_trial(stage_manifests(several)) == stage_manifests(first)
