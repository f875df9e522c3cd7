"""Inputs of the chain that it does not make: the raw archive, the pseudonyms' key, the user's own split.

None of them need be there, so they can be neither inputs of a rule nor dependencies of DVC. Instead one hash of each is
recorded in one small file, which both compare: Snakemake as a parameter of a rule, DVC as one of a stage. Every run of
Snakemake looks anew and records what it found; DVC alone sees what was recorded last. A mere plan (`snakemake -n`,
`--summary`) writes nothing and reads no raw file: one that is new, or whose size or time is new, counts as changed.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lss.cohorts.file_tree import FolderTree
from lss.cohorts.labels import labelled
from lss.cohorts.needed_files import files_elsewhere
from lss.cohorts.settings import ArchiveParams, CohortParams
from lss.errors import LssError
from lss.project.layout import of_part
from lss.project.params import Params
from lss.runtime.progress import progress
from lss.storage.io import OWNER_ONLY, sha256_file, write_csv, write_text

_HEAD = "# What the chain reads but does not make, as Snakemake last saw it: written by it; commit it with dvc.lock.\n"
_NONE = "none named"


def recorded(path: Path) -> dict[str, str]:
    """Return state by stage (cohort, ingest, split), and of the external cohorts, as it stands in `path`."""
    states = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: str(states.get(name, "not seen yet")) for name in ("cohort", "ingest", "split", "external")}


def look(params: Params, path: Path, listing: Path, *, read: bool = True) -> dict[str, str]:
    """Return state by stage as it is now; what is absent counts as it stands in `path`.

    So whoever got the results without the raw archive can still redraw a figure.

    Args:
        params: the settings.
        path: where the state was recorded last (`record`).
        listing: table of the raw files (`list_files`).
        read: whether raw files that are not in `listing` as they are now are read, and `listing` is brought up to date.
    """
    before = recorded(path)
    now = {
        "cohort": _archive(params.cohort, listing, read),
        "ingest": _key(params),
        "split": _file(params.split.file),
        "external": _external(params, listing, read),
    }
    return {stage: before[stage] if value is None else value for stage, value in now.items()}


def record(state: dict[str, str], path: Path) -> None:
    """Write the state of `look` into `path`, where it has changed."""
    if state != recorded(path) or not path.is_file():
        write_text(path, _HEAD + "".join(f"{stage}: {json.dumps(value)}\n" for stage, value in state.items()))


def list_files(cohort: CohortParams, listing: Path) -> list[dict[str, Any]]:
    """Return every file of a cohort, in natural order: path, bytes, time of change (ns), SHA-256, what is wrong with
    it.

    The list is kept in the CSV `listing`, which names patients and only its owner may read: a file whose size and time
    are as they were there is not read again, since to hash an archive takes minutes. Of several archives each has a
    list of its own, in a folder beside `listing`.
    """
    return _of_archives(cohort, listing, _list_archive)


def listed_files(cohort: CohortParams, listing: Path) -> list[dict[str, Any]]:
    """Return the rows of `list_files` as they stand in `listing`; no raw file is looked at. Empty where there is no
    list.
    """
    return _of_archives(cohort, listing, lambda archive, own: _beside(archive, list(_known(own).values())))


def _of_archives(
    cohort: CohortParams, listing: Path, rows: Callable[[CohortParams, Path], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the rows of all archives of a cohort, each by its own listing, with their paths within the cohort."""
    return [
        row | {"file": labelled(label, row["file"])}
        for label, archive in cohort.archives.items()
        for row in rows(archive, Path(of_part(str(listing), label)))
    ]


def _list_archive(cohort: CohortParams, listing: Path) -> list[dict[str, Any]]:
    """Return the rows of `list_files` of a single archive."""
    known = _known(listing)
    listed = _compared(cohort, known)
    changed = [row for row in listed if not row["sha256"]]  # one that could not be read is tried again
    for row in progress(changed, "hashing raw files", unit="file") if changed else ():
        try:
            row |= {"sha256": sha256_file(row["file"]), "problem": ""}
        except OSError as error:
            row["problem"] = error.strerror or type(error).__name__
    if listed != list(known.values()) or not listing.is_file():
        write_csv(listing, listed, ["file", "bytes", "time_ns", "sha256", "problem"], mode=OWNER_ONLY)
    return _beside(cohort, listed)


def _known(listing: Path) -> dict[str, dict[str, Any]]:
    """Return rows of the table `listing` by path; none before the first run."""
    if not listing.is_file():
        return {}
    with listing.open(encoding="utf-8", errors="surrogateescape", newline="") as table:
        return {row["file"]: row for row in csv.DictReader(table)}


def _compared(cohort: CohortParams, known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per file as it is now; hash and problem are the known ones where size and time are, else empty."""
    listed = []
    paths = [f"{cohort.root}/{file}" for file in FolderTree(cohort.root).files()]
    for path in [*paths, *map(str, files_elsewhere(cohort))]:
        row = {"file": path, "bytes": "0", "time_ns": "0", "sha256": "", "problem": ""}
        try:
            status = Path(path).stat()
            row |= {"bytes": str(status.st_size), "time_ns": str(status.st_mtime_ns)}
        except OSError as error:  # the reader gives it its line in the table of rejects
            row["problem"] = error.strerror or type(error).__name__
        before = known.get(path, {})
        if not row["problem"] and all(row[key] == before.get(key) for key in ("bytes", "time_ns")):
            row = dict(before)
        listed.append(row)
    return listed


def _beside(cohort: CohortParams, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with their path within the cohort, and bytes as a number."""
    return [row | {"file": row["file"].removeprefix(f"{cohort.root}/"), "bytes": int(row["bytes"])} for row in listed]


def hash_of_all(listed: list[dict[str, Any]]) -> str:
    """Return one SHA-256 over paths and hashes of `list_files`: the same wherever the same files lie."""
    lines = (f"{row['sha256'] or row['problem']} {row['file']}\n" for row in listed)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _archive(cohort: CohortParams, listing: Path, read: bool) -> str | None:
    if cohort.labels:
        return _hash_of_states(_states(cohort.parts, listing, "parts", read))
    if cohort.name == "phantom":
        return "made by the stage"
    if not cohort.root.is_dir():
        return None
    if read:
        return _with_tables(hash_of_all(list_files(cohort, listing)), cohort)
    listed = _compared(cohort, _known(listing))
    unread = sum(not (row["sha256"] or row["problem"]) for row in listed)
    return (
        f"{unread} raw file(s) not read yet" if unread else _with_tables(hash_of_all(_beside(cohort, listed)), cohort)
    )


def _external(params: Params, listing: Path, read: bool) -> str | None:
    """Return one state of all external cohorts: what is read from their archives, by which settings and key."""
    if not params.external:
        return _NONE
    return _hash_of_states([_key(params), *_states(params.external, listing, "external", read)])


def _states(archives: list[ArchiveParams], listing: Path, folder: str, read: bool) -> list[Any]:
    """Return settings, but for its place, and state of each archive; their lists lie in a folder beside `listing`."""
    states: list[Any] = []
    for archive in archives:
        own = listing.parent / folder / archive.label / listing.name
        states += [archive.model_dump(mode="json", exclude={"root"}), _archive(archive.as_cohort(1), own, read)]
    return states


def _hash_of_states(states: list[Any]) -> str | None:
    """Return one hash over states; None where one is not known."""
    return None if None in states else hashlib.sha256(json.dumps(states).encode()).hexdigest()


def _with_tables(state: str, cohort: CohortParams) -> str:
    """Return a state that changes with which files are the tables; their names stand in params.yaml alone."""
    tables = [cohort.folder.table, cohort.folder.slices] if cohort.name == "folder" else []
    return hashlib.sha256(json.dumps([state, *tables]).encode()).hexdigest() if any(tables) else state


def _key(params: Params) -> str | None:
    """Return a pseudonym made with the key: the key itself can no more be told from it than from any other."""
    from lss.cohorts.privacy import pseudonyms

    if params.ingest.pseudonym_key_file is None:
        return _NONE
    try:
        return pseudonyms(params.ingest.pseudonym_key_file, params.seed).file("the key")
    except LssError:
        return None


def _file(path: Path | None) -> str | None:
    if path is None:
        return _NONE
    return sha256_file(path) if path.is_file() else None
