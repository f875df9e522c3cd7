"""Hashes of many files at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lss.runtime.progress import progress
from lss.storage.io import sha256_file


class Hashes:
    """SHA-256 of files under a folder, each read at most once.

    Args:
        root: the folder that paths are relative to.
        private: paths of files that manifests do not name, by what stands there in their place.
    """

    def __init__(self, root: Path = Path(), private: dict[str, str] | None = None) -> None:
        self._root, self._private = root, private or {}
        self._known: dict[str, str | None] = {}

    def read(self, paths: Iterable[str], what: str = "", *, shown: bool = True) -> None:
        """Hash the files at `paths` in parallel, with a progress bar if `shown`."""
        due = [path for path in dict.fromkeys(paths) if path not in self._known]
        if not due:
            return
        with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)) + 1)) as pool:  # hashing frees the interpreter
            hashes = progress(pool.map(self._hash, due), what, total=len(due), unit="file", shown=shown)
            self._known |= zip(due, hashes, strict=True)

    def of(self, path: str) -> str | None:
        """Return the SHA-256 of the file at `path` as it is now; None where there is none that can be read."""
        if path not in self._known:
            self._known[path] = self._hash(path)
        return self._known[path]

    def _hash(self, path: str) -> str | None:
        try:
            return sha256_file(self._root / self._private.get(path, path))
        except OSError:
            return None
