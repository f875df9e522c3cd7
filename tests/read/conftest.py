"""Small models, and a phantom study that they never saw."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import pytest
from imaging_study import NOTE, run_all
from small_readers import read_all

from lss.imaging.codec import pixels_to_bytes
from lss.phantom.archive import Plan, write_patient
from lss.project.params import Params, load_params
from lss.read.models import Models, load_models
from lss.read.reading import Reading
from lss.read.run import Settings
from lss.read.study import open_study
from lss.stages import train, weights
from lss.storage.io import write_parquet
from lss.storage.schemas import SLICES, SPLIT_BATCH

GRADES = {"L3-L4": "A", "L4-L5": "A", "L5-S1": "BC"}
SEED = 8  # of a spine whose levels leave no doubt: five in eleven drawn do


@pytest.fixture(scope="session")
def params(project_root: Path) -> Params:
    return load_params(project_root / "params.yaml")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Path:
    """Grader, masker and writer, trained for one epoch on five phantom patients: they read, whatever they say."""
    folder = tmp_path_factory.mktemp("models")
    few = {task: params.train.of(task).model_copy(update={"epochs": 1}) for task in ("classification", "segmentation")}
    few["report"] = params.train.report.model_copy(update={"epochs": 1, "max_tokens": 24, "decoder_width": 32})
    chosen = params.model_copy(update={"train": params.train.model_copy(update={"mask_size": 32, **few})})
    _shards(folder, chosen)
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
            state=folder / "state", manifest=folder / "t.json", cohort="phantom",
        )  # fmt: skip
    return own


def _shards(folder: Path, params: Params) -> None:
    """Write the shards of three phantom patients to train on and two to validate on."""
    rows, split = [], []
    for number in range(1, 6):
        write_patient(Plan(number, GRADES), folder / "archive", 100 + number)
        batch, subset = ("00", "train") if number <= 3 else ("01", "val")
        for one in open_study(folder / "archive/01_MRI_Data" / f"{number:04d}").axial:
            key = f"{number}-{one.instance:02d}"
            grade = GRADES[one.level] if one.level else "A"
            row = {
                "slice_key": key, "patient_key": f"P{number}", "weighting": "T2", "level": one.level, "grade": grade,
                "rows": one.pixels.shape[0], "columns": one.pixels.shape[1], "orientation": [1.0, 0, 0, 0, 1.0, 0],
                "row_spacing_mm": one.row_spacing_mm, "column_spacing_mm": one.column_spacing_mm, "bits": 12,
                "pixels": pixels_to_bytes(one.pixels), "note": NOTE, "source_sha256": one.source_sha256,
            }  # fmt: skip
            rows.append((batch, dict.fromkeys(SLICES.names) | row))
            own = {"slice_key": key, "batch": batch, "subset": subset, "grade": grade, "perceptual_hash": b""}
            copies = {"copies": 1 if subset == "train" else None}
            split.append(dict.fromkeys(SPLIT_BATCH.names) | own | copies)
    write_parquet(folder / "split.parquet", split, SPLIT_BATCH)
    for batch in ("00", "01"):
        write_parquet(folder / f"slices-{batch}.parquet", [row for own, row in rows if own == batch], SLICES)
        run_all(folder, batch, params.denoise, params.pseudo_mask, params.shards)


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
