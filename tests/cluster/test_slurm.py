"""profiles/slurm on a Slurm of this machine (tools/slurm_node.sh): only with -m cluster (make cluster).

A small chain is run once under Slurm, where its jobs are killed by memory and by notice and the node goes down under
them, and once locally: the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "workflow"))
from project_copy import environment, make_copy, run

from lss.training.checkpoints import NAME

pytestmark = pytest.mark.cluster

SLURM = ["snakemake", "--profile", "profiles/slurm", "--default-resources", "slurm_partition=main",
         "--max-threads", "2", "--group-components", "ingest=2", "images=2",
         "--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "10"]  # fmt: skip


def ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def slurm(project_root: Path) -> Iterator[None]:
    """A running cluster of this machine; it is stopped again where it was started here."""
    lacking = [program for program in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(program) is None]
    if lacking or os.geteuid():
        pytest.skip(f"!!! SLURM WAS NOT TESTED: needs root and {', '.join(lacking) or 'nothing else'} "
                    "(Debian: apt-get install slurm-wlm munge)")  # fmt: skip
    script = str(project_root / "tools/slurm_node.sh")
    started = not ask("sinfo", "--noheader")
    if started:
        subprocess.run([script, "start"], check=True)
    yield
    if started:
        subprocess.run([script, "stop"], check=True)


@pytest.fixture(scope="module")
def source(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project; four epochs for masks and reports, so that there is something to stop and to go on from."""
    copy = make_copy(project_root, tmp_path_factory.mktemp("cluster") / "local")
    before, after = (copy / "params.yaml").read_text().split("  segmentation:\n    losses")
    (copy / "params.yaml").write_text(f"{before}  segmentation:\n    losses{after.replace('epochs: 1', 'epochs: 4')}")
    run(copy, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-am", "epochs")
    return copy


class Meddler(threading.Thread):
    """Sends notice to the training of reports, and takes the node away from under that of masks, once each.

    Attributes:
        done: task by what was done to it.
    """

    def __init__(self, project: Path) -> None:
        super().__init__(daemon=True)
        self.project, self.done, self.over = project, dict[str, str](), False

    def run(self) -> None:
        while not self.over and len(self.done) < 2:
            time.sleep(0.5)
            for line in ask("squeue", "--noheader", "--states=R", "--format=%i %k").splitlines():
                job, _, comment = line.partition(" ")
                task = (re.findall(r"rule_train_wildcards_smolvlm_(segmentation|report)", comment) or [""])[0]
                if task and task not in self.done.values() and self._trains(task):
                    if task == "report":
                        ask("scancel", "--signal=TERM", job)
                        self.done["notice"] = task
                    else:
                        node = ask("squeue", "--noheader", "--jobs", job, "--format=%N").strip()
                        ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
                        time.sleep(5)
                        ask("scontrol", "update", f"nodename={node}", "state=resume")
                        self.done["node"] = task

    def _trains(self, task: str) -> bool:
        """Whether its first epoch has left a checkpoint."""
        return bool(list(self.project.glob(f".lss-state/smolvlm/{task}-*/{NAME}")))


def results(project: Path) -> dict[str, str]:
    """Hashes of all that a run makes but what holds times: manifests, logs, TensorBoard's events."""
    folders = ("data/interim", "data/shards", "results")
    files = [path for folder in folders for path in (project / folder).rglob("*") if path.is_file()]
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if "manifests" not in path.parts and path.name not in TIMES
    }


TIMES = {"index.html", ".gitignore"}
"""Files that state times or the commit's day."""


def test_a_chain_whose_jobs_are_killed_ends_with_the_bytes_of_a_local_run(slurm, source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "slurm"
    shutil.copytree(source, copy)
    meddler = Meddler(copy)
    meddler.start()
    text = run(copy, *SLURM, "--set-resources", "predict:mem_mb=300 if attempt == 1 else 4000", "--", "all")
    meddler.over = True
    ask("pkill", "-KILL", "-f", str(copy))  # what a node that is only marked as down leaves behind
    assert meddler.done.keys() == {"notice", "node"}, "the trainings were over before they could be stopped"
    for model in ("segmentation-pid_tversky", "report-focal"):
        assert "Resuming at epoch" in (copy / f"logs/train/smolvlm-{model}.log").read_text()
    assert text.count("failed, SLURM status is") >= 3  # the notice, and the first attempts of predictions
    run(source, "snakemake", "--cores", "2", "all")
    local, of_slurm = results(source), results(copy)
    assert len(local) > 60
    assert {name for name in local.keys() | of_slurm.keys() if local.get(name) != of_slurm.get(name)} == set()


def test_a_failing_job_is_noticed_and_named(slurm, source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "failing"
    make_copy(source, copy, small=False)
    (copy / "data/raw/phantom").mkdir(parents=True)
    (copy / "data/raw/phantom/mine.txt").write_text("not the phantom's")
    text = run(copy, *SLURM, "--retries", "0", "--", "ingest_all", check=False)
    end = text[text.index("\nFAILED  ") :]
    assert end.startswith("\nFAILED  cohort\n") and "holds 1 files that are not the phantom's" in end
    assert "all of it: logs/cohort.log" in end and "on its node: .snakemake/slurm_logs/rule_cohort/" in end


def test_a_job_over_its_time_is_begun_again_with_more(slurm, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        "rule long:\n"
        "    output: 'done'\n"
        "    resources: mem_mb=1000, runtime=lambda wildcards, attempt: attempt\n"
        "    shell: 'echo {resources.runtime} >> seen; test {resources.runtime} = 2 || sleep 300; touch done'\n"
    )
    options = ["--executor", "slurm", "--jobs", "2", "--retries", "1", "--slurm-status-command", "squeue", *SLURM[3:5],
               *SLURM[-4:]]  # fmt: skip
    done = subprocess.run(["snakemake", *options, "done"], cwd=tmp_path, capture_output=True, text=True,
                          env=environment(tmp_path))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SLURM status is: 'TIMEOUT'" in done.stdout + done.stderr
    assert (tmp_path / "seen").read_text().split() == ["1", "2"]
