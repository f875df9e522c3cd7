"""The same bytes over cores, folders, time zones, locales, umasks: the whole chain, by the documented command."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from killed_stages import digests, small_settings, strays
from project_copy import environment, make_copy, run

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.workflow]

PLACES: dict[str, tuple[str, str, int, dict[str, str]]] = {
    "one core": ("plain", "1", 0o022, {"TZ": "UTC", "LC_ALL": "C.UTF-8"}),
    "two cores elsewhere": ("with spaces and Ümläut 脊椎", "2", 0o077, {"TZ": "Asia/Kolkata", "LC_ALL": "C"}),
    "eight cores": ("deep/er", "8", 0o002, {"TZ": "America/St_Johns", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}),
}
"""Name to folder, --cores, umask and variables."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> dict[str, Path]:
    """The finished project of each place."""
    root, folders = tmp_path_factory.mktemp("places"), {}
    with pytest.MonkeyPatch.context() as patch:
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_DATE", "2026-01-01T00:00:00Z")  # the page names the commit
        for name, (place, *_) in PLACES.items():
            folders[name] = make_copy(project_root, root / place, small=False)
            (folders[name] / "params.yaml").write_text(small_settings(project_root))
    for name, (_, cores, mask, variables) in PLACES.items():
        subprocess.run(
            ["snakemake", "--quiet", "--cores", cores, "all"], cwd=folders[name], umask=mask, check=True,
            env={**environment(folders[name]), **variables},
        )  # fmt: skip
    return folders


@pytest.mark.parametrize("name", [name for name in PLACES if name != "one core"])
def test_everything_is_the_same(name: str, made: dict[str, Path]) -> None:
    first, other = (
        {file: hashed for root in ("data", "results") for file, hashed in digests_below(made[place], root).items()}
        for place in ("one core", name)
    )
    assert sorted(first) == sorted(other)
    assert {file for file in first if first[file] != other[file]} == set()
    assert "results/index.html" in first and len(first) > 60


def digests_below(project: Path, root: str) -> dict[str, str]:
    """Digests of what the chain makes; the owner's private lists hold times of files."""
    result = digests(project)
    return {name: hashed for name, hashed in result.items() if name.startswith(f"{root}/") and "/private/" not in name}


def test_nothing_is_left_beside_and_dvc_is_clean(made: dict[str, Path]) -> None:
    for name, folder in made.items():
        assert strays(folder) == [], name
        assert "up to date" in run(folder, "dvc", "status"), name


def test_a_strict_umask_keeps_others_out(made: dict[str, Path]) -> None:
    """DVC writes its cache's files for all to read; the folder that they lie in is closed."""
    project = made["two cores elsewhere"]
    tracked = set(run(project, "git", "-c", "core.quotePath=false", "ls-files").splitlines())
    others = [
        path for folder in ("data", "results", "logs", ".lss-state") for path in (project / folder).rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077 and path.relative_to(project).as_posix() not in tracked
    ]  # fmt: skip
    assert others == []
    for folder in (".dvc/cache", ".dvc/tmp", ".snakemake", "data/private"):
        assert (project / folder).stat().st_mode & 0o077 == 0, folder
    assert os.access(made["one core"] / "results/index.html", os.R_OK)
