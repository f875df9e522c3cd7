"""What is finished outlives a killed run, a run beside another one, and a run in which one training fails.

Snakemake and DVC are the real ones, in a copy of the project; a training is a script that writes small files in no time
and waits, or fails, where the test says so.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from project_copy import BIN, environment, make_copy, run

from lss.project.manifest import read_manifest

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

TRAINING = """
import argparse, sys, time
from datetime import UTC, datetime
from pathlib import Path
from lss.project import layout
from lss.project.manifest import write_manifest
from lss.project.models import Run, training_settings
from lss.project.params import load_params
parser = argparse.ArgumentParser()
for name in ("backbone", "task", "loss"):
    parser.add_argument(f"--{name}")
names = vars(parser.parse_args())
params, started = load_params(), datetime.now(UTC)
with Path("begun.txt").open("a") as begun:
    begun.write(f"{names['task']}-{names['loss']}\\n")
while Path(f"wait-{names['task']}").exists():
    time.sleep(0.1)
if Path(f"fail-{names['task']}").exists():
    sys.exit("out of memory")
files = [Path(pattern.format(**names)) for pattern in (layout.MODEL_CONFIG, layout.MODEL_WEIGHTS, layout.EPOCHS)]
for file in files:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{names} {params.train.gradient_clip}")
shards = sorted(Path("data/shards").glob("*"))
write_manifest(layout.MANIFEST.format(name="train/" + "-".join(names.values())), "train", inputs=shards, outputs=files,
               params=training_settings(params.train, Run(**names)), seed=params.seed, started=started, facts=names)
"""
MODELS = {"classification-cross_entropy", "segmentation-pid_tversky", "report-focal"}
REPRO = ("dvc", "repro", "--single-item", "train")
TRAIN = ("snakemake", "--cores", "2", "train_all")


@pytest.fixture
def project(project_root: Path, tmp_path: Path) -> Path:
    """A copy before its trainings, with files of a few bytes for shards and weights."""
    copy = make_copy(project_root, tmp_path / "copy")
    rule = copy / "workflow/rules/train.smk"
    text = rule.read_text()
    assert text.count("; lss train ") == 1
    rule.write_text(text.replace("; lss train ", "; python training.py "))
    (copy / "training.py").write_text(TRAINING)
    for name in [f"data/shards/{subset}-0{batch}.parquet" for subset in ("train", "val") for batch in (0, 1)]:
        write(copy / name)
    write(copy / "data/interim/weights/smolvlm/manifest.json")
    return copy


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.name)


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BIN / command[0]), *command[1:]], cwd=folder, env=environment(folder), text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def begun(project: Path) -> Counter[str]:
    """How often each training was begun."""
    record = project / "begun.txt"
    return Counter(record.read_text().split()) if record.exists() else Counter()


def wait_for(condition: object, running: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if condition():  # type: ignore[operator]
            return
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.1)
    raise TimeoutError("waited for two minutes")


def models(project: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in project.glob("results/models/*/*/model.safetensors")}


def up_to_report(project: Path, *command: str) -> subprocess.Popen[str]:
    """A run that has all models but the report's, and waits in its training."""
    write(project / "wait-report")
    running = start(project, *command)
    wait_for(lambda: begun(project)["report-focal"] == 1 and len(models(project)) == 2, running)
    return running


def set_clip(project: Path, value: float) -> None:
    settings = yaml.safe_load((project / "params.yaml").read_text())
    settings["train"]["gradient_clip"] = value
    (project / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


def clips(project: Path) -> set[float]:
    return {read_manifest(path)["params"]["gradient_clip"] for path in project.glob("results/manifests/train/*.json")}


def test_after_a_killed_snakemake_dvc_goes_on_where_it_was(project: Path) -> None:
    killed = up_to_report(project, *TRAIN)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    before = models(project)
    (project / "wait-report").unlink()
    output = run(project, *REPRO, check=False)
    assert (
        "cannot be locked" in output and "--unlock" in output and models(project) == before
    )  # refused, and nothing removed
    run(project, "snakemake", "--unlock")
    run(project, *REPRO)
    assert models(project).keys() == MODELS and before.items() <= models(project).items()
    assert begun(project) == Counter({name: 1 for name in MODELS} | {"report-focal": 2})


def test_beside_a_running_snakemake_nothing_is_removed_and_an_edit_waits_for_the_next_run(project: Path) -> None:
    set_clip(project, 0.5)
    running = up_to_report(project, *TRAIN)
    before = models(project)
    set_clip(project, 2.0)
    output = run(project, *REPRO, check=False)
    assert "failed to reproduce 'train'" in output and "cannot be locked" in output and models(project) == before
    output = run(project, *TRAIN, check=False)  # a second Snakemake
    assert "cannot be locked" in output and "--unlock" in output and models(project) == before
    (project / "wait-report").unlink()
    output = running.communicate()[0]
    assert running.returncode == 0, output
    assert "NOT RECORDED by DVC  train: params.yaml was edited while this ran (train)" in output
    assert clips(project) == {0.5} and all(b" 0.5" in model for model in models(project).values())
    output = run(project, *TRAIN)
    assert clips(project) == {2.0} and begun(project) == Counter({name: 2 for name in MODELS})
    assert "NOT RECORDED" not in output


def test_beside_dvc_snakemake_is_refused_and_an_edit_is_not_recorded_for_what_it_did_not_make(project: Path) -> None:
    set_clip(project, 0.5)
    running = up_to_report(project, *REPRO)
    before = models(project)
    output = run(project, *TRAIN, "--nolock", check=False)  # whose own lock would refuse it, too
    assert "DVC is at work in this folder (process" in output and models(project) == before
    set_clip(project, 2.0)
    (project / "wait-report").unlink()
    output = running.communicate()[0]
    assert running.returncode and "params.yaml was edited while the stage train ran" in output
    assert clips(project) == {0.5} and begun(project) == Counter(MODELS)


def test_of_two_dvc_repro_the_second_is_refused_and_nothing_is_lost(project: Path) -> None:
    running = up_to_report(project, *REPRO)
    before = models(project)
    output = run(project, *REPRO, check=False)
    assert "lock" in output, output
    assert models(project) == before and begun(project) == Counter(MODELS)
    (project / "wait-report").unlink()
    output = running.communicate()[0]
    assert running.returncode == 0, output
    assert models(project).keys() == MODELS and before.items() <= models(project).items()
    assert begun(project) == Counter(MODELS)


def test_a_failed_training_costs_the_finished_ones_nothing_and_a_forged_one_is_not_recorded(project: Path) -> None:
    write(project / "fail-report")
    assert "failed to reproduce" in run(project, *REPRO, check=False)
    before = models(project)
    assert before.keys() == MODELS - {"report-focal"}
    (project / "fail-report").unlink()
    run(project, *REPRO)
    assert before.items() <= models(project).items() and models(project).keys() == MODELS
    assert begun(project) == Counter({name: 1 for name in MODELS} | {"report-focal": 2})
    lock = (project / "dvc.lock").read_text()
    (project / "results/models/smolvlm/report-focal/epochs.csv").unlink()  # made again, which makes this a run
    (project / "results/models/smolvlm/classification-cross_entropy/model.json").write_text("forged")
    output = run(project, *TRAIN)
    assert "NOT RECORDED by DVC  train" in output and "model.json was changed since" in output
    assert (project / "dvc.lock").read_text() == lock


def test_what_dvc_restored_is_not_taken_for_what_snakemake_made_last(project: Path) -> None:
    """Snakemake remembers its last jobs, and the files may be older ones since."""
    set_clip(project, 0.5)
    run(project, *REPRO)
    first = (project / "dvc.lock").read_text()
    set_clip(project, 2.0)
    run(project, *REPRO)
    set_clip(project, 0.5)
    (project / "dvc.lock").write_text(first)
    run(project, "dvc", "checkout", "--force", "train")
    assert clips(project) == {0.5} and begun(project).total() == 2 * len(MODELS)
    set_clip(project, 2.0)
    output = run(project, *REPRO, "--no-run-cache")
    assert "made with other settings of train" in output
    assert clips(project) == {2.0} and all(b" 2.0" in model for model in models(project).values())
