"""The raw files at the beginning of the chain. Their names stand in the owner's list alone (data/private)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lss.backbones.registry import backbone_names
from lss.project import layout
from lss.project.outside import hash_of_all, listed_files
from lss.project.params import Params
from lss.project.published import private_paths


@dataclass(frozen=True)
class RawFile:
    """A file of the cohort as the owner's list states it: path from the project's folder, size, SHA-256.

    `sha256` is empty where the file could not be read when the list was made.
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class RawFiles:
    """The raw files of a cohort.

    Attributes:
        root: the folder that they lie in.
        files: by the owner's list; empty where it is not here, as with results that somebody handed on.
        digest: one SHA-256 over all, which the manifest of the stage cohort states; None without the list.
    """

    root: str
    files: list[RawFile]
    digest: str | None


def read_raw(params: Params, root: Path = Path()) -> RawFiles:
    """Return the raw files that the run at `root` was made from, by the list that the stage cohort left."""
    folder = str(params.cohort.root)
    rows = listed_files(params.cohort, root / layout.PRIVATE_FILES)
    files = []
    for row in rows:
        inside = root / folder / row["file"]
        path = f"{folder}/{row['file']}" if inside.exists() or not (root / row["file"]).exists() else row["file"]
        files.append(RawFile(path, row["bytes"], row["sha256"]))
    return RawFiles(folder, files, hash_of_all(rows) if rows else None)


def is_outside(path: str, params: Params) -> bool:
    """Return whether `path` is a file that no stage makes: published weights, the user's split, a kept
    run, a raw file.
    """
    weights = params.weights
    folders = [
        str(params.cohort.root),
        *(str(external.root) for external in params.external),
        layout.PUBLISHED.format(backbone="").rstrip("/"),
        layout.KEPT.format(name="").rstrip("/"),
        *(str(checkpoint.folder) for checkpoint in map(weights.of, backbone_names())
          if checkpoint.folder is not None),
    ]  # fmt: skip
    private = private_paths(params.model_dump(mode="json"))  # an older manifest names the file itself
    named = {*private, *private.values()}
    return path in named or any(path.startswith(f"{folder}/") for folder in folders)
