"""Cards of this machine, each for one job at a time: without it every job would take the first one."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

_held = ExitStack()
"""Locks of the claimed cards. They end with the process, however it ends."""

_ALLOTTED = ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST")
"""Variables by which a job knows that a scheduler has given it its cards."""


def cards() -> list[str]:
    """Return names of this machine's cards that may be used: as in CUDA_VISIBLE_DEVICES, else all that nvidia-smi
    lists.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True).stdout
    return re.findall(r"^GPU (\d+):", listed, flags=re.M)


def claim_cards(count: int, jobs_per_card: int, folder: Path | None = None) -> list[str]:
    """Take `count` free cards for this process until it ends, and let CUDA see these alone; wait until there are such.

    To be called before CUDA is first used. Nothing is taken where there is no card, or where a scheduler (Slurm,
    Kubernetes) has given this job its own.

    Args:
        count: of cards.
        jobs_per_card: how many jobs may use one card at a time (`execution.jobs_per_card`).
        folder: of the locks; by default one of this user in the machine's folder for temporary files, so that runs of
            several checkouts respect each other.

    Returns:
        names of the claimed cards.
    """
    card_names = cards()
    if not card_names or any(name in os.environ for name in _ALLOTTED):
        return []
    folder = folder or Path(tempfile.gettempdir()) / f"lss-cards-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    announced = False
    while len(claimed := _try(card_names, min(count, len(card_names)), jobs_per_card, folder)) < min(
        count, len(card_names)
    ):
        if not announced:
            print(f"waiting for {count} free GPU(s) of {len(card_names)}: other jobs use them", file=sys.stderr)
            announced = True
        time.sleep(0.5)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(claimed)
    return claimed


def _try(card_names: list[str], count: int, jobs_per_card: int, folder: Path) -> list[str]:
    """Return locks of `count` cards, the least used first; all of them or none, so that two jobs never wait for each
    other.
    """
    claimed: list[str] = []
    with ExitStack() as locks:
        for slot in range(jobs_per_card):
            for card in card_names:
                if len(claimed) == count:
                    break
                if card in claimed:
                    continue
                file = locks.enter_context((folder / f"{re.sub('[^A-Za-z0-9-]', '_', card)}-{slot}.lock").open("w"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                claimed.append(card)
        if len(claimed) < count:
            return []
        _held.push(locks.pop_all())
    return claimed
