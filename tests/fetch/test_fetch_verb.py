"""The verb `lss fetch` in a copy of the project: where files go, what it refuses, what DVC tracks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mendeley_server import Publisher
from project_copy import make_copy, run

from lss.project.presets import apply_preset, write_settings

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def copy(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_copy(project_root, tmp_path_factory.mktemp("fetch") / "copy", small=False)


def test_the_phantom_needs_no_files(copy: Path) -> None:
    apply_preset("phantom", copy / "params.yaml")
    text = run(copy, "lss", "fetch", "images", check=False)
    assert "cohort.name: is 'phantom'" in text and "lss preset paper" in text
    assert "cohort.experts: is null" in run(copy, "lss", "fetch", "labels", check=False)


def test_files_go_where_params_expect_them_and_dvc_tracks_the_labels(
    copy: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "0")
    apply_preset("paper", copy / "params.yaml")
    publisher.files = {"Archive.zip": b"PK zip", "Radiologists Report.xlsx": b"book"}
    text = run(copy, "lss", "fetch", "images", "notes", "labels", "--base", publisher.base)
    assert (copy / "data/raw/lss/Archive.zip").read_bytes() == b"PK zip"
    assert (copy / "data/raw/lss/Radiologists Report.xlsx").read_bytes() == b"book"
    assert (copy / "data/experts/Archive.zip").read_bytes() == b"PK zip"
    assert "https://data.mendeley.com/datasets/k57fr854j2/2, 6.27 GB, CC BY 4.0" in text
    assert "git add data/experts.dvc" in text and "nfiles: 2" in (copy / "data/experts.dvc").read_text()
    assert run(copy, "git", "status", "--short", "data") == "?? data/experts.dvc\n"
    assert run(copy, "dvc", "status", "data/experts.dvc").strip().startswith("Data and pipelines are up to date")


def test_labels_outside_the_project_are_fetched_without_dvc(
    copy: Path, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "0")
    write_settings([(("cohort", "experts"), str(tmp_path / "shared"))], copy / "params.yaml", "test")
    publisher.files = {"Labels.zip": b"PK zip"}
    text = run(copy, "lss", "fetch", "labels", "--base", publisher.base)
    assert "is not in this project's folder" in text and (tmp_path / "shared/Labels.zip").is_file()
