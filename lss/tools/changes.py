"""`lss changes`: what an edit of params.yaml, of code or of files will run again, and about how long that takes.

Snakemake's own plan (`snakemake --summary`) lists the jobs. The causes come from comparing settings and code with those
in the manifests of existing results, and files with dvc.lock. The manifests also state how long a job took last time.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from lss.errors import LssError
from lss.project import layout
from lss.project.code import code_parts, dvc_stages
from lss.project.models import manifest_settings, stage_manifests, stage_of_manifest
from lss.project.outside import look, recorded
from lss.project.params import Params
from lss.project.published import published
from lss.project.resources import uses_gpu
from lss.project.workflow import require_workflow
from lss.runtime.progress import duration
from lss.storage.io import read_json

_PAGE = layout.MANIFEST.format(name="page")
_NOUNS = {
    "weights": ("checkpoint", "checkpoints"),
    "train": ("training", "trainings"),
    "predict": ("prediction", "predictions"),
    "ablation_arm": ("training of the ablation", "trainings of the ablation"),
}
_OUTSIDE = {
    "cohort": "the raw archive (cohort.root)",
    "ingest": "the pseudonyms' key (ingest.pseudonym_key_file)",
    "split": "the table of split.file",
}
_FIRST = ("ablation_arm", "pool_folds", "compare_external")
"""Rules whose results the other rule of their stage reads."""
_OF_BATCHES = ("ingest", "denoise", "pseudo_mask", "shards")


@dataclass(frozen=True)
class Job:
    """A job that Snakemake would run.

    Attributes:
        rule: of the workflow.
        manifest: that it writes; every job of a stage has one.
        status: of what is there now, in Snakemake's words: "ok" where only what it is made from changes.
    """

    rule: str
    manifest: str
    status: str

    @property
    def stage(self) -> str:
        """Its stage in dvc.yaml, where several rules may be one."""
        return stage_of_manifest(self.manifest)

    @property
    def kind(self) -> str:
        """Its rule, where those of another fold, seed or cohort are the same."""
        return self.rule.removeprefix("trial_").removeprefix("fold_").removeprefix("external_")


@dataclass(frozen=True)
class Change:
    """What was edited, in words, and the stages that read it."""

    what: str
    stages: frozenset[str]


def changes_text(root: Path, params: Params, cores: int) -> str:
    """Return the answer for the project at `root` with the settings `params`, on so many cores.

    Raises LssError where Snakemake cannot plan.
    """
    jobs = pending(_summary(root))
    if not jobs:
        return "Nothing to run: the results are up to date with params.yaml and with this code."
    manifests = _manifests(root, params)
    changes = (
        [*setting_changes(manifests, params), *code_changes(manifests), *outside_changes(root, params)]
        if manifests
        else []
    )
    groups: dict[tuple[Job, ...], list[str]] = {}
    for change in changes:
        reached = _downstream(change.stages)
        if due := tuple(job for job in jobs if job.stage in reached):
            groups.setdefault(due, []).append(change.what)
    explained = {job for due in groups for job in due}
    if rest := tuple(job for job in jobs if job not in explained):
        groups[rest] = [_without_change(rest) if manifests else "no run yet"]
    times = {path: manifest.get("process_seconds", manifest["seconds"]) for path, manifest in manifests.items()}
    lines = []
    for due, causes in groups.items():
        *others, last = causes
        lines += [*others, f"{last}: {_counted(due)}; {_about(due, times, params, cores)}"]
    if len(groups) > 1:
        lines.append(f"together: {_counted(jobs)}; {_about(jobs, times, params, cores)}")
    return "\n".join(lines)


def _summary(root: Path) -> str:
    """Return Snakemake's table of all files: tab-separated, with a header."""
    require_workflow(root)
    snakemake = str(Path(sys.executable).parent / "snakemake")
    done = subprocess.run([snakemake, "--summary", "--", "all"], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise LssError(f"snakemake cannot plan:\n{done.stderr.strip()}")
    return done.stdout


def pending(summary: str) -> list[Job]:
    """Return the jobs of Snakemake's table whose manifest awaits an update, in the order of the chain."""
    rows = csv.DictReader(summary.splitlines(), delimiter="\t")
    jobs = [
        Job(row["rule"], row["output_file"], row["status"])
        for row in rows
        if row["plan"] == "update pending" and row["output_file"].startswith(f"{layout.MANIFESTS}/")
    ]
    order = list(dvc_stages())
    return sorted(jobs, key=lambda job: (order.index(job.stage), job.rule not in _FIRST, job.manifest))


def _manifests(root: Path, params: Params) -> dict[str, dict[str, Any]]:
    """Return what the jobs of these settings left, by path; of some there may be nothing."""
    return {path: read_json(root / path) for path in [*stage_manifests(params), _PAGE] if (root / path).is_file()}


def setting_changes(manifests: dict[str, dict[str, Any]], params: Params) -> list[Change]:
    """Return settings that differ from those that what is there was made with."""
    now = published(params.model_dump(mode="json"))  # as manifests hold them
    before: dict[str, dict[str, None]] = defaultdict(dict)  # values by setting, in the order found, each once
    current = _flat(now)
    for path, manifest in manifests.items():
        sections = manifest_settings(path, manifest.get("facts", {}), params)
        then = manifest["params"] if manifest["stage"] == "ingest" else {next(iter(sections)): manifest["params"]}
        if layout.external_of(path):  # its own settings are compared as one (`outside_changes`)
            then, sections = ({name: of[name] for name in of if name != "cohort"} for of in (then, sections))
        was, is_now = _flat({"seed": manifest["seed"], **then}), _flat({"seed": now["seed"], **sections})
        for name in was.keys() | is_now.keys():
            if was.get(name, "absent") != is_now.get(name, "absent"):
                before[name][was.get(name, "absent")] = None
    order = {name: place for place, name in enumerate(current)}
    return [
        Change(f"{name}: {' or '.join(before[name])} -> {current.get(name, 'absent')}", _readers(name))
        for name in sorted(before, key=lambda name: order.get(name, -1))
    ]


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return values by dotted name, as YAML writes them."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and all(isinstance(of, dict) and "label" in of for of in value):
            for of in value:
                flat |= _flat({key: of[key] for key in of if key != "label"}, f"{prefix}{name}.{of['label']}.")
        else:
            flat[f"{prefix}{name}"] = (
                yaml.safe_dump(value, default_flow_style=True, width=10**6).split("\n...")[0].strip()
            )
    return flat


def code_changes(manifests: dict[str, dict[str, Any]]) -> list[Change]:
    """Return modules, data files and packages that differ from those that what is there was made with."""
    readers: dict[str, set[str]] = defaultdict(set)
    for manifest in manifests.values():
        stage, was = manifest["stage"], manifest.get("code")  # manifests of before version 0.4 do not name their code
        now = code_parts(stage) if was else {}
        for part in (was or {}).keys() | now.keys():
            if (was or {}).get(part) != now.get(part):
                readers[part].add(stage)
    return [Change(f"{part}: changed", frozenset(stages)) for part, stages in sorted(readers.items())]


def outside_changes(root: Path, params: Params) -> list[Change]:
    """Return files of the user's own, and external cohorts, that differ from those of the last complete run."""
    before, now = _locked(root), recorded(root / layout.OUTSIDE)
    was = before.get("cohort", {}).get("params", {}).get(layout.OUTSIDE, {}).get("external")
    is_now = look(params, root / layout.OUTSIDE, root / layout.PRIVATE_FILES, read=False)["external"]
    stages = frozenset({"cohort", "ingest", "split", "predict", "evaluate"})
    external = [Change("the external cohorts (external): changed", stages)] if was not in (None, is_now) else []
    return external + [
        Change(f"{what}: changed", frozenset({stage}))
        for stage, what in _OUTSIDE.items()
        if stage in before and before[stage]["params"].get(layout.OUTSIDE, {}).get(stage, now[stage]) != now[stage]
    ]


def _locked(root: Path) -> dict[str, Any]:
    """Return what dvc.lock recorded of each stage at the end of the last complete run; empty before the first."""
    lock = root / "dvc.lock"
    if not lock.is_file():
        return {}
    return yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]


def _readers(setting: str) -> frozenset[str]:
    """Return stages that read a setting (train.pid.kp): DVC lists it, or what it is part of.

    The archives of several name folders of the user's own, which DVC does not record: it is told by a hash of them.
    """
    parts = setting.split(".")
    if parts[:2] == ["cohort", "parts"]:
        return frozenset({"cohort", "ingest"})
    names = {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    return frozenset(
        stage for stage, entry in dvc_stages().items() if any(param in names for param in map(str, entry["params"]))
    )


def _downstream(stages: Iterable[str]) -> set[str]:
    """Return these stages and all that use what they make."""
    reached = set(stages)
    made: set[str] = set()
    for stage, entry in dvc_stages().items():  # in the order of the chain
        if stage in reached or made.intersection(_paths(entry.get("deps", ()))):
            reached.add(stage)
            made.update(path for kind in ("outs", "metrics", "plots") for path in _paths(entry.get(kind, ())))
    return reached


def _paths(entries: Iterable[Any]) -> list[str]:
    """Return the paths of a list in dvc.yaml, where an entry is a path, or a path with options."""
    return [path for entry in entries for path in ([entry] if isinstance(entry, str) else entry)]


def _without_change(jobs: tuple[Job, ...]) -> str:
    """Say why jobs run although nothing was edited, in Snakemake's words."""
    reasons = sorted({job.status for job in jobs} - {"ok"})
    return ", ".join(reasons) if reasons else "not up to date"


def _counted(jobs: Iterable[Job]) -> str:
    """Return jobs in words: "4 x ingest, 12 trainings, evaluate"."""
    counts: dict[str, int] = defaultdict(int)
    for job in jobs:
        counts[job.kind] += 1
    return ", ".join(
        f"{count} {_NOUNS[rule][count > 1]}" if rule in _NOUNS else f"{count} x {rule}" if rule in _OF_BATCHES else rule
        for rule, count in counts.items()
    )


def _about(jobs: Iterable[Job], times: dict[str, float], params: Params, cores: int) -> str:
    """Return about how long the jobs take: one rule after the other, as many jobs at a time as there are cores for.

    A job that never ran is taken to last as long as the others of its stage.
    """
    of_rule: dict[str, list[float]] = defaultdict(list)
    unknown: dict[str, int] = defaultdict(int)
    for job in jobs:
        folder = Path(job.manifest).parent
        alike = [seconds for path, seconds in times.items() if Path(path).parent == folder != Path(layout.MANIFESTS)]
        if job.manifest in times:
            of_rule[job.kind].append(times[job.manifest])
        elif alike:
            of_rule[job.kind].append(mean(alike))
        else:
            unknown[job.kind] += 1
    if not of_rule:
        return "no times known yet"
    total = sum(max(max(seconds), sum(seconds) / _at_once(rule, params, cores)) for rule, seconds in of_rule.items())
    without = f" without {', '.join(unknown)}, of which no time is known" if unknown else ""
    return f"about {duration(total)}{without}"


def _at_once(rule: str, params: Params, cores: int) -> int:
    """Return jobs of a rule that run at a time."""
    if rule not in ("train", "ablation_arm", "predict"):
        return cores
    return 1 if uses_gpu(params) else max(1, cores // params.execution.threads)
