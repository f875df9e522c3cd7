"""What it takes to add a loss, backbone, task, table or figure: files touched, counted on a copy of the package."""

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
from lss.project import layout
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

TOY_TASK = '''"""A toy: grades learnt by the Brier score."""
from torch.nn.functional import one_hot
from lss.training.classification_task import ClassificationTask, build_network
class ToyTask(ClassificationTask):
    def loss(self, batch):
        probability_BG = self.module(batch.image_B1YX, batch.grade_B, batch.query_B3).logits.softmax(dim=-1)
        return (probability_BG - one_hot(batch.grade_B, 3)).square().sum(dim=-1).mean()
def build(setup):
    return ToyTask(build_network(setup), setup)
'''

TOY_TABLE = '''"""Table 14: a toy."""
from lss.reporting.table_choice import models, select
from lss.reporting.table_record import TableRecord
def choose(measures):
    yield from select(measures, models(measures, task="segmentation"), ("dice",), ("all",))
TABLE = TableRecord("A toy", ("metric",), lambda results: ["A note."], choose)
'''

TOY_FIGURE = '''"""Figure 40: a toy."""
from matplotlib.figure import Figure
from lss.reporting.figure_record import FigureRecord
FIGURE = FigureRecord("A toy.", "Its caption.", lambda drawn: Figure())
'''

LOSSES_PY, BACKBONES_PY, TASKS_PY = "lss/losses/registry.py", "lss/backbones/registry.py", "lss/training/registry.py"
ADDED: dict[str, dict[str, str]] = {
    "loss": {
        "lss/losses/toy.py": TOY_LOSS,
        LOSSES_PY: '    LossRecord("segmentation", "toy", "toy loss", "lss.losses.toy:make"),\n',
    },
    "backbone": {
        "lss/backbones/toy.py": TOY_BACKBONE,
        BACKBONES_PY: '    BackboneRecord("toy", "Toy", "lss.backbones.toy:Toy", "lss.backbones.toy:write_toy",\n'
        '                   licences={"toys/toy": "MIT"}),\n',
    },
    "task": {
        "lss/training/toy_task.py": TOY_TASK,
        TASKS_PY: '    TaskRecord("toy", "toy grades", "grade", "score", "lss.training.toy_task:build", "grade"),\n',
        LOSSES_PY: '    LossRecord("toy", "brier", "Brier score"),\n',
    },
    "table": {"lss/reporting/tables/table40_toy.py": TOY_TABLE, "workflow/report/table40.rst": "**A toy.**\n"},
    "figure": {"lss/reporting/figures/figure40_toy.py": TOY_FIGURE, "workflow/report/figure40.rst": "**A toy.**\n"},
}
"""Files that an addition touches, beside its test and params.yaml: new ones, and what is put into a registry."""

USE = """
import pathlib, sys, yaml
from lss.project import layout
assert layout.TABLES[40] == "results/tables/table40_toy" and list(layout.TABLES)[-1] == 40
assert layout.FIGURES[40] == "results/figures/figure40_toy" and list(layout.FIGURES)[-1] == 40

raw = yaml.safe_load(open("params.yaml"))
raw["weights"]["toy"] = {"hub_id": "toys/toy", "revision": "main", "folder": None, "companion": None}
raw["train"]["toy"] = {"losses": ["brier"], "epochs": 1, "patience": 1, "learning_rate": 1e-3, "weight_decay": 0.0}
raw["train"] |= {"backbones": ["toy"], "mask_size": 32}
raw["train"]["segmentation"]["losses"] = ["toy", "pid_tversky"]
raw["ablation"]["backbones"] = ["toy"]
yaml.safe_dump(raw, open("params.yaml", "w"))
from lss.project.models import Run, evaluated_runs, model_runs, training_settings
from lss.project.params import load_params
params = load_params()
assert {run.backbone for run in model_runs(params.train)} == {"toy"} and params.weights.of("toy").hub_id == "toys/toy"
assert Run("toy", "segmentation", "toy") in model_runs(params.train)
assert not {"gamma", "pid"} & set(training_settings(params.train, Run("toy", "segmentation", "toy")))
model = Run("toy", "toy", "brier")
assert model in model_runs(params.train) and model not in evaluated_runs(params.train)
settings = training_settings(params.train, model)
assert settings["toy"]["epochs"] == 1 and not {"classification", "segmentation", "report", "gamma"} & settings.keys()
assert "toy" not in training_settings(params.train, Run("toy", "report", "focal"))
light = {"torch", "matplotlib", "lss.reporting.tables", "lss.reporting.figures"}
assert not light & sys.modules.keys()  # as a plan of the workflow starts

from lss.fetch.sources import WEIGHT_LICENCES
from lss.project.code import code_parts
from lss.evaluation.vocabulary import TASKS
from lss.reporting.names import BACKBONES, LOSSES
assert LOSSES["toy"] == "toy loss" and BACKBONES["toy"] == "Toy" and TASKS["toy"] == "toy grades"
assert WEIGHT_LICENCES["toys/toy"] == "MIT"
added = {"lss/training/toy_task.py", "lss/losses/toy.py", "lss/backbones/toy.py"}
assert added <= code_parts("train").keys() and not added & code_parts("tables").keys()
assert {"lss/reporting/tables/table40_toy.py"} <= code_parts("tables").keys() & code_parts("page").keys()
assert {"lss/reporting/figures/figure40_toy.py"} <= code_parts("figures").keys()

from lss.reporting.figures import figure_records
from lss.reporting.page import Picture, _figure
from lss.reporting.results import Results
from lss.reporting.table_text import to_csv, to_markdown
from lss.reporting.tables import build_tables
measure = {"task": "segmentation", "backbone": "smolvlm", "loss": "pid_tversky", "source": "mask",
           "reference": "pseudo_mask", "metric": "dice", "stratum": "all", "value": 0.5, "low": 0.4, "high": 0.6,
           "n": 9, "patients": 3, "undefined_draws": 0.0, "interval": "bca"}
about = {"confidence": 0.95, "interval": "BCa", "patients": 3, "phantom": True, "cohort": "phantom", "weights": {},
         "leak": [], "calibration": {}, "cohort_caveat": None}
table = build_tables(Results({"about": about, "measures": [measure], "tests": []}))[40]
assert "Table 40. A toy" in to_markdown(table, 3, []) and "0.500 (0.400" in to_markdown(table, 3, [])
assert to_csv(table).splitlines()[1].startswith("SmolVLM,PID-Tversky,predicted mask")
record = figure_records()[40]
assert type(record.draw(None)).__name__ == "Figure"
assert _figure(40, record, Picture("a", "b"))["title"] == "Figure 40. A toy."

sys.path += ["TESTS", "TESTS/stages"]
from lss.stages import predict, train, weights
import pyarrow.parquet as pq
import torch
from imaging_study import study
from lss.inference.bundle import load_bundle
from lss.losses.mask_losses import make_mask_loss
assert make_mask_loss("toy", params.train)(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)) == 0.5
folder = pathlib.Path("run")
folder.mkdir()
study(folder, params, params.shards)
shards = {name: [folder / f"{name}-{batch}.parquet" for batch in ("00", "01")] for name in ("train", "val", "test")}
weights.run(params.weights, 1, backbone="toy", published=folder, folder=folder / "w", manifest=folder / "w.json")
train.run(params.train, 3, execution=params.execution, backbone="toy", task="toy", loss="brier",
          weights=folder / "w", shards=shards, segmentation=None, folder=folder / "toy", state=folder / "state",
          manifest=folder / "t.json")
predict.run(params.predict, 3, execution=params.execution, model=folder / "toy", weights=folder / "w",
            shards=shards["test"], predictions=folder / "toy.parquet", manifest=folder / "p.json")
bundle = load_bundle(folder / "toy", weights=folder / "w", device="cpu")
assert bundle.card.task == "toy" and "p_BC" in pq.read_schema(folder / "toy.parquet").names
"""


def test_one_module_and_its_records(project_root: Path, tmp_path: Path) -> None:
    """All are added to one copy of the package, and used in one process, since imports take most of the time."""
    shutil.copytree(project_root / "lss", tmp_path / "lss")  # with what Python has compiled: it takes seconds
    shutil.copy(project_root / "params.yaml", tmp_path)
    start = {LOSSES_PY: "LOSSES = (\n", BACKBONES_PY: "BACKBONES = (\n", TASKS_PY: "TASKS = (\n"}
    for name, files in ADDED.items():
        for file, text in files.items():
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if file in start:
                before = path.read_text()
                assert before.count(start[file]) == 1
                text = before.replace(start[file], start[file] + text)
            else:
                assert not path.exists()
            path.write_text(text)
        print(f"a {name} touches {', '.join(files)}, and its test")
    use = USE.replace("TESTS", str(project_root / "tests"))
    done = subprocess.run([sys.executable, "-c", use], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_tables_and_a_figures_number_is_taken_once(project_root: Path) -> None:
    """The number names a caption, and the paper's values beside: `lss.project.layout` knows one module of each."""
    for kind, known in (("table", layout.TABLES), ("figure", layout.FIGURES)):
        modules = [path.stem for path in (project_root / f"lss/reporting/{kind}s").glob("[a-z]*.py")]
        assert sorted(modules) == sorted(Path(stem).name for stem in known.values())


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
