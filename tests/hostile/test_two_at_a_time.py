"""Two processes at one file or one model: the second is refused with a word, the first loses nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from lss.cli import app, stages_models
from lss.errors import LssError
from lss.project.params import load_params
from lss.read import run
from lss.read.resume import SliceCache
from lss.storage.io import atomic_folder, atomic_path, sole_user, write_text

FORK = multiprocessing.get_context("fork")


def _write_slowly(path: Path, kind: str, begun: Event, go_on: Event) -> None:
    if kind == "file":
        with atomic_path(path) as temporary:
            temporary.write_text("first")
            begun.set()
            go_on.wait(60)
    else:
        with atomic_folder(path) as temporary:
            (temporary / "a").write_text("first")
            begun.set()
            go_on.wait(60)


def _write_at_once(path: Path, kind: str) -> None:
    if kind == "file":
        write_text(path, "second")
    else:
        with atomic_folder(path) as temporary:
            (temporary / "a").write_text("second")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_second_writer_is_refused_and_the_first_goes_on(kind: str, tmp_path: Path) -> None:
    path, begun, go_on = tmp_path / "made", FORK.Event(), FORK.Event()
    first = FORK.Process(target=_write_slowly, args=(path, kind, begun, go_on))
    first.start()
    assert begun.wait(60)
    with pytest.raises(LssError, match="made: another process is making this now, and goes on"):
        _write_at_once(path, kind)
    go_on.set()
    first.join()
    assert first.exitcode == 0
    assert (path if kind == "file" else path / "a").read_text() == "first"
    assert [result.name for result in tmp_path.iterdir()] == ["made"]
    _write_at_once(path, kind)  # now that it has ended
    assert (path if kind == "file" else path / "a").read_text() == "second"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_killed_writer_holds_nothing(kind: str, tmp_path: Path) -> None:
    path, begun, go_on = tmp_path / "made", FORK.Event(), FORK.Event()
    first = FORK.Process(target=_write_slowly, args=(path, kind, begun, go_on))
    first.start()
    assert begun.wait(60) and first.pid
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    _write_at_once(path, kind)
    assert [result.name for result in tmp_path.iterdir()] == ["made"]


def _hold(folder: Path, locked: Event, let_go: Event) -> None:
    with sole_user(folder, folder):
        locked.set()
        let_go.wait(60)


def test_two_trainings_of_one_model(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second ends before it has read or written anything; of another model it goes on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((project_root / "params.yaml").read_text())
    trained = []
    monkeypatch.setattr(stages_models, "_train", lambda params, model, trial: trained.append(model.loss))
    folder = tmp_path / "results/models/smolvlm/segmentation-pid_tversky"
    folder.mkdir(parents=True)
    locked, let_go = FORK.Event(), FORK.Event()
    first = FORK.Process(target=_hold, args=(folder, locked, let_go))
    first.start()
    assert locked.wait(60)
    command = ["train", "--backbone", "smolvlm", "--task", "segmentation", "--loss"]
    refused = CliRunner().invoke(app, [*command, "pid_tversky"])
    assert isinstance(refused.exception, LssError) and trained == []
    assert "segmentation-pid_tversky: another process is making this now, and goes on" in str(refused.exception)
    assert CliRunner().invoke(app, [*command, "cross_entropy"]).exception is None and trained == ["cross_entropy"]
    let_go.set()
    first.join()
    assert CliRunner().invoke(app, [*command, "pid_tversky"]).exception is None
    assert trained == ["cross_entropy", "pid_tversky"]
    assert load_params().train.backbones, "the settings themselves were read"


def _read_slowly(output: Path, begun: Event, go_on: Event) -> None:
    with SliceCache(output, {}).locked():
        begun.set()
        go_on.wait(60)
        output.mkdir()
        (output / "study.json").write_text("{}")


def test_of_two_readings_into_one_folder_the_second_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the first has ended while the second opened its study: no reading is replaced without --overwrite."""
    output, begun, go_on = tmp_path / "out", FORK.Event(), FORK.Event()
    models = SimpleNamespace(name="m", grader=SimpleNamespace(preparation=None, device="cpu"))
    settings = SimpleNamespace(assumed_spacing_mm=None, device="cpu", writing=load_params().predict, seed=1,
                               reports=False, batch_size=1)  # fmt: skip
    written: list[Path] = []
    monkeypatch.setattr(run, "load_models", lambda *_: models)
    monkeypatch.setattr(run, "open_study", lambda *_: None)
    monkeypatch.setattr(run, "read_slices", lambda *_, **__: None)
    monkeypatch.setattr(run, "_summary", lambda *_: "read")
    monkeypatch.setattr(run, "write_reading", lambda *given: written.append(given[3]))

    def read(overwrite: bool = False) -> str:
        return run.read_study(tmp_path, output, tmp_path, settings, overwrite=overwrite)  # type: ignore[arg-type]

    first = FORK.Process(target=_read_slowly, args=(output, begun, go_on))
    first.start()
    assert begun.wait(60)
    for overwrite in (False, True):
        with pytest.raises(LssError, match="out: another process is making this now, and goes on"):
            read(overwrite)

    def first_ends(*_: object) -> SimpleNamespace:
        go_on.set()
        first.join()
        return models

    monkeypatch.setattr(run, "load_models", first_ends)
    with pytest.raises(LssError, match="a study was read into this folder already"):
        read()
    assert written == [] and sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert read(overwrite=True) == "read" and written == [output]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
