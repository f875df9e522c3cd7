"""Keeping a run and reading it again; from git revisions and experiments: tests/workflow/test_chain.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from project_copy import run
from synthetic_results import Evaluated, make, run_evaluate

from lss.errors import LssError
from lss.project import layout
from lss.storage.io import read_json, write_json
from lss.tools.kept_runs import keep, read_kept


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """A finished run as it lies in a project's folder."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = run_evaluate(make(Path("inputs"), patients=4, slices=3), Path())
        write_json("results/manifests/train/one.json", {"stage": "train", "seed": 3, "params": {"gamma": 0.75}})
    return Evaluated(folder, result.inputs)


def test_same_run_same_name_and_everything_comes_back(project: Evaluated) -> None:
    folder = keep(project.folder, None)
    assert keep(project.folder, None) == folder and folder.parent == project.folder / "kept"
    kept = read_kept(folder)
    assert kept.name == folder.name and kept.settings["train"] == {"gamma": 0.75}
    assert {row["slice_key"] for row in kept.cases["report"]} and read_json(folder / "metrics.json") == project.metrics
    assert "compare_with" not in kept.settings["evaluate"]


def test_another_setting_another_name(project: Evaluated) -> None:
    before = keep(project.folder, None)
    manifest = project.folder / "results/manifests/train/one.json"
    old = manifest.read_text()
    manifest.write_text(old.replace("0.75", "2.0"))
    try:
        assert keep(project.folder, None) != before
    finally:
        manifest.write_text(old)


def test_files_that_evaluate_did_not_write_are_refused(project: Evaluated) -> None:
    path = project.folder / layout.METRICS
    old = path.read_bytes()
    path.write_bytes(old + b" ")
    try:
        with pytest.raises(LssError, match=r"metrics.json: is not what the stage evaluate wrote.*Rerun evaluate"):
            keep(project.folder, None)
    finally:
        path.write_bytes(old)


def test_changed_or_missing_kept_run_is_refused(project: Evaluated, tmp_path: Path) -> None:
    folder = keep(project.folder, None)
    settings = folder / "settings.json"
    old = settings.read_text()
    settings.write_text(old.replace("0.75", "0.76"))
    try:
        with pytest.raises(LssError, match=r"was changed since it was kept"):
            read_kept(folder)
    finally:
        settings.write_text(old)
    with pytest.raises(LssError, match=r"no such kept run here. `lss keep REVISION`"):
        read_kept(tmp_path / "run-000000000000")
    with pytest.raises(LssError, match=r"cannot be read.*Finish a run first"):
        keep(tmp_path, None)


def test_names_are_never_read_as_numbers(project: Evaluated) -> None:
    assert keep(project.folder, None).name.startswith("run-")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC repository in which nothing was run."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "dvc.yaml").write_text("stages:\n  s:\n    cmd: 'false'\n    outs: [results/manifests]\n")
    run(folder, "git", "init", "--quiet")
    run(folder, "dvc", "init", "--quiet")
    run(folder, "git", "add", "--all")
    run(folder, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "--message", "none")
    return folder


def test_unknown_revision_is_named(repository: Path) -> None:
    with pytest.raises(LssError, match="'nope' is neither a git revision nor a DVC experiment"):
        keep(repository, "nope")


def test_revision_without_a_finished_run_is_named(repository: Path) -> None:
    with pytest.raises(LssError, match=r"evaluate.json of 'HEAD': is not at hand.*holds no finished run"):
        keep(repository, "HEAD")
