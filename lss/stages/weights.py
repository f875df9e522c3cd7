"""Stage `weights`: the checkpoint of one backbone, in its published format, in one folder. Uses no network.

Which files it reads and writes: `workflow/rules/weights.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lss.backbones.files import checkpoint_files, copy_checkpoint, require_finite, require_safetensors
from lss.backbones.settings import CheckpointParams, HubParams, TowerParams, WeightParams
from lss.errors import LssError
from lss.fetch.sources import WEIGHT_LICENCES, weights_remedy
from lss.project.manifest import write_manifest
from lss.runtime.progress import progress
from lss.storage.io import atomic_folder, read_json, sha256_file, write_json

TINY_NOTE = (
    "Random weights, seeded; nothing is learnt. The patch embedding keeps all of a grey patch, attention averages "
    "over neighbourhoods, residuals dominate, so that trained heads and adapters have something to work on."
)

TINY_LICENCE = "Apache-2.0, as this project"


def run(params: WeightParams, seed: int, *, backbone: str, published: Path, folder: Path, manifest: Path) -> None:
    """Make the tiny checkpoint of `backbone`, or take the published one.

    Args:
        params: section `weights`.
        seed: of the tiny checkpoint's random weights.
        backbone: one of lss.backbones.registry.BACKBONES.
        published: where a published checkpoint lies unless `params` names another folder; only read.
        folder: where the checkpoint goes, written anew as a whole; `manifest.json` in it lists size and SHA-256 of
            every file.
        manifest: the stage's manifest.

    Raises:
        LssError: the published files are not there, hold no safetensors, or are of another commit than the one pinned.
    """
    started = datetime.now(UTC)
    checkpoint = params.of(backbone)
    facts: dict[str, Any] = {"backbone": backbone, "source": params.source}
    with atomic_folder(folder) as beside:
        if params.source == "tiny":
            from lss.backbones.tiny_checkpoints import write_tiny_checkpoint

            write_tiny_checkpoint(backbone, beside, seed)
            facts |= {"note": TINY_NOTE, "licence": TINY_LICENCE}
        else:
            facts |= _take(checkpoint, checkpoint.folder or published, folder, beside)
        if isinstance(checkpoint, TowerParams):
            from lss.backbones.llava_med import describe_vision_tower, require_vision_tower

            choice = checkpoint.vision_tower
            # of the published files themselves: a remedy names a folder, and `beside` is gone by then
            require_vision_tower(beside if params.source == "tiny" else Path(facts["folder"]), choice)
            facts |= {"vision_tower": choice, "vision_tower_weights": describe_vision_tower(beside, choice)}
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listing = {
        str(path.relative_to(folder)): {"sha256": sha256_file(path), "bytes": path.stat().st_size}
        for path in progress(files, f"weights {backbone}", unit="file")
    }
    write_json(folder / "manifest.json", {**facts, "files": listing})
    write_manifest(
        manifest, "weights", inputs=[], outputs=checkpoint_files(folder), params=params.model_dump(mode="json"),
        seed=seed, started=started, facts=facts,
    )  # fmt: skip


def _take(checkpoint: CheckpointParams, source: Path, folder: Path, beside: Path) -> dict[str, Any]:
    """Put the published files of `source` into `beside`; what is known of where they are from."""
    if source.resolve().is_relative_to(folder.resolve()):
        raise LssError(
            f"params.yaml: weights: folder: {source} is where this stage writes. Move the files, e.g. to "
            "data/weights/, and name that folder, or null."
        )
    if not source.is_dir() or not any(source.iterdir()):
        remedy = weights_remedy(checkpoint.hub_id, checkpoint.revision, source)
        raise LssError(f"{source}: no published checkpoint lies there. {remedy}")
    require_safetensors(source)
    record = source / "fetched.json"
    commits = {}
    if record.is_file():
        repositories = read_json(record)["repositories"]
        for repository in filter(None, (checkpoint, checkpoint.companion)):
            commits[repository.hub_id] = _commit(repository, repositories, record)
    require_finite(source)
    copy_checkpoint(source, beside)
    known = {"commits": commits} if commits else {"commits": None, "note": "copied by hand: their commits are unknown"}
    licence = WEIGHT_LICENCES.get(checkpoint.hub_id, "unknown: see its card")
    return {"folder": str(source), "hub_id": checkpoint.hub_id, "licence": licence, **known}


def _commit(repository: HubParams, repositories: dict[str, Any], record: Path) -> str:
    """Return the commit that was fetched. Raises LssError where it is another than the one pinned."""
    entry = repositories.get(repository.hub_id, {})
    pinned = repository.revision
    if not entry or (pinned != entry["revision"] and pinned != entry["commit"]):
        present = f"{entry['revision']} (commit {entry['commit']})" if entry else ", ".join(sorted(repositories))
        raise LssError(
            f"{record}: holds {present}, but params.yaml asks for {repository.hub_id} at {pinned}. Run `lss fetch "
            "weights`, or set weights.BACKBONE.revision to what is there."
        )
    return str(entry["commit"])
