"""Small models, and a phantom study that they never saw."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import pytest
from imaging_study import study as stages_up_to_shards
from small_readers import read_all

from lss.phantom.archive import Plan, write_patient
from lss.project.params import Params, load_params
from lss.read.models import Models, load_models
from lss.read.reading import Reading
from lss.read.run import Settings
from lss.stages import train, weights

GRADES = {"L3-L4": "A", "L4-L5": "A", "L5-S1": "BC"}
SEED = 5


@pytest.fixture(scope="session")
def params(project_root: Path) -> Params:
    return load_params(project_root / "params.yaml")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Path:
    """Grader, masker and writer, trained for one epoch on a few coarse slices: they read, whatever they say."""
    folder = tmp_path_factory.mktemp("models")
    few = {
        task: getattr(params.train, task).model_copy(update={"epochs": 1})
        for task in ("classification", "segmentation")
    }
    few["report"] = params.train.report.model_copy(update={"epochs": 1, "max_tokens": 24, "decoder_width": 32})
    chosen = params.model_copy(update={"train": params.train.model_copy(update={"mask_size": 32, **few})})
    stages_up_to_shards(folder, chosen, chosen.shards)
    shards = {name: [folder / f"{name}-{batch}.parquet" for batch in ("00", "01")] for name in ("train", "val")}
    weights.run(chosen.weights, 1, backbone="biomedclip", published=folder, folder=folder / "weights",
                manifest=folder / "w.json")  # fmt: skip
    own = folder / "biomedclip"
    for task, loss in (("classification", "cross_entropy"), ("segmentation", "pid_tversky"), ("report", "focal")):
        train.run(
            chosen.train, 3, execution=chosen.execution, backbone="biomedclip", task=task, loss=loss,
            weights=folder / "weights", shards=shards,
            segmentation=own / "segmentation-pid_tversky" if task == "report" else None,
            folder=own / f"{task}-{loss}",
            state=folder / "state", manifest=folder / "t.json",
        )  # fmt: skip
    return own


@pytest.fixture(scope="session")
def models(model_folder: Path) -> Models:
    return load_models(model_folder, "cpu", model_folder.parent / "weights")


@pytest.fixture(scope="session")
def settings(params: Params) -> Settings:
    return Settings(params.predict, 8, 0, "cpu", None, datetime(2026, 1, 2, 3, 4, 5))


@pytest.fixture(scope="session")
def patient(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A phantom study that the models never saw, and its truth."""
    root = tmp_path_factory.mktemp("phantom")
    truth = write_patient(Plan(31, GRADES), root, SEED)
    return root / "01_MRI_Data" / "0031", [row for row in truth if row["clean"] is not None]


@pytest.fixture(scope="session")
def reading(patient: tuple[Path, Any], models: Models, settings: Settings) -> Reading:
    return read_all(patient[0], models, settings)
