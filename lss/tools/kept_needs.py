"""What trainings need, counted once for settings, code and libraries.

Counts of the presets come with the program (`counted_needs.json`, written by `make generated`); others are kept in the
user's cache folder.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from lss.backbones.published import CONFIGURATIONS
from lss.backbones.settings import CheckpointParams
from lss.errors import LssError
from lss.project import layout
from lss.project.code import SILENT, imported_modules
from lss.project.models import TASKS
from lss.project.params import Params
from lss.project.presets import preset_params
from lss.runtime.progress import progress
from lss.storage.io import read_json, sha256_file, write_json
from lss.tools.need import Need, from_json, to_json

Run = tuple[str, str]
"""Backbone and task."""

COUNTED = Path(__file__).with_name("counted_needs.json")
PRESETS = ("phantom", "paper", "paper-literal")

LIBRARIES = ("torch", "transformers", "peft", "timm", "open_clip_torch")
WITHOUT_EFFECT = {
    "backbones", "baselines", "batch_size", "micro_batch_size", "epochs", "patience", "learning_rate",
    "encoder_learning_rate", "decoder_learning_rate", "weight_decay", "schedule", "gradient_clip", "augment", "gamma",
}  # fmt: skip
"""Settings of `train` that change no shape and no pass of a step; all others are part of the key."""


def needs_of(runs: list[Run], params: Params) -> dict[Run, Need]:
    """Return needs of these trainings: those that are kept, the others counted, several at a time, and kept."""
    places = {run: cache_folder() / f"{key(run, params)}.json" for run in runs}
    known = {run: need for run in runs if (need := _shipped(key(run, params)) or _read(places[run])) is not None}
    missing = [run for run in runs if run not in known]
    if missing:
        for run, need in progress(_counted(missing, params), "plan", unit="training", total=len(missing)):
            known[run] = need
            _keep(places[run], need)
    return {run: known[run] for run in runs}


def cache_folder() -> Path:
    """Return `lss/plan` in the user's cache folder (XDG_CACHE_HOME)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lss" / "plan"


def key(run: Run, params: Params) -> str:
    """Hash all that a count depends on: settings, the checkpoint's configuration, this program's code,
    libraries.
    """
    backbone = run[0]
    checkpoint: CheckpointParams = getattr(params.weights, backbone)
    tiny = params.weights.source == "tiny"
    folder = checkpoint.folder or Path(layout.WEIGHTS.format(backbone=backbone))
    known = tiny or (checkpoint.folder is None and checkpoint.hub_id in CONFIGURATIONS)
    return _digest(
        {
            "run": run,
            "train": _of_effect(params.train.model_dump(mode="json")),
            "execution": [params.execution.gradient_checkpointing, params.execution.write_batch_size],
            "weights": "tiny" if tiny else checkpoint.model_dump(mode="json"),
            "configuration": {} if known else {path.name: sha256_file(path) for path in sorted(folder.glob("*.json"))},
            "code": _code(),
            "libraries": {name: version(name) for name in LIBRARIES},
        }
    )


def _of_effect(settings: Any) -> Any:
    if not isinstance(settings, dict):
        return settings
    return {name: _of_effect(value) for name, value in settings.items() if name not in WITHOUT_EFFECT}


@cache
def _code() -> str:
    """Return a hash of what counts, without comments and docstrings: a message elsewhere must not count all anew."""
    modules = imported_modules("lss/tools/counting.py")
    return _digest({path: module.tree for path, module in modules.items() if path not in SILENT})


@cache
def _counts() -> dict[str, Any]:
    counts: dict[str, Any] = read_json(COUNTED) if COUNTED.is_file() else {}
    return counts


def _shipped(digest: str) -> Need | None:
    return from_json(_counts()[digest]) if digest in _counts() else None


def presets_are_counted(*, renew: bool) -> bool:
    """Return whether `COUNTED` holds the needs of the presets and nothing else; with `renew` it does afterwards."""
    wanted = {name: preset_params(name) for name in PRESETS}
    runs = {name: list(product(params.train.backbones, TASKS)) for name, params in wanted.items()}
    if {key(run, params) for name, params in wanted.items() for run in runs[name]} == _counts().keys():
        return True
    if renew:
        counts = {
            key(run, params): to_json(need)
            for name, params in wanted.items()
            for run, need in needs_of(runs[name], params).items()
        }
        write_json(COUNTED, dict(sorted(counts.items())))
        _counts.cache_clear()
    return False


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path) -> Need | None:
    """Return a kept need; None where there is none, or what is there cannot be read: it is counted anew then."""
    try:
        return from_json(read_json(path))
    except (LssError, KeyError, TypeError, AttributeError, ValueError):
        return None


def _keep(path: Path, need: Need) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, to_json(need))
    except OSError:
        pass  # a folder that cannot be written costs the time of counting again, nothing else


def _counted(runs: list[Run], params: Params) -> Iterator[tuple[Run, Need]]:
    """Yield each run with its need, as they are done; as many at a time as there are cores.

    Processes are forked after the imports and after the empty backbones are made, both of which take as long as
    counting; where a system cannot fork, one counts after the other.
    """
    from lss.tools.counting import estimate
    from lss.tools.rehearsal import empty_backbone

    empty = {name: empty_backbone(name, params) for name in dict.fromkeys(name for name, _ in runs)}
    longest_first = sorted(runs, key=lambda run: run[1] != "report")
    workers = min(len(runs), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    if workers == 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from ((run, estimate(empty[run[0]], run[1], params)) for run in longest_first)
        return
    with multiprocessing.get_context("fork").Pool(workers, _prepare, (empty, params)) as pool:
        yield from pool.imap_unordered(_count, longest_first)


_prepared: list[Any] = []
"""Of a process that counts: the empty backbones, and the settings."""


def _prepare(empty: dict[str, Any], params: Params) -> None:
    import torch

    torch.set_num_threads(1)  # a forked process must not wait for threads that its parent has started
    _prepared[:] = empty, params


def _count(run: Run) -> tuple[Run, Need]:
    from lss.tools.counting import estimate

    empty, params = _prepared
    return run, estimate(empty[run[0]], run[1], params)
