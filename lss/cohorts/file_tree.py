"""The files of a cohort, in a folder or in a zip archive read member by member, never unpacked."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol

from lss.cohorts.base import Reject, UnusableError, natural_key
from lss.errors import LssError

MAX_FILE_BYTES = 256 * 2**20
"""No single slice or volume is larger; a larger file is not read."""

MAX_ZIP_RATIO = 200.0
"""Largest credible compression of an image; beyond it a zip entry is taken for a bomb."""

IGNORED = frozenset(
    {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "$recycle.bin",
     "recycler", "system volume information", "lost+found", ".git", ".dvc", ".trashes", ".trash", ".fseventsd",
     ".spotlight-v100", ".temporaryitems", ".documentrevisions-v100"}
)  # fmt: skip
"""Files and folders that systems keep beside a user's: thumbnails, waste bins, indices; lower case."""

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_UNPACK = "Unpack the archive and bring the folder."


class Tree(Protocol):
    """Files by their path relative to the root, with "/" between the parts."""

    def files(self, under: str = "") -> list[str]:
        """Return all files below `under`, in natural order."""

    def folders(self, under: str = "") -> list[str]:
        """Return names of the folders directly below `under`, in natural order."""

    def loose_files(self, under: str = "") -> list[str]:
        """Return files directly in `under`, in natural order."""

    def read(self, file: str) -> bytes:
        """Return all bytes of a file. Raises UnusableError when it cannot be read or is too large."""

    def rejects(self) -> list[Reject]:
        """Return files that could not be listed, each with its reason."""


def is_ignored(path: str) -> bool:
    """Return whether a path belongs to the system rather than to the cohort."""
    return any(part.lower() in IGNORED or part.startswith(("._", "~$")) for part in path.split("/"))


class FolderTree:
    """A folder on disk. Links are followed, each real folder once.

    A subfolder that may not be listed is itself listed as a file, so that reading it gives the reason.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise LssError(f"{root}: cohort.root: no such folder. Put the cohort's files there, or name another.")
        self.root = root

    def files(self, under: str = "") -> list[str]:
        """See `Tree`."""
        listed: list[str] = []
        seen: set[str] = set()

        def list_unreadable(error: OSError) -> None:
            listed.append(Path(error.filename).relative_to(self.root).as_posix())

        for folder, subfolders, names in os.walk(self.root / under, onerror=list_unreadable, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                subfolders.clear()
                continue
            seen.add(real)
            subfolders.sort()  # of two links to one folder the same is taken on every disk
            relative = os.path.relpath(folder, self.root)
            listed += names if relative == "." else [f"{relative}/{name}" for name in names]
        return sorted((file for file in listed if not is_ignored(file)), key=natural_key)

    def folders(self, under: str = "") -> list[str]:
        """See `Tree`. Raises LssError when `under` cannot be listed."""
        try:
            names = [entry.name for entry in (self.root / under).iterdir() if entry.is_dir()]
        except OSError as error:
            raise LssError(
                f"{self.root / under}: cannot be listed ({error.strerror}). Give this user the right to (chmod u+rx)."
            ) from error
        return sorted((name for name in names if not is_ignored(name)), key=natural_key)

    def loose_files(self, under: str = "") -> list[str]:
        """See `Tree`."""
        files = (entry for entry in (self.root / under).iterdir() if not entry.is_dir())
        names = (entry.relative_to(self.root).as_posix() for entry in files)
        return sorted((name for name in names if not is_ignored(name)), key=natural_key)

    def read(self, file: str) -> bytes:
        """See `Tree`."""
        with self.open(file) as stream:
            return stream.read()

    @contextmanager
    def open(self, file: str) -> Iterator[BinaryIO]:
        """Yield a file to read only a part of. Raises UnusableError as `read` does."""
        path = self.root / file
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise UnusableError("cannot be read", "a folder that may not be listed", "Make it so: chmod u+rx.")
            if not stat.S_ISREG(status.st_mode):
                raise UnusableError("cannot be read", "not a regular file", "Remove it from the cohort's folder.")
            if status.st_size > MAX_FILE_BYTES:
                raise _too_large(status.st_size)
            with path.open("rb") as stream:
                yield stream
        except FileNotFoundError as error:
            remedy = "Bring the file to which it points (`dvc checkout`, where DVC keeps it), or remove the link."
            raise UnusableError("cannot be read", "a link to a file that is not there", remedy) from error
        except OSError as error:
            raise UnusableError(
                "cannot be read", str(error.strerror), "Give this user the right to read it (chmod u+r)."
            ) from error

    def rejects(self) -> list[Reject]:
        """See `Tree`."""
        return []


class ZipTree:
    """A zip archive. Entries that point outside it, are encrypted or look like bombs are rejected, not read.

    Some programs for Windows write "\\" between the parts of a name: it is read as "/".
    """

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        try:
            self._zip = zipfile.ZipFile(archive)
        except Exception as error:  # of a damaged list of entries zipfile raises whatever it stumbles over
            raise LssError(f"{archive}: is no readable zip archive ({error}). Fetch it again.") from error

    @cached_property
    def _entries(self) -> tuple[dict[str, zipfile.ZipInfo], list[Reject]]:
        entries: dict[str, zipfile.ZipInfo] = {}
        rejects: list[Reject] = []
        for info in self._zip.infolist():
            name = info.filename.replace("\\", "/")
            if name.endswith("/") or is_ignored(name):
                continue
            try:
                check_zip_entry(info)
                if name in entries:
                    raise UnusableError("duplicate zip entry", "a second entry of this name", "The first is used.")
                entries[name] = info
            except UnusableError as error:
                rejects.append(Reject.of(name, error))
        return entries, rejects

    @cached_property
    def _below(self) -> dict[str, list[str]]:
        """Files by every folder above them: an archive has too many names to search them for each patient."""
        below: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._entries[0], key=natural_key):
            parts = name.split("/")
            for depth in range(len(parts)):
                below["/".join(parts[:depth])].append(name)
        return dict(below)

    def files(self, under: str = "") -> list[str]:
        """See `Tree`."""
        return list(self._below.get(under, []))

    def folders(self, under: str = "") -> list[str]:
        """See `Tree`."""
        prefix = f"{under}/" if under else ""
        rest = (name[len(prefix) :] for name in self.files(under))
        return sorted({name.split("/", 1)[0] for name in rest if "/" in name}, key=natural_key)

    def loose_files(self, under: str = "") -> list[str]:
        """See `Tree`."""
        depth = under.count("/") + 1 if under else 0
        return [name for name in self.files(under) if name.count("/") == depth]

    def read(self, file: str) -> bytes:
        """See `Tree`."""
        info = self._entries[0][file]
        try:
            with self._zip.open(info) as member:
                # one byte more than declared: an entry whose header understates its size is caught here
                data = member.read(info.file_size + 1)
        except Exception as error:  # zlib.error and lzma.LZMAError share no base class
            raise UnusableError("damaged zip entry", type(error).__name__, "Fetch the archive again.") from error
        if len(data) != info.file_size:
            raise UnusableError("damaged zip entry", "size differs from its header", "Fetch the archive again.")
        return data

    def rejects(self) -> list[Reject]:
        """See `Tree`."""
        return list(self._entries[1])


ONE_PATIENT = "study"


class OnePatientTree:
    """Another tree's files put below one folder, so that all of them are one patient's.

    `name`, if there is one, is a further folder between the two: pictures may say nothing but by their folder's name.
    """

    def __init__(self, tree: Tree, name: str = "") -> None:
        self.tree = tree
        self.above = f"{ONE_PATIENT}/{name}" if name else ONE_PATIENT

    def files(self, under: str = "") -> list[str]:
        """See `Tree`."""
        own = under.removeprefix(self.above).removeprefix(ONE_PATIENT).removeprefix("/")
        return [f"{self.above}/{file}" for file in self.tree.files(own)]

    def read(self, file: str) -> bytes:
        """See `Tree`."""
        return self.tree.read(self.own_name(file))

    def own_name(self, file: str) -> str:
        """Return a file's path in the other tree."""
        return file.removeprefix(f"{self.above}/")

    @contextmanager
    def open(self, file: str) -> Iterator[BinaryIO]:
        """Open a file as `FolderTree.open` does."""
        yield io.BytesIO(self.read(file))

    def rejects(self) -> list[Reject]:
        """See `Tree`."""
        return self.tree.rejects()


def check_zip_entry(info: zipfile.ZipInfo) -> None:
    """Raise UnusableError for an entry that points outside the archive, is encrypted, a link, or a bomb.

    Also for a compression that Python does not support, such as Deflate64, which Windows uses for large files.
    """
    name = info.filename.replace("\\", "/")
    parts = name.split("/")
    if ".." in parts or name.startswith("/") or ":" in parts[0] or "\x00" in name:
        raise UnusableError("unsafe zip entry", "its name points outside the archive", "Do not trust the archive.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UnusableError("unsafe zip entry", "a symbolic link", "Store the file itself in the archive.")
    if info.flag_bits & 0x1:
        raise UnusableError("encrypted zip entry", "needs a password", "Unpack it with the password.")
    if info.compress_type not in _COMPRESSIONS:
        raise UnusableError("unsupported zip entry", f"packed by method {info.compress_type}", _UNPACK)
    if info.file_size > MAX_FILE_BYTES:
        raise _too_large(info.file_size)
    if info.file_size > 2**20 and info.file_size > MAX_ZIP_RATIO * max(info.compress_size, 1):
        ratio = info.file_size / max(info.compress_size, 1)
        raise UnusableError("zip bomb", f"unpacks to {ratio:.0f} times its size", "Do not trust the archive.")


def _too_large(size: int) -> UnusableError:
    return UnusableError(
        "file too large",
        f"{size / 2**20:.0f} MiB, at most {MAX_FILE_BYTES >> 20}",
        "Split it into single images.",
    )
