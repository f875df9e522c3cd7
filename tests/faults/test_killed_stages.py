"""Every stage killed twenty times, at moments of writing and at random ones.

Nothing half made passes for whole, and the same command once more ends with the bytes of an undisturbed run.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed_stages import STAGES, AtMoment, digests, run, small_settings, strays, timed
from small_disk import TMPFS

pytestmark = [pytest.mark.faults, pytest.mark.slow]

KILLS = 20
"""Of each stage."""

EVERY_MOMENT = {
    "cohort",
    "ingest",
    "split",
    "denoise",
    "pseudo_mask",
    "shards",
    "weights",
    "train",
    "tables",
    "ablation",
}
"""Stages killed at their moments of writing first; the others work long before they write, and the moments are the same
functions: they are killed at random, and at each third moment."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> tuple[Path, dict[str, list[float]]]:
    """A folder per stage with the project as it was before that stage, one after the last; seconds of each verb."""
    root = tmp_path_factory.mktemp("undisturbed")
    work = root / "work"
    work.mkdir()
    (work / "params.yaml").write_text(small_settings(project_root))
    seconds = {}
    for stage, verbs in STAGES.items():
        shutil.copytree(work, root / "before" / stage / "project")
        seconds[stage] = [timed(work, verb) for verb in verbs]
    work.rename(root / "after")
    return root, seconds


@pytest.mark.parametrize("stage", STAGES)
def test_killed_and_run_again(stage: str, undisturbed: tuple[Path, dict[str, list[float]]], tmp_path: Path) -> None:
    root, seconds = undisturbed
    whole, verbs = digests(root / "after"), STAGES[stage]
    shutil.copytree(root / "before" / stage, tmp_path, dirs_exist_ok=True)
    project = tmp_path / "project"
    draw, killed = random.Random(stage), 0
    for verb, duration in zip(verbs, seconds[stage], strict=True):
        share = -(-KILLS // len(verbs))
        step = 1 if stage in EVERY_MOMENT else 3
        for number in range(step, step * share + 1, step):
            code = run(project, verb, AtMoment(number))
            if code == 0:  # it has fewer moments: the rest at random
                break
            killed, share = killed + 1, share - 1
            result = digests_of_finished(project)
            assert {name: hashed for name, hashed in result.items() if whole.get(name) != hashed} == {}
        attempts, left = 0, share
        while left > 0:
            attempts += 1
            assert attempts <= 4 * KILLS, "it ends before it is killed"
            signal_number, began = draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]), time.monotonic()
            if run(project, verb, after=(draw.uniform(0, duration), signal_number)) == 0:
                duration = min(duration, time.monotonic() - began)  # it was timed on a busier machine
                continue
            killed, left = killed + 1, left - 1
            result = digests_of_finished(project)
            assert {name: hashed for name, hashed in result.items() if whole.get(name) != hashed} == {}
        timed(project, verb)
    after = digests(project)
    assert {name: hashed for name, hashed in after.items() if whole[name] != hashed} == {}
    assert not strays(project)
    assert killed >= KILLS
    print(f"{stage}: {killed} kills, {len(after)} files")


def test_a_full_disk_and_one_that_can_only_be_read(
    undisturbed: tuple[Path, dict[str, list[float]]], tmp_path: Path
) -> None:
    """Every stage on a disk with 8 KB left, some on one that is read-only: cause and remedy, then the same bytes."""
    root, _ = undisturbed
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*alone, *TMPFS], capture_output=True).returncode:
        pytest.skip("needs `unshare` with disks of its own")
    jobs = {}
    for kind, stages in (("full", list(STAGES)), ("read-only", ["ingest", "train", "page"])):
        for stage in stages:
            folder = str(root / "before" / stage / "project")
            jobs[f"{kind}-{stage}"] = {"folder": folder, "verbs": STAGES[stage][:1], "kind": kind, "bytes": 8192}
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    script = str(Path(__file__).with_name("small_disk.py"))
    subprocess.run([*alone, sys.executable, script, str(tmp_path / "jobs.json")], check=True)
    whole = digests(root / "after")
    for name, result in json.loads((tmp_path / "results.json").read_text()).items():
        cause = "this disk can only be read" if name.startswith("read-only") else "no space left on the disk"
        assert result["codes"] == [2] and cause in result["said"] and "Traceback" not in result["said"], (name, result)
        assert result["again"] == [0] and result["strays"] == [], (name, result["log"])
        assert {file: hashed for file, hashed in result["digests"].items() if whole[file] != hashed} == {}, name
    print(f"{len(jobs)} disks")


def digests_of_finished(project: Path) -> dict[str, str]:
    """Files under the names that later stages read: what lies in hidden folders, or is a training's course, is none."""
    return {
        name: hashed
        for name, hashed in digests(project).items()
        if not any(part.startswith(".") for part in Path(name).parts) and not name.startswith("logs/")
        and not name.endswith("epochs.csv")
    }  # fmt: skip
