"""The raw files at the beginning of the chain. Their names stand in the owner's list alone (data/private)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lss.backbones.registry import backbone_names
from lss.cohorts.settings import CohortParams
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
    """The raw files of a cohort, or of one of several archives that are one cohort.

    Attributes:
        part: label of that archive; "" for a cohort of one.
        phantom: whether this program draws them.
        root: the folder that they lie in.
        here: whether that folder exists.
        listing: the owner's list of them.
        files: by the owner's list; empty where it is not here, as with results that somebody handed on.
        digest: one SHA-256 over all, which the manifest of the stage cohort states; None without the list.
    """

    part: str
    phantom: bool
    root: str
    here: bool
    listing: str
    files: list[RawFile]
    digest: str | None

    def stated(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Return what the facts in the manifest of the stage cohort say of these files."""
        of: dict[str, Any] = facts.get("parts", {}).get(self.part, {}) if self.part else facts
        return of


def read_raw(params: Params, root: Path = Path()) -> dict[str, list[RawFiles]]:
    """Return the raw files of the cohort trained on and of each external one, archive by archive, by the manifest of
    the job that listed them.

    Args:
        params: the settings of the run.
        root: the project's folder.
    """
    raw = {layout.MANIFEST.format(name="cohort"): _raw_files(params.cohort, layout.PRIVATE_FILES, root)}
    for external in params.external:
        listing = layout.of_external(layout.PRIVATE_FILES, external.label)
        manifest = layout.MANIFEST.format(name=f"cohort/external/{external.label}")
        raw[manifest] = _raw_files(external.as_cohort(params.cohort.batches), listing, root)
    return raw


def _raw_files(cohort: CohortParams, listing: str, root: Path) -> list[RawFiles]:
    """Return the raw files of each archive of a cohort, by the list that its stage cohort left."""
    return [
        _of_archive(label, archive, layout.of_part(listing, label), root) for label, archive in cohort.archives.items()
    ]


def _of_archive(part: str, cohort: CohortParams, listing: str, root: Path) -> RawFiles:
    folder = str(cohort.root)
    rows = listed_files(cohort, root / listing)
    files = []
    for row in rows:
        inside = root / folder / row["file"]
        path = f"{folder}/{row['file']}" if inside.exists() or not (root / row["file"]).exists() else row["file"]
        files.append(RawFile(path, row["bytes"], row["sha256"]))
    return RawFiles(
        part=part,
        phantom=cohort.name == "phantom",
        root=folder,
        here=(root / folder).is_dir(),
        listing=listing,
        files=files,
        digest=hash_of_all(rows) if rows else None,
    )


def is_outside(path: str, params: Params) -> bool:
    """Return whether `path` is a file that no stage makes: published weights, the user's split, a kept
    run, a raw file.
    """
    weights = params.weights
    folders = [
        *(str(archive.root) for archive in params.cohort.archives.values()),
        *(str(external.root) for external in params.external),
        layout.PUBLISHED.format(backbone="").rstrip("/"),
        layout.KEPT.format(name="").rstrip("/"),
        *(str(checkpoint.folder) for checkpoint in map(weights.of, backbone_names())
          if checkpoint.folder is not None),
    ]  # fmt: skip
    private = private_paths(params.model_dump(mode="json"))  # an older manifest names the file itself
    named = {*private, *private.values()}
    return path in named or any(path.startswith(f"{folder}/") for folder in folders)
