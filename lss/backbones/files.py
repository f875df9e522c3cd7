"""Files of a checkpoint: what must be there, what is refused, and what a library's loader left out."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lss.errors import LssError
from lss.runtime.progress import progress
from lss.storage.io import read_json, sha256_file

if TYPE_CHECKING:
    from torch import Tensor

TEXT_FILES = ("*.json", "*.txt", "tokenizer.model")
WEIGHT_FILES = ("*.safetensors",)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})\.safetensors")
_OURS = ("manifest.json", "fetched.json")


def copy_checkpoint(source: Path, folder: Path) -> None:
    """Put the files of `source` (safetensors, configuration, tokenizer; one level of folders) into `folder`.

    Hard links where the file system allows, so that a checkpoint of 15 GB is not stored twice; else copies.
    """
    patterns = [*TEXT_FILES, *WEIGHT_FILES]
    for pattern in [*patterns, *(f"*/{pattern}" for pattern in patterns)]:
        for file in sorted(source.glob(pattern)):
            if file.name in _OURS:
                continue
            target = folder / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file.resolve(), target)
            except OSError:
                shutil.copyfile(file, target)


def listed_files(folder: Path) -> dict[str, str]:
    """Return SHA-256 of the files of a checkpoint that the stage weights left in `folder`, by name, as it listed them.

    Raises LssError where the list is missing or damaged.
    """
    path = folder / "manifest.json"
    try:
        return {str(name): str(of["sha256"]) for name, of in read_json(path).get("files", {}).items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise LssError(f"{path}: is no list of a checkpoint's files ({error!r}). Run `lss weights` again.") from error


def checkpoint_files(folder: Path | None) -> list[Path]:
    """Return all files of a checkpoint that the stage weights left in `folder`, its list first; none for a baseline.

    Raises LssError where the list is missing or damaged.
    """
    return [] if folder is None else [folder / "manifest.json", *(folder / name for name in listed_files(folder))]


def refuse_changed(folder: Path, files: dict[str, str], remedy: str) -> None:
    """Raise LssError for the first of `files` (SHA-256 by name) that `folder` lacks or holds with other bytes."""
    for name, expected in progress(sorted(files.items()), f"checking {folder.name}", unit="file", nested=True):
        try:
            digest = sha256_file(folder / name)
        except OSError as error:
            raise LssError(f"{folder / name}: cannot be read ({error.strerror}). {remedy}") from error
        if digest != expected:
            raise LssError(
                f"{folder / name}: was changed or damaged: its SHA-256 is {digest[:12]}..., it was {expected[:12]}... "
                f"when it was written. {remedy}"
            )


def refuse_not_finite(path: Path, tensors: Iterable[tuple[str, Tensor]], remedy: str) -> None:
    """Raise LssError where one of a file's tensors (torch) holds NaN or infinity."""
    for name, tensor in tensors:
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise LssError(f"{path}: {name}: holds numbers that are not finite (NaN or infinity). {remedy}")


def require_finite(folder: Path) -> None:
    """Raise LssError where a safetensors file of a checkpoint holds NaN or infinity; one tensor in memory at a time."""
    from safetensors import safe_open  # imported here, as below

    for path in sorted(folder.rglob("*.safetensors")):
        with safe_open(path, "pt") as file:
            names = progress(list(file.keys()), f"checking {path.name}", unit="tensor", nested=True)
            refuse_not_finite(path, ((name, file.get_tensor(name)) for name in names), "Fetch it again.")


def require(folder: Path, *names: str) -> None:
    """Raise LssError unless every file called in `names` lies in `folder`."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise LssError(
            f"{folder}: {', '.join(missing)}: not there. Put the files of the published repository "
            "there (`lss fetch weights`) and run `lss weights`."
        )


def require_safetensors(folder: Path) -> list[Path]:
    """Return the safetensors files of `folder`, sorted: whole ones, all those that an index or a name announces.

    Raises LssError when there are none; a pickled checkpoint, which could run code when loaded, is named
    together with the verb that converts it. Also for a file that is cut, a shard that is absent, a tensor that is not
    in the shard where the index has it, and a whole file beside shards, of which a loader would take one silently.
    """
    files = sorted(folder.glob("*.safetensors"))
    if files:
        _check_shards(folder, stored_names(folder))
        return files
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise LssError(
            f"{folder / pickles[0]}: is a pickled checkpoint, which is never loaded: it could run any code. "
            f"Convert it once, reading tensors only: lss convert-weights {folder}"
        )
    raise LssError(f"{folder}: holds no *.safetensors. Put the published files there (`lss fetch weights`).")


def _check_shards(folder: Path, names: dict[str, list[str]]) -> None:
    """Raise LssError where the files do not hold what an index, or their own numbers, say (`require_safetensors`)."""
    for file in names:
        if numbers := _SHARD.fullmatch(file):
            stem, count = numbers[1], int(numbers[2])
            siblings = {f"{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)}
            _refuse_absent(folder, siblings - names.keys(), f"there are {count} shards, as {file} says")
    for index in sorted(folder.glob("*.safetensors.index.json")):
        try:
            places = {str(name): str(file) for name, file in read_json(index)["weight_map"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise LssError(f"{index}: is no index of safetensors files. Fetch the checkpoint again.") from error
        _refuse_absent(folder, set(places.values()) - names.keys(), f"named in {index.name}")
        held = {file: set(of_file) for file, of_file in names.items()}
        if lost := sorted(name for name, file in places.items() if name not in held[file]):
            raise LssError(
                f"{folder}: {len(lost)} tensors are not in the file where {index.name} has them ({_some(lost)}). The "
                "shards are of another version than the index: fetch the checkpoint again."
            )
        whole = index.name.removesuffix(".index.json")
        if whole in names.keys() - set(places.values()):
            raise LssError(
                f"{folder / whole}: lies beside the shards that {index.name} names, and a loader would take it instead "
                "of them. Remove whichever is of another version."
            )


def _refuse_absent(folder: Path, missing: set[str], why: str) -> None:
    if missing:
        raise LssError(
            f"{folder}: {_some(sorted(missing))}: {why}, but not there. Fetch the checkpoint again "
            "(`lss fetch weights`)."
        )


def stored_names(folder: Path) -> dict[str, list[str]]:
    """Return names of the tensors in every safetensors file of `folder`, by the file's name; headers alone are read.

    Raises LssError for a file that is cut or no safetensors.
    """
    from safetensors import SafetensorError, safe_open  # imported here: `lss fetch weights` does without it

    names = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "np") as weights:
                names[file.name] = sorted(weights.keys())
        except (SafetensorError, OSError) as error:
            raise LssError(f"{file}: cannot be loaded: cut or damaged ({error}). Fetch it again.") from error
    return names


def stored_count(folder: Path) -> int:
    """Return how many numbers the safetensors files of `folder`, and of the folders in it, hold; headers alone are
    read.

    A file that is no safetensors counts as empty: loading it gives the reason.
    """
    from safetensors import SafetensorError, safe_open

    count = 0
    for file in folder.rglob("*.safetensors"):
        try:
            with safe_open(file, "np") as weights:
                count += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())
        except (SafetensorError, OSError):
            continue
    return count


def files_of_transformers(folder: Path) -> set[str]:
    """Return which safetensors files of `folder` `from_pretrained` reads: `model.safetensors`, or
    those of the index.
    """
    if (folder / "model.safetensors").is_file():
        return {"model.safetensors"}
    return set(read_json(folder / "model.safetensors.index.json")["weight_map"].values())


def summarise_tensors(names: Iterable[str]) -> dict[str, int]:
    """Return how many tensors by name, those of numbered parts together.

    >>> summarise_tensors(["encoder.layers.0.fc.weight", "encoder.layers.1.fc.weight", "logit_scale"])
    {'encoder.layers.*': 2, 'logit_scale': 1}
    """
    return dict(Counter(re.sub(r"\.\d+\..*", ".*", name) for name in names))


def refuse_partial(folder: Path, missing: Iterable[str], unexpected: Iterable[str]) -> None:
    """Raise LssError that names missing and unexpected weights: half a model would train silently."""
    mismatches = {"missing": sorted(missing), "unexpected": sorted(unexpected)}
    parts = [f"{len(keys)} {kind} ({_some(keys)})" for kind, keys in mismatches.items() if keys]
    if parts:
        raise LssError(
            f"{folder}: weights do not fit the model: {'; '.join(parts)}. The files are of another model or "
            "another version: fetch them again at the pinned revision."
        )


def _some(keys: list[str], limit: int = 6) -> str:
    return ", ".join(keys[:limit]) + (", ..." if len(keys) > limit else "")
