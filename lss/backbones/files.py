"""Files of a checkpoint: what must be there, what is refused, and what a library's loader left out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lss.errors import LssError

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def require(folder: Path, *names: str) -> None:
    """Raise LssError unless every file called in `names` lies in `folder`."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise LssError(
            f"{folder}: {', '.join(missing)}: not there. Run `lss weights`, or put the files of the published "
            "repository into the folder named in params.yaml (weights)."
        )


def require_safetensors(folder: Path) -> list[Path]:
    """The safetensors files of `folder`, sorted.

    Raises LssError when there are none; a pickled checkpoint, which could run code when loaded, is named
    together with the verb that converts it.
    """
    files = sorted(folder.glob("*.safetensors"))
    if files:
        return files
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise LssError(
            f"{folder / pickles[0]}: is a pickled checkpoint, which is never loaded: it could run any code. "
            f"Convert it once, reading tensors only: lss convert-weights {folder}"
        )
    raise LssError(f"{folder}: holds no *.safetensors. Run `lss weights`, or copy the published files there.")


def refuse_partial(folder: Path, missing: Iterable[str], unexpected: Iterable[str]) -> None:
    """Raise LssError that names missing and unexpected weights: half a model would train without a word."""
    found = {"missing": sorted(missing), "unexpected": sorted(unexpected)}
    parts = [f"{len(keys)} {kind} ({_some(keys)})" for kind, keys in found.items() if keys]
    if parts:
        raise LssError(
            f"{folder}: weights do not fit the model: {'; '.join(parts)}. The files are of another model or "
            "another version: fetch them again at the pinned revision."
        )


def _some(keys: list[str], limit: int = 6) -> str:
    return ", ".join(keys[:limit]) + (", ..." if len(keys) > limit else "")
