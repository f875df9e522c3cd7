"""No space, no right to write, too large a file, no memory, a dead worker: what refused, the file, and the way on."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from matplotlib.figure import Figure
from safetensors.torch import save_file

import lss.cli
from lss.errors import LssError
from lss.reporting.style import save
from lss.runtime.faults import explain
from lss.storage import io
from lss.storage.io import atomic_folder, atomic_path, write_csv, write_json, write_parquet, write_text

BIG = 200_000


def _figure(path: Path) -> None:
    figure = Figure(figsize=(9, 9))
    figure.subplots().imshow(np.random.default_rng(0).random((900, 900)))
    save(figure, path.with_suffix(""), 200)


def _tensors(path: Path) -> None:
    with atomic_path(path) as temporary:
        save_file({"w": torch.zeros(BIG)}, temporary)


WRITERS = {
    "text": lambda path: write_text(path, "x" * BIG),
    "JSON": lambda path: write_json(path, ["x" * BIG]),
    "CSV": lambda path: write_csv(path, [{"a": "x" * BIG}], ["a"]),
    "Parquet": lambda path: write_parquet(path, [{"a": os.urandom(BIG)}], pa.schema([("a", pa.binary())])),
    "safetensors": _tensors,
    "a figure": _figure,
}


def _limited(kind: str, folder: Path) -> None:
    """In a child: write under a limit of 50,000 bytes per file, as a full disk would cut the file off."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    path = folder / "results" / "out.png"
    try:
        WRITERS[kind](path)
    except LssError as error:
        print(error, flush=True)
        os._exit(0 if str(error).startswith(f"{path}: cannot be written: the file is larger than") else 3)
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(4)
    os._exit(5)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_is_cut_off_while_it_is_written(kind: str, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "out.png").write_text("old")
    child = multiprocessing.get_context("fork").Process(target=_limited, args=(kind, tmp_path))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert (tmp_path / "results" / "out.png").read_text() == "old"
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["out.png"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("step", ["begun", "written", "synced"])
def test_a_refusal_at_any_step_leaves_the_old_file_and_nothing_beside(
    number: int, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "a.json", "old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b").write_text("old")

    def refuse(now: str, path: Path) -> None:
        if now == step:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(io, "_moment", refuse)
    with pytest.raises(LssError, match=r"a\.json: cannot be written: "):
        write_text(tmp_path / "a.json", "new")
    if step != "synced":
        with pytest.raises(LssError, match="folder: cannot be written: "), atomic_folder(tmp_path / "folder") as made:
            (made / "b").write_text("new")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "a.json",
        "folder",
        "folder/b",
    ]
    assert (tmp_path / "a.json").read_text() == (tmp_path / "folder/b").read_text() == "old"


def _as_nobody(folder: Path) -> None:
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        write_text(folder / "a.txt", "x")
    except LssError as error:
        os._exit(0 if f"{folder / 'a.txt'}: cannot be written: permission denied. Give this user" in str(error) else 3)
    os._exit(4)


def test_a_folder_where_one_may_not_write(tmp_path: Path) -> None:
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
    (tmp_path / "closed").mkdir(mode=0o555)
    child = multiprocessing.get_context("fork").Process(target=_as_nobody, args=(tmp_path / "closed",))
    child.start()
    child.join(60)
    assert child.exitcode == 0


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(LssError, match=r"results/a\.txt: cannot be written: a file is where a folder should be"):
        write_text(tmp_path / "results/a.txt", "x")
    with pytest.raises(LssError, match=r"tables/a\.txt: cannot be written: a part of this path is a file"):
        write_text(tmp_path / "results/tables/a.txt", "x")
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(LssError, match=r"a\.txt: cannot be written: a folder is where a file should be"):
        write_text(tmp_path / "a.txt", "x")


def test_an_error_of_what_is_read_meanwhile_is_not_blamed_on_what_is_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="elsewhere"), atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.EIO, "Input/output error", "/elsewhere/raw.dcm")


def _die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_the_kernel_kills(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def verb() -> None:
        with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
            list(pool.map(_die, range(3)))

    with pytest.raises(BrokenProcessPool):
        verb()
    monkeypatch.setattr(lss.cli, "app", verb)
    with pytest.raises(SystemExit):
        lss.cli.main()
    message = capsys.readouterr().err
    assert message.startswith(
        "lss: a worker process was killed, most often by the kernel: out of memory. Work with fewer"
    )
    assert "what is finished stays" in message


def test_a_limit_of_memory_is_named() -> None:
    """In a process of its own: numpy, and torch, ask for more than they may have."""
    script = (
        "import resource, sys, lss.cli\n{imports}\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "def verb(): {ask}\n"
        "lss.cli.app = verb\nlss.cli.main()\n"
    )
    for imports, ask in (("import numpy", "numpy.ones(1 << 33)"), ("import torch", "torch.ones(1 << 33)")):
        done = subprocess.run(
            [sys.executable, "-c", script.format(imports=imports, ask=ask)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 2 and done.stderr.startswith("lss: out of memory. Work with fewer cores"), done.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "x"), "no space left on the disk. Free some (docs/troubleshooting.md"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "no space left on the disk"),
        (OSError("[Errno 28] Error writing bytes to file. Detail: No space left"), "no space left on the disk"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "a worker process was killed"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "train.micro_batch_size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), "cores"),
        (RuntimeError("can't start new thread"), "no further process or thread may start"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "no further process or thread may start"),
    ],
)  # fmt: skip
def test_what_libraries_say_in_other_words(error: Exception, message: str) -> None:
    assert message in str(explain(error))


@pytest.mark.parametrize(
    "error", [ValueError("28"), KeyError("x"), OSError(errno.ENOENT, "x"), RuntimeError("shape (os)")]
)
def test_a_fault_of_the_program_is_not_explained_away(error: Exception) -> None:
    assert explain(error) is None
