"""Synthetic results, evaluated once per session."""

from __future__ import annotations

import pytest
from synthetic_results import Evaluated, make, run_evaluate


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Twelve synthetic models on twelve patients."""
    folder = tmp_path_factory.mktemp("evaluated")
    return run_evaluate(make(folder / "inputs"), folder)
