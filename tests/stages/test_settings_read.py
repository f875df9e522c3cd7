"""A training reads what `training_settings` says of it, no less and no more: by that it is made again or left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel
from small_study import params, write_shards

from lss.project.models import Run, training_settings
from lss.stages import train, weights


def leaves(settings, prefix=""):
    result = set()
    for name, value in settings.items():
        result |= leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return result


def recorded(section: BaseModel, read: set[str], prefix: str = "") -> BaseModel:
    """A copy of a section that notes which of its settings are asked for by name."""
    fields = set(type(section).model_fields)

    class Recorded(type(section)):
        def __getattribute__(self, name):
            value = super().__getattribute__(name)
            if name in fields and not isinstance(value, BaseModel):
                read.add(prefix + name)
            return value

        def model_dump(self, **options):
            if not options:  # all of a section, handed on by name; with options it is put on record
                read.update(prefix + name for name in fields)
            return super().model_dump(**options)

    values = {name: getattr(section, name) for name in fields}
    for name, value in values.items():
        if isinstance(value, BaseModel):
            values[name] = recorded(value, read, f"{prefix}{name}.")
    return Recorded.model_construct(**values)


@pytest.fixture(scope="module")
def study(tmp_path_factory, project_root):
    folder = tmp_path_factory.mktemp("study")
    changes = {f"{task}__epochs": 1 for task in ("classification", "segmentation", "report")}
    settings = params(project_root, **changes, report__max_tokens=20, mask_size=32)
    weights.run(settings.weights, 1, backbone="biomedclip", published=Path(), folder=folder / "biomedclip",
                manifest=folder / "w.json")  # fmt: skip
    return folder, settings, write_shards(folder / "shards", train=8, val=3)


RUNS = [
    Run("biomedclip", "segmentation", "pid_tversky"),  # first: the report is written from its masks
    Run("biomedclip", "segmentation", "pid_tversky_low"),
    Run("biomedclip", "segmentation", "cross_entropy"),
    Run("biomedclip", "classification", "cross_entropy"),
    Run("biomedclip", "report", "focal"),
    Run("biomedclip", "report", "nll"),
]


@pytest.mark.parametrize("run", RUNS, ids="-".join)
def test_a_training_reads_what_it_states(study, run, tmp_path):
    folder, settings, shards = study
    read: set[str] = set()
    train.run(
        recorded(settings.train, read),
        settings.seed,
        execution=settings.execution,
        **run._asdict(),
        weights=folder / run.backbone,
        shards=shards,
        segmentation=folder / "pid_tversky" if run.task == "report" else None,
        folder=folder / run.loss if run == RUNS[0] else tmp_path / "model",
        state=tmp_path / "state",
        manifest=tmp_path / "manifest.json",
    )
    assert read == leaves(training_settings(settings.train, run))
