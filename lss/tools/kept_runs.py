"""Kept runs: cases, metrics and settings of a finished run in a folder named by their content, to compare others with.

The name is a digest of what is in the folder. So the one setting `evaluate.compare_with` tells Snakemake and DVC all
there is to know, and keeping the same run again gives the same name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lss.errors import LssError
from lss.evaluation.cases import CASE_SCHEMAS
from lss.evaluation.run_comparison import SETTINGS_OF, settings_of
from lss.project import layout
from lss.storage.io import atomic_folder, read_json, read_parquet, sha256_file

_CASES = {task: layout.CASES.format(task=task) for task in CASE_SCHEMAS}
_EVALUATED = layout.MANIFEST.format(name="evaluate")


@dataclass(frozen=True)
class KeptRun:
    """A run as it was kept.

    Attributes:
        name: of its folder.
        settings: seed and the settings of each stage.
        cases: case tables by task.
    """

    name: str
    settings: dict[str, Any]
    cases: dict[str, list[dict[str, Any]]]


def keep(root: Path, revision: str | None) -> Path:
    """Keep the run of the workspace, or of a git revision or DVC experiment; return its folder below `root`.

    Raises LssError where there is no finished run, or its files are not at hand.
    """
    read, names = _workspace(root) if revision is None else _revision(root, revision)
    manifests = [
        _manifest(read, name)
        for name in sorted(names(layout.MANIFESTS))
        if Path(name).relative_to(layout.MANIFESTS).parts[0].removesuffix(".json") in SETTINGS_OF
    ]
    evaluated = _manifest(read, _EVALUATED)
    files = {path: read(path) for path in (*_CASES.values(), layout.METRICS)}
    for path, content in files.items():
        if evaluated.get("outputs", {}).get(path, {}).get("sha256") != hashlib.sha256(content).hexdigest():
            raise LssError(f"{path}: is not what the stage evaluate wrote ({_EVALUATED}). Rerun evaluate, then keep.")
    contents = {str(Path(path).relative_to("results")): content for path, content in files.items()}
    contents["settings.json"] = (json.dumps(settings_of(manifests), indent=2, sort_keys=True) + "\n").encode()
    folder = root / layout.KEPT.format(
        name=_name({name: hashlib.sha256(c).hexdigest() for name, c in contents.items()})
    )
    if not folder.is_dir():
        _write(folder, contents)
    return folder


def kept_files(folder: Path) -> list[Path]:
    """Return the files of a kept run."""
    names = [*(str(Path(path).relative_to("results")) for path in _CASES.values()), "metrics.json", "settings.json"]
    return [folder / name for name in names]


def read_kept(folder: Path) -> KeptRun:
    """Read a kept run; LssError where it is missing or no longer what its name says."""
    if not folder.is_dir():
        raise LssError(
            f"{folder}: evaluate.compare_with: there is no such kept run here. `lss keep REVISION` makes it again from "
            "the git revision or DVC experiment it came from; null compares with nothing."
        )
    paths = kept_files(folder)
    missing = [path for path in paths if not path.is_file()]
    if missing or _name({str(path.relative_to(folder)): sha256_file(path) for path in paths}) != folder.name:
        raise LssError(f"{folder}: was changed since it was kept. Delete it, and keep the run again with `lss keep`.")
    cases = {task: read_parquet(folder / "cases" / f"{task}.parquet", schema).to_pylist()
             for task, schema in CASE_SCHEMAS.items()}  # fmt: skip
    return KeptRun(folder.name, read_json(folder / "settings.json"), cases)


def _name(digests: dict[str, str]) -> str:
    """Return a folder's name from the SHA-256 of its files; the prefix keeps YAML from reading a number."""
    text = "\n".join(f"{digest}  {name}" for name, digest in sorted(digests.items()))
    return f"run-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files beside, then rename their folder."""
    with atomic_folder(folder) as made:
        for name, content in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(content)


Reader = tuple[Callable[[str], bytes], Callable[[str], list[str]]]
"""Content of a file, and files below a folder, both by path relative to the project."""


def _manifest(read: Callable[[str], bytes], name: str) -> dict[str, Any]:
    """Return a manifest; LssError where the file is not one."""
    try:
        manifest = json.loads(read(name))
    except ValueError as error:
        raise LssError(f"{name}: cannot be read as JSON ({error}). Rerun the stage that writes it.") from error
    if not isinstance(manifest, dict):
        raise LssError(f"{name}: is no manifest of a stage. Rerun the stage that writes it.")
    return manifest


def _workspace(root: Path) -> Reader:
    def read(path: str) -> bytes:
        try:
            return (root / path).read_bytes()
        except OSError as error:
            raise LssError(f"{path}: cannot be read ({error.strerror}). Finish a run first: snakemake all.") from error

    return read, lambda folder: [path.relative_to(root).as_posix() for path in (root / folder).rglob("*.json")]


def _revision(root: Path, revision: str) -> Reader:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    try:
        files = DVCFileSystem(str(root), rev=revision)
        files.ls("", detail=False)  # looks the revision up, which the line above does not
    except DvcException as error:
        raise LssError(f"lss keep: '{revision}' is neither a git revision nor a DVC experiment: {error}") from error

    @contextmanager
    def at_hand(path: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # DVC's own and those of its storage share no base
            raise LssError(
                f"{path} of '{revision}': is not at hand ({error}). `dvc fetch --all-commits` brings it from a remote; "
                "a revision whose dvc.lock holds no finished run cannot be kept."
            ) from error

    def read(path: str) -> bytes:
        with at_hand(path), files.open(path, "rb") as file:
            return file.read()

    def names(folder: str) -> list[str]:
        with at_hand(folder):
            return files.find(folder) if files.isdir(folder) else []

    return read, names
