"""Synthetic results, evaluated once per session."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_results import Evaluated, make, run_evaluate

from lss.kept_runs import keep


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Twelve synthetic models on twelve patients."""
    folder = tmp_path_factory.mktemp("evaluated")
    return run_evaluate(make(folder / "inputs"), folder)


@pytest.fixture(scope="session")
def compared(evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """The same compared with a kept run of worse models on the same slices."""
    other, folder = tmp_path_factory.mktemp("other"), tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(other)
        run_evaluate(make(Path("inputs"), quality=0.6), Path())
    return run_evaluate(evaluated.inputs, folder, kept=keep(other, None))
