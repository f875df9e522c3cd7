"""Real tiny backbones, trained by the stage in two processes over gloo, against one process."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from processes import run_in_processes

sys.path.append(str(Path(__file__).parent.parent / "stages"))
from small_study import params, write_shards

from lss.backbones import load_backbone
from lss.backbones.qlora import add_adapters
from lss.stages import train, weights
from lss.storage.io import read_json, write_json
from lss.training.parallel import join

SMALL = {
    "batch_size": 8,
    "micro_batch_size": 4,
    "mask_size": 32,
    "segmentation__epochs": 2,
    "report__epochs": 2,
    "report__max_tokens": 24,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory, project_root):
    folder = tmp_path_factory.mktemp("study")
    # 20 samples are 5 micro-batches: in the last step one process has none
    shards = write_shards(folder / "shards", train=20, val=6)
    for name in ("biomedclip", "llava_med"):
        weights.run(
            params(project_root).weights,
            1,
            backbone=name,
            published=Path(),
            folder=folder / name,
            manifest=folder / "m.json",
        )
    return folder, shards


def fit(study, settings, backbone: str, task: str, loss: str, out: Path, segmentation: Path | None = None) -> None:
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
        segmentation=segmentation,
        folder=out,
        state=out.with_name(f"{out.name}-state"),
        manifest=out.with_name(f"{out.name}.json"),
    )


def epochs(folder: Path) -> list[dict[str, float]]:
    with (folder / "epochs.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_segmentation_dealt_to_two_processes(study, tmp_path, project_root):
    """Pooled Tversky counts of the steps and the controller included; batch norm's validation is not one process'."""
    one, two = (params(project_root, **SMALL, execution__processes=count, pid__count="running") for count in (1, 2))
    what = ("biomedclip", "segmentation", "pid_tversky")
    fit(study, one, *what, tmp_path / "one")
    assert run_in_processes(2, fit, study, two, *what, tmp_path / "two") == [0, 0]
    for expected, result in zip(epochs(tmp_path / "one"), epochs(tmp_path / "two"), strict=True):
        validation = {name for name in result if name.startswith("val_")}
        assert {name: result[name] for name in result.keys() - validation} == pytest.approx(
            {name: expected[name] for name in expected.keys() - validation}, rel=1e-3
        )
        assert result["val_dice"] == pytest.approx(expected["val_dice"], abs=0.3)
        assert result["beta"] == pytest.approx(expected["beta"], abs=1e-4)


def test_reports_of_a_sharded_language_model(study, tmp_path, project_root):
    """FSDP over the frozen NF4 layers of both towers; what is trained stays whole, so it is saved as always."""
    one = params(project_root, **SMALL)
    fit(study, one, "llava_med", "segmentation", "pid_tversky", tmp_path / "masks")
    what = ("llava_med", "report", "focal")
    fit(study, one, *what, tmp_path / "one", tmp_path / "masks")
    two = params(project_root, **SMALL, execution__processes=2, execution__sharding="fsdp")
    assert run_in_processes(2, fit, study, two, *what, tmp_path / "two", tmp_path / "masks") == [0, 0]
    for expected, result in zip(epochs(tmp_path / "one"), epochs(tmp_path / "two"), strict=True):
        # the finding head has dropout, which each process draws for itself
        assert result.pop("val_finding_loss") == pytest.approx(expected.pop("val_finding_loss"), rel=0.05)
        assert result == pytest.approx(expected, rel=1e-3)
    names = [sorted(path.name for path in (tmp_path / which).rglob("*")) for which in ("one", "two")]
    assert names[0] == names[1]


def _shard(checkpoint: Path, out: Path) -> None:
    backbone = load_backbone("llava_med", checkpoint, quantise=True, device=torch.device("cpu"), dtype=torch.float32)
    add_adapters(backbone, ("vision",), rank=2, alpha=4, dropout=0.0)
    processes = join(2, "cpu")
    processes.shard(SimpleNamespace(module=backbone, backbone=backbone))
    held = {name: part.to_local() if hasattr(part, "to_local") else part for name, part in backbone.named_parameters()}
    four_bits = [part.numel() for part in held.values() if part.dtype == torch.uint8]
    whole = [name for name, part in backbone.named_parameters() if not hasattr(part, "to_local")]
    write_json(out / f"{processes.rank}.json", [len(four_bits), sum(four_bits), whole])
    processes.end()


def test_each_process_holds_half_of_the_4_bit_weights(study, tmp_path):
    checkpoint = study[0] / "llava_med"
    assert run_in_processes(2, _shard, checkpoint, tmp_path) == [0, 0]
    backbone = load_backbone("llava_med", checkpoint, quantise=True, device=torch.device("cpu"), dtype=torch.float32)
    packed = [part.numel() for part in backbone.parameters() if part.dtype == torch.uint8]
    for rank in range(2):
        layers, held, whole = read_json(tmp_path / f"{rank}.json")
        assert layers == len(packed) == 26
        assert held == sum(packed) / 2
        assert any("lora_A" in name for name in whole) and not any("q_proj.base_layer" in name for name in whole)
