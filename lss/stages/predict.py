"""Stage predict: a trained model on the test part.

Which files it reads and writes: `workflow/rules/predict.smk`; their names: `lss/project/layout.py`.
"""

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
from lss.evaluation.prompt_exchange import EXCHANGES
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
from lss.storage.schemas import PREDICTIONS
from lss.training.data import BatchLoader, Samples
from lss.training.registry import task_record


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
        prediction_row(sample, prediction)
        for batch in batches
        for sample, prediction in zip(
            batch.rows, bundle.predict(batch, writing=params, seed=seed, exchange=EXCHANGES), strict=True
        )
    ]
    write_parquet(predictions, rows, PREDICTIONS[task_record(card.task).predicts])
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
            **({"origins": _origins(rows)} if task_record(card.task).predicts == "report" else {}),
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


def prediction_row(sample: dict[str, Any], prediction: Prediction) -> dict[str, Any]:
    """Return one row of the predictions: which case, and what is predicted."""
    case = {name: sample[name] for name in ("slice_key", "patient_key", "level", "grade")}
    if isinstance(prediction, GradePrediction):
        return case | _grade_columns(prediction)
    if isinstance(prediction, MaskPrediction):
        return case | _mask_columns(prediction)
    return case | _report_columns(prediction) | {"reference": sample["report"]}


def _grade_columns(prediction: GradePrediction) -> dict[str, Any]:
    """Return columns of lss.storage.schemas.CLASSIFICATION."""
    return {
        **{f"p_{grade}": value for grade, value in prediction.probabilities.items()},
        "predicted": prediction.predicted,
    }


def _mask_columns(prediction: MaskPrediction) -> dict[str, Any]:
    """Return columns of lss.storage.schemas.SEGMENTATION."""
    grid = (None, None) if prediction.attention is None else prediction.attention.shape
    return {
        "mask": _png(prediction.mask),
        **{
            f"mask_said_{words}": _png(prediction.exchanged[words]) if prediction.exchanged else None
            for words in EXCHANGES
        },
        "area_percent": prediction.area_percent,
        "mean_confidence": prediction.mean_confidence,
        "max_confidence": prediction.max_confidence,
        "attention": None if prediction.attention is None else prediction.attention.astype("<f2").tobytes(),
        "grid_rows": grid[0],
        "grid_columns": grid[1],
    }


def _report_columns(prediction: ReportPrediction) -> dict[str, Any]:
    """Return columns of lss.storage.schemas.REPORT but `reference`."""
    return {
        "report": prediction.written.report,
        "area_percent": prediction.area_percent,
        "mask_grade": prediction.mask_grade,
        "mask_side": prediction.mask_side,
        "origin": prediction.written.origin,
        "attempts": prediction.written.attempts,
        "first_report": prediction.written.first_report,
        "left_out": prediction.left_out,
    }


def _png(mask: NDArray[np.bool_]) -> dict[str, Any]:
    return {"bytes": cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes(), "path": None}
