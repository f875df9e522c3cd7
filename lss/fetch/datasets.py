"""A dataset of the table into its folder."""

from __future__ import annotations

import hashlib
import shutil
from functools import partial
from pathlib import Path, PurePosixPath

from lss.cohorts.base import UnusableError
from lss.cohorts.file_tree import ZipTree
from lss.errors import LssError
from lss.fetch.download import RECORD, fetch_file, note_file, read_record
from lss.fetch.mendeley import BASE, RemoteFile, wanted_files
from lss.fetch.sources import Source
from lss.storage.io import atomic_path


def fetch_dataset(source: Source, folder: Path, base: str = BASE) -> list[Path]:
    """Fetch the files of `source` into `folder`; those that are there and unchanged are left as they are.

    An archive stays packed: the readers read it so. Of a source with a member only that file is kept.

    Raises LssError as `wanted_files` and `fetch_file` do.
    """
    names = [file.name for file in wanted_files(source, base)]
    if source.member:
        return [_fetch_member(source, source.member, names[0], folder, base)]
    return [fetch_file(partial(_file, source, name, base), folder, source.page) for name in names]


def _file(source: Source, name: str, base: str) -> RemoteFile:
    for file in wanted_files(source, base):
        if file.name == name:
            return file
    raise LssError(f"{source.page}: {name} is not listed any more. Run the command again.")


def _fetch_member(source: Source, member: str, name: str, folder: Path, base: str) -> Path:
    """Return the file called `member`, listed as it is or inside the archive called `name`."""
    target = folder / member
    listed = _file(source, name, base)
    if name.lower() == member.lower():
        return fetch_file(partial(_file, source, name, base), folder, source.page)
    recorded = read_record(folder).get(member)
    if recorded and target.is_file():
        archive_hash = recorded["archive"]["sha256"]
        if hashlib.sha256(target.read_bytes()).hexdigest() != recorded["sha256"]:
            raise LssError(f"{target}: is another file than {RECORD} says. Move it away and run the command again.")
        if listed.sha256 not in (None, archive_hash):
            raise LssError(
                f"{source.page}: {name}: the published file has changed since {target} was taken out of it. To take "
                f"the new one, move {target} and its entry in {RECORD} away."
            )
        return target
    workshop = folder.with_name(f"{folder.name}.fetch")  # outside the cohort's folder, whose files are all listed
    archive = fetch_file(partial(_file, source, name, base), workshop, source.page)
    data = _read_member(archive, member)
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)
    published = read_record(workshop)[name]
    note_file(
        folder, target, hashlib.sha256(data).hexdigest(), source.page, published["url"], known=False,
        archive={"name": name, "sha256": published["sha256"], "hash": published["hash"]},
    )  # fmt: skip
    shutil.rmtree(workshop)
    return target


def _read_member(archive: Path, member: str) -> bytes:
    tree = ZipTree(archive)
    members = [file for file in tree.files() if PurePosixPath(file).name.lower() == member.lower()]
    if not members:
        raise LssError(f"{archive}: holds no file called {member}. Look into it, and put that table there by hand.")
    try:
        return tree.read(members[0])
    except UnusableError as error:
        raise LssError(f"{archive}: {members[0]}: {error}. {error.remedy}") from error
