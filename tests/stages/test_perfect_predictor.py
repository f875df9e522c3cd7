"""A predictor that gives back its training targets scores perfectly in the stages predict, evaluate and ablation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from small_study import png, sample
from torch import nn

from lss.inference.bundle import Bundle
from lss.model.network import Output
from lss.project import layout
from lss.project.models import Arm
from lss.project.params import Params, load_params
from lss.stages import ablation, evaluate, predict
from lss.storage.io import write_parquet
from lss.storage.schemas import SHARD, TRUTH
from lss.training import fit
from lss.training.data import Samples

SHAPES = [(128, 128), (117, 117), (61, 61), (96, 96), (141, 97), (80, 203), (255, 255)]
MASK = 96


def shard_rows(first: int, count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Samples whose masks have ragged borders, in fields of view of many sizes; and their truth in a larger slice."""
    rows, truth = [], []
    for index in range(first, first + count):
        row, draw = sample(index), np.random.default_rng([index, 1])
        rows_, columns = SHAPES[index % len(SHAPES)]
        noise = cv2.GaussianBlur(draw.normal(size=(rows_, columns)), (0, 0), 2.5)
        mask = (noise > np.quantile(noise, 0.97)) & (row["grade"] != "A")
        whole = np.zeros((rows_ + 9, columns + 4), np.uint8)
        whole[9:, 4:] = mask * 255
        image = draw.integers(0, 4096, (rows_, columns)).astype(np.uint16)
        rows.append(row | {"image": png(image), "mask": png(mask.astype(np.uint8) * 255), "crop_row": 9,
                           "crop_column": 4, "column_spacing_mm": 0.6 + 0.1 * (index % 4)})  # fmt: skip
        known = {name: row[name] for name in ("source_sha256", "level", "grade")}
        size = {"rows": whole.shape[0], "columns": whole.shape[1]}
        truth.append(known | size | {"canal_mask": png(whole), "clean": None})
    return rows, truth


class GivesBackTargets(nn.Module):
    """Finds an image among those it was shown and gives the target it was shown with."""

    def __init__(self, samples: Samples) -> None:
        super().__init__()
        shown = (samples[index, 0] for index in range(len(samples)))
        self.targets = {row["image"].float().numpy().tobytes(): row["mask"] for row in shown}

    def forward(self, image_B1YX: torch.Tensor, grade_B: torch.Tensor, query_B3: torch.Tensor) -> Output:
        result = [self.targets[image[0].numpy().tobytes()] for image in image_B1YX]
        return Output(20.0 * torch.stack(result)[:, None].float() - 10.0, None)


@pytest.fixture(scope="module")
def perfect(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("perfect")
    shards, truth = {}, []
    for number, (subset, count) in enumerate({"train": 9, "val": 9, "test": 28}.items()):
        rows, true = shard_rows(1000 * number, count)
        truth += true
        shards[subset] = [folder / f"{subset}-00.parquet"]
        write_parquet(shards[subset][0], rows, SHARD)
    write_parquet(folder / "truth.parquet", truth, TRUTH)
    network = GivesBackTargets(Samples(shards["test"], 48, MASK))
    return SimpleNamespace(folder=folder, shards=shards, truth=folder / "truth.parquet", network=network,
                           params=load_params(project_root / "params.yaml"))  # fmt: skip


def test_evaluation_of_a_backbone_and_of_the_u_net(perfect: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    params: Params = perfect.params
    predictions = {}
    for backbone in ("biomedclip", "unet"):
        card = SimpleNamespace(backbone=backbone, task="segmentation", loss="pid_tversky", image_size=48, bf16=False,
                               network_config=SimpleNamespace(mask_size=MASK), leak=False)  # fmt: skip
        (perfect.folder / backbone).mkdir()
        for name in ("model.json", "model.safetensors"):
            (perfect.folder / backbone / name).write_text("{}")
        bundle = Bundle(perfect.folder, card, perfect.network, torch.device("cpu"))
        monkeypatch.setattr(predict, "load_bundle", lambda *_, bundle=bundle, **__: bundle)
        path = perfect.folder / f"{backbone}.parquet"
        predict.run(
            params.predict, 1, execution=params.execution, model=perfect.folder / backbone, weights=None,
            shards=perfect.shards["test"], predictions=path, manifest=perfect.folder / "p.json",
        )  # fmt: skip
        predictions[backbone, "segmentation", "pid_tversky"] = path
    cases = {task: perfect.folder / layout.CASES.format(task=task) for task in ("classification", "segmentation",
                                                                                "report")}  # fmt: skip
    evaluate.run(
        params.evaluate.model_copy(update={"bootstrap_draws": 50}),
        1,
        predictions=predictions,
        shards=perfect.shards,
        truth=perfect.truth,
        cases=cases,
        metrics=perfect.folder / "metrics.json",
        statistics=perfect.folder / "statistics.json",
        manifest=perfect.folder / "e.json",
        manifests=[],
    )
    scored = pq.read_table(cases["segmentation"]).to_pandas()
    assert len(scored) == 28 * 2 * 2 and (scored["empty"] == "none").sum() > 50
    assert (scored[["dice", "iou"]] == 1).all(axis=None)
    assert (scored[["hd95_mm", "hausdorff_mm", "hd95_px", "fp", "fn"]] == 0).all(axis=None)


@pytest.mark.parametrize("arm", [Arm("biomedclip", "none", 1), Arm("unet", "none", 1)])
def test_an_arm_of_the_ablation(perfect: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, arm: Arm) -> None:
    course = SimpleNamespace(history=[{"epoch": 1}])
    fitted = fit.Fitted(SimpleNamespace(module=perfect.network), 48, torch.device("cpu"), course, True, 0, 0, {})
    monkeypatch.setattr(fit, "fit", lambda *_, **__: fitted)
    cases = perfect.folder / f"{arm.backbone}-cases.parquet"
    ablation.train_arm(
        perfect.params.train.model_copy(update={"mask_size": MASK}),
        ["pid_tversky"],
        1,
        execution=perfect.params.execution,
        arm=arm,
        weights=None,
        shards=perfect.shards,
        truth=perfect.truth,
        cases=cases,
        epochs=perfect.folder / "epochs.csv",
        state=perfect.folder / "state",
        manifest=perfect.folder / "a.json",
    )
    scored = pq.read_table(cases).to_pandas()
    assert len(scored) == 28
    assert (scored[["dice_pseudo", "iou_pseudo", "dice_true", "iou_true"]] == 1).all(axis=None)
