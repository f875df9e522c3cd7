"""Synthetic results, evaluated once per session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from synthetic_results import Evaluated, make, run_evaluate

from lss.metrics.language_meteor import MeteorProcess
from lss.tools.kept_runs import keep


@pytest.fixture(scope="module", autouse=True)
def _meteor_starts_once() -> Iterator[None]:
    """One METEOR program for all tests of a module: its start takes seven seconds, its answers milliseconds."""
    start, end = MeteorProcess.__enter__, MeteorProcess.__exit__
    running: list[MeteorProcess] = []

    def enter(self: MeteorProcess) -> MeteorProcess:
        if not running:
            running.append(start(self))
        return running[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MeteorProcess, "__enter__", enter)
        patch.setattr(MeteorProcess, "__exit__", lambda *_: None)
        yield
    for meteor in running:
        end(meteor, None, None, None)


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
    return run_evaluate(evaluated.inputs, folder, kept_run=keep(other, None))
