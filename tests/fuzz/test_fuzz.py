"""Mutated input of every kind: a result, a reject with its reason, or an error with a remedy, and nothing else.

The suite runs a few hundred mutations of every target; `make fuzz` runs `LSS_FUZZ` (10,000) others.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import fuzzing
import numpy as np
import pytest
from fuzzing import Target, run
from targets import TARGETS

from lss.errors import LssError

COUNT = int(os.environ.get("LSS_FUZZ", "10000"))


def report(name: str, target: Target, numbers: range) -> None:
    began = time.monotonic()
    result = run(name, target, numbers)
    ends = ", ".join(f"{count} {end}" for end, count in result.ends.most_common())
    print(f"\n{name}: {len(numbers)} mutations in {time.monotonic() - began:.0f} s, {result.mib} MiB: {ends}")
    assert not result.findings, "\n".join(f"{name}/{number}: {what}" for number, what in result.findings.items())
    assert result.ends.total() == len(numbers)
    assert len(result.ends) > 1, "mutations all end alike: they do not reach what they are to reach"


@pytest.mark.parametrize("name", TARGETS)
def test_a_few(name: str) -> None:
    report(name, TARGETS[name], range(TARGETS[name].short))


@pytest.mark.fuzz
@pytest.mark.parametrize("name", TARGETS)
def test_many(name: str) -> None:
    report(name, TARGETS[name], range(1000, 1000 + COUNT))


@pytest.mark.parametrize("name", TARGETS)
def test_whole_inputs_are_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every mutation would be refused for what its seed lacks."""
    monkeypatch.chdir(tmp_path)
    for number, seed in enumerate(TARGETS[name].seeds):
        (tmp_path / str(number)).mkdir()
        TARGETS[name].read(seed, tmp_path / str(number))


def _leave(path: str) -> Callable[[bytes, Path], object]:
    return lambda data, folder: Path(path).write_bytes(data)


FAULTY: dict[str, tuple[Callable[[bytes, Path], object], str]] = {
    "another exception": (lambda data, folder: {}[data], "KeyError"),
    "a hang": (lambda data, folder: time.sleep(60), "over 2 s"),
    "memory": (lambda data, folder: np.ones(80 * 2**20).sum(), "takes 6"),
    "more memory than there is": (lambda data, folder: np.ones(2**40), "MemoryError"),
    "a crash": (lambda data, folder: os.abort(), "SIGABRT"),
    "a file outside": (_leave("../outside"), "did what no reader does.*outside"),
    "a program": (lambda data, folder: subprocess.run(["true"]), "did what no reader does.*Popen"),
    "a connection": (lambda data, folder: socket.socket().connect(("127.0.0.1", 9)), "did what no reader does|refused"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_reader_that_does_harm_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "a hang":
        monkeypatch.setattr(fuzzing, "SECONDS", 2)
    read, expected = FAULTY[name]

    def sometimes(data: bytes, folder: Path) -> None:
        if len(data) > 3:
            read(data, folder)
        raise LssError("x")

    result = run("planted", Target(sometimes, [b"abc", b"abcd"]), range(6))
    assert result.findings and all(re.search(expected, what) for what in result.findings.values()), result
