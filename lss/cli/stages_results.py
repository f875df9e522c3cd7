"""The verbs of the stages from predictions to the page. A stage finds its paths in `lss.project.layout`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lss.cli import app, jobs
from lss.errors import LssError
from lss.project import layout
from lss.project.models import ablation_arms, evaluated_runs, losses_of, stage_manifests, tested_apart, trials
from lss.project.params import Params, load_params


@app.command(rich_help_panel=jobs.PANEL)
def evaluate(
    folds: Annotated[
        bool, typer.Option("--folds", help="Pool all folds and repeats instead (split.fold: all, train.seeds).")
    ] = False,
    externals: Annotated[
        bool,
        typer.Option(
            "--externals", help="Measure external cohorts, and archives of several, beside the test part instead."
        ),
    ] = False,
) -> None:
    """Score all predictions: metrics with bootstrap intervals by patient, tests, baselines, agreement.

    **Reads** `results/predictions/`, `data/shards/`, `data/truth/phantom.parquet`, `results/cross_validation.json`;
    `kept/NAME/` where `evaluate.compare_with` names a run.

    **Writes** `results/cases/TASK.parquet` (one row per image and model), `results/metrics.json`,
    `results/statistics.json`. Dice, IoU, recall ... from 0 to 1; Hausdorff distances in mm and pixels.

    With `--folds` **reads** the predictions of all folds and repeats and their shards, and **writes**
    `results/cross_validation.json`: measures over patients who were each tested once, by models that had not seen
    them, with intervals that know of the folds.

    With `--externals` **reads** the predictions on the test part and on all external cohorts and their shards, of a
    cohort of several archives also its slice tables, and **writes** `results/cases/external.json`: the same measures of
    each external cohort, and of the test part's patients of each archive, with intervals.
    """
    from lss.stages import evaluate as stage

    params = jobs.settings_of_job("evaluate")
    if folds:
        _pool_folds(params)
        return
    if externals:
        _compare_external(params)
        return
    stage.run(
        params.evaluate,
        params.seed,
        predictions=jobs.predictions(params),
        shards=jobs.shards(params, *layout.SUBSETS),
        truth=Path(layout.TRUTH),
        cases=jobs.cases(),
        metrics=Path(layout.METRICS),
        statistics=Path(layout.STATISTICS),
        kept_run=jobs.kept_run(params),
        folds=Path(layout.CROSS_VALIDATION),
        external=Path(layout.EXTERNAL) if tested_apart(params) else None,
        manifest=jobs.manifest("evaluate"),
        manifests=[jobs.manifest("cohort"), *(jobs.manifest("train", *run) for run in evaluated_runs(params.train))],
    )


def _pool_folds(params: Params) -> None:
    from lss.stages.evaluate import pool_folds

    known = trials(params)
    pooled = known if len(known) > 1 else []
    pool_folds(
        params.evaluate,
        params.seed,
        predictions={
            (trial, model): jobs.of_model(params, trial, layout.PREDICTIONS, model)
            for trial in pooled
            for model in evaluated_runs(params.train)
        },
        shards={trial.fold: jobs.shards(params, "train", "test", fold=trial.fold) for trial in pooled},
        truth=Path(layout.TRUTH),
        comparison=Path(layout.CROSS_VALIDATION),
        manifest=jobs.manifest("evaluate", "folds"),
    )


def _compare_external(params: Params) -> None:
    from lss.evaluation.vocabulary import TEST_PART
    from lss.stages.evaluate import compare_external

    runs = evaluated_runs(params.train)
    predictions = {TEST_PART: {run: Path(layout.PREDICTIONS.format(**run._asdict())) for run in runs}}
    shards = {TEST_PART: jobs.shards(params, "train", "test")}
    for label in (external.label for external in params.external):
        of_label = {run: Path(layout.of_external(layout.PREDICTIONS, label).format(**run._asdict())) for run in runs}
        predictions[label] = of_label
        test = jobs.of_batches(params, layout.of_external(layout.SHARD, label).replace("{subset}", "test"))
        shards[label] = {"train": shards[TEST_PART]["train"], "test": test}
    compare_external(
        params.evaluate,
        params.seed,
        predictions=predictions,
        shards=shards,
        comparison=Path(layout.EXTERNAL),
        slices=jobs.of_batches(params, layout.SLICES) if params.cohort.labels else [],
        manifest=jobs.manifest("evaluate", "external"),
    )


@app.command(rich_help_panel=jobs.PANEL)
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

    params = load_params() if backbone is None else jobs.settings_of_job("ablation_arm")
    arms = ablation_arms(params.ablation)
    if (backbone, fusion, repeat) == (None, None, None):
        stage.run(
            params.ablation,
            params.evaluate,
            params.seed,
            cases={arm: Path(layout.ABLATION_CASES.format(**arm._asdict())) for arm in arms},
            epochs={arm: Path(layout.ABLATION_EPOCHS.format(**arm._asdict())) for arm in arms},
            comparison=Path(layout.ABLATION),
            manifest=jobs.manifest("ablation", "comparison"),
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
    jobs.claim_gpus(params, "ablation_arm")
    stage.train_arm(
        params.train,
        list(losses_of(params.ablation, arm.backbone, arm.fusion)),
        params.seed,
        execution=params.execution,
        arm=arm,
        weights=jobs.weights(arm.backbone),
        shards=jobs.shards(params, *layout.SUBSETS),
        truth=Path(layout.TRUTH),
        cases=Path(layout.ABLATION_CASES.format(**names)),
        epochs=Path(layout.ABLATION_EPOCHS.format(**names)),
        state=Path(layout.ABLATION_STATE.format(**names)),
        manifest=jobs.manifest("ablation", arm.backbone, arm.fusion, str(arm.repeat)),
    )


@app.command(rich_help_panel=jobs.PANEL)
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
        manifest=jobs.manifest("tables"),
    )


@app.command(rich_help_panel=jobs.PANEL)
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
        cases=jobs.cases(),
        predictions=jobs.predictions(params),
        shards=jobs.shards(params, "test")["test"],
        epochs={run: Path(layout.EPOCHS.format(**run._asdict())) for run in evaluated_runs(params.train)},
        outputs={number: Path(stem) for number, stem in layout.FIGURES.items()},
        plots={name: Path(path) for name, path in layout.PLOTS.items()},
        manifest=jobs.manifest("figures"),
    )


@app.command(rich_help_panel=jobs.PANEL)
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
        cases=jobs.cases(),
        predictions=jobs.predictions(params),
        shards=jobs.shards(params, "test")["test"],
        manifests=[Path(path) for path in layout.of_first_trial(stage_manifests(params))],
        page=Path(layout.PAGE),
        model_cards={run: Path(layout.MODEL_CARD.format(**run._asdict())) for run in evaluated_runs(params.train)},
        data_sheet=Path(layout.DATA_SHEET),
        manifest=jobs.manifest("page"),
    )
