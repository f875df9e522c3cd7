"""Which models are trained: backbone x task x loss, in one list for workflow, command line and evaluation."""

from __future__ import annotations

from typing import NamedTuple

from lss import layout
from lss.params import Params, TrainParams

TASKS = ("classification", "segmentation", "report")


class Run(NamedTuple):
    """One model."""

    backbone: str
    task: str
    loss: str


def model_runs(train: TrainParams) -> list[Run]:
    """All models of these settings, segmentation before report, which builds on it."""
    return [
        Run(backbone, task, loss)
        for backbone in train.backbones
        for task in TASKS
        for loss in getattr(train, task).losses
    ]


def segmentation_run(train: TrainParams, backbone: str) -> Run:
    """The segmentation model from whose mask `backbone`'s report is written: the first loss listed."""
    return Run(backbone, "segmentation", train.segmentation.losses[0])


def stage_manifests(params: Params) -> list[str]:
    """Paths of the manifests of all stages before the page, in the order of the chain."""
    batches = [f"batch-{batch}" for batch in layout.batch_names(params.cohort.batches)]
    models = ["-".join(run) for run in model_runs(params.train)]
    names = [
        "cohort",
        *(f"ingest/{batch}" for batch in batches),
        "split",
        *(f"{stage}/{batch}" for stage in ("denoise", "pseudo_mask", "shards") for batch in batches),
        *(f"weights/{backbone}" for backbone in params.train.backbones),
        *(f"{stage}/{model}" for stage in ("train", "predict") for model in models),
        "evaluate",
        "tables",
        "figures",
    ]
    return [layout.MANIFEST.format(name=name) for name in names]
