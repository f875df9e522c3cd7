"""This run against a kept one, on small case tables."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lss.errors import LssError
from lss.evaluation.run_comparison import changed_settings, compare_runs, settings_of
from lss.metrics.bootstrap import PatientBootstrap

Rows = list[dict[str, Any]]
KEYS = [f"S{index:02d}" for index in range(12)]
PATIENTS = [f"P{index // 2}" for index in range(12)]


def cases(shift: float, seed: int = 0) -> dict[str, Rows]:
    """Case tables of one backbone with one mask loss; `shift` is added to Dice and CIDEr of the last six slices."""
    random = np.random.default_rng(seed)
    common = [
        {"slice_key": key, "patient_key": patient, "level": "L4-L5", "grade": "D", "true_grade": None,
         "backbone": "smolvlm"} for key, patient in zip(KEYS, PATIENTS, strict=True)
    ]  # fmt: skip
    score = np.round(random.uniform(0.3, 0.6, 12) + shift * (np.arange(12) >= 6), 6)
    counts = {"tp": 30, "fp": 5, "fn": 10, "tn": 55, "reference": "pseudo_mask", "hd95_mm": 1.0}
    texts = {"reference": "Severe.", "rouge_l": 0.5, "meteor_1_5": 0.2}
    return {
        "classification": [row | {"loss": "cross_entropy", "head": "D" if s > 0.5 else "A", "text": None,
                                  "area_calibrated": "D"} for row, s in zip(common, score, strict=True)],
        "segmentation": [row | counts | {"loss": "pid_tversky", "dice": s}
                         for row, s in zip(common, score, strict=True)],
        "report": [row | texts | {"loss": "focal", "cider_d": 2 * s} for row, s in zip(common, score, strict=True)],
    }  # fmt: skip


@pytest.fixture
def bootstrap() -> PatientBootstrap:
    return PatientBootstrap(PATIENTS, 500, 0.95, 1)


def test_differences_are_paired_by_slice_whatever_the_order(bootstrap: PatientBootstrap) -> None:
    here, other = cases(0.2), cases(0.0)
    other["segmentation"].reverse()
    result = compare_runs(here, other, bootstrap, "run-0")
    tests = {test["family"]: test for test in result["tests"]}
    dice = tests["dice against pseudo_mask"]
    assert (dice["backbone"], dice["loss"], dice["n"], dice["patients"]) == ("smolvlm", "pid_tversky", 12, 6)
    assert dice["difference"] == pytest.approx(0.1) and dice["here"] - dice["there"] == pytest.approx(0.1, abs=1e-6)
    assert (dice["first_better"], dice["second_better"], dice["ties"]) == (6, 0, 6)
    assert dice["p_patients"] == pytest.approx(2 / 2**3)  # three patients differ, all alike
    assert 0 <= dice["low"] < 0.1 < dice["high"] <= 0.2
    right = [np.array([row["head"] == "D" for row in run["classification"]]) for run in (here, other)]
    discordant = int((right[0] & ~right[1]).sum())
    assert tests["grades by head"]["p"] == pytest.approx(stats.binomtest(discordant, discordant).pvalue, rel=1e-4)
    assert "grades by text" not in tests  # no report states a grade
    assert tests["cider_d"]["difference"] == pytest.approx(0.2)


def test_largest_changes_come_first_and_equal_runs_have_none(bootstrap: PatientBootstrap) -> None:
    here, other = cases(0.0), cases(0.0)
    here["segmentation"][3]["dice"] += 0.3
    here["segmentation"][7]["dice"] -= 0.4
    result = compare_runs(here, other, bootstrap, "run-0")["cases"]
    assert [case["slice_key"] for case in result] == ["S07", "S03"]
    assert result[0]["here"] - result[0]["there"] == pytest.approx(-0.4)
    assert compare_runs(other, cases(0.0), bootstrap, "run-0")["cases"] == []


def test_models_of_one_run_only_are_named_not_compared(bootstrap: PatientBootstrap) -> None:
    here, other = cases(0.1), cases(0.0)
    for row in other["segmentation"]:
        row["loss"] = "cross_entropy"
    result = compare_runs(here, other, bootstrap, "run-0")
    assert result["only_here"] == [["segmentation", "smolvlm", "pid_tversky", "pseudo_mask"]]
    assert result["only_there"] == [["segmentation", "smolvlm", "cross_entropy", "pseudo_mask"]]
    assert not any(test["task"] == "segmentation" for test in result["tests"])


def test_other_slices_are_refused(bootstrap: PatientBootstrap) -> None:
    other = cases(0.0)
    other["report"][0]["slice_key"] = "S99"
    with pytest.raises(LssError, match=r"compare_with: run-0 was tested on other slices.*same cohort, split"):
        compare_runs(cases(0.0), other, bootstrap, "run-0")


@pytest.mark.parametrize(
    ("task", "change"),
    [("classification", {"grade": "A"}), ("classification", {"patient_key": "P9"}), ("segmentation", {"fn": 11}),
     ("segmentation", {"tn": 56}), ("report", {"reference": "Mild."})],
)  # fmt: skip
def test_other_references_are_refused(bootstrap: PatientBootstrap, task: str, change: dict[str, Any]) -> None:
    other = copy.deepcopy(cases(0.0))
    other[task][4] |= change
    with pytest.raises(LssError, match=r"run-0 has another reference .* slice S04"):
        compare_runs(cases(0.0), other, bootstrap, "run-0")


def test_settings_are_those_of_the_manifests() -> None:
    manifests = [
        {"stage": "ingest", "seed": 3, "params": {"cohort": {"name": "x"}, "ingest": {"unknown_level": "note"}}},
        {"stage": "train", "seed": 3, "params": {"gamma": 2.0, "pid": {"kp": 0.1}}},
        {"stage": "evaluate", "seed": 3, "params": {"compare_with": "run-1", "interval": "bca"}},
        {"stage": "page", "seed": 3, "params": {"title": "not a setting of the numbers"}},
    ]
    here = settings_of(manifests)
    assert here == {"seed": 3, "ingest": {"unknown_level": "note"}, "train": {"gamma": 2.0, "pid": {"kp": 0.1}},
                    "evaluate": {"interval": "bca"}}  # fmt: skip
    other = copy.deepcopy(here)
    other["train"] = {"gamma": 0.75, "pid": {"kp": 0.1}, "heads": 8}
    assert changed_settings(here, other) == [
        {"setting": "train.gamma", "here": "2.0", "there": "0.75"},
        {"setting": "train.heads", "here": "absent", "there": "8"},
    ]
    assert changed_settings(here, here) == []
