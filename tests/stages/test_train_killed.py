"""The stage train on a tiny backbone, killed at random moments of a running training: the model's folder is the same.

Each training is a process of its own that starts anew (forked from a server which has only imported what is slow).
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from small_study import params, write_shards

from lss.stages import train, weights
from lss.training import fit
from lss.training.checkpoints import NAME
from lss.training.loop import LoopSettings

pytestmark = pytest.mark.slow

KILLS = 5
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["lss.training.report_task", "lss.training.segmentation_task", "lss.backbones.biomedclip"]
)
LOSSES = {"segmentation": "pid_tversky", "report": "focal"}


def run_stage(study: Path, out: Path, settings, task: str, shards, checkpoint_seconds: float) -> None:
    """Runs in the child. Whole runs write a checkpoint at the end of epochs only, the killed ones after each step."""
    fit.LoopSettings = partial(LoopSettings, checkpoint_seconds=checkpoint_seconds)
    train.run(
        settings.train,
        settings.seed,
        execution=settings.execution,
        backbone="biomedclip",
        task=task,
        loss=LOSSES[task],
        weights=study / "biomedclip",
        shards=shards,
        segmentation=study / "segmentation/model" if task == "report" else None,
        folder=out / "model",
        state=out / "state",
        manifest=out / "manifest.json",
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory, project_root):
    """Folder with the checkpoint and the uninterrupted trainings; settings; shards."""
    folder = tmp_path_factory.mktemp("study")
    settings = params(
        project_root, segmentation__epochs=3, report__epochs=3, report__max_tokens=40, mask_size=32, qlora__dropout=0.2
    )
    shards = write_shards(folder / "shards", train=96, val=6)
    weights.run(
        settings.weights,
        1,
        backbone="biomedclip",
        published=Path(),
        folder=folder / "biomedclip",
        manifest=folder / "w.json",
    )
    for task in LOSSES:  # the report is written from the segmentation model's masks
        child = SERVER.Process(target=run_stage, args=(folder, folder / task, settings, task, shards, 1e9))
        child.start()
        child.join()
        assert child.exitcode == 0
    return folder, settings, shards


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def place(state: Path) -> tuple[int, int] | None:
    """Epoch and step of the checkpoint; None before the first. It may be replaced while it is read."""
    if not (state / NAME).exists():
        return None
    with (state / NAME).open("rb") as file:  # safetensors: length of the header, header as JSON, tensors
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    progress = json.loads(header["__metadata__"]["progress"])
    return progress["epoch"], progress["step"]


@pytest.mark.parametrize("task", LOSSES)
def test_killed_at_random_moments_leaves_the_same_model(study, tmp_path, task):
    folder, settings, shards = study
    moments = random.Random(task)
    places = []
    for _ in range(KILLS):
        child = SERVER.Process(target=run_stage, args=(folder, tmp_path, settings, task, shards, 0.0))
        before, target, steps = place(tmp_path / "state"), moments.randint(1, 3), 0
        child.start()
        while steps < target and child.is_alive():
            if (now := place(tmp_path / "state")) != before:
                before, steps = now, steps + 1
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.1))
        assert child.is_alive()
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL and not (tmp_path / "manifest.json").exists()
        places.append(place(tmp_path / "state"))
    assert len(set(places)) == KILLS
    assert places[0][0] == 0, "the first epoch, in which the report calibrates its thresholds, was interrupted"
    last = SERVER.Process(target=run_stage, args=(folder, tmp_path, settings, task, shards, 0.0))
    last.start()
    last.join()
    assert last.exitcode == 0
    assert digests(tmp_path / "model") == digests(folder / task / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "model"]
