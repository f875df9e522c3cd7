"""The verbs of the stages that make and apply models. A stage finds its paths in `lss.project.layout`."""

from __future__ import annotations

from pathlib import Path

from lss.cli import app, jobs
from lss.errors import LssError
from lss.project import layout
from lss.project.models import Run, Trial, trial_seed
from lss.project.params import Params


@app.command(rich_help_panel=jobs.PANEL)
def weights(backbone: jobs.Backbone) -> None:
    """Make a tiny checkpoint, or take the published one. Uses no network: see `lss fetch weights`.

    **Reads** params.yaml `weights`; published files from `data/weights/BACKBONE/` or `weights.BACKBONE.folder`.

    **Writes** `data/interim/weights/BACKBONE/` in the published format (safetensors), and its manifest.
    """
    from lss.stages import weights as stage

    params = jobs.settings_of_job(f"weights {backbone}")
    stage.run(
        params.weights,
        params.seed,
        backbone=backbone,
        published=Path(layout.PUBLISHED.format(backbone=backbone)),
        folder=Path(layout.WEIGHTS.format(backbone=backbone)),
        manifest=jobs.manifest("weights", backbone),
    )


@app.command(rich_help_panel=jobs.PANEL)
def train(
    backbone: jobs.Backbone, task: jobs.Task, loss: jobs.Loss, fold: jobs.Fold = None, repeat: jobs.Repeat = 1
) -> None:
    """Train one backbone for one task with one loss; a run that was killed goes on where it was.

    With `execution.processes` above 1 it starts so many of itself, one GPU each.

    **Reads** `data/shards/train-*.parquet`, `val-*.parquet`, `data/interim/weights/BACKBONE/`; for the task report
    also the backbone's segmentation model.

    **Writes** `results/models/BACKBONE/TASK-LOSS/`: model.json, model.safetensors, adapter/ (peft), epochs.csv; the
    epochs once more for `tensorboard --logdir logs/tensorboard`.
    """
    from lss.storage.io import sole_user
    from lss.training.launch import is_process

    params = jobs.settings_of_job("train")
    model, trial = jobs.model(params, backbone, task, loss), jobs.trial(params, fold, repeat)
    folder = jobs.of_model(params, trial, layout.MODEL, model)
    if is_process():  # the one that started it holds the folder
        _train(params, model, trial)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with sole_user(folder, folder):
        jobs.claim_gpus(params, "train")
        _train(params, model, trial)


def _train(params: Params, model: Run, trial: Trial) -> None:
    from lss.training.launch import is_process, launch

    if params.execution.processes > 1 and not is_process():
        options = {**model._asdict(), **trial._asdict()}
        launch(params.execution.processes, ["train", *(f"--{option}={value}" for option, value in options.items())])
        return
    from lss.stages import train as stage

    stage.run(
        params.train,
        trial_seed(params.seed, trial.repeat),
        cohort=params.cohort.title,
        execution=params.execution,
        **model._asdict(),
        weights=jobs.weights(model.backbone),
        shards=jobs.shards(params, "train", "val", fold=trial.fold),
        segmentation=jobs.segmentation_model(params, trial, model),
        folder=jobs.of_model(params, trial, layout.MODEL, model),
        state=jobs.of_model(params, trial, layout.TRAINING_STATE, model),
        events=jobs.of_model(params, trial, layout.EVENTS, model),
        manifest=jobs.model_manifest(params, trial, "train", model),
    )


@app.command(rich_help_panel=jobs.PANEL)
def predict(
    backbone: jobs.Backbone,
    task: jobs.Task,
    loss: jobs.Loss,
    fold: jobs.Fold = None,
    repeat: jobs.Repeat = 1,
    external: jobs.External = None,
) -> None:
    """Apply a trained model to the test part, or to an external cohort.

    **Reads** the model's folder, its backbone's weights, `data/shards/test-*.parquet`.

    **Writes** `results/predictions/BACKBONE/TASK-LOSS.parquet`: grade probabilities; or mask (PNG), area in percent
    and attention map; or report and reference text, whether it is the first one written, was written anew or gave way
    to the template (`predict.on_contradiction`), the area of its mask in percent and the grade that stands for.
    """
    from lss.stages import predict as stage

    params = jobs.settings_of_job("predict", external)
    model, trial = jobs.model(params, backbone, task, loss), jobs.trial(params, fold, repeat)
    if external and trial != jobs.trial(params, None, 1):
        raise LssError(f"--external {external}: only the models of the first fold and seed are tested on it.")
    jobs.claim_gpus(params, "predict")
    if external:
        shards = jobs.of_batches(params, jobs.place(layout.SHARD, external).replace("{subset}", "test"))
        predictions = Path(jobs.place(layout.PREDICTIONS, external).format(**model._asdict()))
        manifest = jobs.manifest("predict", *model, external=external)
    else:
        shards = jobs.shards(params, "test", fold=trial.fold)["test"]
        predictions = jobs.of_model(params, trial, layout.PREDICTIONS, model)
        manifest = jobs.model_manifest(params, trial, "predict", model)
    stage.run(
        params.predict,
        trial_seed(params.seed, trial.repeat),
        execution=params.execution,
        model=jobs.of_model(params, trial, layout.MODEL, model),
        weights=jobs.weights(model.backbone),
        shards=shards,
        predictions=predictions,
        manifest=manifest,
    )
