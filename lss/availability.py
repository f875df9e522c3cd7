"""What a run with these settings still lacks: raw data, weights. Looks at the disk only, imports nothing heavy."""

from __future__ import annotations

import shutil
from pathlib import Path

from lss import layout
from lss.cohorts.needed import missing_files
from lss.fetch.sources import COHORT_REMEDY, weights_remedy
from lss.params import CheckpointParams, Params, WeightParams


def has_gpu(device: str) -> bool:
    """Whether trainings will use a CUDA card under this setting of `device` (auto, cpu, cuda)."""
    return device == "cuda" or (device == "auto" and shutil.which("nvidia-smi") is not None)


def missing_inputs(params: Params) -> list[str]:
    """One line per lack: what, where it is expected, how to get it. Empty for the embedded default."""
    lacks = []
    cohort = params.cohort
    if cohort.name != "phantom" and (lack := missing_files(cohort)):
        lacks.append(f"cohort '{cohort.name}' in {cohort.root}/: {lack}. {COHORT_REMEDY[cohort.name]}")
    if params.weights.source == "published":
        for backbone in params.train.backbones:
            checkpoint, folder = _published(params.weights, backbone)
            if any(folder.glob("*.safetensors")):
                continue
            remedy = weights_remedy(checkpoint.hub_id, checkpoint.revision, folder)
            if any(folder.glob("*.bin")):
                remedy = f"The files there are pickles: convert them once with `lss convert-weights {folder}`."
            lacks.append(f"weights of {backbone} in {folder}/. {remedy}")
    kept = params.evaluate.compare_with
    if kept and not Path(layout.KEPT.format(name=kept)).is_dir():
        lacks.append(
            f"the run {kept} in {layout.KEPT.format(name=kept)}/ (evaluate.compare_with). `lss keep REVISION` makes it "
            "from the git revision or DVC experiment it came from."
        )
    return lacks


def published_files(params: WeightParams, backbone: str) -> dict[str, int] | None:
    """Sizes of the published files that the stage `weights` reads, by name; None where it reads none.

    By this Snakemake sees that files were put there or exchanged, without reading gigabytes at every start.
    """
    if params.source == "tiny":
        return None
    _, folder = _published(params, backbone)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _published(params: WeightParams, backbone: str) -> tuple[CheckpointParams, Path]:
    checkpoint: CheckpointParams = getattr(params, backbone)
    return checkpoint, checkpoint.folder or Path(layout.PUBLISHED.format(backbone=backbone))
