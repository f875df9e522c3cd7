"""A copy of the project in another folder, with a small phantom cohort, to run Snakemake and DVC in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from snakemake_forks import run_forked

BIN = Path(sys.executable).parent

# Small in patients and epochs; every stage, task and file is there.
SMALL = {
    "patients: 48": "patients: 15",
    "batches: 4": "batches: 2",
    "backbones: [biomedclip, smolvlm, llava_med]": "backbones: [smolvlm]",
    "    losses: [pid_tversky, cross_entropy]": "    losses: [pid_tversky]",
    "bootstrap_draws: 2000": "bootstrap_draws: 200",
}


def make_copy(source: Path, folder: Path, *, small: bool = True) -> Path:
    """Copy the tracked files of `source` into a new git repository at `folder`."""
    tracked = subprocess.run(["git", "ls-files"], cwd=source, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if (source / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, folder / name)
    if small:
        text = (folder / "params.yaml").read_text()
        for old, new in SMALL.items():
            if old not in text:
                raise ValueError(f"params.yaml has no '{old}': adapt SMALL in {__file__}")
            text = text.replace(old, new)
        (folder / "params.yaml").write_text(re.sub(r"epochs: \d+", "epochs: 1", text))
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    run(
        folder,
        "git",
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "commit",
        "--quiet",
        "-m",
        "copy",
    )
    return folder


def run(folder: Path, *command: str, check: bool = True) -> str:
    """Run a command in `folder`, programs of this environment first; return what it printed.

    The environment's `lss` imports this checkout's package, so PYTHONPATH puts the copy's own first.
    """
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment(folder))
    text = result.stdout + result.stderr
    if check and result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with {result.returncode}:\n{text[-8000:]}")
    return text


def plan(folder: Path, *arguments: str, check: bool = True, **variables: str) -> str:
    """Run Snakemake where it starts no job of its own accord: a plan, a refusal; return what it printed.

    It is the program that `run` starts, in a fork of a process that has imported it already (`snakemake_forks`).

    Args:
        folder: of the project.
        arguments: of Snakemake.
        check: raise RuntimeError where it fails.
        variables: of the environment, beside those of `run`.
    """
    status, text = run_forked(folder, list(arguments), environment(folder) | variables)
    if check and status:
        raise RuntimeError(f"snakemake {' '.join(arguments)} failed with {status}:\n{text[-8000:]}")
    return text


def environment(folder: Path) -> dict[str, str]:
    """Variables for a command in `folder`: programs of this environment first, and the copy's own package."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder)}


def planned(folder: Path, target: str = "all") -> set[str]:
    """Names of the rules that Snakemake would run now for `target`, `all` left out."""
    text = plan(folder, "--dry-run", "--quiet", "rules", "--", target)
    if "Nothing to be done" in text:
        return set()
    stats = text.split("Job stats:")[1].split("total")[0]
    return set(re.findall(r"^(\w+)\s+\d+\s*$", stats, flags=re.M)) - {"all"}
