"""Presets: what each changes, whatever was set before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lss.errors import LssError
from lss.project.params import Params, load_params
from lss.project.presets import apply_preset, preset_settings


def applied(project_root: Path, folder: Path, *names: str) -> Params:
    path = folder / "params.yaml"
    shutil.copy(project_root / "params.yaml", path)
    for name in names:
        apply_preset(name, path)
    return load_params(path)


def test_the_letter_differs_from_the_recommended_settings_in_these_settings_only(
    project_root: Path, tmp_path: Path
) -> None:
    recommended, literal = preset_settings("paper"), preset_settings("paper-literal")
    differing = {".".join(key): (recommended.get(key), value) for key, value in literal.items()
                 if recommended.get(key) != value}  # fmt: skip
    assert differing == {
        "preset": ("paper", "paper-literal"),
        "pseudo_mask.roi": ("canal", "none"),
        "shards.crop": ("canal", "none"),
        "train.resample_grid": (None, 14),
        "train.prompt": (recommended["train", "prompt"], "oracle"),
        "train.fusion": ("spatial", "broadcast"),
        "train.report.thresholds": ("calibrated", "paper"),
    }
    documented = (project_root / "docs" / "readings.md").read_text()
    assert all(f"`{name}`" in documented for name in differing if name != "preset")


@pytest.mark.parametrize("name", ["phantom", "paper", "paper-literal"])
def test_a_preset_is_the_same_after_every_other(project_root: Path, tmp_path: Path, name: str) -> None:
    alone = applied(project_root, tmp_path, name)
    for other in ("phantom", "paper", "paper-literal"):
        assert applied(project_root, tmp_path, other, name) == alone
    assert alone.preset == name


def test_readings_that_are_no_hyperparameters_are_the_default_s(project_root: Path, tmp_path: Path) -> None:
    default, paper = load_params(project_root / "params.yaml"), applied(project_root, tmp_path, "paper")
    assert (paper.pseudo_mask, paper.shards) == (default.pseudo_mask, default.shards)
    for name in ("prompt", "fusion", "resample_grid"):
        assert getattr(paper.train, name) == getattr(default.train, name)


def test_an_unknown_preset_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(LssError, match="ablation, paper, paper-literal, phantom"):
        apply_preset("papers", tmp_path / "params.yaml")
