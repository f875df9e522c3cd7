"""What the end of a failed run names: jobs, those of groups, and what Slurm said of them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lss.project.workflow import FailedJob, failed_jobs, stopped


def job(name: str, *wildcards: str, output: str) -> Any:
    return SimpleNamespace(
        name=name, rule=SimpleNamespace(name=name), wildcards=wildcards, output=[output],
        log=[f"logs/{name}/{'-'.join(wildcards)}.log"], is_group=lambda: False,
    )  # fmt: skip


def write(path: str, text: str = "") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_of_a_group_the_job_that_was_begun_and_not_finished_is_named() -> None:
    parts = [job("denoise", batch, output=f"denoised-{batch}") for batch in ("00", "01", "02")]
    for batch in ("00", "01"):
        write(f"logs/denoise/{batch}.log", "denoise")
    write("logs/denoise/02.log")  # Snakemake's own, of a job that never began
    write("denoised-00")
    write(".snakemake/slurm_logs/group_images_images/7.log")
    group = SimpleNamespace(name="images_images", jobs=parts, is_group=lambda: True)
    slurm_log = ".snakemake/slurm_logs/group_images_images/7.log"
    assert failed_jobs([group]) == [FailedJob("denoise 01", "logs/denoise/01.log", slurm_log)]
    Path("logs/denoise/01.log").unlink()
    assert [name for name, *_ in failed_jobs([group])] == ["denoise 00", "denoise 01", "denoise 02"]


def test_what_slurm_says_stands_under_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    write("logs/train/smolvlm-report.log", "epoch 1\n")
    line = "slurmstepd-vm: error: *** JOB 12 ON vm CANCELLED AT 2026-11-27T06:33:34 DUE TO TIME LIMIT ***"
    write(".snakemake/slurm_logs/rule_train/smolvlm_report/3.log", "slurmstepd: error: of an older attempt")
    os.utime(".snakemake/slurm_logs/rule_train/smolvlm_report/3.log", (0, 0))
    write(".snakemake/slurm_logs/rule_train/smolvlm_report/12.log", f"{line}\nepoch 1\n{line}\n")
    (failed,) = failed_jobs([job("train", "smolvlm", "report", output="model")])
    stopped([failed], 3)
    said = capsys.readouterr().err
    assert "FAILED  train smolvlm report\n    epoch 1\n  all of it: logs/train/smolvlm-report.log\n" in said
    assert said.count("    *** JOB 12 ON vm CANCELLED") == 1 and "older" not in said
    assert "on its node: .snakemake/slurm_logs/rule_train/smolvlm_report/12.log" in said


def test_a_job_that_never_began_has_no_log_to_look_into(capsys: pytest.CaptureFixture[str]) -> None:
    stopped(failed_jobs([job("cohort", output="x")]), 1)
    assert "all of it" not in capsys.readouterr().err


def test_a_group_that_the_scheduler_refused_is_one_line_with_the_way_to_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = [job(name, output=name) for name in ("tables", "evaluate", "figures")]
    group = SimpleNamespace(name="results_evaluate_figures_tables", jobs=parts, is_group=lambda: True)
    stopped(failed_jobs([group]), 4)
    said = capsys.readouterr().err
    assert said.count("FAILED") == 1 and "FAILED  evaluate figures tables (one group)\n    It never began" in said
    assert "--verbose" in said and "all of it" not in said
