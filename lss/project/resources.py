"""What a job of the workflow asks for: memory, time, GPUs. The numbers stand in workflow/resources.yaml."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from lss.project.code import ROOT
from lss.project.params import Params

RESOURCES = "workflow/resources.yaml"


@cache
def _numbers() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((ROOT / RESOURCES).read_text(encoding="utf-8"))


def uses_gpu(params: Params, *, elsewhere: bool = False) -> bool:
    """Return whether trainings, predictions and denoising are to run on a GPU, by `execution.device` (auto, cpu, cuda).

    Args:
        params: the settings.
        elsewhere: whether jobs are sent to other machines, such as a cluster's. What this one has says nothing then:
            `auto` means a GPU for published backbones, which nobody trains without, and none for tiny ones.
    """
    if params.execution.device != "auto":
        return params.execution.device == "cuda"
    return params.weights.source == "published" if elsewhere else shutil.which("nvidia-smi") is not None


def gpus_of(rule: str, params: Params, *, elsewhere: bool) -> int:
    """Return GPUs that one job of `rule` asks for."""
    if not _numbers()[rule].get("gpu") or not uses_gpu(params, elsewhere=elsewhere):
        return 0
    if rule == "denoise":
        return int(params.denoise.method == "nlm")  # the other methods run on the CPU
    return params.execution.processes if rule == "train" else 1


def job_resources(rule: str, params: Params, elsewhere: Callable[[], bool]) -> dict[str, Any]:
    """Return resources of `rule` as Snakemake takes them: numbers, or functions of wildcards and attempt.

    Args:
        rule: its name, one of those in workflow/resources.yaml.
        params: the settings.
        elsewhere: whether jobs are sent to other machines; asked when a job is planned, since only then it is known.
    """
    own = _numbers()[rule]
    if params.weights.source == "published":
        own = own | own.get("published", {})
    processes = params.execution.processes if rule == "train" else 1
    return {
        "mem_mb": lambda wildcards, attempt: own["mem_mb"] * processes * attempt,
        "runtime": lambda wildcards, attempt: own["runtime"] * attempt,
        "gpu": lambda wildcards: gpus_of(rule, params, elsewhere=elsewhere()),
    }
