"""What the chain reads but does not make: the raw archive, the pseudonyms' key, the user's own split.

None of them need be there, so they can be neither inputs of a rule nor dependencies of DVC. Instead their state is
recorded in one small file, which both compare: Snakemake as a parameter of a rule, DVC as one of a stage. Every plan
of Snakemake looks anew; DVC alone sees what was recorded last.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import yaml

from lss.errors import LssError
from lss.io import sha256_file, write_text
from lss.params import CohortParams, Params

_HEAD = "# What the chain reads but does not make, as Snakemake last saw it: written by it; commit it with dvc.lock.\n"
_NONE = "none named"


def recorded(path: Path) -> dict[str, str]:
    """State by stage (cohort, ingest, split) as it stands in `path`."""
    found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {stage: str(found.get(stage, "not seen yet")) for stage in ("cohort", "ingest", "split")}


def look(params: Params, path: Path) -> dict[str, str]:
    """State by stage as it is now, recorded in `path` where it has changed.

    What is absent counts as unchanged: whoever got the results without the raw archive can still redraw a figure.
    """
    before = recorded(path)
    now = {
        "cohort": _archive(params.cohort),
        "ingest": _key(params),
        "split": _file(params.split.file),
    }
    state = {stage: before[stage] if value is None else value for stage, value in now.items()}
    if state != before or not path.is_file():
        write_text(path, _HEAD + "".join(f"{stage}: {json.dumps(value)}\n" for stage, value in state.items()))
    return state


def _archive(cohort: CohortParams) -> str | None:
    """Names, sizes and times of a real cohort's files in one hash: to read them all would take minutes."""
    from lss.cohorts.tree import FolderTree

    if cohort.name == "phantom":
        return "made by the stage"
    if not cohort.root.is_dir():
        return None
    digest = hashlib.sha256()
    for file in FolderTree(cohort.root).files():
        try:
            status = (cohort.root / file).stat()
            state = f"{status.st_size} {status.st_mtime_ns} {file}\n"
        except OSError as error:
            state = f"{error.strerror} {file}\n"
        digest.update(state.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _key(params: Params) -> str | None:
    """A pseudonym made with the key: the key itself can no more be told from it than from any other."""
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
