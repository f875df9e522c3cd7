"""Compressed pixels, decoded in a process of their own, since a decoder may end the process that it runs in.

GDCM does so at some damaged frames of JPEG 2000 (`terminate called after throwing an instance of ...`, found by
fuzzing): one file would end ingest, and nothing would say which. A process of its own also bounds how long it takes.
"""

from __future__ import annotations

import faulthandler
import io
import os
import signal

import numpy as np
import pydicom
from pydicom.pixels import pixel_array

from lss.errors import LssError

MAX_SECONDS = 60
"""A frame takes milliseconds."""


def pixel_array_apart(header: pydicom.Dataset, index: int) -> np.ndarray:
    """Return the stored values of one frame, as `pydicom.pixels.pixel_array` does.

    Raises RuntimeError where the decoder fails, ends its process, or takes longer than `MAX_SECONDS`; LssError where
    the machine gives no further process.
    """
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        raise LssError(
            f"no process to decode a compressed image in ({error.strerror}). Close other programs, or give the machine "
            "more memory or processes (`ulimit -u`)."
        ) from error
    if not child:
        _decode(header, index, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        packed = answer.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"the decoder ended with status {status}")
    return np.asarray(np.load(io.BytesIO(packed), allow_pickle=False))


def _decode(header: pydicom.Dataset, index: int, writer: int) -> None:
    """Write the values to `writer` and end this process, a copy of its parent, without the parent's clean-up."""
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(MAX_SECONDS)
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what a library says as it ends
        packed = io.BytesIO()
        np.save(packed, pixel_array(header, index=index), allow_pickle=False)
        with os.fdopen(writer, "wb") as answer:
            answer.write(packed.getbuffer())
        status = 0
    finally:
        os._exit(status)
