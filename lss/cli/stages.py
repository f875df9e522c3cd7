"""One verb per stage of the pipeline. A stage finds its paths in `lss.project.layout`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lss.backbones import NAMES
from lss.cli import app
from lss.errors import LssError
from lss.project import layout
from lss.project.availability import require
from lss.project.models import ablation_arms, losses_of, model_runs, segmentation_run, stage_manifests
from lss.project.params import Params, load_params

PANEL = "Stages, in order"

Batch = Annotated[str, typer.Option(help="Batch of patients: 00, 01, ... (as many as cohort.batches).")]
Backbone = Annotated[str, typer.Option(help=f"{', '.join(NAMES)}; unet, if it is among train.baselines.")]
Task = Annotated[str, typer.Option(help="classification, segmentation or report.")]
Loss = Annotated[str, typer.Option(help="A loss listed under the task in params.yaml, e.g. pid_tversky.")]


def _settings(job: str) -> Params:
    """Return the settings; LssError where they are wrong, or name something that `job` needs and that is not there."""
    params = load_params()
    require(params, {job})
    return params


def _manifest(stage: str, *wildcards: str) -> Path:
    return Path(layout.MANIFEST.format(name="/".join([stage, "-".join(wildcards)] if wildcards else [stage])))


def _batches(params: Params, pattern: str) -> list[Path]:
    return [Path(pattern.format(batch=batch)) for batch in layout.batch_names(params.cohort.batches)]


def _shards(params: Params, *subsets: str) -> dict[str, list[Path]]:
    return {s: _batches(params, layout.SHARD.replace("{subset}", s)) for s in subsets}


def _predictions(params: Params) -> dict[tuple[str, str, str], Path]:
    return {run: Path(layout.PREDICTIONS.format(**run._asdict())) for run in model_runs(params.train)}


def _cases() -> dict[str, Path]:
    return {task: Path(layout.CASES.format(task=task)) for task in ("classification", "segmentation", "report")}


def _kept_run(params: Params) -> Path | None:
    name = params.evaluate.compare_with
    return None if name is None else Path(layout.KEPT.format(name=name))


def _segmentation_model(params: Params, backbone: str, task: str) -> Path | None:
    if task != "report":
        return None
    return Path(layout.MODEL.format(**segmentation_run(params.train, backbone)._asdict()))


def _weights(backbone: str) -> Path | None:
    """Return folder of a backbone's checkpoint; a baseline has none."""
    return Path(layout.WEIGHTS.format(backbone=backbone)) if backbone in NAMES else None


def _claim_gpus(params: Params, rule: str) -> None:
    """Let this job use cards that no other job uses, where it is to use one at all."""
    from lss.project.resources import gpus_of
    from lss.runtime.cards import claim_cards

    if gpus := gpus_of(rule, params, elsewhere=False):
        claim_cards(gpus, params.execution.jobs_per_card)


def _check_batch(params: Params, batch: str) -> None:
    names = layout.batch_names(params.cohort.batches)
    if batch not in names:
        raise LssError(
            f"--batch {batch}: there is no such batch. cohort.batches in params.yaml gives {', '.join(names)}."
        )


def _check_run(params: Params, backbone: str, task: str, loss: str) -> None:
    runs = model_runs(params.train)
    if (backbone, task, loss) not in runs:
        known = "\n  ".join(f"--backbone {r.backbone} --task {r.task} --loss {r.loss}" for r in runs)
        raise LssError(f"no such model: {backbone}, {task}, {loss}. params.yaml lists\n  {known}")


@app.command(rich_help_panel=PANEL)
def cohort(
    threads: Annotated[int | None, typer.Option(help="CPU cores to draw the phantom on; all where not given.")] = None,
) -> None:
    """Make the phantom cohort, or check that a real one is in place.

    **Reads** params.yaml `cohort`; for a real cohort the files in `cohort.root`, where nothing is written.

    **Writes** `data/interim/cohort.json` (number and bytes of the raw files, one SHA-256 over all) and
    `data/private/cohort_files.csv` (every raw file with size and SHA-256: names patients, for the data's owner only);
    for the phantom also the DICOM files, the Excel of notes, and `data/truth/phantom.parquet` (true canal masks and
    grades, for evaluation only).
    """
    from lss.stages import cohort as stage

    params = _settings("cohort")
    stage.run(
        params.cohort,
        params.seed,
        files=Path(layout.COHORT_FILES),
        private=Path(layout.PRIVATE_FILES),
        truth=Path(layout.TRUTH),
        manifest=_manifest("cohort"),
        processes=threads,
    )


@app.command(rich_help_panel=PANEL)
def ingest(batch: Batch) -> None:
    """Read raw images and notes of one batch of patients into the slice table; drop identifiers.

    **Reads** the raw cohort.

    **Writes** `data/interim/slices/batch-NN.parquet` (one row per slice: pseudonyms, plane, weighting, disc level,
    position and spacing in mm, pixels as stored with 12 bits, note, grade, each with its reason),
    `data/interim/rejects/batch-NN.parquet` (what could not be used, why, and the remedy) and
    `data/private/rejects/batch-NN.csv` (the same with the files' names: names patients, for the data's owner only).
    """
    from lss.stages import ingest as stage

    params = _settings("ingest")
    _check_batch(params, batch)
    stage.run(
        params.cohort,
        params.ingest,
        params.seed,
        batch=batch,
        slices=Path(layout.SLICES.format(batch=batch)),
        rejects=Path(layout.REJECTS.format(batch=batch)),
        private=Path(layout.PRIVATE_REJECTS.format(batch=batch)),
        manifest=_manifest("ingest", f"batch-{batch}"),
    )


@app.command(rich_help_panel=PANEL)
def split() -> None:
    """Divide the patients into train, val and test; stop if any patient or image stands in two of them.

    **Reads** all slice tables and tables of rejects.

    **Writes** `data/interim/split.parquet` (subset per slice, with the reason where a slice is not used) and
    `data/interim/rejects.parquet` (all rejects).
    """
    from lss.stages import split as stage

    params = _settings("split")
    stage.run(
        params.split,
        params.seed,
        slices=_batches(params, layout.SLICES),
        rejects=_batches(params, layout.REJECTS),
        split=Path(layout.SPLIT),
        all_rejects=Path(layout.ALL_REJECTS),
        manifest=_manifest("split"),
    )


@app.command(rich_help_panel=PANEL)
def denoise(batch: Batch) -> None:
    """Denoise the used slices of one batch by non-local means (eq. 1-2).

    **Reads** `data/interim/slices/batch-NN.parquet` (pixels in stored grey levels, 12 bits) and
    `data/interim/split.parquet`.

    **Writes** `data/interim/denoised/batch-NN.parquet`: pixels in the same grey levels, the estimated noise sigma and
    the filtering parameter h, both in grey levels.
    """
    from lss.stages import denoise as stage

    params = _settings("denoise")
    _check_batch(params, batch)
    _claim_gpus(params, "denoise")
    stage.run(
        params.denoise,
        params.seed,
        execution=params.execution,
        slices=Path(layout.SLICES.format(batch=batch)),
        split=Path(layout.SPLIT),
        denoised=Path(layout.DENOISED.format(batch=batch)),
        manifest=_manifest("denoise", f"batch-{batch}"),
    )


@app.command(name="pseudo_mask", rich_help_panel=PANEL)
def pseudo_mask(batch: Batch) -> None:
    """Make the report-conditioned pseudo-masks of one batch (Algorithm 1).

    **Reads** `data/interim/denoised/batch-NN.parquet`, `data/interim/slices/batch-NN.parquet` (grades, spacing in mm),
    `data/interim/split.parquet`.

    **Writes** `data/interim/pseudo_masks/batch-NN.parquet`: mask (PNG, 0 or 255), region of interest in pixels, mask
    area in mm2, and whether the canal was found.
    """
    from lss.stages import pseudo_mask as stage

    params = load_params()
    _check_batch(params, batch)
    stage.run(
        params.pseudo_mask,
        params.seed,
        slices=Path(layout.SLICES.format(batch=batch)),
        split=Path(layout.SPLIT),
        denoised=Path(layout.DENOISED.format(batch=batch)),
        masks=Path(layout.PSEUDO_MASKS.format(batch=batch)),
        manifest=_manifest("pseudo_mask", f"batch-{batch}"),
    )


@app.command(rich_help_panel=PANEL)
def shards(batch: Batch) -> None:
    """Crop, balance and augment one batch, and write it as training shards.

    **Reads** slices, denoised pixels and pseudo-masks of the batch, and `data/interim/split.parquet`.

    **Writes** `data/shards/{train,val,test}-NN.parquet`: 16-bit PNG image, 8-bit PNG mask, grade, level, reference
    report, mask area in percent of the image, pixel spacing in mm. Only the training part is augmented.
    """
    from lss.stages import shards as stage

    params = load_params()
    _check_batch(params, batch)
    stage.run(
        params.shards,
        params.seed,
        batch=batch,
        slices=Path(layout.SLICES.format(batch=batch)),
        split=Path(layout.SPLIT),
        denoised=Path(layout.DENOISED.format(batch=batch)),
        masks=Path(layout.PSEUDO_MASKS.format(batch=batch)),
        shards={s: Path(layout.SHARD.format(subset=s, batch=batch)) for s in layout.SUBSETS},
        manifest=_manifest("shards", f"batch-{batch}"),
    )


@app.command(rich_help_panel=PANEL)
def weights(backbone: Backbone) -> None:
    """Make a tiny checkpoint, or take the published one. Uses no network: see `lss fetch weights`.

    **Reads** params.yaml `weights`; published files from `data/weights/BACKBONE/` or `weights.BACKBONE.folder`.

    **Writes** `data/interim/weights/BACKBONE/` in the published format (safetensors), and its manifest.
    """
    from lss.stages import weights as stage

    params = _settings(f"weights {backbone}")
    stage.run(
        params.weights,
        params.seed,
        backbone=backbone,
        published=Path(layout.PUBLISHED.format(backbone=backbone)),
        folder=Path(layout.WEIGHTS.format(backbone=backbone)),
        manifest=_manifest("weights", backbone),
    )


@app.command(rich_help_panel=PANEL)
def train(backbone: Backbone, task: Task, loss: Loss) -> None:
    """Train one backbone for one task with one loss; a run that was killed goes on where it was.

    With `execution.processes` above 1 it starts so many of itself, one GPU each.

    **Reads** `data/shards/train-*.parquet`, `val-*.parquet`, `data/interim/weights/BACKBONE/`; for the task report
    also the backbone's segmentation model.

    **Writes** `results/models/BACKBONE/TASK-LOSS/`: model.json, model.safetensors, adapter/ (peft), epochs.csv; the
    epochs once more for `tensorboard --logdir logs/tensorboard`.
    """
    from lss.storage.io import sole_user
    from lss.training.launch import is_process

    params = _settings("train")
    _check_run(params, backbone, task, loss)
    names = {"backbone": backbone, "task": task, "loss": loss}
    folder = Path(layout.MODEL.format(**names))
    if is_process():  # the one that started it holds the folder
        _train(params, names)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with sole_user(folder, folder):
        _claim_gpus(params, "train")
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
        weights=_weights(names["backbone"]),
        shards=_shards(params, "train", "val"),
        segmentation=_segmentation_model(params, names["backbone"], names["task"]),
        folder=Path(layout.MODEL.format(**names)),
        state=Path(layout.TRAINING_STATE.format(**names)),
        events=Path(layout.EVENTS.format(**names)),
        manifest=_manifest("train", *names.values()),
    )


@app.command(rich_help_panel=PANEL)
def predict(backbone: Backbone, task: Task, loss: Loss) -> None:
    """Apply a trained model to the test part.

    **Reads** the model's folder, its backbone's weights, `data/shards/test-*.parquet`.

    **Writes** `results/predictions/BACKBONE/TASK-LOSS.parquet`: grade probabilities; or mask (PNG), area in percent
    and attention map; or report and reference text, whether it is the first one written, was written anew or gave way
    to the template (`predict.on_contradiction`), the area of its mask in percent and the grade that stands for.
    """
    from lss.stages import predict as stage

    params = _settings("predict")
    _check_run(params, backbone, task, loss)
    _claim_gpus(params, "predict")
    names = {"backbone": backbone, "task": task, "loss": loss}
    stage.run(
        params.predict,
        params.seed,
        execution=params.execution,
        model=Path(layout.MODEL.format(**names)),
        weights=_weights(backbone),
        shards=_shards(params, "test")["test"],
        predictions=Path(layout.PREDICTIONS.format(**names)),
        manifest=_manifest("predict", backbone, task, loss),
    )


@app.command(rich_help_panel=PANEL)
def evaluate() -> None:
    """Score all predictions: metrics with bootstrap intervals by patient, tests, baselines, agreement.

    **Reads** `results/predictions/`, `data/shards/`, `data/truth/phantom.parquet`; `kept/NAME/` where
    `evaluate.compare_with` names a run.

    **Writes** `results/cases/TASK.parquet` (one row per image and model), `results/metrics.json`,
    `results/statistics.json`. Dice, IoU, recall ... from 0 to 1; Hausdorff distances in mm and pixels.
    """
    from lss.stages import evaluate as stage

    params = _settings("evaluate")
    stage.run(
        params.evaluate,
        params.seed,
        predictions=_predictions(params),
        shards=_shards(params, *layout.SUBSETS),
        truth=Path(layout.TRUTH),
        cases=_cases(),
        metrics=Path(layout.METRICS),
        statistics=Path(layout.STATISTICS),
        kept_run=_kept_run(params),
        manifest=_manifest("evaluate"),
        manifests=[_manifest("cohort"), *(_manifest("train", *run) for run in model_runs(params.train))],
    )


@app.command(rich_help_panel=PANEL)
def ablation(
    backbone: Annotated[str | None, typer.Option(help="A backbone of the section, or unet.")] = None,
    fusion: Annotated[
        str | None, typer.Option(help="A name of ablation.fusions: spatial, broadcast, none, or a control.")
    ] = None,
    repeat: Annotated[int | None, typer.Option(help="1, 2, ... (as many as ablation.repeats).")] = None,
) -> None:
    """Compare mask losses, fusions and a plain U-Net; with the options, train what is compared.

    **Reads** with options `data/shards/`, `data/interim/weights/BACKBONE/`, `data/truth/phantom.parquet`; without, what
    the trainings left in `results/ablation/`.

    **Writes** with options `results/ablation/BACKBONE/FUSION-REPEAT.parquet` (a row per test image and loss: Dice and
    IoU from 0 to 1, share of the attention inside the true canal) and `.csv` (epochs: beta, FP and FN in pixels);
    without, `results/ablation/comparison.json` (means, intervals, paired differences).
    """
    from lss.stages import ablation as stage

    params = load_params() if backbone is None else _settings("ablation_arm")
    arms = ablation_arms(params.ablation)
    if (backbone, fusion, repeat) == (None, None, None):
        stage.run(
            params.ablation,
            params.evaluate,
            params.seed,
            cases={arm: Path(layout.ABLATION_CASES.format(**arm._asdict())) for arm in arms},
            epochs={arm: Path(layout.ABLATION_EPOCHS.format(**arm._asdict())) for arm in arms},
            comparison=Path(layout.ABLATION),
            manifest=_manifest("ablation", "comparison"),
        )
        return
    if (backbone, fusion, repeat) not in arms:
        known = "\n  ".join(f"--backbone {a.backbone} --fusion {a.fusion} --repeat {a.repeat}" for a in arms)
        raise LssError(
            f"no such training: {backbone}, {fusion}, {repeat}. params.yaml (ablation) lists\n  "
            f"{known or 'none: repeats is 0'}"
        )
    arm = arms[arms.index((backbone, fusion, repeat))]  # type: ignore[arg-type]
    names = arm._asdict()
    _claim_gpus(params, "ablation_arm")
    stage.train_arm(
        params.train,
        list(losses_of(params.ablation, arm.backbone, arm.fusion)),
        params.seed,
        execution=params.execution,
        arm=arm,
        weights=_weights(arm.backbone),
        shards=_shards(params, *layout.SUBSETS),
        truth=Path(layout.TRUTH),
        cases=Path(layout.ABLATION_CASES.format(**names)),
        epochs=Path(layout.ABLATION_EPOCHS.format(**names)),
        state=Path(layout.ABLATION_STATE.format(**names)),
        manifest=_manifest("ablation", arm.backbone, arm.fusion, str(arm.repeat)),
    )


@app.command(rich_help_panel=PANEL)
def tables() -> None:
    """Write tables 1-6 of the paper from the statistics, with its values beside; grades by area, levels, tests.

    **Reads** `results/statistics.json`, `results/ablation/comparison.json`.

    **Writes** `results/tables/table*.csv`, `.md`, `.tex`.
    """
    from lss.stages import tables as stage

    params = load_params()
    stage.run(
        params.tables,
        params.seed,
        statistics=Path(layout.STATISTICS),
        ablation=Path(layout.ABLATION),
        outputs={number: Path(stem) for number, stem in layout.TABLES.items()},
        manifest=_manifest("tables"),
    )


@app.command(rich_help_panel=PANEL)
def figures() -> None:
    """Draw figures 2-6 of the paper, calibration, training, prompts as PNG (light and dark) and SVG.

    **Reads** `results/statistics.json`, `results/ablation/comparison.json`, `results/cases/`, `results/predictions/`,
    `data/shards/test-*.parquet`, the models' `epochs.csv`.

    **Writes** `results/figures/figure*.png`, `.svg`; `results/plots/*.csv`, the training curves for `dvc plots`.
    """
    from lss.stages import figures as stage

    params = load_params()
    stage.run(
        params.figures,
        params.seed,
        statistics=Path(layout.STATISTICS),
        ablation=Path(layout.ABLATION),
        cases=_cases(),
        predictions=_predictions(params),
        shards=_shards(params, "test")["test"],
        epochs={run: Path(layout.EPOCHS.format(**run._asdict())) for run in model_runs(params.train)},
        outputs={number: Path(stem) for number, stem in layout.FIGURES.items()},
        plots={name: Path(path) for name, path in layout.PLOTS.items()},
        manifest=_manifest("figures"),
    )


@app.command(rich_help_panel=PANEL)
def page() -> None:
    """Put everything on one self-contained page, `results/index.html`, which works offline.

    **Reads** tables, figures, statistics, the ablation's comparison, cases, predictions, the manifests of all stages.

    **Writes** `results/index.html`, `results/cards/*.md` (a card per trained model, a data sheet).
    """
    from lss.stages import page as stage

    params = load_params()
    stage.run(
        params.page,
        params.seed,
        statistics=Path(layout.STATISTICS),
        ablation=Path(layout.ABLATION),
        tables={number: Path(stem) for number, stem in layout.TABLES.items()},
        figures={number: Path(stem) for number, stem in layout.FIGURES.items()},
        cases=_cases(),
        predictions=_predictions(params),
        shards=_shards(params, "test")["test"],
        manifests=[Path(path) for path in stage_manifests(params)],
        page=Path(layout.PAGE),
        model_cards={run: Path(layout.MODEL_CARD.format(**run._asdict())) for run in model_runs(params.train)},
        data_sheet=Path(layout.DATA_SHEET),
        manifest=_manifest("page"),
    )
