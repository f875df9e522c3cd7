"""The program `lss`, and a process that has imported what a run's jobs import and becomes each of them by a fork.

A training's process spends twelve seconds of CPU on importing torch, transformers and peft before it begins. So
Snakemake starts one process (`start`) that imports them once, and `lss`, called by a job, asks it (`ask`) for a fork
that runs the same command with the job's folder, environment and files in place of its own. A fork has nothing of
another job in it: it does what a new process would, to the byte.

Where there is no such process, where it has not imported everything yet, where code was edited since, or where a job
may use several threads, `ask` says so and `lss` goes on by itself. A job that is killed takes its fork with it.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import lss

VARIABLE = "LSS_WARM"
"""Path of the process's socket, in the environment of jobs."""

_ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # of pyarrow's allocator
}
"""Variables by which libraries start no thread when they are imported."""

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run the command `lss` in a fork of the warm process where there is one, else here."""
    address = os.environ.pop(VARIABLE, None)
    if address and (code := ask(address)) is not None:
        raise SystemExit(code)
    from lss.cli import main as run_here

    run_here()


def start(modules: Iterable[str]) -> subprocess.Popen[bytes]:
    """Start the process that imports `modules`, for jobs started from now on; it ends with the one that calls this."""
    address = Path(tempfile.mkdtemp(prefix="lss-")) / "socket"
    # without the current folder on the path, so that it imports what `lss` imports
    command = [sys.executable, "-P", "-m", "lss.runtime.warm", str(address), *modules]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, **_ONE_THREAD})
    os.environ[VARIABLE] = str(address)
    return process


def ask(address: str) -> int | None:
    """Have the command of this process run by a fork of the process at `address`; its exit code.

    None where that process does not do it, and nothing was done.
    """
    if os.environ.get("OMP_NUM_THREADS") != "1":
        return None
    request = {"arguments": sys.argv, "folder": str(Path.cwd()), "environment": dict(os.environ), "umask": _umask()}
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
            socket.send_fds(connection, [b"."], [0, 1, 2])
            connection.sendall(json.dumps(request).encode() + b"\n")
            if connection.recv(1) != b"y":
                return None
        except OSError:
            return None
        sent: list[int] = []

        def forward(number: int, frame: FrameType | None) -> None:
            sent.append(number)
            connection.sendall(bytes([number]))

        for number in _FORWARDED:
            signal.signal(number, forward)
        code = connection.recv(1)
        while connection.recv(1):  # until it has ended
            pass
    if code:
        return code[0]
    if sent:
        signal.signal(sent[-1], signal.SIG_DFL)
        os.kill(os.getpid(), sent[-1])
    print(f"lss: {' '.join(sys.argv[1:])} was killed; where memory ran out the system does so", file=sys.stderr)
    return 128 + signal.SIGKILL


def serve(address: Path, modules: list[str]) -> Callable[[], int] | None:
    """Import `modules`, then fork for each request until standard input ends.

    Returns None in the process itself, and in a fork the job to run.
    """
    for name in modules:
        import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a fork would write into all that it shares
    threads = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    if len(threads) > 1:  # a fork would lack the others, and could wait for them for ever
        print(f"lss: jobs import for themselves, since importing started threads: {threads}", file=sys.stderr)
        return None
    loaded = _code()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks leave nothing to wait for
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the jobs
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(64)
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if _code() == loaded and os.fork() == 0:
                return lambda: _be_the_job(connection)
            connection.close()
    return None


def _be_the_job(connection: socket.socket) -> int:
    """Run the command that `connection` asks for; its exit code."""
    os.setpgid(0, 0)  # signals come through the command that asked, once
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as lines:
        request: dict[str, Any] = json.loads(lines.readline())
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    lss.BEGAN = time.monotonic()
    connection.sendall(b"y")
    threading.Thread(target=_follow, args=(connection,), daemon=True).start()
    code = _exit_code()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([code & 255]))
    return code


def _follow(connection: socket.socket) -> None:
    """Pass on the signals that the command got; where it is gone, end."""
    while number := connection.recv(1):
        os.kill(os.getpid(), number[0])
    os.killpg(0, signal.SIGKILL)  # with its own workers


def _exit_code() -> int:
    """Return what the command `lss` ends with."""
    from lss.cli import main as run_here

    try:
        run_here()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _code() -> dict[str, tuple[int, int]]:
    """Return time and size of each file of this project that is imported."""
    names = [name for name in list(sys.modules) if name.split(".")[0] == "lss"]
    paths = {file for name in names if (file := getattr(sys.modules[name], "__file__", None))}
    states = dict.fromkeys(paths, (0, 0))
    for path in paths:
        with suppress(OSError):
            status = Path(path).stat()
            states[path] = status.st_mtime_ns, status.st_size
    return states


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _serve_and_remove(address: Path, modules: list[str]) -> None:
    job = None
    try:
        job = serve(address, modules)
    finally:
        if job is None:
            shutil.rmtree(address.parent, ignore_errors=True)
    if job is not None:
        raise SystemExit(job())


if __name__ == "__main__":
    _serve_and_remove(Path(sys.argv[1]), sys.argv[2:])
