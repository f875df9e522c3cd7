"""Stage `weights`: the checkpoint of one backbone, in its published format, in one folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lss.backbones.fetch import copy_checkpoint, download_checkpoint
from lss.backbones.files import require_safetensors
from lss.io import sha256_file, write_json
from lss.manifest import write_manifest
from lss.params import CheckpointParams, WeightParams
from lss.progress import progress

TINY_NOTE = (
    "Random weights, seeded; nothing is learnt. The patch embedding keeps all of a grey patch, attention averages "
    "over neighbourhoods, residuals dominate, so that trained heads and adapters have something to work on."
)


def run(params: WeightParams, seed: int, *, backbone: str, folder: Path, manifest: Path) -> None:
    """Make, copy or fetch the checkpoint of `backbone`.

    Args:
        params: section `weights`.
        seed: of the tiny checkpoint's random weights.
        backbone: biomedclip, smolvlm or llava_med.
        folder: where the checkpoint goes; `manifest.json` in it is written last and lists size and SHA-256 of
            every file.
        manifest: the stage's manifest.

    Raises:
        LssError: the published files cannot be had, or hold no safetensors.
    """
    started = datetime.now(UTC)
    checkpoint: CheckpointParams = getattr(params, backbone)
    facts: dict[str, Any] = {"backbone": backbone, "source": params.source}
    ready = folder / "manifest.json"
    ready.unlink(missing_ok=True)
    if params.source == "tiny":
        from lss.backbones.tiny_checkpoints import write_tiny_checkpoint

        write_tiny_checkpoint(backbone, folder, seed)
        facts["note"] = TINY_NOTE
    elif checkpoint.folder is not None:
        copy_checkpoint(checkpoint.folder, folder)
        facts["folder"] = str(checkpoint.folder)
    else:
        facts["commits"] = download_checkpoint(backbone, checkpoint.hub_id, checkpoint.revision, folder)
    require_safetensors(folder)
    if backbone == "llava_med":
        from lss.backbones.llava_med import describe_vision_tower

        facts["vision_tower"] = describe_vision_tower(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    write_manifest(
        manifest, "weights", inputs=[], outputs=files, params=params.model_dump(mode="json"), seed=seed,
        started=started, facts=facts,
    )  # fmt: skip
    listing = {
        str(path.relative_to(folder)): {"sha256": sha256_file(path), "bytes": path.stat().st_size}
        for path in progress(files, f"weights {backbone}", unit="file")
    }
    write_json(ready, {**facts, "files": listing})
