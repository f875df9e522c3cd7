"""The figures of docs/reliability*.md are those of the tests as they are: as many tests as a row states, or more."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGES = ("docs/reliability.md", "docs/reliability-models.md")
FILE = re.compile(r"`(tests/[\w/]+\.py)`")


def rows(project_root: Path) -> list[tuple[str, list[str], int | None]]:
    """Promise, files of tests, and the number of tests stated, of each row of the tables."""
    result = []
    for page in PAGES:
        for line in (project_root / page).read_text().splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("|") and len(cells) == 3 and FILE.search(cells[1]):
                stated = re.match(r"(\d[\d,]*) tests\b", cells[2])
                result.append((cells[0], FILE.findall(cells[1]), int(stated[1].replace(",", "")) if stated else None))
    return result


def test_every_promise_has_as_many_tests_as_it_states(project_root: Path) -> None:
    listed = rows(project_root)
    files = sorted({file for _, files, _ in listed for file in files})
    assert len(listed) > 30 and all((project_root / file).is_file() for file in files)
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", "-p", "no:cacheprovider", *files],
        cwd=project_root, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    counts = {file: int(count) for file, count in re.findall(r"^(tests/\S+\.py): (\d+)$", collected, re.MULTILINE)}
    assert set(counts) == set(files)
    for promise, named, stated in listed:
        assert stated is None or stated <= sum(counts[file] for file in named), promise
    hostile = sum(count for file, count in counts.items() if file.startswith("tests/hostile/"))
    assert hostile >= 100, "named cases of bad input"
