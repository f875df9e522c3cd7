"""What the verbs of the stages share: their options, the settings and paths of a job, and the checks of its names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lss.backbones import NAMES
from lss.errors import LssError
from lss.project import layout
from lss.project.availability import require
from lss.project.models import (
    CASE_TASKS,
    Run,
    Trial,
    base_run,
    evaluated_runs,
    fold_shard,
    model_runs,
    of_cohort,
    of_trial,
    trials,
)
from lss.project.params import Params, load_params
from lss.training.registry import task_names

PANEL = "Stages, in order"

Batch = Annotated[str, typer.Option(help="Batch of patients: 00, 01, ... (as many as cohort.batches).")]
Backbone = Annotated[str, typer.Option(help=f"{', '.join(NAMES)}; unet, if it is among train.baselines.")]
Task = Annotated[str, typer.Option(help=f"{', '.join(task_names())}.")]
Loss = Annotated[str, typer.Option(help="A loss listed under the task in params.yaml, e.g. pid_tversky.")]
Fold = Annotated[int | None, typer.Option(help="The fold that is tested, with split.fold: all; else the first.")]
Repeat = Annotated[int, typer.Option(help="Which initial weights: 1, 2, ... (as many as train.seeds).")]

External = Annotated[str | None, typer.Option(help="Label of an external cohort; else the cohort trained on.")]


def settings_of_job(job: str, external: str | None = None) -> Params:
    """Return the settings, with the external cohort of that label in the place of the one trained on.

    Raises LssError where they are wrong, or name something that `job` needs and that is not there.
    """
    params = load_params()
    require(params, {f"external_{job}" if external and job in ("cohort", "ingest") else job})
    return of_cohort(params, external)


def place(pattern: str, external: str | None) -> str:
    """Return the pattern of what a stage leaves of the external cohort of that label, or of the one trained on."""
    return pattern if external is None else layout.of_external(pattern, external)


def manifest(stage: str, *wildcards: str, external: str | None = None) -> Path:
    """Return the path of the manifest of a stage, or of its job for these wildcards, or an external cohort."""
    if external is not None:
        stage = f"{stage}/external/{external}"
    return Path(layout.MANIFEST.format(name="/".join([stage, "-".join(wildcards)] if wildcards else [stage])))


def of_batches(params: Params, pattern: str) -> list[Path]:
    """Return a path per batch of patients."""
    return [Path(pattern.format(batch=batch)) for batch in layout.batch_names(params.cohort.batches)]


def shards(params: Params, *subsets: str, fold: int | None = None) -> dict[str, list[Path]]:
    """Return the shards of all batches by subset, where `fold` is tested; the first where none is given."""
    pattern = layout.SHARD if fold is None else fold_shard(params, fold)
    return {s: of_batches(params, pattern.replace("{subset}", s)) for s in subsets}


def trial(params: Params, fold: int | None, repeat: int) -> Trial:
    """Return the trial of a job's options; LssError where the settings list no such one."""
    known = trials(params)
    asked = Trial(params.split.first_fold if fold is None else fold, repeat)
    if asked not in known:
        listed = "\n  ".join(f"--fold {each.fold} --repeat {each.repeat}" for each in known)
        raise LssError(
            f"--fold {asked.fold} --repeat {asked.repeat}: no such training. split.fold and train.seeds in params.yaml "
            f"give\n  {listed}"
        )
    return asked


def of_model(params: Params, trial: Trial, pattern: str, model: Run) -> Path:
    """Return the path of what a model of a trial leaves."""
    return Path(of_trial(params, trial, pattern, **model._asdict()))


def model_manifest(params: Params, trial: Trial, stage: str, model: Run) -> Path:
    """Return the path of the manifest of a model's training or predictions."""
    return of_model(params, trial, layout.MANIFEST.format(name=f"{stage}/{layout.MODEL_NAME}"), model)


def predictions(params: Params) -> dict[tuple[str, str, str], Path]:
    """Return the predictions of all models that are evaluated."""
    return {run: Path(layout.PREDICTIONS.format(**run._asdict())) for run in evaluated_runs(params.train)}


def cases() -> dict[str, Path]:
    """Return the tables of cases by task."""
    return {task: Path(layout.CASES.format(task=task)) for task in CASE_TASKS}


def kept_run(params: Params) -> Path | None:
    """Return the folder of the run to compare with; None where none is named."""
    name = params.evaluate.compare_with
    return None if name is None else Path(layout.KEPT.format(name=name))


def segmentation_model(params: Params, trial: Trial, model: Run) -> Path | None:
    """Return the folder of the segmentation model that a report model builds on; None for other tasks."""
    base = base_run(params.train, model)
    return None if base is None else of_model(params, trial, layout.MODEL, base)


def weights(backbone: str) -> Path | None:
    """Return folder of a backbone's checkpoint; a baseline has none."""
    return Path(layout.WEIGHTS.format(backbone=backbone)) if backbone in NAMES else None


def claim_gpus(params: Params, rule: str) -> None:
    """Let this job use cards that no other job uses, where it is to use one at all."""
    from lss.project.resources import gpus_of
    from lss.runtime.cards import claim_cards

    if gpus := gpus_of(rule, params, elsewhere=False):
        claim_cards(gpus, params.execution.jobs_per_card)


def check_batch(params: Params, batch: str) -> None:
    """Raise LssError where there is no such batch."""
    names = layout.batch_names(params.cohort.batches)
    if batch not in names:
        raise LssError(
            f"--batch {batch}: there is no such batch. cohort.batches in params.yaml gives {', '.join(names)}."
        )


def model(params: Params, backbone: str, task: str, loss: str) -> Run:
    """Return the model of a job's options; LssError where the settings list no such one."""
    asked, runs = Run(backbone, task, loss), model_runs(params.train)
    if asked not in runs:
        known = "\n  ".join(f"--backbone {r.backbone} --task {r.task} --loss {r.loss}" for r in runs)
        raise LssError(f"no such model: {backbone}, {task}, {loss}. params.yaml lists\n  {known}")
    return asked
