"""Published checkpoints: from the hub at a pinned revision, or from a folder in the same format."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from lss.errors import LssError
from lss.io import read_json

TEXT_FILES = ("*.json", "*.txt", "tokenizer.model")
WEIGHT_FILES = ("*.safetensors",)


def copy_checkpoint(source: Path, folder: Path) -> None:
    """Put the files of `source` (safetensors, configuration, tokenizer; one level of folders) into `folder`.

    Hard links where the file system allows, so that a checkpoint of 15 GB is not stored twice; else copies.
    Raises LssError when `source` is no folder.
    """
    if not source.is_dir():
        raise LssError(f"{source}: no such folder. Name a folder with the published files in params.yaml (weights).")
    patterns = [*TEXT_FILES, *WEIGHT_FILES]
    for pattern in [*patterns, *(f"*/{pattern}" for pattern in patterns)]:
        for file in sorted(source.glob(pattern)):
            target = folder / file.relative_to(source)
            if target.name == "manifest.json":
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                os.link(file.resolve(), target)
            except OSError:
                shutil.copyfile(file, target)


def download(hub_id: str, revision: str, folder: Path, patterns: tuple[str, ...] = TEXT_FILES + WEIGHT_FILES) -> str:
    """Fetch the files of `hub_id` that match `patterns` into `folder`; the commit `revision` stands for.

    Never fetches code (`*.py`). Raises LssError when the hub cannot be reached, or has no such repository.
    """
    try:
        commit = huggingface_hub.HfApi().model_info(hub_id, revision=revision).sha
        huggingface_hub.snapshot_download(hub_id, revision=commit, local_dir=folder, allow_patterns=list(patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LssError(
            f"{hub_id}@{revision}: cannot be fetched ({reason}). Check the network, or put the published files into "
            "a folder and name it in params.yaml: weights.<backbone>.folder."
        ) from error
    return str(commit)


def download_checkpoint(backbone: str, hub_id: str, revision: str, folder: Path) -> dict[str, str]:
    """Fetch a published checkpoint and what it refers to; the commits fetched, by hub id.

    BiomedCLIP's repository lacks the configuration of its text tower, LLaVA-Med's that of its vision tower: both
    are named in the configuration and go into a folder called like them.
    """
    commits = {hub_id: download(hub_id, revision, folder)}
    if backbone == "biomedclip":
        if not any(folder.glob("*.safetensors")):
            download(hub_id, revision, folder, ("open_clip_pytorch_model.bin",))  # for `lss convert-weights`
        bert = read_json(folder / "open_clip_config.json")["model_cfg"]["text_cfg"]["hf_model_name"]
        commits[bert] = download(bert, "main", folder / Path(bert).name, ("config.json",))
    elif backbone == "llava_med":
        tower = read_json(folder / "config.json")["mm_vision_tower"]
        commits[tower] = download(tower, "main", folder / Path(tower).name, ("config.json", *WEIGHT_FILES))
    return commits
