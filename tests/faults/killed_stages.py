"""Stages run in processes of their own that are killed at a chosen moment of writing, or after some time."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from project_copy import SMALL

PRELOADED = [
    "lss.cli", "lss.stages.ingest", "lss.stages.train", "lss.stages.predict", "lss.stages.evaluate", "lss.stages.page",
    "lss.stages.figures", "lss.training.report_task", "lss.training.segmentation_task", "lss.backbones.smolvlm",
    "lss.phantom.archive",
]  # fmt: skip
"""Modules that the processes in which stages run have imported before."""

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(PRELOADED)

TIMES = {"finished", "seconds", "process_seconds"}
"""Of a manifest: they differ from run to run."""

TINY = SMALL | {
    "batches: 2": "batches: 1",
    "mask_size: 96": "mask_size: 32",
    "max_tokens: 192": "max_tokens: 24",
    "dpi: 150": "dpi: 50",
    "bootstrap_draws: 200": "bootstrap_draws: 100",
}

MODEL = ("--backbone", "smolvlm", "--task")
STAGES: dict[str, list[tuple[str, ...]]] = {
    "cohort": [("cohort", "--threads", "1")],
    "ingest": [("ingest", "--batch", "00")],
    "split": [("split",)],
    "denoise": [("denoise", "--batch", "00")],
    "pseudo_mask": [("pseudo_mask", "--batch", "00")],
    "shards": [("shards", "--batch", "00")],
    "weights": [("weights", "--backbone", "smolvlm")],
    "train": [("train", *MODEL, task, "--loss", loss) for task, loss in (
        ("segmentation", "pid_tversky"), ("classification", "cross_entropy"), ("report", "focal"))],
    "predict": [("predict", *MODEL, task, "--loss", loss) for task, loss in (
        ("segmentation", "pid_tversky"), ("classification", "cross_entropy"), ("report", "focal"))],
    "evaluate": [("evaluate", "--folds"), ("evaluate",)],
    "ablation": [("ablation",)],
    "tables": [("tables",)],
    "figures": [("figures",)],
    "page": [("page",)],
}  # fmt: skip
"""The chain, stage by stage, as a user would give it by hand."""


def small_settings(project_root: Path) -> str:
    """params.yaml of a chain that takes a minute."""
    text = (project_root / "params.yaml").read_text()
    for old, new in TINY.items():
        if old not in text and "batches" not in old:
            old = next((line for line in text.splitlines() if old.split(":")[0] + ":" in line), old)
        text = text.replace(old, new)
    text = text.replace("batches: 4", "batches: 1").replace("patients: 15", "patients: 9")
    return re.sub(r"epochs: \d+", "epochs: 1", text)


def run_verb(
    folder: Path, verb: tuple[str, ...], dies: Callable[[int, str, Path], int | None] | None, log: Path
) -> None:
    """Runs in the child: `lss VERB` in `folder`; `dies` gives the signal to end by at a moment of writing, if any."""
    import lss.cli
    from lss.storage import io

    os.chdir(folder)
    os.environ["LSS_PROGRESS"] = "0"
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    count = 0

    def moment(step: str, path: Path) -> None:
        nonlocal count
        count += 1
        if dies is not None and (number := dies(count, step, path)) is not None:
            os.kill(os.getpid(), number)

    io._moment = moment
    sys.argv = ["lss", *verb]
    lss.cli.main()


class AtMoment:
    """Ends by a signal at the moment of this number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, count: int, step: str, path: Path) -> int | None:
        return (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[self.number % 3] if count == self.number else None


def run(
    folder: Path, verb: tuple[str, ...], dies: AtMoment | None = None, after: tuple[float, int] | None = None
) -> int:
    """Exit code of a verb that runs to its end, dies at a moment, or gets a signal after some seconds."""
    child = SERVER.Process(target=run_verb, args=(folder, verb, dies, folder.parent / "log.txt"))
    child.start()
    if after is not None:
        child.join(after[0])
        if child.pid is not None and child.is_alive():
            os.kill(child.pid, after[1])
    child.join()
    return int(child.exitcode or 0)


def timed(folder: Path, verb: tuple[str, ...]) -> float:
    """Seconds that a verb takes; it must succeed."""
    began = time.monotonic()
    code = run(folder, verb)
    if code:
        raise RuntimeError(
            f"lss {' '.join(verb)} failed with {code}:\n{(folder.parent / 'log.txt').read_text()[-3000:]}"
        )
    return time.monotonic() - began


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the owner's private lists, which hold files' times.

    Of a manifest without its times, and without the hashes of other manifests, which hold theirs.
    """
    result = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not {"logs", "private"} & set(path.relative_to(folder).parts):
            content = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            if name.startswith("results/manifests/"):
                whole = json.loads(content, object_hook=_without_manifests)
                content = json.dumps({key: value for key, value in whole.items() if key not in TIMES}).encode()
            result[name] = hashlib.sha256(content).hexdigest()
    return result


def _without_manifests(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if not name.startswith("results/manifests/")}


def strays(folder: Path) -> list[str]:
    """Temporary files and folders that lie about."""
    hidden = (path for path in folder.rglob(".*") if re.fullmatch(r"\..+\.[A-Za-z0-9_]{8}", path.name))
    return [path.relative_to(folder).as_posix() for path in hidden]
