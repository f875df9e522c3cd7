"""What the Snakefile needs beside rules: making DVC agree after a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lss.errors import LssError
from lss.project import layout
from lss.project.code import dvc_stages
from lss.project.models import stage_manifests
from lss.project.outside import look
from lss.project.params import Params, load_params


def finish(root: Path, params: Params, current: set[str]) -> None:
    """At the end of a successful run: DVC records the stages that are current, and the user is told where to look.

    Called by DVC itself (`dvc repro`) it leaves the recording to DVC, which holds the lock then.

    Args:
        root: the project's folder.
        params: the settings of the run.
        current: outputs of all jobs in the run's plan, done now or before. A stage of which one is not there, as
            after `snakemake denoise_all`, is not recorded: it may be out of date.
    """
    (root / layout.PHANTOM).mkdir(parents=True, exist_ok=True)  # an output for DVC, which knows no optional ones
    if "DVC_STAGE" in os.environ:
        return
    due: dict[str, list[str]] = {"page": [layout.MANIFEST.format(name="page")]}
    for manifest in stage_manifests(params):
        due.setdefault(Path(manifest).relative_to(layout.MANIFESTS).with_suffix("").parts[0], []).append(manifest)
    if done := [stage for stage in dvc_stages() if current.issuperset(due[stage])]:
        subprocess.run([_beside_python("dvc"), "commit", "--force", "--quiet", *done], cwd=root, check=True)
    page = root / layout.PAGE
    if page.is_file():
        print(f"\nResults: {page}\n  tables {root / 'results/tables'}, figures {root / 'results/figures'},"
              f" numbers {root / layout.METRICS}", file=sys.stderr)  # fmt: skip


class FailedJob(NamedTuple):
    """A job of the workflow that failed: its name in words, and its log if it has one."""

    name: str
    log: str | None


def stopped(failed: Iterable[FailedJob], unfinished: int) -> None:
    """At the end of a run that failed or was stopped: what failed, the end of its log, and how to go on.

    Args:
        failed: jobs that failed; none where the run was stopped from outside (Ctrl-C, a shutdown).
        unfinished: how many jobs of the plan are still to be done, the failed ones among them.
    """
    for job in failed:
        print(f"\nFAILED  {job.name}", file=sys.stderr)
        for line in last_lines(job.log):
            print(f"    {line}", file=sys.stderr)
        if job.log:
            print(f"  all of it: {job.log}", file=sys.stderr)
    if failed:
        print(
            f"\n{unfinished} job(s) are left to do. Mend what is said above, then give the same command again: what is "
            "finished stays, a training goes on from its last checkpoint. docs/troubleshooting.md knows usual causes.",
            file=sys.stderr,
        )
    else:
        print(
            f"\nStopped with {unfinished} job(s) left to do. To resume, give the same command again: what is finished "
            "stays, a training goes on from its last checkpoint.",
            file=sys.stderr,
        )


def last_lines(log: str | None, count: int = 12) -> list[str]:
    """The last lines of a job's log that say something; of a bar that redraws itself, its last state."""
    try:
        text = Path(log or "").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = [line.split("\r")[-1].rstrip() for line in text.split("\n")]
    return [line for line in lines if line][-count:]


def sync(root: Path) -> None:
    """Tell Snakemake that what DVC restored (checkout, pull, run cache) is current.

    Raises LssError when DVC itself does not call everything current: stamping stale files would hide it.
    """
    look(load_params(root / layout.PARAMS), root / layout.OUTSIDE, root / layout.PRIVATE_FILES)
    status = subprocess.run([_beside_python("dvc"), "status", "--json"], cwd=root, capture_output=True, text=True)
    if status.returncode or status.stdout.strip() != "{}":
        raise LssError(
            "dvc status is not clean: run `dvc checkout` or `dvc pull` for what is missing, `dvc repro` for what "
            f"is stale, or `dvc commit -f` to accept what is there.\n{status.stdout}{status.stderr}"
        )
    snakemake = _beside_python("snakemake")
    touched = subprocess.run(
        [snakemake, "--cores", "1", "--touch", "--forceall", "--quiet", "--", "all"],
        cwd=root, capture_output=True, text=True, env={**os.environ, "DVC_STAGE": "sync"},
    )  # fmt: skip
    if touched.returncode:
        raise LssError(f"snakemake --touch failed:\n{touched.stdout}{touched.stderr}")
    plan = subprocess.run([snakemake, "--dry-run", "--quiet", "--", "all"], cwd=root, capture_output=True, text=True)
    if "Nothing to be done" not in plan.stdout + plan.stderr:
        raise LssError(f"Snakemake still wants to run something:\n{plan.stdout}{plan.stderr}")


def _beside_python(program: str) -> str:
    """Path of a program installed in this Python's environment."""
    return str(Path(sys.executable).parent / program)


def track(folder: Path) -> str | None:
    """Have DVC record a folder that is no stage's output; what a person should know of it, if anything.

    Outside the project's folder DVC cannot, and without a repository there is nothing to record in.
    """
    if not (Path(".dvc").is_dir() and folder.resolve().is_relative_to(Path.cwd().resolve())):
        return f"{folder}: is not in this project's folder, so DVC does not track it."
    done = subprocess.run([_beside_python("dvc"), "add", "--quiet", str(folder)], capture_output=True, text=True)
    if done.returncode:
        return f"{folder}: DVC does not track it: {done.stderr.strip()}"
    return f"{folder}: tracked by DVC. To keep that with your code: git add {folder}.dvc"
