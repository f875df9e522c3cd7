"""What a run with these settings still lacks: raw data, weights, files that settings name, a GPU.

Looks at the disk only and imports nothing heavy, but for torch where a setting insists on a GPU.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lss.backbones.settings import CheckpointParams, WeightParams
from lss.cohorts.needed_files import missing_files
from lss.errors import LssError
from lss.fetch.sources import COHORT_REMEDY, weights_remedy
from lss.project import layout
from lss.project.params import Params


@dataclass(frozen=True)
class Lack:
    """Something that is missing.

    Attributes:
        jobs: of the workflow that cannot do without it: a rule, or a rule and a backbone ("weights smolvlm").
        what: it is, and where it is expected.
        remedy: how to get it, or what to set instead.
    """

    jobs: tuple[str, ...]
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


@cache
def gpu_count() -> int:
    """Return CUDA devices that torch can use; it is imported only where it is not built for the CPU alone."""
    try:
        if version("torch").endswith("+cpu"):
            return 0
    except PackageNotFoundError:
        return 0
    import torch

    return torch.cuda.device_count()


def lacks(params: Params) -> list[Lack]:
    """Return all that is missing. Empty for the embedded default."""
    return [*_missing_inputs(params), *missing_gpus(params)]


def require(params: Params, jobs: set[str], *, gpus: bool = True) -> None:
    """Raise LssError, which lists them all, where one of `jobs` cannot do without something that is missing.

    Args:
        params: the settings.
        jobs: that are about to run, as in `Lack`.
        gpus: whether they run on this machine, whose GPUs then count.
    """
    missing = [*_missing_inputs(params), *(missing_gpus(params) if gpus else [])]
    if due := [str(lack) for lack in missing if jobs.intersection(lack.jobs)]:
        raise LssError(f"nothing was started, since {len(due)} thing(s) are missing\n  " + "\n  ".join(due))


def _missing_inputs(params: Params) -> list[Lack]:
    missing = []
    cohort, key, split = params.cohort, params.ingest.pseudonym_key_file, params.split.file
    compared = params.evaluate.compare_with
    for label, archive in cohort.archives.items():
        if archive.name != "phantom" and (lack := missing_files(archive)):
            which = f"archive '{label}' of cohort.parts" if label else f"cohort '{archive.name}'"
            where = f"{which} in {archive.root}/: {lack}"
            missing.append(Lack(("cohort", "ingest"), where, COHORT_REMEDY[archive.name]))
    for external in params.external:
        if external.name != "phantom" and (lack := missing_files(external.as_cohort(1))):
            where = f"external cohort '{external.label}' in {external.root}/: {lack}"
            missing.append(Lack(("external_cohort", "external_ingest"), where, COHORT_REMEDY[external.name]))
    if key is not None and not key.is_file():
        missing.append(
            Lack(
                ("ingest",),
                f"{layout.PARAMS}: ingest.pseudonym_key_file: there is no file {key}",
                "Put the key there, or null: pseudonyms then come from the seed.",
            )
        )
    if split is not None and not split.is_file():
        missing.append(
            Lack(
                ("split",),
                f"{layout.PARAMS}: split.file: there is no file {split}",
                "Make it (`lss pseudonyms --help` says how), correct its path, or set null: the split is then drawn.",
            )
        )
    if params.weights.source == "published":
        weights = [_missing_weights(params.weights, backbone) for backbone in params.train.backbones]
        missing += [lack for lack in weights if lack]
    if compared and not Path(layout.KEPT.format(name=compared)).is_dir():
        missing.append(
            Lack(
                ("evaluate",),
                f"the run {compared} in {layout.KEPT.format(name=compared)}/ (evaluate.compare_with)",
                "`lss keep REVISION` makes it from the git revision or DVC experiment it came from; null compares with "
                "nothing.",
            )
        )
    return missing


def _missing_weights(weights: WeightParams, backbone: str) -> Lack | None:
    checkpoint, folder = _published(weights, backbone)
    if any(folder.glob("*.safetensors")):
        return None
    remedy = weights_remedy(checkpoint.hub_id, checkpoint.revision, folder)
    if any(folder.glob("*.bin")):
        remedy = f"The files there are pickles: convert them once with `lss convert-weights {folder}`."
    return Lack((f"weights {backbone}",), f"weights of {backbone} in {folder}/", remedy)


def missing_gpus(params: Params) -> list[Lack]:
    """Return where a setting insists on more GPUs than torch finds here."""
    if params.execution.device != "cuda" or gpu_count() >= params.execution.processes:
        return []
    trainings = ("train", "ablation_arm")
    if gpu_count() == 0:
        jobs = (*trainings, "predict", *(("denoise",) if params.denoise.method == "nlm" else ()))
        what = f"{layout.PARAMS}: execution.device: is cuda, but {_why_no_gpu()}"
        return [Lack(jobs, what, "Set it to auto or cpu; `lss doctor` says more.")]
    wanted = params.execution.processes
    what = f"{layout.PARAMS}: execution.processes: is {wanted}, but torch finds {gpu_count()} GPU(s) here"
    return [Lack(trainings, what, "A training takes a GPU per process: set it to as many as there are.")]


def _why_no_gpu() -> str:
    built = version("torch")
    if built.endswith("+cpu") and shutil.which("nvidia-smi"):
        return f"torch {built} is built without CUDA: install the CUDA build of the pinned version"
    return "torch finds no GPU here"


def published_files(params: WeightParams, backbone: str) -> dict[str, int] | None:
    """Return sizes of the published files that the stage `weights` reads, by name; None where it reads none.

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
