"""The package works from a wheel: what needs no checkout works without one, the rest says what it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Lss = Callable[..., str]


@pytest.fixture(scope="module")
def unpacked(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but what the wheel holds."""
    source, folder = tmp_path_factory.mktemp("source") / "lss", tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files", "lss", "pyproject.toml", "README.md", "LICENSE"], cwd=project_root,
                             capture_output=True, text=True, check=True).stdout  # fmt: skip
    for name in tracked.splitlines():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(project_root / name, source / name)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def lss(unpacked: Path, project_root: Path, tmp_path: Path) -> Lss:
    """The command of the wheel's package, run in a folder that holds params.yaml and nothing else."""
    shutil.copy(project_root / "params.yaml", tmp_path)

    def run(*arguments: str, code: int = 0) -> str:
        program = "import sys, lss.cli; sys.argv[0] = 'lss'; lss.cli.main()"
        done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(unpacked), "COLUMNS": "200"})  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return run


def test_the_wheel_holds_every_file_of_the_package(unpacked: Path, project_root: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "lss"], cwd=project_root, capture_output=True, text=True, check=True)
    assert [name for name in tracked.stdout.splitlines() if not (unpacked / name).is_file()] == []


def test_what_needs_no_workflow_works(lss: Lss, tmp_path: Path) -> None:
    assert "lss 0." in lss("--version") and "show-masks" in lss("--help")
    assert "cohort.name: phantom -> lss" in lss("preset", "paper")
    assert "holds the preset 'paper' already" in lss("preset", "paper")
    assert "cohort.name: lss -> phantom" in lss("preset", "phantom")
    (tmp_path / "notes.csv").write_text("id,note\n1,L4-L5: severe canal stenosis.\n")
    assert "1" in lss("grade-notes", "notes.csv", "--output", "grades.csv")
    assert (tmp_path / "grades.csv").is_file()


def test_a_cohort_is_checked_and_a_stage_runs_by_hand(lss: Lss, tmp_path: Path) -> None:
    settings = tmp_path / "params.yaml"
    text = settings.read_text()
    settings.write_text(text.replace("patients: 48", "patients: 3").replace("batches: 4", "batches: 1"))
    lss("cohort")
    lss("ingest", "--batch", "00")
    assert (tmp_path / "results/manifests/ingest/batch-00.json").is_file()
    assert "3 patients" in lss("check", "data/raw/phantom", code=1)  # few patients: something is to be looked at


def test_what_needs_the_workflow_says_so(lss: Lss) -> None:
    for verb in ("changes", "sync"):
        assert "holds no Snakefile" in lss(verb, code=2)
