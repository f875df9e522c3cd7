"""Stage train on small shards with a real tiny backbone."""

import csv
import hashlib
import json
from pathlib import Path

import pytest
from safetensors import safe_open
from small_study import params, write_shards

from lss.project.code import code_parts
from lss.project.models import Run
from lss.stages import train, weights
from lss.training import fit
from lss.training.fit import training_key


@pytest.fixture(scope="module")
def study(tmp_path_factory, project_root):
    folder = tmp_path_factory.mktemp("study")
    shards = write_shards(folder / "shards", train=24, val=6)
    checkpoint = params(project_root).weights
    for name in ("biomedclip", "smolvlm"):
        weights.run(
            checkpoint, 1, backbone=name, published=Path(), folder=folder / name, manifest=folder / f"{name}.json"
        )
    return folder, shards


def run(study, out: Path, settings, task="segmentation", loss="pid_tversky", backbone="biomedclip"):
    folder, shards = study
    train.run(
        settings.train,
        settings.seed,
        execution=settings.execution,
        backbone=backbone,
        task=task,
        loss=loss,
        weights=folder / backbone,
        shards=shards,
        segmentation=None,
        folder=out / "model",
        state=out / "state",
        manifest=out / "manifest.json",
    )
    return out / "model"


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_segmentation_leaves_a_whole_model_twice_the_same(study, tmp_path, project_root):
    settings = params(project_root, segmentation__epochs=2, mask_size=32)
    model = run(study, tmp_path / "one", settings)
    card = json.loads((model / "model.json").read_text())
    assert (card["backbone"], card["task"], card["loss"], card["leak"]) == (
        "biomedclip",
        "segmentation",
        "pid_tversky",
        False,
    )
    assert card["network"]["mask_size"] == 32
    assert card["facts"]["unused_weights"] == {} and card["facts"]["weights"]["folder"] is None
    assert {path.name for path in (model / "adapter").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    with safe_open(model / "model.safetensors", "pt") as file:
        names = list(file.keys())
    assert any("decoder" in name for name in names) and not any("backbone" in name for name in names)
    with (model / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert {"epoch", "train_loss", "val_score", "alpha", "beta", "fp", "fn", "lr_encoder", "lr_decoder"} <= set(rows[0])
    assert not (tmp_path / "one/state").exists()
    facts = json.loads((tmp_path / "one/manifest.json").read_text())["facts"]
    assert (facts["train_samples"], facts["val_samples"], facts["epochs"]) == (24, 6, 2)
    assert 0 < facts["trained_parameters"] < facts["parameters"]
    assert facts["quantised"]["vision"]["kinds"] == ["attn.proj", "attn.qkv", "mlp.fc1", "mlp.fc2"]
    assert digests(run(study, tmp_path / "two", settings)) == digests(model)


def test_classification_of_another_backbone(study, tmp_path, project_root):
    settings = params(project_root, classification__epochs=1)
    model = run(study, tmp_path, settings, "classification", "cross_entropy", "smolvlm")
    with (model / "epochs.csv").open() as file:
        assert {"val_accuracy", "lr_all"} <= set(next(csv.DictReader(file)))


def test_the_oracle_prompt_is_flagged(study, tmp_path, project_root):
    settings = params(project_root, classification__epochs=1, prompt="oracle")
    model = run(study, tmp_path, settings, "classification", "cross_entropy")
    assert json.loads((model / "model.json").read_text())["leak"] is True


def test_what_a_training_depends_on(study, monkeypatch, project_root):
    """A change in another task's settings leaves a checkpoint valid; one in its own does not."""
    folder, shards = study

    def key(settings, task="segmentation"):
        model = Run("biomedclip", task, "pid_tversky")
        return training_key("train", settings.train, 1, model, folder / "biomedclip", shards)

    before = key(params(project_root))
    assert key(params(project_root, execution__workers=3, execution__compile=True)) == before
    assert key(params(project_root, report__epochs=3, classification__learning_rate=0.5)) == before
    assert key(params(project_root, segmentation__decoder_learning_rate=0.5)) != before
    assert key(params(project_root, gamma=0.5)) != before
    with monkeypatch.context() as patch:
        patch.setattr(fit, "code_hash", lambda stage: "edited")
        assert key(params(project_root)) != before
    with monkeypatch.context() as patch:
        patch.setattr("lss.project.code.version", lambda package: "0.0")
        assert key(params(project_root)) != before
    assert key(params(project_root)) == before


def test_code_that_a_training_rests_on():
    """The loop, a loss and torch are among it, tables and figures are not."""
    parts = code_parts("train")
    assert {"lss/training/loop.py", "lss/losses/pid_tversky.py", "package torch"} <= parts.keys()
    assert not any("reporting" in part for part in parts) and "package matplotlib" not in parts
