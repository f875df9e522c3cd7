"""Synthetic results, evaluated once per session."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from synthetic_results import Evaluated, draw_figures, made, make, run_evaluate

from lss.metrics.language_meteor import MeteorProcess
from lss.tools.kept_runs import keep


@pytest.fixture(scope="session", autouse=True)
def _meteor_starts_once() -> Iterator[None]:
    """One METEOR program for all tests: its start takes a core for twelve seconds, its answers milliseconds."""
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


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of this process's own with what `make` writes into one; tests in several processes make it once."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / f"{name}.made").exists():
            make(root / name)
            (root / f"{name}.made").touch()
    own = factory.mktemp(name, numbered=True) / name
    shutil.copytree(root / name, own)
    return own


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Twelve synthetic models on twelve patients."""
    folder = _once(tmp_path_factory, "evaluated", lambda new: run_evaluate(make(new / "inputs"), new))
    return Evaluated(folder, made(folder / "inputs"))


EPOCHS = {
    ("smolvlm", "segmentation", "pid_tversky"): "epoch,train_loss,alpha,beta,fp,fn,val_score\n"
                                                "1,0.9,0.3,0.7,5,9,0.2\n2,0.5,0.28,0.72,4,6,0.5\n",
    ("smolvlm", "segmentation", "cross_entropy"): "epoch,train_loss,fp,fn,val_score\n1,0.4,7,2,0.3\n",
}  # fmt: skip


@pytest.fixture(scope="session")
def epochs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Path]:
    """Courses of two trainings."""
    folder = tmp_path_factory.mktemp("epochs")
    paths = {model: folder / f"{model[2]}.csv" for model in EPOCHS}
    for model, path in paths.items():
        path.write_text(EPOCHS[model])
    return paths


@pytest.fixture(scope="session")
def drawn(
    evaluated: Evaluated, epochs: dict[tuple[str, str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Evaluated:
    """The figures of `evaluated` beside its results; they take half a minute."""

    def draw(new: Path) -> None:
        shutil.copytree(evaluated.folder, new)
        own = Evaluated(new, evaluated.inputs)
        draw_figures(own, own.figures, own.plots, epochs)

    return Evaluated(_once(tmp_path_factory, "drawn", draw), evaluated.inputs)


@pytest.fixture(scope="session")
def compared(evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """The same compared with a kept run of worse models on the same slices."""

    def compare(new: Path) -> None:
        other = tmp_path_factory.mktemp("other")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(other)
            run_evaluate(make(Path("inputs"), quality=0.6), Path())
        run_evaluate(evaluated.inputs, new, kept_run=keep(other, None))

    return Evaluated(_once(tmp_path_factory, "compared", compare), evaluated.inputs)
