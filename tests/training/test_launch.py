"""`lss train` with execution.processes above 1 starts the processes itself."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "stages"))
from small_study import write_shards

from lss.project import layout
from lss.project.params import load_params
from lss.stages import weights
from lss.storage.io import read_json
from lss.training.checkpoints import NAME

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path, project_root):
    text = (project_root / "params.yaml").read_text()
    for old, new in {
        "processes: 1": "processes: 2",
        "micro_batch_size: 8": "micro_batch_size: 4",
        "batches: 4": "batches: 2",
        "[biomedclip, smolvlm, llava_med]": "[biomedclip]",
        "epochs: 4": "epochs: 1",
        "mask_size: 96": "mask_size: 32",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "params.yaml").write_text(text)
    write_shards(tmp_path / "data/shards", train=20, val=6)
    folder = tmp_path / layout.WEIGHTS.format(backbone="biomedclip")
    params = load_params(tmp_path / "params.yaml")
    weights.run(params.weights, 1, backbone="biomedclip", published=Path(), folder=folder, manifest=tmp_path / "m.json")
    return tmp_path


COMMAND = [sys.executable, "-m", "lss.cli", "train", "--backbone", "biomedclip", "--task", "classification",
           "--loss", "cross_entropy"]  # fmt: skip


def lss_train(project: Path) -> subprocess.CompletedProcess:
    return subprocess.run(COMMAND, cwd=project, capture_output=True, text=True)


def test_two_processes_leave_one_model(project):
    done = lss_train(project)
    assert done.returncode == 0, done.stderr
    run = {"backbone": "biomedclip", "task": "classification", "loss": "cross_entropy"}
    assert (project / layout.MODEL_WEIGHTS.format(**run)).is_file()
    assert len((project / layout.EPOCHS.format(**run)).read_text().splitlines()) == 2
    assert len(list((project / layout.EVENTS.format(**run)).iterdir())) == 1
    manifest = read_json(project / layout.MANIFEST.format(name="train/biomedclip-classification-cross_entropy"))
    assert manifest["facts"]["execution"]["processes"] == 2
    assert done.stderr.count("epochs: 100%") == 1  # one of them talks


def test_notice_reaches_the_processes_and_one_alone_goes_on(project):
    """SIGTERM to the command itself: it ends as if the signal had ended it, with a checkpoint of the running step."""
    text = (project / "params.yaml").read_text().replace("epochs: 1", "epochs: 30")
    (project / "params.yaml").write_text(text)
    log = project / "log"
    with log.open("w") as file:
        training = subprocess.Popen(COMMAND, cwd=project, stdout=file, stderr=file)
        while training.poll() is None and not list(project.glob(f".lss-state/**/{NAME}")):  # of the first epoch
            time.sleep(0.1)
        training.terminate()
        assert training.wait(120) == 143, log.read_text()
    (stopped,) = re.findall(r"Stopped by SIGTERM at (epoch \d+, step \d+), with a checkpoint", log.read_text())
    (project / "params.yaml").write_text(text.replace("processes: 2", "processes: 1"))
    done = lss_train(project)
    assert done.returncode == 0, done.stderr
    assert f"Resuming at {stopped}." in done.stderr


def test_a_mistake_is_reported_by_the_process_and_by_the_command(project):
    (project / "data/shards/val-00.parquet").write_bytes(b"broken")
    done = lss_train(project)
    assert done.returncode == 2
    assert "val-00.parquet: cannot be read as Parquet" in done.stderr
    assert "of the training failed; its messages are above." in done.stderr.splitlines()[-1]
