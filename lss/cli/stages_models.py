"""The verbs of the stages that make and apply models. A stage finds its paths in `lss.project.layout`."""

from __future__ import annotations

from pathlib import Path

from lss.cli import app, jobs
from lss.project import layout
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
def train(backbone: jobs.Backbone, task: jobs.Task, loss: jobs.Loss) -> None:
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
    jobs.check_run(params, backbone, task, loss)
    names = {"backbone": backbone, "task": task, "loss": loss}
    folder = Path(layout.MODEL.format(**names))
    if is_process():  # the one that started it holds the folder
        _train(params, names)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with sole_user(folder, folder):
        jobs.claim_gpus(params, "train")
        _train(params, names)


def _train(params: Params, names: dict[str, str]) -> None:
    from lss.training.launch import is_process, launch

    if params.execution.processes > 1 and not is_process():
        launch(params.execution.processes, ["train", *(f"--{option}={value}" for option, value in names.items())])
        return
    from lss.stages import train as stage

    stage.run(
        params.train,
        params.seed,
        execution=params.execution,
        backbone=names["backbone"],
        task=names["task"],
        loss=names["loss"],
        weights=jobs.weights(names["backbone"]),
        shards=jobs.shards(params, "train", "val"),
        segmentation=jobs.segmentation_model(params, names["backbone"], names["task"]),
        folder=Path(layout.MODEL.format(**names)),
        state=Path(layout.TRAINING_STATE.format(**names)),
        events=Path(layout.EVENTS.format(**names)),
        manifest=jobs.manifest("train", *names.values()),
    )


@app.command(rich_help_panel=jobs.PANEL)
def predict(backbone: jobs.Backbone, task: jobs.Task, loss: jobs.Loss) -> None:
    """Apply a trained model to the test part.

    **Reads** the model's folder, its backbone's weights, `data/shards/test-*.parquet`.

    **Writes** `results/predictions/BACKBONE/TASK-LOSS.parquet`: grade probabilities; or mask (PNG), area in percent
    and attention map; or report and reference text, whether it is the first one written, was written anew or gave way
    to the template (`predict.on_contradiction`), the area of its mask in percent and the grade that stands for.
    """
    from lss.stages import predict as stage

    params = jobs.settings_of_job("predict")
    jobs.check_run(params, backbone, task, loss)
    jobs.claim_gpus(params, "predict")
    names = {"backbone": backbone, "task": task, "loss": loss}
    stage.run(
        params.predict,
        params.seed,
        execution=params.execution,
        model=Path(layout.MODEL.format(**names)),
        weights=jobs.weights(backbone),
        shards=jobs.shards(params, "test")["test"],
        predictions=Path(layout.PREDICTIONS.format(**names)),
        manifest=jobs.manifest("predict", backbone, task, loss),
    )
