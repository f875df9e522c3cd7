"""The manifest that a stage writes beside its outputs: inputs, settings, code, versions, machine."""

from __future__ import annotations

import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lss
from lss import __version__
from lss.project.code import code_parts
from lss.project.published import publish_path, published
from lss.storage.io import read_json, sha256_file, write_json

_PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "open_clip_torch", "timm", "opencv-python-headless",
             "scikit-image", "numpy", "pandas", "pyarrow", "pycocoevalcap")  # fmt: skip


def write_manifest(
    path: Path | str,
    stage: str,
    *,
    inputs: list[Path],
    outputs: list[Path],
    params: dict[str, Any],
    seed: int,
    started: datetime,
    facts: dict[str, Any] | None = None,
) -> None:
    """Write a stage's manifest.

    Args:
        path: where; by convention `results/manifests/<stage>[/<wildcards>].json`.
        stage: name of the stage.
        inputs: data files read (not code); each with its SHA-256. One that a private setting names is not named here.
        outputs: files written; each with size and SHA-256.
        params: the stage's own section of params.yaml; names of the user's own files are not written (`published`).
        seed: the seed of params.yaml.
        started: when the stage began (UTC); the manifest adds the seconds it took, and those of the whole process.
        facts: counts and caveats of this run that the page or a reader wants (JSON values).
    """
    now = datetime.now(UTC)
    write_json(
        path,
        {
            "stage": stage,
            "inputs": {publish_path(file, params): sha256_file(file) for file in inputs},
            "outputs": {
                str(file): {"sha256": sha256_file(file), "bytes": Path(file).stat().st_size} for file in outputs
            },
            "params": published(params),
            "seed": seed,
            "code": code_parts(stage),
            "facts": facts or {},
            "finished": now.isoformat(timespec="seconds"),
            "seconds": round((now - started).total_seconds(), 1),
            "process_seconds": round(time.monotonic() - lss.BEGAN, 1),  # with imports: what the next run will wait
            "machine": machine(),
        },
    )


def read_manifest(path: Path | str) -> dict[str, Any]:
    """Read a manifest; LssError when it is missing or broken."""
    return read_json(path)


def machine() -> dict[str, Any]:
    """Return versions and hardware that numbers may depend on."""
    return {
        "platform": platform.platform(),
        "processor": platform.machine(),
        "versions": versions(),
        "commit": commit(),
        "committed": committed(),
    }


def commit() -> str | None:
    """Commit of this program's source, "-dirty" where it was edited since; None outside a git repository."""
    return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def committed() -> str | None:
    """Return the day of that commit, as in 2026-11-26; None outside a git repository."""
    return _git("show", "--no-patch", "--format=%cs", "HEAD")


def _git(*words: str) -> str | None:
    """Return what git answers beside this program's source, or None."""
    try:
        done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def versions() -> dict[str, str]:
    """Return versions of what numbers may depend on. Reads package metadata only: imports nothing heavy."""
    at_work = {"lss": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            at_work[package] = version(package)
        except PackageNotFoundError:
            at_work[package] = "not installed"
    return at_work
