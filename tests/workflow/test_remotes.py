"""Remotes and shared caches: pushed and pulled whole, also where one of them was killed on its way."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from project_copy import BIN, environment, run
from s3_server import add_remote, s3_server, stored

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

FILES = 400
STAGES = """
stages:
  predict:
    cmd: "true"
    outs:
      - results/predictions: {persist: true}
"""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one recorded output of many small files."""
    root = tmp_path / "project"
    (root / "results/predictions").mkdir(parents=True)
    (root / "dvc.yaml").write_text(STAGES)
    for number in range(FILES):
        (root / f"results/predictions/{number}.parquet").write_text(f"file {number}")
    run(root, "git", "init", "--quiet")
    run(root, "dvc", "init", "--quiet")
    run(root, "dvc", "commit", "--quiet", "--force")
    return root


def commit(root: Path) -> None:
    run(root, "git", "add", "--all")
    run(root, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "--message", "run")


def killed(root: Path, *command: str, when: Callable[[], bool]) -> None:
    """Start a command, and kill it outright as soon as `when` is true of what it leaves.

    The command runs for 2 ms at a time and stands still while `when` looks, however long that takes.
    """
    process = subprocess.Popen([BIN / command[0], *command[1:]], cwd=root, env=environment(root))
    while not when():
        process.send_signal(signal.SIGCONT)
        time.sleep(0.002)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGSTOP)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def files_in(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", ["s3", "folder"])
def test_a_push_and_a_pull_that_were_killed_are_finished_by_the_same_command(
    project: Path, bucket: str, tmp_path: Path, kind: str
) -> None:
    shared = tmp_path / "share"
    if kind == "s3":
        add_remote(project, bucket)
    else:
        run(project, "dvc", "remote", "add", "--default", "ours", str(shared))
    commit(project)

    def pushed() -> int:
        return stored(bucket) if kind == "s3" else files_in(shared)

    killed(project, "dvc", "push", when=lambda: pushed() > 20)
    assert pushed() < FILES
    run(project, "dvc", "push")
    assert "Cache and remote 'ours' are in sync" in run(project, "dvc", "status", "--cloud")

    clone = tmp_path / "elsewhere"
    run(tmp_path, "git", "clone", "--quiet", str(project), str(clone))
    killed(clone, "dvc", "pull", when=lambda: files_in(clone / ".dvc/cache/files") > 20)
    assert files_in(clone / ".dvc/cache/files") < FILES
    run(clone, "dvc", "pull")
    pulled = {path.name: path.read_text() for path in (clone / "results/predictions").iterdir()}
    assert pulled == {f"{number}.parquet": f"file {number}" for number in range(FILES)}
    assert run(clone, "dvc", "status", "--json").strip() == "{}"


def test_a_teams_cache_serves_a_second_checkout_and_lets_the_group_write(project: Path, tmp_path: Path) -> None:
    team = tmp_path / "team"
    team.mkdir()
    team.chmod(0o2770)
    commit(project)
    clone = tmp_path / "colleague"
    run(tmp_path, "git", "clone", "--quiet", str(project), str(clone))
    shutil.rmtree(project / ".dvc/cache")
    for checkout in (project, clone):
        run(checkout, "dvc", "cache", "dir", "--local", str(team))
        run(checkout, "dvc", "config", "--local", "cache.shared", "group")
    run(project, "dvc", "commit", "--quiet", "--force")
    assert all(path.stat().st_mode & 0o070 == 0o070 for path in [team, *team.rglob("*")] if path.is_dir())

    run(clone, "dvc", "checkout", "--quiet")
    assert files_in(clone / "results/predictions") == FILES
    assert run(clone, "dvc", "status", "--json").strip() == "{}"
    file = clone / "results/predictions/0.parquet"
    file.unlink()
    file.write_text("of the colleague")  # what is written anew in one checkout reaches neither cache nor the others
    assert (project / "results/predictions/0.parquet").read_text() == "file 0"
    assert not run(project, "git", "status", "--short").strip()  # the cache's place is no matter of the repository
