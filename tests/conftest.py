"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs first: where tests run beside each other, the longest must not begin last."""
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the end which tests were left out, so that a green line is not taken for all of them."""
    if chosen := config.getoption("-m"):
        rest = "`make test-all` and `make faults` run the rest"
        terminalreporter.write_line(f"chosen by their markers: {chosen}; {rest}")


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout under test."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared(project_root: Path) -> Path:
    """Small real data beside the checkout; users do not have it."""
    folder = project_root.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the real data folder beside the checkout, which is not part of the project")
    return folder
