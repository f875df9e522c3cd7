"""What it takes to add a loss or a backbone: its module and one record. Counted on a copy of the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from lss.backbones.registry import BACKBONES
from lss.errors import LssError
from lss.losses.registry import LOSSES, loss_labels, loss_names, loss_record, unread_settings
from lss.project.code import code_parts
from lss.project.params import load_params

TOY_LOSS = '''"""A toy: the share of pixels that differ."""
from lss.losses.base import MaskLoss
class ToyLoss(MaskLoss):
    def __call__(self, logits_B1YX, target_B1YX):
        return (logits_B1YX.sigmoid() - target_B1YX).abs().mean()
def make(params):
    return ToyLoss()
'''

TOY_BACKBONE = '''"""A toy: BiomedCLIP under another name."""
from lss.backbones.biomedclip import BiomedClip
from lss.backbones.tiny_checkpoints import write_biomedclip
class Toy(BiomedClip):
    name = "toy"
def write_toy(folder):
    write_biomedclip(folder)
'''

USE_LOSS = """
import yaml, torch
from lss.losses.mask_losses import make_mask_loss
from lss.project.models import Run, model_runs, training_settings
from lss.project.params import check_params
from lss.reporting.names import LOSSES
raw = yaml.safe_load(open("params.yaml"))
raw["train"]["segmentation"]["losses"] = ["toy", "pid_tversky"]
params = check_params(raw)
assert Run("biomedclip", "segmentation", "toy") in model_runs(params.train)
assert not {"gamma", "pid"} & set(training_settings(params.train, Run("biomedclip", "segmentation", "toy")))
assert make_mask_loss("toy", params.train)(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)) == 0.5
assert LOSSES["toy"] == "toy loss"
"""

USE_BACKBONE = """
import pathlib, torch, yaml
import lss.runtime.torch_setup
from lss.backbones import load_backbone
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint
from lss.fetch.sources import WEIGHT_LICENCES
from lss.project.models import model_runs
from lss.project.params import check_params
from lss.reporting.names import BACKBONES
raw = yaml.safe_load(open("params.yaml"))
raw["train"]["backbones"] = ["toy"]
raw["ablation"]["backbones"] = ["toy"]
raw["weights"]["toy"] = {"hub_id": "toys/toy", "revision": "main", "folder": None, "companion": None}
params = check_params(raw)
assert {run.backbone for run in model_runs(params.train)} == {"toy"}
assert params.weights.of("toy").hub_id == "toys/toy" and WEIGHT_LICENCES["toys/toy"] == "MIT"
assert BACKBONES["toy"] == "Toy"
folder = pathlib.Path("checkpoint")
write_tiny_checkpoint("toy", folder, seed=1)
loaded = load_backbone("toy", folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)
assert loaded.name == "toy" and loaded.patch_tokens(torch.zeros(1, 3, 112, 112)).shape[0] == 1
"""


def add(copy: Path, module: str, text: str, registry: str, after: str, record: str) -> list[str]:
    """Add a module and its record to a copy of the package; the files that this touches."""
    (copy / module).write_text(text)
    lines = (copy / registry).read_text()
    assert lines.count(after) == 1
    (copy / registry).write_text(lines.replace(after, after + record))
    return [module, registry]


@pytest.mark.parametrize(
    ("module", "text", "registry", "after", "record", "use"),
    [
        ("lss/losses/toy.py", TOY_LOSS, "lss/losses/registry.py", "LOSSES = (\n",
         '    LossRecord("segmentation", "toy", "toy loss", "lss.losses.toy:make"),\n', USE_LOSS),
        ("lss/backbones/toy.py", TOY_BACKBONE, "lss/backbones/registry.py", "BACKBONES = (\n",
         '    BackboneRecord("toy", "Toy", "lss.backbones.toy:Toy", "lss.backbones.toy:write_toy",\n'
         '                   licences={"toys/toy": "MIT"}),\n', USE_BACKBONE),
    ],
    ids=["loss", "backbone"],
)  # fmt: skip
def test_one_module_and_one_record(
    project_root: Path, tmp_path: Path, module: str, text: str, registry: str, after: str, record: str, use: str
) -> None:
    shutil.copytree(project_root / "lss", tmp_path / "lss", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project_root / "params.yaml", tmp_path)
    touched = add(tmp_path, module, text, registry, after, record)
    print(f"files touched: {', '.join(touched)}, and its test")
    done = subprocess.run([sys.executable, "-c", use], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(touched) == 2


def imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def test_every_record_names_what_is_there() -> None:
    for backbone in BACKBONES:
        assert imported(backbone.loader).name == backbone.name and callable(imported(backbone.tiny))
    for loss in LOSSES:
        assert not loss.factory or callable(imported(loss.factory))
    assert all(loss.factory for loss in LOSSES if loss.task == "segmentation")
    keys = [(loss.task, loss.name) for loss in LOSSES]
    assert len(set(keys)) == len(keys) and len(loss_labels()) == len({name for _, name in keys})


def test_what_a_loss_does_not_read() -> None:
    assert unread_settings("segmentation", "cross_entropy") == {"gamma", "pid", "focal_gamma"}
    assert unread_settings("segmentation", "pid_tversky_low") == {"pid", "focal_gamma"}
    assert unread_settings("report", "focal") == {"gamma", "pid"}
    assert loss_names("report") == ["focal", "nll"]


def test_names_that_are_none(project_root: Path, tmp_path: Path) -> None:
    with pytest.raises(LssError, match=r"train\.report\.losses: no loss 'hinge'\. Choose from focal, nll"):
        loss_record("report", "hinge")
    text = (project_root / "params.yaml").read_text()
    for old, new, message in (
        ("losses: [focal] ", "losses: [hinge] ", r"train\.report\.losses\.0: Input should be 'focal' or 'nll' \(found"),
        (
            "backbones: [biomedclip, smolvlm, llava_med]",
            "backbones: [clip]",
            r"'smolvlm' or 'llava_med' \(found 'clip'",
        ),
        ("  smolvlm:\n", "  smolvln:\n", r"weights\.smolvln: no such setting"),
    ):
        assert text.count(old) == 1
        (tmp_path / "params.yaml").write_text(text.replace(old, new))
        with pytest.raises(LssError, match=message):
            load_params(tmp_path / "params.yaml")


def test_what_is_imported_by_its_name_counts_as_code() -> None:
    """A changed loss retrains, a changed backbone too; the stages before do not depend on either."""
    train = code_parts("train").keys()
    named = [
        place.partition(":")[0].replace(".", "/") + ".py"
        for place in [*(loss.factory for loss in LOSSES if loss.factory), *(backbone.loader for backbone in BACKBONES)]
    ]
    assert set(named) <= train and "package torch" in train
    for stage in ("ingest", "pseudo_mask", "tables"):
        assert not set(named) & code_parts(stage).keys() and "package peft" not in code_parts(stage)


def test_the_registries_are_light() -> None:
    """The command line starts without torch."""
    code = "import sys, lss.project.params; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
