"""Which models are trained: backbone x task x loss, in one list for workflow, command line and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, get_args

from lss.cohorts.settings import ALL, reading_settings
from lss.errors import LssError
from lss.evaluation.settings import AblationParams
from lss.inference.settings import PredictParams
from lss.losses.registry import unread_settings
from lss.losses.settings import MaskLoss
from lss.model.settings import Fusion
from lss.project import layout
from lss.project.params import Params
from lss.project.published import published
from lss.runtime.seeding import derive_seed
from lss.training.registry import TASKS as TASK_RECORDS
from lss.training.registry import task_names, task_record
from lss.training.settings import TrainParams

TASKS = tuple(task_names())
CASE_TASKS = tuple(record.name for record in TASK_RECORDS if record.evaluated)
"""Tasks of which the stage evaluate makes a table of cases."""


class Run(NamedTuple):
    """One model."""

    backbone: str
    task: str
    loss: str


def model_runs(train: TrainParams) -> list[Run]:
    """Return all models of these settings, segmentation before report, which builds on it; baselines last."""
    of_backbones = [
        Run(backbone, task, loss) for backbone in train.backbones for task in TASKS for loss in train.of(task).losses
    ]
    return of_backbones + [
        Run(baseline, "segmentation", loss) for baseline in train.baselines for loss in train.segmentation.losses
    ]


def evaluated_runs(train: TrainParams) -> list[Run]:
    """Return the models of these settings that the stage evaluate compares."""
    return [run for run in model_runs(train) if run.task in CASE_TASKS]


class Trial(NamedTuple):
    """One training of all models: which fold is tested, and with which of the initial weights, from 1."""

    fold: int
    repeat: int


def trials(params: Params) -> list[Trial]:
    """All trials of these settings; the first is the one that tables and figures are of."""
    split = params.split
    folds = range(split.folds or 1) if split.fold == ALL else [split.first_fold]
    return [Trial(fold, repeat) for repeat in range(1, params.train.seeds + 1) for fold in folds]


def further_folds(params: Params) -> list[int]:
    """Folds whose shards are made beside those of the first."""
    _, *others = dict.fromkeys(trial.fold for trial in trials(params))
    return others


def of_trial(params: Params, trial: Trial, pattern: str, **names: str) -> str:
    """Path of what a model leaves, from its pattern in `layout`: of the first trial in its own place."""
    if trial == trials(params)[0]:
        return pattern.format(**names)
    return layout.of_trial(pattern).format(**trial._asdict(), **names)


def fold_shard(params: Params, fold: int) -> str:
    """Pattern in `layout` of the shards where a fold is tested."""
    return layout.FOLD_SHARD.replace("{fold}", str(fold)) if fold in further_folds(params) else layout.SHARD


def of_cohort(params: Params, label: str | None) -> Params:
    """Return the settings with the external cohort of that name in the place of the cohort trained on.

    Raises LssError where the settings list no such one.
    """
    if label is None:
        return params
    for external in params.external:
        if external.label == label:
            return params.model_copy(update={"cohort": external.as_cohort(params.cohort.batches)})
    known = ", ".join(external.label for external in params.external) or "none"
    raise LssError(f"--external {label}: there is no such cohort. The labels of `external` in params.yaml: {known}.")


def of_part(params: Params, label: str | None) -> Params:
    """Return the settings with one of several archives in the place of the cohort that they are.

    Raises LssError where the settings list no such one.
    """
    if label is None:
        return params
    if label not in params.cohort.labels:
        known = ", ".join(params.cohort.labels) or "none"
        raise LssError(f"--part {label}: there is no such archive. Labels of `cohort.parts` in params.yaml: {known}.")
    return params.model_copy(update={"cohort": params.cohort.archives[label]})


def tested_apart(params: Params) -> bool:
    """Return whether something is measured beside the test part: external cohorts, or its own archives one by one."""
    return bool(params.external or params.cohort.labels)


def options_of(wildcards: Mapping[str, str]) -> str:
    """Return a job's wildcards as the options of its verb.

    >>> options_of({"backbone": "unet", "fold": "1"})
    '--backbone unet --fold 1'
    """
    return " ".join(f"--{name} {value}" for name, value in wildcards.items())


def run_of(wildcards: Mapping[str, str]) -> Run:
    """Return the model that a job trains or asks."""
    return Run(wildcards["backbone"], wildcards["task"], wildcards["loss"])


def trial_of(params: Params, wildcards: Mapping[str, str]) -> Trial:
    """Return the trial of a job: the first where its wildcards name none."""
    if "fold" not in wildcards.keys():
        return trials(params)[0]
    return Trial(int(wildcards["fold"]), int(wildcards["repeat"]))


def trial_seed(seed: int, repeat: int) -> int:
    """Return the seed of a repeat's trainings: of the first that of params.yaml, whatever `train.seeds` is."""
    return seed if repeat == 1 else derive_seed(seed, "repeat", repeat)


def training_settings(train: TrainParams, run: Run) -> dict[str, Any]:
    """Return what one training reads of the train section, as JSON values: an edit elsewhere in it retrains nothing
    here.
    """
    of_other_losses = unread_settings(run.task, run.loss)
    unread = {"backbones", "baselines", "seeds", *TASKS, *task_record(run.task).unread, *of_other_losses}
    own = train.of(run.task).model_dump(mode="json", exclude={"losses", *of_other_losses})
    return train.model_dump(mode="json", exclude=unread) | {run.task: own}


def prediction_settings(predict: PredictParams, task: str) -> dict[str, Any]:
    """Return what the predictions of a task read of the predict section, as JSON values: its settings
    are of reports.
    """
    return predict.model_dump(mode="json") if task_record(task).predicts == "report" else {}


class Arm(NamedTuple):
    """Models of the ablation that are trained one after the other: one per loss."""

    backbone: str
    fusion: str
    repeat: int


def ablation_arms(ablation: AblationParams) -> list[Arm]:
    """Return all arms of these settings; the U-Net, which has no prompts, last."""
    kinds: list[tuple[str, str]] = list(product(ablation.backbones, ablation.fusions))
    if ablation.unet_losses:
        kinds.append(("unet", "none"))
    return [Arm(*kind, repeat) for kind in kinds for repeat in range(1, ablation.repeats + 1)]


def losses_of(ablation: AblationParams, backbone: str, fusion: str) -> list[MaskLoss]:
    """Return losses that an arm is trained with: all with the first fusion, the first with every other."""
    if backbone == "unet":
        return ablation.unet_losses
    return ablation.losses if fusion == ablation.fusions[0] else ablation.losses[:1]


def guided(train: TrainParams, name: str) -> TrainParams:
    """Return the train section with what a name in `ablation.fusions` stands for: a fusion, or a control, fused
    spatially.
    """
    fusion, queries = (name, "text") if name in get_args(Fusion) else ("spatial", name)
    return train.model_copy(update={"fusion": fusion, "queries": queries})


def arm_settings(train: TrainParams, arm: Arm, losses: list[MaskLoss] | list[str]) -> dict[str, Any]:
    """Return what the trainings of an arm read of the train section, as JSON values."""
    settings: dict[str, Any] = {}
    for loss in losses:
        settings |= training_settings(guided(train, arm.fusion), Run(arm.backbone, "segmentation", loss))
    return settings


def base_run(train: TrainParams, run: Run) -> Run | None:
    """Return the model that `run` builds on, as a report on a mask: that of the first loss listed; None for none."""
    task = task_record(run.task).builds_on
    return Run(run.backbone, task, train.of(task).losses[0]) if task else None


def manifest_settings(manifest: str, facts: dict[str, Any], params: Params) -> dict[str, Any]:
    """Return settings by section that the job of a manifest reads now, as manifests hold those that it was made with.

    Args:
        manifest: its path.
        facts: that stand in it, by which a training or an arm is known.
        params: the settings.
    """
    stage = stage_of_manifest(manifest)
    params = of_cohort(params, layout.external_of(manifest))
    if stage == "ingest":
        sections = {"cohort": reading_settings(params.cohort), "ingest": params.ingest.model_dump(mode="json")}
    elif stage == "train":
        sections = {stage: training_settings(params.train, Run(facts["backbone"], facts["task"], facts["loss"]))}
    elif stage == "predict":
        sections = {stage: prediction_settings(params.predict, facts["task"])}
    elif is_arm(manifest):
        arm = Arm(facts["backbone"], facts["fusion"], facts["repeat"])
        losses = losses_of(params.ablation, arm.backbone, arm.fusion)
        sections = {"train": arm_settings(params.train, arm, losses)}
    else:
        sections = {stage: getattr(params, stage).model_dump(mode="json")}
    return published(sections)


def is_arm(manifest: str) -> bool:
    """Return whether a manifest is of an arm of the ablation, which reads the section `train`; not of
    their comparison.
    """
    return stage_of_manifest(manifest) == "ablation" and Path(manifest).stem != "comparison"


def stage_of_manifest(manifest: str) -> str:
    """Return the stage that a manifest is of, by its path."""
    return Path(manifest).relative_to(layout.MANIFESTS).with_suffix("").parts[0]


def stage_manifests(params: Params) -> list[str]:
    """Return paths of the manifests of all stages before the page, in the order of the chain."""
    batches = [f"batch-{batch}" for batch in layout.batch_names(params.cohort.batches)]
    _, *others = trials(params)
    models = ["-".join(run) for run in model_runs(params.train)]
    models += [
        f"fold-{trial.fold}/repeat-{trial.repeat}/{'-'.join(run)}"
        for trial in others
        for run in model_runs(params.train)
    ]
    shards = [f"fold-{fold}/{batch}" for fold in further_folds(params) for batch in batches]
    data = ("ingest", "denoise", "pseudo_mask", "shards")
    external = []
    for cohort in params.external:
        external += [f"{stage}/external/{cohort.label}" for stage in ("cohort", "split")]
        external += [f"{stage}/external/{cohort.label}/{batch}" for stage in data for batch in batches]
        external += [f"predict/external/{cohort.label}/{'-'.join(run)}" for run in evaluated_runs(params.train)]
    arms = ["-".join(map(str, arm)) for arm in ablation_arms(params.ablation)]
    names = [
        "cohort",
        *(f"ingest/{batch}" for batch in batches),
        "split",
        *(f"{stage}/{batch}" for stage in ("denoise", "pseudo_mask", "shards") for batch in batches),
        *(f"shards/{batch}" for batch in shards),
        *(f"weights/{backbone}" for backbone in params.train.backbones),
        *(f"{stage}/{model}" for stage in ("train", "predict") for model in models),
        *external,
        "evaluate/folds",
        *(["evaluate/external"] if tested_apart(params) else []),
        "evaluate",
        *(f"ablation/{arm}" for arm in (*arms, "comparison")),
        "tables",
        "figures",
    ]
    return [layout.MANIFEST.format(name=name) for name in names]


def manifests_by_stage(params: Params) -> dict[str, list[str]]:
    """Return paths of the manifests of all stages, the page's too, by stage in the order of the chain."""
    paths: dict[str, list[str]] = {}
    for manifest in [*stage_manifests(params), layout.MANIFEST.format(name="page")]:
        paths.setdefault(stage_of_manifest(manifest), []).append(manifest)
    return paths
