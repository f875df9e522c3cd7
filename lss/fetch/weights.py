"""Checkpoints from the hub: at a pinned revision, without code, checked by hash, written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
from httpx2 import HTTPError
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from lss.backbones.files import PICKLES, TEXT_FILES, WEIGHT_FILES
from lss.backbones.registry import backbone_record
from lss.backbones.settings import CheckpointParams, HubParams, TowerParams
from lss.errors import LssError
from lss.fetch.download import RECORD
from lss.runtime.progress import progress
from lss.storage.io import read_json, sha256_file, write_json


def fetch_weights(backbone: str, checkpoint: CheckpointParams, folder: Path) -> dict[str, str]:
    """Fetch a checkpoint and its companion into `folder`; the commits, by hub id.

    The companion goes into a folder there called like it, where the loaders look for it. Pickled weights are fetched
    only where a repository has no others, and never loaded (`lss convert-weights`).

    Raises LssError when the hub cannot be reached or has no such revision, when a file's hash is another than the
    hub states or than was recorded of the same commit, or when the checkpoint names another companion.
    """
    record = read_record(folder)
    commits = {checkpoint.hub_id: _fetch(checkpoint, folder, record, with_weights=True)}
    if companion := checkpoint.companion:
        where = backbone_record(backbone).companion
        if not where:
            raise LssError(f"params.yaml: weights.{backbone}.companion: {backbone} needs none. Set it to null.")
        file, keys = where
        named = _value(read_json(folder / file), keys)
        if named != companion.hub_id:
            raise LssError(
                f"params.yaml: weights.{backbone}.companion.hub_id: is '{companion.hub_id}', but {checkpoint.hub_id} "
                f"needs '{named}'. Write that there, with a revision of its own."
            )
        place = folder / Path(companion.hub_id).name
        # else its configuration alone is needed
        with_weights = isinstance(checkpoint, TowerParams) and checkpoint.vision_tower == "clip"
        commits[companion.hub_id] = _fetch(companion, place, record, with_weights=with_weights)
    write_json(folder / RECORD, {"repositories": record})
    return commits


def read_record(folder: Path) -> dict[str, Any]:
    """Return what `fetched.json` says, by hub id: `revision` asked for, `commit`, `files`; {} where there is none."""
    return read_json(folder / RECORD)["repositories"] if (folder / RECORD).is_file() else {}


def resolve(repository: HubParams) -> str:
    """Return the commit that a revision (a branch, a tag, a commit) stands for now."""
    return str(_info(repository).sha)


def _fetch(repository: HubParams, folder: Path, record: dict[str, Any], *, with_weights: bool) -> str:
    """Fetch one repository and check it; adds to `record`."""
    info = _info(repository)
    names = {sibling.rfilename: sibling for sibling in info.siblings or []}
    patterns: tuple[str, ...] = TEXT_FILES
    if with_weights:
        safe = any("/" not in name and Path(name).match(pattern) for name in names for pattern in WEIGHT_FILES)
        patterns += WEIGHT_FILES if safe else PICKLES
    wanted = {n: s for n, s in names.items() if "/" not in n and any(Path(n).match(p) for p in patterns)}
    try:
        huggingface_hub.snapshot_download(
            repository.hub_id, revision=info.sha, local_dir=folder, allow_patterns=list(wanted)
        )
    except _ERRORS as error:
        raise _unreachable(repository, error) from error
    before = record.get(repository.hub_id, {})
    files: dict[str, Any] = {}
    for name, sibling in progress(sorted(wanted.items()), f"hashing {repository.hub_id}", unit="file"):
        digest = sha256_file(folder / name)
        known = sibling.lfs.sha256 if sibling.lfs else None
        old = before["files"].get(name, {}).get("sha256") if before.get("commit") == info.sha else None
        for expected, who in ((known, "the hub states"), (old, f"{RECORD} says")):
            if expected and digest != expected:
                raise LssError(
                    f"{folder / name}: has the hash {digest[:12]}..., but {who} {expected[:12]}... of "
                    f"{repository.hub_id} at {str(info.sha)[:12]}. Delete the file and run the command again."
                )
        files[name] = {
            "bytes": (folder / name).stat().st_size,
            "sha256": digest,
            "hash": "known" if known else "recorded",
        }
    for name in before.get("files", {}).keys() - files.keys():  # of another commit
        (folder / name).unlink(missing_ok=True)
    record[repository.hub_id] = {"revision": repository.revision, "commit": info.sha, "files": files}
    return str(info.sha)


def _info(repository: HubParams) -> Any:
    try:
        return huggingface_hub.HfApi().model_info(repository.hub_id, revision=repository.revision, files_metadata=True)
    except _ERRORS as error:
        raise _unreachable(repository, error) from error


_ERRORS = (HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, HFValidationError, OSError)


def _unreachable(repository: HubParams, error: Exception) -> LssError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return LssError(
        f"{repository.hub_id}@{repository.revision}: cannot be fetched ({reason}). Check the network and the revision, "
        "or copy the published files by hand: README, 'Without a network'."
    )


def _value(config: Any, keys: tuple[str, ...]) -> str:
    for key in keys:
        config = config[key]
    return str(config)
