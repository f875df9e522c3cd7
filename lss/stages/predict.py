"""Stage predict: a trained model on the test part."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import cv2
import numpy as np
from numpy.typing import NDArray

from lss.backbones.files import checkpoint_files
from lss.evaluation.prompt_exchange import SAID
from lss.inference.bundle import Prediction, load_bundle
from lss.inference.prediction import GradePrediction, MaskPrediction
from lss.inference.report_writing import ReportPrediction
from lss.inference.settings import PredictParams
from lss.model.saved import model_files
from lss.project.manifest import write_manifest
from lss.project.models import prediction_settings
from lss.runtime.progress import progress
from lss.runtime.settings import ExecutionParams
from lss.runtime.torch_setup import resolve_device, set_deterministic
from lss.storage.io import write_parquet
from lss.storage.schemas import CLASSIFICATION, REPORT, SEGMENTATION
from lss.training.data import BatchLoader, Samples

SCHEMAS = {"classification": CLASSIFICATION, "segmentation": SEGMENTATION, "report": REPORT}


def run(
    params: PredictParams,
    seed: int,
    *,
    execution: ExecutionParams,
    model: Path,
    weights: Path | None,
    shards: list[Path],
    predictions: Path,
    manifest: Path,
) -> None:
    """Predict every test slice and write one row each, in the order of the shards.

    Args:
        params: the predict section.
        seed: of params.yaml; used where reports are sampled or written anew.
        execution: the execution section.
        model: folder that `train` wrote.
        weights: folder of the backbone's checkpoint; None for a baseline.
        shards: paths of the test part.
        predictions: gets the table; its schema is lss.storage.schemas.CLASSIFICATION, SEGMENTATION or REPORT.
        manifest: gets the stage's manifest.

    Raises LssError on a missing or foreign file.
    """
    started = datetime.now(UTC)
    set_deterministic(execution.threads, resolve_device(execution.device))
    bundle = load_bundle(model, weights=weights, device=execution.device)
    card = bundle.card
    samples = Samples(shards, card.image_size, card.network_config.mask_size)
    loader = BatchLoader(samples, execution.predict_batch_size, seed=None)
    batches = progress(loader.batches(), f"predict {card.backbone} {card.task}", len(loader), "batch")
    rows = [
        prediction_row(sample, found)
        for batch in batches
        for sample, found in zip(
            batch.rows, bundle.predict(batch, writing=params, seed=seed, exchange=SAID), strict=True
        )
    ]
    write_parquet(predictions, rows, SCHEMAS[card.task])
    write_manifest(
        manifest,
        "predict",
        inputs=[*shards, *model_files(model), *checkpoint_files(weights)],
        outputs=[predictions],
        params=prediction_settings(params, card.task),
        seed=seed,
        started=started,
        facts={
            "backbone": card.backbone,
            "task": card.task,
            "loss": card.loss,
            "slices": len(rows),
            "device": str(bundle.device),
            "execution": execution.model_dump(mode="json"),
            "leak": card.leak,
            **({"origins": _origins(rows)} if card.task == "report" else {}),
        },
    )


def _origins(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many reports stand as they were first written, were written anew, gave way to the template."""
    origins = Counter(row["origin"] for row in rows)
    if replaced := origins.total() - origins["first"]:
        print(
            f"{replaced} of {len(rows)} reports contradicted what they were written from: {origins['regenerated']} "
            f"were written anew, {origins['template']} replaced by the template.",
            file=sys.stderr,
        )
    return dict(sorted(origins.items()))


def prediction_row(sample: dict[str, Any], found: Prediction) -> dict[str, Any]:
    """Return one row of the predictions: which case, and what is predicted."""
    case = {name: sample[name] for name in ("slice_key", "patient_key", "level", "grade")}
    if isinstance(found, GradePrediction):
        return case | _grade_columns(found)
    if isinstance(found, MaskPrediction):
        return case | _mask_columns(found)
    return case | _report_columns(found) | {"reference": sample["report"]}


def _grade_columns(found: GradePrediction) -> dict[str, Any]:
    """Return columns of lss.storage.schemas.CLASSIFICATION."""
    return {**{f"p_{grade}": value for grade, value in found.probabilities.items()}, "predicted": found.predicted}


def _mask_columns(found: MaskPrediction) -> dict[str, Any]:
    """Return columns of lss.storage.schemas.SEGMENTATION."""
    grid = (None, None) if found.attention is None else found.attention.shape
    return {
        "mask": _png(found.mask),
        **{f"mask_said_{words}": _png(found.said[words]) if found.said else None for words in SAID},
        "area_percent": found.area_percent,
        "mean_confidence": found.mean_confidence,
        "max_confidence": found.max_confidence,
        "attention": None if found.attention is None else found.attention.astype("<f2").tobytes(),
        "grid_rows": grid[0],
        "grid_columns": grid[1],
    }


def _report_columns(found: ReportPrediction) -> dict[str, Any]:
    """Return columns of lss.storage.schemas.REPORT but `reference`."""
    return {
        "report": found.written.report,
        "area_percent": found.area_percent,
        "mask_grade": found.mask_grade,
        "mask_side": found.mask_side,
        "origin": found.written.origin,
        "attempts": found.written.attempts,
        "first_report": found.written.first_report,
        "left_out": found.left_out,
    }


def _png(mask: NDArray[np.bool_]) -> dict[str, Any]:
    return {"bytes": cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes(), "path": None}
