"""Which files a piece of work opens: told by the kernel (inotify), whatever library, language or process opens them."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPEN, _ISDIR, _NONBLOCK, _OVERFLOW = 0x20, 0x40000000, 0x800, 0x4000
_HEAD = struct.Struct("iIII")


@contextmanager
def opened(*folders: Path) -> Iterator[set[Path]]:
    """The files at or below `folders` that were there before and were opened meanwhile; whole once the block ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(_NONBLOCK)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    watched: dict[int, Path] = {}
    other = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    for folder in [path for top in folders for path in (top, *top.rglob("*")) if path.is_dir()]:
        number = libc.inotify_add_watch(descriptor, os.fsencode(folder), _OPEN)
        if number < 0:
            raise OSError(ctypes.get_errno(), f"inotify_add_watch: {folder}")
        watched[number] = folder
    result: set[Path] = set()
    try:
        yield result
        while True:
            try:
                data = os.read(descriptor, 1 << 20)
            except BlockingIOError:
                break
            while data:
                number, mask, _, length = _HEAD.unpack_from(data)
                name = data[_HEAD.size : _HEAD.size + length].rstrip(b"\0")
                data = data[_HEAD.size + length :]
                if mask & _OVERFLOW:
                    raise OSError("the kernel's queue of events overflowed")
                if not mask & _ISDIR and number in watched:
                    result.add(watched[number] / os.fsdecode(name))
        result &= other
    finally:
        os.close(descriptor)
