"""Which of this program's modules a stage depends on. Light: a training asks for it too, for its checkpoint's key."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lss.errors import LssError
from lss.storage.io import sha256_file

ROOT = Path(__file__).parent.parent.parent


@cache
def dvc_stages() -> dict[str, Any]:
    """The stages of dvc.yaml by name, in the order of the chain.

    Raises LssError where there is none, as beside a package that was installed from a wheel.
    """
    if not (ROOT / "dvc.yaml").is_file():
        raise LssError(
            f"{ROOT / 'dvc.yaml'}: is not there. The workflow (Snakefile, dvc.yaml) belongs to a checkout of the "
            "project, not to the installed package: clone it, run `make setup`, and use its `lss`."
        )
    return yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def code_of(stage: str) -> list[str]:
    """Modules whose change makes `stage` run again: the code dependencies of its DVC stage.

    dvc.yaml is their one list, kept complete by `workflow/code_deps.py`.
    """
    return [path for path in dvc_stages()[stage]["deps"] if path.startswith("lss/")]


def code_hashes(stage: str) -> dict[str, str]:
    """SHA-256 of each of those modules: two runs with equal hashes did the same. Empty outside a checkout."""
    if not (ROOT / "dvc.yaml").is_file():
        return {}
    return {path: sha256_file(ROOT / path) for path in code_of(stage)}
