"""The tables of docs/explanations.md are what the published rows give, and the record is their scoreboard's."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from lss.explanations import scoreboard
from lss.storage.io import read_json


@pytest.fixture(scope="module")
def published(project_root: Path) -> ModuleType:
    path = project_root / "benchmarks/published_tables.py"
    spec = importlib.util.spec_from_file_location("published_tables", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_holds_the_tables_of_its_rows(published: ModuleType) -> None:
    page = published.PAGE.read_text(encoding="utf-8")
    assert published.filled(page) == page, "run `python benchmarks/published_tables.py`"


def test_the_record_is_that_of_the_rows(published: ModuleType) -> None:
    record = read_json(published.RECORD)
    judged = published.judged()
    assert record["methods"] == scoreboard.record_of(judged, {})["methods"]
    road = judged[0].scores["road"]
    assert (record["images"], record["patients"]) == (road.n, road.patients)
