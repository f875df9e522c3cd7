"""Delete what a run made (`make clean`), unless something of it could not be brought back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from lss.errors import LssError
from lss.project.workflow import require_workflow

MADE = ("results", "data/interim", "data/shards")
"""Folders of what a run makes and DVC records; `.gitignore` in them stays."""

STATE = ".lss-state"
OWN = (".snakemake", STATE)
"""Folders in which Snakemake and trainings keep what concerns nobody else."""

_REMEDIES = {
    "not recorded by DVC as it is here": "finish the run (`snakemake --cores 8 all`), or `dvc commit --force`",
    "recorded, but neither in DVC's cache nor in a remote": "`dvc commit --force` puts it into the cache",
    "no output of a stage": "move it out of the folder",
    "an unfinished training": "finish the run (`snakemake --cores 8 all`)",
}


def clean(root: Path, *, force: bool = False) -> list[str]:
    """Delete what a run made in the project at `root`; return the names of the folders.

    Raw archives, published weights, DVC's cache and `data/private`, which is in no cache, stay.

    Args:
        root: the project's folder.
        force: also where files are lost by it.

    Raises LssError, before anything is deleted, where files would be lost: what DVC's cache has comes back by `dvc
    checkout`, what a remote has by `dvc pull`.
    """
    require_workflow(root)
    if not force and (lost := lost_files(root)):
        reasons = dict.fromkeys(lost.values())
        lines = [line for reason in reasons for line in _lines(reason, [file for file in lost if lost[file] == reason])]
        raise LssError(
            f"{len(lost)} file(s) could not be brought back, nothing was deleted:\n"
            + "\n".join(lines)
            + "\nTo delete them all the same: lss clean --force"
        )
    for folder in (*MADE, *OWN):
        for path in [*(root / folder).glob("*")] if (root / folder).is_dir() else []:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != ".gitignore":
                path.unlink()
    return [*MADE, *OWN]


def lost_files(root: Path) -> dict[str, str]:
    """Return the files that `clean` would delete and nobody could bring back, each with the reason.

    Raises LssError where DVC cannot say what it has.
    """
    files = [path for folder in MADE for path in _files(root, folder) if Path(path).name != ".gitignore"]
    status = _data_status(root)
    changed = _paths(path for kind in status.get("uncommitted", {}).values() for path in kind)
    recorded, missing = _outputs(root), _paths(status.get("not_in_cache", []))
    if any(_under(file, missing) for file in files):
        try:
            missing &= _paths(_data_status(root, "--not-in-remote").get("not_in_remote", []))
        except LssError:  # a remote that does not answer
            pass
    lost = {}
    for file in files:
        if not _under(file, recorded):
            lost[file] = "no output of a stage"
        elif file in changed:
            lost[file] = "not recorded by DVC as it is here"
        elif _under(file, missing):
            lost[file] = "recorded, but neither in DVC's cache nor in a remote"
    of_settings = f"{STATE}/settings/"
    return lost | {f: "an unfinished training" for f in _files(root, STATE) if not f.startswith(of_settings)}


def _lines(reason: str, files: list[str]) -> list[str]:
    """Return lines that name the reason, its remedy and the first of the files."""
    more = [f"    and {len(files) - 5} more"] if len(files) > 5 else []
    return [f"  {reason}; {_REMEDIES[reason]}:", *(f"    {file}" for file in files[:5]), *more]


def _files(root: Path, folder: str) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / folder).rglob("*") if not path.is_dir())


def _outputs(root: Path) -> set[str]:
    """Return the outputs that DVC has on record, of stages and of `dvc add`."""
    lock = root / "dvc.lock"
    stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {}) if lock.is_file() else {}
    outs = {out["path"] for stage in stages.values() for out in stage.get("outs", [])}
    added = [path.with_suffix("") for folder in MADE for path in (root / folder).rglob("*.dvc") if path.is_file()]
    return outs | {str(path.relative_to(root)) for path in added}


def _under(file: str, paths: set[str]) -> bool:
    """Return whether a file is one of `paths`, or in a folder that is."""
    return file in paths or any(str(folder) in paths for folder in Path(file).parents)


def _paths(listed: Iterable[Any]) -> set[str]:
    """Return paths of what `dvc data status` lists, of a renamed file the new one."""
    return {(path["new"] if isinstance(path, dict) else path).rstrip("/") for path in listed}


def _data_status(root: Path, *options: str) -> dict[str, Any]:
    dvc = str(Path(sys.executable).parent / "dvc")
    command = [dvc, "data", "status", "--json", "--granular", *options]
    made = subprocess.run(command, cwd=root, capture_output=True, text=True)
    try:
        return dict(json.loads(made.stdout))
    except ValueError:
        raise LssError(f"`{' '.join(command[1:])}` failed: {made.stderr.strip() or made.stdout.strip()}") from None
