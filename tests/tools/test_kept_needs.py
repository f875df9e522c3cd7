"""Counts of trainings that are kept: what they depend on, what damage does, that a plan shown again imports little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lss.project.models import TASKS
from lss.project.params import Params, load_params
from lss.project.presets import preset_params
from lss.tools import counting, kept_needs
from lss.tools.kept_needs import PRESETS, key, needs_of, presets_are_counted
from lss.tools.need import Need, Step, from_json, to_json

NEED = Need(10, 1, 2, 3, (4, 5), 6, 7.5, 8.5, {"learn": (Step(1.5, 2), Step(3, 4))}, True, 9, 10, 11)
RUNS = [("smolvlm", "report"), ("smolvlm", "classification"), ("biomedclip", "segmentation")]


@pytest.fixture
def params(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return load_params(project_root / "params.yaml")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_presets_needs_come_with_the_program(preset: str, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_needs, "_counted", None)  # would count
    assert presets_are_counted(renew=False), "run `make generated`"
    of_preset = preset_params(preset)
    runs = [(name, task) for name in of_preset.train.backbones for task in TASKS]
    assert list(needs_of(runs, of_preset)) == runs


@pytest.mark.parametrize("preset", ["phantom", "paper"])
def test_what_comes_with_the_program_is_what_is_counted_here(preset: str, params: Params, monkeypatch) -> None:
    run, of_preset = ("smolvlm", "segmentation"), preset_params(preset)
    shipped = needs_of([run], of_preset)
    monkeypatch.setattr(kept_needs, "_counts", dict)
    assert needs_of([run], of_preset) == shipped


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_all_that_comes_with_the_program_is_what_is_counted_here(preset: str, params: Params, monkeypatch) -> None:
    of_preset = preset_params(preset)
    runs = [(name, task) for name in of_preset.train.backbones for task in TASKS]
    shipped = needs_of(runs, of_preset)
    monkeypatch.setattr(kept_needs, "_counts", dict)
    assert needs_of(runs, of_preset) == shipped


def test_a_need_is_kept_as_it_is() -> None:
    assert from_json(to_json(NEED)) == NEED


def test_counted_in_several_processes_is_counted_alone(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_needs, "_counts", dict)  # none come with the program
    together = needs_of(RUNS, params)
    assert list(together) == RUNS
    monkeypatch.setattr(counting, "estimate", None)
    assert needs_of(RUNS, params) == together, "read, not counted again"
    monkeypatch.undo()
    monkeypatch.setattr(kept_needs, "_counts", dict)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")  # a folder that cannot be written
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    assert needs_of(RUNS[1:2], params)[RUNS[1]] == together[RUNS[1]]


def test_a_damaged_or_foreign_file_is_counted_anew(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_needs, "_counts", dict)
    run = RUNS[1]
    need = needs_of([run], params)[run]
    path = kept_needs.cache_folder() / f"{key(run, params)}.json"
    for damage in ("", "{", "[]", '{"grid": [1, 2]}', '{"passes": 3}'):
        path.write_text(damage)
        assert needs_of([run], params)[run] == need


def test_the_key_follows_what_a_count_depends_on(params: Params, tmp_path: Path, monkeypatch) -> None:
    def with_train(**changes: object) -> Params:
        return params.model_copy(update={"train": params.train.model_copy(update=changes)})

    first = key(RUNS[0], params)
    assert first == key(RUNS[0], with_train(batch_size=4, gamma=3.0, backbones=["smolvlm"]))
    longer = params.train.report.model_copy(update={"max_tokens": 99, "epochs": 1})
    others = [with_train(report=longer), with_train(bf16=not params.train.bf16), with_train(heads=2)]
    recomputing = params.execution.model_copy(update={"gradient_checkpointing": True})
    others.append(params.model_copy(update={"execution": recomputing}))
    published = params.weights.model_copy(update={"source": "published"})
    others.append(params.model_copy(update={"weights": published}))
    keys = [key(RUNS[0], other) for other in others] + [key(run, params) for run in RUNS]
    assert len(set(keys)) == len(keys) and first in keys
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    own = published.model_copy(update={"smolvlm": published.smolvlm.model_copy(update={"folder": folder})})
    before = key(RUNS[0], params.model_copy(update={"weights": own}))
    (folder / "config.json").write_text("{}")
    assert key(RUNS[0], params.model_copy(update={"weights": own})) != before
    monkeypatch.setattr(kept_needs, "_code", lambda: "another version of this program")
    assert key(RUNS[0], params) != first


def test_a_plan_shown_again_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, lss.tools.plan; print(sorted({'torch', 'transformers', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
