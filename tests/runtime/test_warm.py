"""A job that a fork of the warm process runs: same output, exit code, folder, environment; killed with its command."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lss.project.params import Params, load_params
from lss.project.workflow import warm_up
from lss.runtime import warm

LSS = "import sys; from lss.runtime.warm import main; sys.argv = ['lss', *sys.argv[1:]]; main()"
PROBE = """
import os, sys, time
from pathlib import Path
def main():
    Path("fork.txt").write_text(f"{os.getpid()} {os.getppid()}")
    print(os.getcwd(), os.environ["OWN"], "LSS_WARM" in os.environ, *sys.argv[1:], file=sys.stderr)
    if "wait" in sys.argv:
        time.sleep(100)
    raise SystemExit(7)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the warm process is started on Linux alone")


@pytest.fixture
def package(project_root: Path, tmp_path: Path) -> Path:
    """A copy of what the warm process imports, with a command in place of `lss` that says where it runs."""
    for name in ("__init__", "runtime/__init__", "runtime/warm"):
        (tmp_path / f"code/lss/{name}.py").parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project_root / f"lss/{name}.py", tmp_path / f"code/lss/{name}.py")
    (tmp_path / "code/lss/cli.py").write_text(PROBE)
    return tmp_path / "code"


Command = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def command(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """`lss` in the folder `job`, beside a warm process that is ready."""
    monkeypatch.setenv("PYTHONPATH", str(package))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("LSS_WARM", "")
    served = warm.start(["lss.cli"])
    address = Path(os.environ["LSS_WARM"])
    (tmp_path / "job").mkdir()

    def run(*arguments: str, **changed: str) -> subprocess.Popen[str]:
        for _ in range(600):
            if address.exists() or served.poll() is not None:
                break
            time.sleep(0.05)
        return subprocess.Popen([sys.executable, "-c", LSS, *arguments], cwd=tmp_path / "job", stderr=subprocess.PIPE,
                                env={**os.environ, "OWN": "of the job", **changed}, text=True)  # fmt: skip

    run.served = served  # type: ignore[attr-defined]
    yield run
    assert served.stdin is not None
    served.stdin.close()  # as when Snakemake ends
    assert served.wait(30) == 0 and not address.parent.exists()


def fork(tmp_path: Path) -> tuple[int, int]:
    """The process that did the job, and its parent."""
    record = tmp_path / "job/fork.txt"
    for _ in range(600):
        if record.exists() and len(record.read_text().split()) == 2:
            break
        time.sleep(0.05)
    own, parent = map(int, record.read_text().split())
    return own, parent


def test_the_fork_stands_for_the_command(command: Command, tmp_path: Path) -> None:
    done = command("some", "words")
    printed = done.communicate()[1]
    assert printed == f"{tmp_path / 'job'} of the job False some words\n" and done.returncode == 7
    own, parent = fork(tmp_path)
    assert own != done.pid and parent == command.served.pid  # type: ignore[attr-defined]


def test_a_job_of_several_threads_and_edited_code_are_not_forked(
    command: Command, package: Path, tmp_path: Path
) -> None:
    done = command(OMP_NUM_THREADS="2")
    assert done.communicate()[1] and (fork(tmp_path)[0], done.returncode) == (done.pid, 7)
    command().communicate()
    assert fork(tmp_path)[1] == command.served.pid  # type: ignore[attr-defined]
    (package / "lss/cli.py").write_text(PROBE.replace("SystemExit(7)", "SystemExit(8)"))
    done = command()
    assert done.communicate()[1] and (fork(tmp_path)[0], done.returncode) == (done.pid, 8)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_command_takes_its_fork_with_it(command: Command, tmp_path: Path, number: signal.Signals) -> None:
    running = command("wait")
    process = psutil.Process(fork(tmp_path)[0])
    running.send_signal(number)
    running.wait(30)
    assert running.returncode in (-number, 1)  # an interrupted program of Python ends with 1
    psutil.wait_procs([process], timeout=30)
    assert not process.is_running()


def test_a_killed_fork_is_an_error_of_the_command(command: Command, tmp_path: Path) -> None:
    running = command("wait")
    os.kill(fork(tmp_path)[0], signal.SIGKILL)
    assert "lss: wait was killed" in running.communicate()[1] and running.returncode == 137


def test_what_stages_import_starts_no_thread(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the process would refuse to fork."""
    monkeypatch.setenv("PYTHONPATH", str(project_root))
    monkeypatch.setenv("LSS_WARM", "")
    served = warm.start(["lss.cli", "lss.stages.evaluate", "lss.stages.figures"])
    address = Path(os.environ["LSS_WARM"])
    while not address.exists() and served.poll() is None:
        time.sleep(0.1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done = subprocess.run([sys.executable, "-c", LSS, "--version"], capture_output=True, text=True)
    assert address.exists() and done.stdout.startswith("lss "), done.stderr
    assert served.stdin is not None
    served.stdin.close()
    assert served.wait(30) == 0


def test_it_is_started_where_many_jobs_import_the_same_and_none_uses_a_gpu(
    project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(warm, "start", started.append)
    read = load_params(project_root / "params.yaml")

    def with_execution(**changes: object) -> Params:
        return read.model_copy(update={"execution": read.execution.model_copy(update={"device": "cpu"} | changes)})

    warm_up(with_execution(), ["train", "predict", "evaluate", "page"])
    assert started == []
    warm_up(with_execution(), ["train", "predict", "ablation_arm", "page"])
    (modules,) = started
    assert {"lss.stages.train", "lss.stages.ablation", "lss.stages.page", "lss.backbones.smolvlm"} <= set(modules)
    warm_up(with_execution(device="cuda"), ["train"] * 12)
    warm_up(with_execution(processes=2), ["train"] * 12)
    assert len(started) == 1
