"""Which of this program's modules a stage depends on. Light: a training asks for it too, for its checkpoint's key."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lss.storage.io import sha256_file

ROOT = Path(__file__).parent.parent.parent


@cache
def dvc_stages() -> dict[str, Any]:
    """The stages of dvc.yaml by name, in the order of the chain."""
    return yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def code_of(stage: str) -> list[str]:
    """Modules whose change makes `stage` run again: the code dependencies of its DVC stage.

    dvc.yaml is their one list, kept complete by `workflow/code_deps.py`.
    """
    return [path for path in dvc_stages()[stage]["deps"] if path.startswith("lss/")]


def code_hashes(stage: str) -> dict[str, str]:
    """SHA-256 of each of those modules: two runs with equal hashes did the same."""
    return {path: sha256_file(ROOT / path) for path in code_of(stage)}
