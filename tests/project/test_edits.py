"""Which jobs an edit of params.yaml reaches; tests/workflow/test_chain.py asks Snakemake and DVC themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lss.project.models import Run, ablation_arms, arm_settings, losses_of, model_runs, training_settings
from lss.project.params import Params, check_params


@pytest.fixture
def raw(project_root: Path) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((project_root / "params.yaml").read_text())
    settings["ablation"] |= {"repeats": 1, "backbones": ["smolvlm"]}
    return settings


def trainings(params: Params) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What each training is given of the settings, by model; of the ablation, by arm."""
    given: dict[tuple[Any, ...], dict[str, Any]] = {
        run: training_settings(params.train, run) for run in model_runs(params.train)
    }
    arms = ablation_arms(params.ablation)
    return given | {
        arm: arm_settings(params.train, arm, losses_of(params.ablation, arm.backbone, arm.fusion)) for arm in arms
    }


@pytest.mark.parametrize(
    ("section", "setting", "value", "reached"),
    [
        ("report", "epochs", 99, {("biomedclip", "report"), ("smolvlm", "report"), ("llava_med", "report")}),
        ("classification", "epochs", 99, {(name, "classification") for name in ("biomedclip", "smolvlm", "llava_med")}),
    ],
)
def test_epochs_of_a_task_reach_its_trainings_alone(
    raw: dict[str, Any], section: str, setting: str, value: int, reached: set[tuple[str, str]]
) -> None:
    before = trainings(check_params(raw))
    assert len(before) > len(model_runs(check_params(raw).train))  # arms of the ablation too
    raw["train"][section][setting] = value
    after = trainings(check_params(raw))
    changed = [key for key in before if before[key] != after[key]]
    assert all(isinstance(key, Run) for key in changed) and len(changed) == 3
    assert {key[:2] for key in changed} == reached


def test_no_rule_and_no_stage_of_dvc_depends_on_how_work_is_executed(project_root: Path) -> None:
    """The section `execution` is read for threads and resources, whose change reruns nothing."""
    stages = yaml.safe_load((project_root / "dvc.yaml").read_text())["stages"]
    read = [str(name) for stage in stages.values() for name in stage.get("params", [])]
    assert len(read) > 50 and not any(name.startswith("execution") for name in read)
    for rules in (project_root / "workflow").rglob("*.smk"):
        for line in rules.read_text().splitlines():
            if re.search(r"\bexecution\b", line):
                assert re.match(r"\s*(threads|resources|#)", line), f"{rules.name}: {line}"
