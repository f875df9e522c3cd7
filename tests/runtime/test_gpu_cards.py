"""No two jobs share a card unless it is allowed, whatever order they come in and however they end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

JOB = """
import sys
from pathlib import Path
from lss.runtime.cards import claim_cards
print(",".join(claim_cards(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))), flush=True)
sys.stdin.read()
"""


class Job:
    """A process that claims cards and holds them until it is let go."""

    def __init__(self, folder: Path, count: int, jobs_per_card: int = 1, visible: str = "0,1", **more: str) -> None:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": visible, **more}
        command = [sys.executable, "-c", JOB, str(count), str(jobs_per_card), str(folder)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def claimed(self) -> set[str]:
        assert self.process.stdout is not None
        return set(self.process.stdout.readline().strip().split(","))

    def waits(self) -> bool:
        assert self.process.stderr is not None
        return "waiting for" in self.process.stderr.readline()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def test_each_job_gets_a_card_of_its_own_and_the_third_waits_until_one_is_killed(tmp_path: Path) -> None:
    first, second = Job(tmp_path, 1), Job(tmp_path, 1)
    assert first.claimed() | second.claimed() == {"0", "1"}
    third = Job(tmp_path, 1)
    assert third.waits()
    second.end()
    assert len(third.claimed()) == 1
    first.end(), third.end()


def test_a_training_on_two_cards_takes_both_or_none(tmp_path: Path) -> None:
    small, large = Job(tmp_path, 1), None
    assert small.claimed() == {"0"}
    large = Job(tmp_path, 2)
    assert large.waits()
    other = Job(tmp_path, 1)  # the large one holds none while it waits
    assert other.claimed() == {"1"}
    small.end(), other.end()
    assert large.claimed() == {"0", "1"}
    large.end()


def test_sharing_is_by_permission_alone_and_spreads_first(tmp_path: Path) -> None:
    jobs = [Job(tmp_path, 1, jobs_per_card=2)]
    taken = [jobs[0].claimed()]
    for _ in range(3):
        jobs.append(Job(tmp_path, 1, jobs_per_card=2))
        taken.append(jobs[-1].claimed())
    assert taken[:2] == [{"0"}, {"1"}] and sorted(map(str, taken)) == ["{'0'}", "{'0'}", "{'1'}", "{'1'}"]
    fifth = Job(tmp_path, 1, jobs_per_card=2)
    assert fifth.waits()
    for job in (*jobs, fifth):
        job.end()


@pytest.mark.parametrize("more", [{"SLURM_JOB_ID": "7"}, {"visible": ""}])
def test_nothing_is_claimed_from_a_scheduler_nor_where_there_is_no_card(tmp_path: Path, more: dict[str, str]) -> None:
    job = Job(tmp_path, 1, **more)
    assert job.claimed() == {""}
    job.end()
