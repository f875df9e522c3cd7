"""Support for the Snakefile: record a run in DVC, and refuse to run beside it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from lss.backbones.registry import backbone_record
from lss.errors import LssError
from lss.project import layout
from lss.project.code import dvc_stages
from lss.project.models import manifests_by_stage
from lss.project.outside import look, record
from lss.project.params import Params, load_params
from lss.project.resources import uses_gpu
from lss.runtime import warm


def find_programs() -> None:
    """Put the programs of this process's environment first on the PATH: jobs find `lss` where none was activated."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def share_folder_with_pods() -> None:
    """Let Snakemake's executor for Kubernetes, where it is installed, believe `--shared-fs-usage`.

    It takes it that pods share nothing: all files would be uploaded to a store, and downloaded under other names, which
    no verb of `lss` knows. Pods of profiles/kubernetes have this folder on a volume. Other executors are as they were.
    """
    if plugin := sys.modules.get("snakemake_executor_plugin_kubernetes"):
        for name in ("implies_no_shared_fs", "job_deploy_sources", "auto_deploy_default_storage_provider"):
            object.__setattr__(plugin.common_settings, name, False)


def warm_up(params: Params, rules: list[str]) -> None:
    """Start the process that imports once what many of the due jobs import, where that is worth its own time.

    Where jobs use a GPU it is not started: theirs are minutes, and CUDA does not outlive a fork.
    """
    worth = sum(rule in ("train", "predict", "ablation_arm") for rule in rules) > 2
    if not worth or sys.platform != "linux" or uses_gpu(params) or params.execution.processes > 1:
        return
    stages = sorted(
        {f"lss.stages.{rule.removesuffix('_arm')}" for rule in rules} & {f"lss.stages.{name}" for name in dvc_stages()}
    )
    backbones = [backbone_record(name).loader.partition(":")[0] for name in params.train.backbones]
    warm.start(["lss.cli", *stages, *backbones, "torch.utils.tensorboard"])


def stage_of_dvc() -> str | None:
    """Return the stage that DVC runs Snakemake for (`dvc repro`); None where Snakemake was called by itself."""
    stage = os.environ.get("DVC_STAGE")
    return stage if stage in dvc_stages() else None


def refuse_beside_dvc(root: Path) -> None:
    """Raise LssError where `dvc repro` is at work in the project at `root`, and it was not what called Snakemake.

    The other way round Snakemake's own lock refuses what DVC starts.
    """
    if "DVC_STAGE" in os.environ:
        return
    try:
        held = json.loads((root / ".dvc/tmp/rwlock").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    writers = list(held.get("write", {}).values())
    if writer := next((writer for writer in writers if psutil.pid_exists(writer["pid"])), None):
        raise LssError(
            f"DVC is at work in this folder (process {writer['pid']}: {writer['cmd']}). Nothing was started: wait "
            "until it has ended, or stop it."
        )


def finish(root: Path, params: Params, current: set[str]) -> None:
    """Finish a successful run: record current stages in DVC, and print where the results are.

    Recorded is what this run made, and what it left as it was and still is what its manifest states. Called by DVC
    itself (`dvc repro`) it leaves the recording to DVC, which holds the lock then.

    Args:
        root: the project's folder.
        params: the settings of the run.
        current: outputs of all jobs in the run's plan, done now or before. A stage of which one is not there, as
            after `snakemake denoise_all`, is not recorded: it may be out of date.

    Raises LssError where DVC must not record what was made, or could not.
    """
    for optional in (layout.PHANTOM, f"{layout.MANIFESTS}/cohort", f"{layout.MANIFESTS}/split"):
        (root / optional).mkdir(parents=True, exist_ok=True)  # an output for DVC, which knows no optional ones
    if stage := stage_of_dvc():
        if edited_settings(root, params, stage):
            raise LssError(
                f"{layout.PARAMS} was edited while the stage {stage} ran. What was made is of the settings before; so "
                "that DVC does not record it as made with the new ones, it is told that the stage failed: run it again."
            )
        return
    if "DVC_STAGE" in os.environ:
        return
    _record(root, params, current)
    page = root / layout.PAGE
    if page.is_file():
        print(f"\nResults: {page}\n  tables {root / 'results/tables'}, figures {root / 'results/figures'},"
              f" numbers {root / layout.METRICS}", file=sys.stderr)  # fmt: skip


def edited_settings(root: Path, params: Params, stage: str) -> list[str]:
    """Return the settings that DVC records for `stage` and that params.yaml no longer holds as `params` does."""
    listed = [entry for entry in dvc_stages()[stage]["params"] if isinstance(entry, str)]
    planned = params.model_dump(mode="json")
    try:
        now = load_params(root / layout.PARAMS).model_dump(mode="json")
    except LssError:
        return listed
    return [name for name in listed if _setting(now, name) != _setting(planned, name)]


def _setting(settings: dict[str, Any], name: str) -> Any:
    """Return the value, or the section, of a dotted name."""
    for key in name.split("."):
        settings = settings[key]
    return settings


def _record(root: Path, params: Params, current: set[str]) -> None:
    """Run `dvc commit` for the stages that are whole and as their manifests state; print a line for each other."""
    from lss.lineage.fresh import outdated

    whole = {
        stage: due
        for stage, due in manifests_by_stage(params).items()
        if current.issuperset(due) and all((root / manifest).is_file() for manifest in due)
    }
    wrong = outdated([manifest for due in whole.values() for manifest in due], params, root)
    due_to = {
        stage: f"{layout.PARAMS} was edited while this ran ({', '.join(edited)})"
        for stage in whole
        if (edited := edited_settings(root, params, stage))
    }
    for stage, due in whole.items():
        if reason := next((f"{manifest}: {wrong[manifest]}" for manifest in due if manifest in wrong), None):
            due_to.setdefault(stage, reason)
    for stage, reason in due_to.items():
        print(
            f"NOT RECORDED by DVC  {stage}: {reason}. The next run brings it up to date; what was changed by hand is "
            f"made again by `snakemake --forcerun {stage} -- all`.",
            file=sys.stderr,
        )
    if done := [stage for stage in dvc_stages() if stage in whole and stage not in due_to]:
        commit = [_beside_python("dvc"), "commit", "--force", "--quiet", *done]
        made = subprocess.run(commit, cwd=root, capture_output=True, text=True)
        if made.returncode:
            raise LssError(
                "everything was made, but DVC could not record it. When no other DVC is at work here, run "
                f"`dvc commit --force {' '.join(done)}`.\n{made.stderr.strip()}"
            )


class FailedJob(NamedTuple):
    """A job of the workflow that failed: its name in words, its log if it has one, and Slurm's where it ran there.

    `refused`: a group of jobs that never began, since the scheduler did not take it.
    """

    name: str
    log: str | None
    slurm_log: str | None = None
    refused: bool = False


SLURM_LOGS = Path(".snakemake/slurm_logs")
"""Where Snakemake's executor for Slurm keeps what the jobs that failed have printed, Slurm's own words among it."""


def failed_jobs(jobs: Iterable[Any]) -> list[FailedJob]:
    """Return what there is to say of Snakemake's failed jobs; of a group, of those of its jobs that were begun and are
    not done (of all of them where none was begun).
    """
    result = []
    for job in sorted(jobs, key=str):
        parts = sorted(job.jobs, key=str) if job.is_group() else [job]
        begun = [
            part
            for part in parts
            if any(_written(file) for file in part.log) and not all(Path(file).exists() for file in part.output)
        ]
        kind = "group" if job.is_group() else "rule"
        folder = "" if job.is_group() else "_".join(job.wildcards).replace("/", "_")
        logs = (SLURM_LOGS / f"{kind}_{job.name}" / folder).glob("*.log")
        slurm_log = max(logs, key=lambda path: path.stat().st_mtime, default=None)
        if job.is_group() and not begun and slurm_log is None:
            names = sorted({part.rule.name for part in parts})
            result.append(FailedJob(f"{' '.join(names)} (one group)", None, refused=True))
            continue
        result += [
            FailedJob(
                " ".join([part.rule.name, *part.wildcards]),
                next(iter(part.log), None),
                str(slurm_log) if slurm_log else None,
            )
            for part in begun or parts
        ]
    return result


def stopped(failed: Iterable[FailedJob], unfinished: int) -> None:
    """Report after a run that failed or was stopped what failed, the end of its log, and how to go on.

    Args:
        failed: jobs that failed; none where the run was stopped from outside (Ctrl-C, a shutdown).
        unfinished: how many jobs of the plan are still to be done, the failed ones among them.
    """
    for job in failed:
        print(f"\nFAILED  {job.name}", file=sys.stderr)
        for line in last_lines(job.log):
            print(f"    {line}", file=sys.stderr)
        if _written(job.log):
            print(f"  all of it: {job.log}", file=sys.stderr)
        if job.refused:
            print(
                "    It never began: the scheduler refused it, and Snakemake passes on no reason for grouped jobs. "
                "`snakemake --verbose` prints the sbatch call; given by hand, it says why.",
                file=sys.stderr,
            )
        for line in slurm_lines(job.slurm_log):
            print(f"    {line}", file=sys.stderr)
        if job.slurm_log:
            print(f"  on its node: {job.slurm_log}", file=sys.stderr)
    if failed:
        print(
            f"\n{unfinished} job(s) are left to do. Mend the causes above, then give the same command again: what is "
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
    """Return the last lines of a job's log that say something; of a bar that redraws itself, its last state."""
    try:
        text = Path(log or "").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = [line.split("\r")[-1].rstrip() for line in text.split("\n")]
    return [line for line in lines if line][-count:]


def _written(log: str | None) -> bool:
    """Return whether a job wrote something into its log; Snakemake makes an empty one for a job that never began."""
    return log is not None and Path(log).is_file() and Path(log).stat().st_size > 0


def slurm_lines(log: str | None) -> list[str]:
    """Return what Slurm itself says in a job's log: over its time, its memory, cancelled; each line once."""
    try:
        text = Path(log or "").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return list(dict.fromkeys(re.findall(r"^slurmstepd(?:-\S+)?: error: (.+)$", text, flags=re.M)))


def require_workflow(root: Path) -> None:
    """Raise LssError where the folder `root` holds no workflow, as where `lss` was installed from a wheel."""
    if not (root / "Snakefile").is_file():
        raise LssError(
            f"{root}: holds no Snakefile. The workflow belongs to a checkout of the project, not to the installed "
            "package: clone it, run `make setup`, and use `lss` in its folder."
        )


def sync(root: Path) -> None:
    """Tell Snakemake that what DVC restored (checkout, pull, run cache) is current.

    Raises LssError when DVC itself does not call everything current: stamping stale files would hide it.
    """
    require_workflow(root)
    outside = root / layout.OUTSIDE
    record(look(load_params(root / layout.PARAMS), outside, root / layout.PRIVATE_FILES), outside)
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
    """Return the path of a program installed in this Python's environment."""
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
