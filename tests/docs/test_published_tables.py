"""The tables of docs/explanations.md are what the published rows give."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def test_the_page_holds_the_tables_of_its_rows(project_root: Path) -> None:
    path = project_root / "benchmarks/published_tables.py"
    spec = importlib.util.spec_from_file_location("published_tables", path)
    assert spec is not None and spec.loader is not None
    published = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(published)
    page = published.PAGE.read_text(encoding="utf-8")
    assert published.filled(page) == page, "run `python benchmarks/published_tables.py`"
