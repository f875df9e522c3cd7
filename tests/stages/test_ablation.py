"""Stage ablation on small shards: what is trained from the same start, what a killed arm keeps, what is compared."""

import csv
import json

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from small_study import params, write_shards, write_truth

from lss.errors import LssError
from lss.project.models import Arm, ablation_arms
from lss.stages import ablation, weights
from lss.storage.schemas import ABLATION_CASES
from lss.training import fit
from lss.training.checkpoints import trained_tensors

SEED = 3
LOSSES = ["pid_tversky", "cross_entropy"]


@pytest.fixture(scope="module")
def study(tmp_path_factory, project_root):
    folder = tmp_path_factory.mktemp("study")
    settings = params(project_root, segmentation__epochs=2, mask_size=32)
    shards = write_shards(folder / "shards", train=24, val=6, test=9)
    truth = write_truth(folder / "truth.parquet", test=9)
    weights.run(
        settings.weights,
        1,
        backbone="biomedclip",
        published=folder,
        folder=folder / "biomedclip",
        manifest=folder / "w.json",
    )
    return folder, settings, shards, truth


def paths(out, arm):
    stem = out / f"{arm.backbone}-{arm.fusion}-{arm.repeat}"
    return stem.with_suffix(".parquet"), stem.with_suffix(".csv")


def train(study, out, arm, losses=LOSSES):
    folder, settings, shards, truth = study
    cases, epochs = paths(out, arm)
    ablation.train_arm(
        settings.train,
        losses,
        SEED,
        execution=settings.execution,
        arm=arm,
        weights=None if arm.backbone == "unet" else folder / arm.backbone,
        shards=shards,
        truth=truth,
        cases=cases,
        epochs=epochs,
        state=out / "state",
        manifest=out / "manifest.json",
    )
    return cases, epochs


@pytest.fixture(scope="module")
def arms(study, tmp_path_factory):
    """Two repeats of one backbone with and without the prompts, and of the U-Net: folder and arms."""
    out = tmp_path_factory.mktemp("arms")
    kinds = (("biomedclip", "spatial"), ("biomedclip", "none"), ("unet", "none"))
    trained = [Arm(*kind, repeat) for kind in kinds for repeat in (1, 2)]
    for arm in trained:
        train(study, out, arm)
    return out, trained


def test_cases_and_epochs_of_every_loss(arms):
    out, trained = arms
    for arm in trained:
        cases, epochs = paths(out, arm)
        table = pq.read_table(cases)
        assert table.schema.equals(ABLATION_CASES)
        rows = table.to_pandas()
        assert [rows["loss"].value_counts()[loss] for loss in LOSSES] == [9, 9]
        assert (rows["repeat"] == arm.repeat).all() and rows["dice_pseudo"].between(0, 1).all()
        assert (rows["empty_true"] == (rows["grade"] == "A")).all()
        assert rows["canal_share"].between(0.01, 0.4).all()  # the canal at grade A too
        assert rows["attention_inside"].notna().all() == (arm.fusion == "spatial")
        with epochs.open() as file:
            courses = list(csv.DictReader(file))
        assert [(row["loss"], row["epoch"]) for row in courses] == [(loss, e) for loss in LOSSES for e in "12"]
        assert all(bool(row["beta"]) == (row["loss"] == "pid_tversky") and row["fp"] for row in courses)
    assert not (out / "state").exists()


def test_the_same_again_and_other_repeats_differ(study, arms, tmp_path):
    out, trained = arms
    for first, second in zip(paths(out, trained[0]), train(study, tmp_path, trained[0]), strict=True):
        assert first.read_bytes() == second.read_bytes()
    columns = [pq.read_table(paths(out, arm)[0])["attention_inside"].to_pylist() for arm in trained[:2]]
    assert columns[0] != columns[1]


def test_all_losses_and_fusions_of_a_repeat_start_from_the_same_weights(study, tmp_path, monkeypatch):
    starts, orders = {}, {}

    class Started(Exception):
        pass

    def train_stub(task, train_data, val_data, *_, **__):
        starts[arm.fusion, loss, arm.repeat] = {k: v.clone() for k, v in trained_tensors(task.module).items()}
        orders[arm.fusion, loss, arm.repeat] = [row["slice_key"] for row in next(train_data.batches()).rows]
        raise Started

    monkeypatch.setattr(fit, "train", train_stub)
    for fusion in ("spatial", "broadcast", "none"):
        for repeat in (1, 2):
            for loss in LOSSES:
                arm = Arm("biomedclip", fusion, repeat)
                with pytest.raises(Started):
                    train(study, tmp_path, arm, [loss])
    first = starts["spatial", "pid_tversky", 1]
    for (fusion, loss, repeat), tensors in starts.items():
        shared = first.keys() & tensors.keys()
        assert len(shared) > 10
        same = all(torch.equal(first[name], tensors[name]) for name in shared)
        assert same == (repeat == 1), (fusion, loss, repeat)
        assert (orders[fusion, loss, repeat] == orders["spatial", "pid_tversky", 1]) == (repeat == 1)


def test_a_killed_arm_does_not_train_again_what_was_trained(study, arms, tmp_path, monkeypatch):
    out, trained = arms
    real, begun = fit.train, []

    def killed_in_the_second(task, *args, **kwargs):
        begun.append(task)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return real(task, *args, **kwargs)

    monkeypatch.setattr(fit, "train", killed_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        train(study, tmp_path, trained[0])
    steps = []

    def counted(task, *args, **kwargs):
        loss = task.loss
        task.loss = lambda batch: steps.append(type(task.mask_loss).__name__) or loss(batch)
        return real(task, *args, **kwargs)

    monkeypatch.setattr(fit, "train", counted)
    cases, epochs = train(study, tmp_path, trained[0])
    assert set(steps) == {"CrossEntropyLoss"}
    assert (cases.read_bytes(), epochs.read_bytes()) == tuple(p.read_bytes() for p in paths(out, trained[0]))


def compare(study, out, trained, target, **changes):
    settings = study[1]
    section = settings.ablation.model_copy(update={"repeats": 2, "backbones": ["biomedclip"]} | changes)
    evaluation = settings.evaluate.model_copy(update={"bootstrap_draws": 200})
    ablation.run(
        section,
        evaluation,
        SEED,
        cases={arm: paths(out, arm)[0] for arm in trained},
        epochs={arm: paths(out, arm)[1] for arm in trained},
        comparison=target / "comparison.json",
        manifest=target / "manifest.json",
    )
    return json.loads((target / "comparison.json").read_text())


def test_the_comparison_is_of_what_the_arms_wrote(study, arms, tmp_path):
    out, trained = arms
    result = compare(study, out, trained, tmp_path)
    rows = pd.concat([pq.read_table(paths(out, arm)[0]).to_pandas() for arm in trained])
    assert (result["about"]["images"], result["about"]["patients"]) == (9, rows["patient_key"].nunique())
    for (backbone, fusion, loss), group in rows.groupby(["backbone", "fusion", "loss"]):
        own = [m for m in result["measures"] if (m["backbone"], m["fusion"], m["loss"]) == (backbone, fusion, loss)]
        by_name = {(m["metric"], m["stratum"]): m for m in own}
        assert by_name["dice_true", "all"]["value"] == pytest.approx(group["dice_true"].mean(), abs=1e-6)
        assert ("attention_ratio", "all") in by_name or fusion == "none"
        # the U-Net is compared with the first backbone
        assert (("dice_true_difference", "all") in by_name) == ((fusion, loss) != ("spatial", "pid_tversky"))
    assert {row["column"] for row in result["courses"] if row["backbone"] == "unet"} == {"beta", "fp", "fn"}
    again = tmp_path / "again"
    assert compare(study, out, trained, again) == result


def test_without_repeats_nothing_is_trained_and_the_comparison_is_empty(study, tmp_path):
    settings = study[1]
    assert settings.ablation.repeats == 0 and ablation_arms(settings.ablation) == []
    result = compare(study, tmp_path, [], tmp_path, repeats=0)
    assert result["measures"] == [] and result["courses"] == [] and result["about"]["repeats"] == 0


def test_arms_of_other_shards_are_named(study, arms, tmp_path):
    out, trained = arms
    for arm in trained:
        for path in paths(out, arm):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    cases = paths(tmp_path, trained[-1])[0]
    pq.write_table(pq.read_table(cases).slice(1), cases)
    with pytest.raises(LssError, match=r"other cases.*Rerun the stage ablation"):
        compare(study, tmp_path, trained, tmp_path)
