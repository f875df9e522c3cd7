"""`make clean` deletes what DVC can bring back, and refuses to delete anything else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from project_copy import run

from lss.errors import LssError
from lss.tools.clean import clean, lost_files

STAGES = """
stages:
  train:
    cmd: "true"
    outs:
      - results/models: {persist: true}
      - results/metrics.json: {persist: true}
"""
FILES = {"results/models/a/model.json": "{}", "results/models/b/model.json": "[]", "results/metrics.json": "1"}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of git and DVC whose few outputs are on record and in the cache."""
    root = tmp_path_factory.mktemp("clean") / "project"
    write(
        root, {**FILES, "dvc.yaml": STAGES, "Snakefile": "", "results/.gitignore": "*", "data/private/names.csv": "7"}
    )
    run(root, "git", "init", "--quiet")
    run(root, "dvc", "init", "--quiet")
    run(root, "dvc", "commit", "--quiet", "--force")
    return root


@pytest.fixture
def project(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "project"))


def here(root: Path) -> set[str]:
    paths = (path for folder in ("results", "data") for path in (root / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(root)) for path in paths}


def test_what_the_cache_has_is_deleted_and_comes_back(project: Path) -> None:
    write(project, {".lss-state/settings/1.yaml": "", ".snakemake/log": ""})
    clean(project)
    assert here(project) == {"results/.gitignore", "data/private/names.csv"}
    assert not [*(project / ".lss-state").iterdir(), *(project / ".snakemake").iterdir()]
    run(project, "dvc", "checkout", "--quiet")
    assert {name: (project / name).read_text() for name in FILES} == FILES


def test_what_would_be_lost_is_named_with_its_remedy_and_nothing_is_deleted(project: Path) -> None:
    write(
        project,
        {
            "results/models/a/model.json": "changed",
            "results/models/c/model.json": "new",
            "results/mask_sheet.png": "by hand",
            ".lss-state/smolvlm/report-focal/checkpoint": "half trained",
        },
    )
    before = here(project)
    with pytest.raises(LssError) as refused:
        clean(project)
    assert here(project) == before
    assert lost_files(project) == {
        "results/models/a/model.json": "not recorded by DVC as it is here",
        "results/models/c/model.json": "not recorded by DVC as it is here",
        "results/mask_sheet.png": "no output of a stage",
        ".lss-state/smolvlm/report-focal/checkpoint": "an unfinished training",
    }
    assert all(words in str(refused.value) for words in ("4 file(s)", "dvc commit --force", "lss clean --force"))
    clean(project, force=True)
    assert here(project) == {"results/.gitignore", "data/private/names.csv"}


@pytest.mark.slow
def test_a_remote_stands_in_for_a_cache_that_was_emptied_and_dvc_commit_fills_it_again(project: Path) -> None:
    remote = project.parent / "remote"
    run(project, "dvc", "remote", "add", "--default", "shared", str(remote))
    run(project, "dvc", "push", "--quiet")
    cache, aside = project / ".dvc/cache", project.parent / "aside"
    shutil.move(cache, aside)
    assert lost_files(project) == {}

    remote.rename(project.parent / "unreachable")
    reason = "recorded, but neither in DVC's cache nor in a remote"
    assert lost_files(project) == dict.fromkeys(FILES, reason)
    with pytest.raises(LssError, match="dvc commit --force"):
        clean(project)
    run(project, "dvc", "commit", "--quiet", "--force")
    clean(project)
    run(project, "dvc", "checkout", "--quiet")
    assert {name: (project / name).read_text() for name in FILES} == FILES
