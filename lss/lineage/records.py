"""What the manifests of a run state, in one place and typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lss.errors import LssError
from lss.project.manifest import read_manifest
from lss.project.models import is_arm


@dataclass(frozen=True)
class Record:
    """What one job left in its manifest.

    Attributes:
        manifest: its path, relative to the project's folder as all paths here.
        stage: of the chain.
        inputs: SHA-256 by path of the files that the job read.
        outputs: SHA-256 by path of those that it wrote.
        settings: sections of params.yaml that it was made with.
        seed: the seed that it was made with.
        code: what the stage's code consisted of, SHA-256 by name; empty in a manifest that does not state it.
        commit: of the program, None where it ran outside a git repository.
        finished: time in UTC, as ISO 8601.
        facts: counts and caveats.
    """

    manifest: str
    stage: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    settings: dict[str, Any]
    seed: int
    code: dict[str, str]
    commit: str | None
    finished: str
    facts: dict[str, Any] = field(default_factory=dict)


def read_record(manifest: str, root: Path = Path()) -> Record:
    """Read the manifest at `root / manifest`. Raises LssError where it is missing, broken, or lacks a key."""
    content = read_manifest(root / manifest)
    try:
        stage = content["stage"]
        return Record(
            manifest=manifest,
            stage=stage,
            inputs=dict(content["inputs"]),
            outputs={path: stated["sha256"] for path, stated in content["outputs"].items()},
            settings=_sections(manifest, stage, content["params"]),
            seed=content["seed"],
            code=content.get("code", {}),
            commit=content["machine"]["commit"],
            finished=content["finished"],
            facts=content["facts"],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise LssError(f"{manifest}: is no manifest of a stage ({error!r}). Rerun the stage that writes it.") from error


def _sections(manifest: str, stage: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return settings by section of params.yaml: most stages record their own alone."""
    if stage == "ingest":
        return params
    return {"train" if is_arm(manifest) else stage: params}
