"""Stage ablation: mask losses, fusions and a plain U-Net compared on the same shards, over several repeats.

Which files it reads and writes: `workflow/rules/ablation.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lss.backbones.files import checkpoint_files
from lss.errors import LssError
from lss.evaluation.ablation import INTERVAL, CrossedBootstrap, System, arrange, at_bounds, compare, courses
from lss.evaluation.attention import attention_inside
from lss.evaluation.cases import TestCases
from lss.evaluation.settings import AblationParams, EvaluateParams
from lss.metrics.segmentation import overlap, pixel_counts
from lss.project.manifest import write_manifest
from lss.project.models import Arm, Run, arm_settings, guided
from lss.runtime.seeding import derive_seed
from lss.runtime.settings import ExecutionParams
from lss.stages._evaluation_inputs import TrainingPart, read_cases
from lss.storage.io import read_parquet, write_json, write_parquet
from lss.storage.schemas import ABLATION_CASES
from lss.training.settings import TrainParams

if TYPE_CHECKING:  # to compare needs no torch, and torch takes seconds to import
    from lss.training.data import Samples
    from lss.training.fit import Fitted

Rows = list[dict[str, Any]]


def train_arm(
    params: TrainParams,
    losses: list[str],
    seed: int,
    *,
    execution: ExecutionParams,
    arm: Arm,
    weights: Path | None,
    shards: dict[str, list[Path]],
    truth: Path,
    cases: Path,
    epochs: Path,
    state: Path,
    manifest: Path,
) -> None:
    """Train one segmentation model per loss, each from the same weights, and test it.

    Args:
        params: the train section; its fusion gives way to the arm's.
        losses: which losses.
        seed: of params.yaml. All losses and fusions of a backbone's repeat start from the same weights, where they
            have the same parts, and see the samples in the same order.
        execution: the execution section.
        arm: backbone (or `unet`), fusion and repeat.
        weights: folder of the backbone's checkpoint; None for the U-Net.
        shards: paths per subset, all three.
        truth: true masks of the phantom; a table without rows for other cohorts.
        cases: gets lss.storage.schemas.ABLATION_CASES, a row per test slice and loss.
        epochs: gets a row per epoch and loss, as CSV.
        state: rolling checkpoints, a folder per loss; a killed arm goes on from them. Removed at the end.
        manifest: gets the arm's manifest.

    Raises LssError as training does.
    """
    from lss.training.data import Subsets
    from lss.training.fit import fit, training_key
    from lss.training.loop import write_epochs

    started = datetime.now(UTC)
    own_seed = derive_seed(seed, "ablation", arm.backbone, arm.repeat)
    settings = arm_settings(params, arm, losses)
    params = guided(params, arm.fusion)
    data = Subsets(shards, execution.workers)
    size = (params.mask_size, params.mask_size)
    test = read_cases(shards["test"], truth, size, TrainingPart(shards["train"]).grade_a_empty)
    case_rows: Rows = []
    epoch_rows: Rows = []
    for loss in losses:
        model = Run(arm.backbone, "segmentation", loss)
        fitted = fit(
            params,
            own_seed,
            model,
            data,
            execution=execution,
            weights=weights,
            segmentation=None,
            state=state / loss,
            key=training_key("train", params, own_seed, model, weights, shards),
            epochs_csv=state / loss / "epochs.csv",
        )
        samples = data.samples("test", fitted.image_size, params.mask_size)
        case_rows += [{**arm._asdict(), "loss": loss, **row} for row in _score(fitted, samples, test, params)]
        epoch_rows += [{**arm._asdict(), "loss": loss, **row} for row in fitted.course.history]
    write_parquet(cases, case_rows, ABLATION_CASES)
    write_epochs(epochs, epoch_rows)
    write_manifest(
        manifest,
        "ablation",
        inputs=[*shards["train"], *shards["val"], *shards["test"], truth, *checkpoint_files(weights)],
        outputs=[cases, epochs],
        params=settings,
        seed=seed,
        started=started,
        facts={**arm._asdict(), "losses": losses, "device": str(fitted.device),
               "execution": execution.model_dump(mode="json"), "parameters": fitted.parameters,
               "trained_parameters": fitted.trained_parameters},
    )  # fmt: skip
    shutil.rmtree(state, ignore_errors=True)


def _score(fitted: Fitted, samples: Samples, test: TestCases, params: TrainParams) -> Iterator[dict[str, Any]]:
    """Yield case rows of one trained model."""
    import torch

    from lss.training.data import BatchLoader

    place = {key: index for index, key in enumerate(test.keys)}
    for batch in BatchLoader(samples, params.micro_batch_size, seed=None).batches():
        on_device = batch.to(fitted.device)
        with torch.no_grad(), torch.autocast(fitted.device.type, torch.bfloat16, enabled=params.bf16):
            output = fitted.task.module(on_device.image_B1YX, on_device.grade_B, on_device.query_B3)
        masks_BYX = (output.logits[:, 0] > 0).cpu().numpy()
        attention_BYX = None
        if output.attention_BHKN is not None:
            attention_BYX = output.attention_BHKN.double().mean(dim=(1, 2)).unflatten(-1, output.grid).cpu().numpy()
        for row, mask, number in zip(batch.rows, masks_BYX, range(len(batch)), strict=True):
            index = place[row["slice_key"]]
            identity = test.identity(index, "", "")
            yield (
                {name: identity[name] for name in ("slice_key", "patient_key", "level", "grade")}
                | _overlaps(mask, test.pseudo_masks[index], test.true_masks[index])
                | _attention(None if attention_BYX is None else attention_BYX[number], test.canals[index])
            )


def _overlaps(mask: np.ndarray, pseudo: np.ndarray, true: np.ndarray | None) -> dict[str, Any]:
    scores_of: dict[str, Any] = {}
    for name, reference in (("pseudo", pseudo), ("true", true)):
        scores = None if reference is None else overlap(pixel_counts(mask, reference))
        scores_of |= {
            f"{metric}_{name}": None if scores is None else float(scores[metric]) for metric in ("dice", "iou")
        }
        scores_of[f"empty_{name}"] = None if reference is None else not reference.any()
    return scores_of


def _attention(attention: np.ndarray | None, canal: np.ndarray | None) -> dict[str, Any]:
    inside = None
    if attention is not None and canal is not None:
        inside = attention_inside(attention, canal)
    return {"canal_share": None if canal is None else float(canal.mean()), "attention_inside": inside}


def run(
    params: AblationParams,
    evaluation: EvaluateParams,
    seed: int,
    *,
    cases: dict[Arm, Path],
    epochs: dict[Arm, Path],
    comparison: Path,
    manifest: Path,
) -> None:
    """Compare the arms' results; without arms (`repeats: 0`) the comparison is empty.

    Args:
        params: the ablation section; a backbone's first loss with its first fusion is what its others are compared
            with, and the first backbone's what the U-Net is.
        evaluation: the evaluate section, for draws and confidence of the intervals.
        seed: of params.yaml; of the bootstrap.
        cases, epochs: tables by arm, as `train_arm` writes them.
        comparison: gets `about`, `measures` (lss.evaluation.ablation.compare) and `courses`, as JSON without times.
        manifest: gets the stage's manifest.

    Raises LssError on missing or foreign files.
    """
    started = datetime.now(UTC)
    rows = [row for path in cases.values() for row in read_parquet(path, ABLATION_CASES).to_pylist()]
    epoch_rows = [row for path in epochs.values() for row in _read_epochs(path)]
    measures: Rows = []
    about: dict[str, Any] = {"repeats": params.repeats, "fusion": params.fusions[0], "loss": params.losses[0]}
    if rows:
        try:
            data = arrange(rows)
        except ValueError as error:
            raise LssError(f"{next(iter(cases.values())).parent.parent}: {error}. Rerun the stage ablation.") from error
        bootstrap = CrossedBootstrap(
            data.patients, params.repeats, evaluation.bootstrap_draws, evaluation.confidence, seed
        )
        measures = compare(data, bootstrap, {system: _reference(params, system) for system in data.columns})
        measures += at_bounds(epoch_rows)
        about |= {
            "images": len(data.slices),
            "patients": len(set(data.patients)),
            "confidence": evaluation.confidence,
            "interval": f"{INTERVAL}, {evaluation.bootstrap_draws} draws",
        }
    write_json(
        comparison,
        {
            "about": about,
            "measures": measures,
            "courses": courses(epoch_rows),
        },
    )
    write_manifest(
        manifest,
        "ablation",
        inputs=[*cases.values(), *epochs.values()],
        outputs=[comparison],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={"repeats": params.repeats, "measures": len(measures)},
    )


def _reference(params: AblationParams, system: System) -> System:
    backbone = system.backbone if system.backbone in params.backbones else params.backbones[0]
    return System(backbone, params.fusions[0], params.losses[0])


def _read_epochs(path: Path) -> Rows:
    """Return rows that `train_arm` wrote; numbers as float, nothing where a loss has no such column."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise LssError(f"{path}: cannot be read ({error.strerror}). Rerun the stage ablation.") from error
    names = ("backbone", "fusion", "loss")
    return [
        {name: text if name in names else float(text) for name, text in row.items() if text}
        for row in csv.DictReader(lines)
    ]
