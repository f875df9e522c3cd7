"""Runs a target on many mutations in child processes and tells what must not be.

Allowed is a result, LssError, or UnusableError (a row among the rejects). A finding is any other exception, a process
that dies, a mutation that takes over `SECONDS` or `MIB` more than before it, and whatever is written, started or
connected to outside the target's folder.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mutations import Edit, mutated

from lss.cohorts.base import UnusableError
from lss.errors import LssError

SECONDS, MIB = 20, 500
_CEILING = 3 * 2**30  # address space beyond what is there: the machine is spared
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "shutil.rmtree"}
_FORBIDDEN = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "pickle.find_class"}


class Target(NamedTuple):
    """A function of the reading path, `read(data, folder)`, with whole inputs and edits that know their format.

    `short` is how many mutations the suite runs. `read` may use its folder as it likes, and returns or raises; what it
    returns counts as the kind of outcome.
    """

    read: Callable[[bytes, Path], object]
    seeds: Sequence[bytes]
    edits: Sequence[Edit] = ()
    short: int = 200


class Outcome(NamedTuple):
    """How many mutations ended how, the findings by number, and the memory (MiB) that was taken at most."""

    ends: Counter[str]
    findings: dict[int, str]
    mib: int


def run(name: str, target: Target, numbers: range) -> Outcome:
    """Run mutations of a target; after a finding that ends the process another one goes on behind it."""
    ends: Counter[str] = Counter()
    findings: dict[int, str] = {}
    most, start = 0, numbers.start
    while start < numbers.stop:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
            folder = Path(place)
            result = _in_a_child(lambda: _batch(name, target, range(start, numbers.stop), folder), folder)  # noqa: B023
        ends.update(result["ends"])
        findings |= {int(number): what for number, what in result["findings"].items()}
        most = max(most, result["mib"])
        if result["ended"]:
            break
        findings.setdefault(result["number"], f"the process died: {result['how']}")
        start = result["number"] + 1
    return Outcome(ends, findings, most)


def _in_a_child(batch: Callable[[], None], folder: Path) -> dict[str, Any]:
    (folder / "own").mkdir()
    child = os.fork()
    if not child:
        try:
            batch()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    result = json.loads((folder / "said.json").read_text())
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    how = f"over {SECONDS} s" if number == signal.SIGALRM else signal.Signals(number).name if number else "it ended"
    return {"how": how, **result}


def _batch(name: str, target: Target, numbers: range, folder: Path) -> None:
    own, ends, findings = folder / "own", Counter[str](), dict[int, str]()
    faulthandler.disable()  # what kills is told once, by its signal
    os.chdir(own)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1), os.dup2(quiet, 2)
    os.environ["TMPDIR"] = tempfile.tempdir = str(own)
    with contextlib.suppress(LssError, UnusableError):
        target.read(target.seeds[0], own)  # imports what is imported late
    _empty(own)
    tally = os.open(folder / "said.json", os.O_WRONLY | os.O_CREAT)
    seen: list[str] = []
    sys.addaudithook(lambda event, arguments: _watch(event, arguments, own, seen))
    limit = 4096 * int(Path("/proc/self/statm").read_text().split()[0]) + _CEILING
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    before = start = _peak_mib()

    def tell(number: int, ended: bool) -> None:
        tallied = {"ends": ends, "findings": findings, "mib": before - start, "number": number, "ended": ended}
        os.pwrite(tally, (text := json.dumps(tallied).encode()), 0)
        os.ftruncate(tally, len(text))

    for number in numbers:
        tell(number, False)
        data = mutated(name, number, target.seeds, target.edits)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)  # not handled: it ends the process, in a C library too
        try:
            kind = target.read(data, own)
            ends[str(kind) if isinstance(kind, str) else "read"] += 1
        except LssError:
            ends["LssError"] += 1
        except UnusableError as error:
            ends[f"reject: {error.reason}"] += 1
        except BaseException:
            findings[number] = traceback.format_exc()
        signal.setitimer(signal.ITIMER_REAL, 0)
        if seen:
            findings[number] = f"did what no reader does: {seen}"
            seen.clear()
        if (now := _peak_mib()) - before > MIB:
            findings[number] = f"takes {now - before} MiB"
            tell(number, False)
            return  # the next process measures from its own beginning
        before = max(before, now)
        _empty(own)
    tell(numbers.stop, True)


def _empty(own: Path) -> None:
    for left in own.iterdir():
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def _watch(event: str, arguments: tuple[Any, ...], own: Path, seen: list[str]) -> None:
    """Note what a reader must not do; see `sys.addaudithook`."""
    if event == "open":
        path, _, flags = arguments
        changes = bool(flags & _WRITES) and isinstance(path, str | bytes)
    else:
        path, changes = arguments[0] if arguments else "", event in _CHANGES
    if event in _FORBIDDEN or (changes and not _within(path, own)):
        seen.append(f"{event} {str(arguments)[:200]}")


def _within(path: str | bytes | os.PathLike[str], own: Path) -> bool:
    name = os.fsdecode(path)
    return os.path.normpath(own / name).startswith(str(own)) or name == os.devnull


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
