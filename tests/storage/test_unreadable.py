"""A file of the chain that is missing is named with the command that makes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lss.errors import LssError
from lss.storage.io import read_json, read_parquet
from lss.storage.schemas import SLICES


def test_a_missing_file_that_a_rule_makes_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, read in (
        ("results/cross_validation.json", read_json),
        ("data/interim/slices/batch-00.parquet", lambda path: read_parquet(path, SLICES)),
    ):
        with pytest.raises(LssError) as error:
            read(Path(path))
        assert str(error.value) == f"{path}: is not there. `snakemake --cores 8 {path}` makes it, and what it needs."


def test_a_broken_file_and_one_of_the_user_are_not_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    Path("results/metrics.json").write_text("{")
    with pytest.raises(LssError, match=r"^results/metrics.json: cannot be read as JSON \(.*Rerun the stage"):
        read_json("results/metrics.json")
    with pytest.raises(LssError, match=r"mine.json: cannot be read as JSON"):
        read_json(tmp_path / "mine.json")
