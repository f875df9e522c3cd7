"""State of what the chain reads but does not make: it changes with contents, and with nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from lss.cohorts.folder import FolderDataset
from lss.project import outside
from lss.project.params import Params, load_params


def settings(root: Path, name: str = "folder", key: Path | None = None, file: Path | None = None) -> Params:
    default = load_params(Path(__file__).resolve().parents[2] / "params.yaml")
    changes: dict[str, Any] = {
        "cohort": default.cohort.model_copy(update={"name": name, "root": root}),
        "ingest": default.ingest.model_copy(update={"pseudonym_key_file": key}),
        "split": default.split.model_copy(update={"file": file}),
    }
    return default.model_copy(update=changes)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name in ("b/1.ima", "a/10.ima", "a/2.ima", "notes.csv"):
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_text(name)
    return tmp_path / "raw"


def look(tmp_path: Path, params: Params) -> dict[str, str]:
    state = outside.look(params, tmp_path / "outside.yaml", tmp_path / "files.csv")
    outside.record(state, tmp_path / "outside.yaml")
    assert outside.recorded(tmp_path / "outside.yaml") == state
    return state


def test_contents_names_and_number_of_files_count_and_times_do_not(archive: Path, tmp_path: Path) -> None:
    first = look(tmp_path, settings(archive))["cohort"]
    seen = {first}

    def changed() -> str:
        state = look(tmp_path, settings(archive))["cohort"]
        assert state not in seen
        seen.add(state)
        return state

    os.utime(archive / "a/2.ima", (1, 1))
    assert look(tmp_path, settings(archive))["cohort"] == first
    (archive / "a/2.ima").write_text("a/3.ima")  # as long as before
    changed()
    (archive / "a/3.ima").write_text("new")
    changed()
    (archive / "a/3.ima").rename(archive / "a/4.ima")
    changed()
    (archive / "a/4.ima").unlink()
    (archive / "a/2.ima").write_text("a/2.ima")
    assert look(tmp_path, settings(archive))["cohort"] == first
    (archive / "a/2.ima").unlink()
    (archive / "a/2.ima").symlink_to("nowhere")
    changed()


def test_the_same_files_elsewhere_are_the_same(archive: Path, tmp_path: Path) -> None:
    """Another machine, another disk: nothing has to be made again."""
    first = look(tmp_path, settings(archive))
    shutil.copytree(archive, tmp_path / "copy", copy_function=shutil.copyfile)
    assert look(tmp_path, settings(tmp_path / "copy")) == first


def test_what_has_not_changed_is_not_read_again(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look(tmp_path, settings(archive))
    read: list[str] = []
    real = outside.sha256_file
    monkeypatch.setattr(outside, "sha256_file", lambda path: read.append(Path(path).name) or real(path))
    before = (tmp_path / "files.csv").stat().st_mtime_ns, (tmp_path / "outside.yaml").stat().st_mtime_ns
    look(tmp_path, settings(archive))
    assert read == []
    assert before == ((tmp_path / "files.csv").stat().st_mtime_ns, (tmp_path / "outside.yaml").stat().st_mtime_ns)
    (archive / "a/10.ima").write_text("longer than before")
    look(tmp_path, settings(archive))
    assert read == ["10.ima"]
    assert (tmp_path / "files.csv").stat().st_mode & 0o777 == 0o600


def test_a_plan_reads_no_raw_file_and_writes_nothing(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, (recorded, listing) = settings(archive), (tmp_path / "outside.yaml", tmp_path / "files.csv")
    read: list[str] = []
    real = outside.sha256_file
    monkeypatch.setattr(outside, "sha256_file", lambda path: read.append(Path(path).name) or real(path))

    def planned() -> str:
        return outside.look(params, recorded, listing, read=False)["cohort"]

    (archive / "broken.ima").symlink_to("nowhere")
    assert planned() == "4 raw file(s) not read yet"
    assert not read and not recorded.exists() and not listing.exists()
    state = look(tmp_path, params)["cohort"]
    assert sorted(read) == ["1.ima", "10.ima", "2.ima", "broken.ima", "notes.csv"]
    read.clear()
    assert planned() == state
    os.utime(archive / "a/2.ima", (1, 1))  # bytes may have changed: only a run looks
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (recorded, listing)}
    assert planned() == "1 raw file(s) not read yet" and not read
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (recorded, listing)}
    assert look(tmp_path, params)["cohort"] == state == planned() and "2.ima" in read


def test_a_file_that_could_not_be_read_is_tried_again(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights change neither size nor time of a file."""

    def refuse(path: Path | str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(outside, "sha256_file", refuse)
    closed = look(tmp_path, settings(archive))
    assert "Permission denied" in (tmp_path / "files.csv").read_text()
    monkeypatch.undo()
    opened = look(tmp_path, settings(archive))
    assert "Permission denied" not in (tmp_path / "files.csv").read_text() and opened != closed


def test_what_is_absent_counts_as_unchanged(archive: Path, tmp_path: Path) -> None:
    key, split = tmp_path / "key", tmp_path / "split.csv"
    key.write_text("a secret of enough bytes")
    split.write_text("patient_key,subset\n")
    params = settings(archive, key=key, file=split)
    state = look(tmp_path, params)
    assert "none named" not in (state["cohort"], state["ingest"], state["split"]) and "secret" not in str(state)
    for path in (key, split):
        path.unlink()
    shutil.rmtree(archive)
    assert look(tmp_path, params) == state


def test_a_table_that_lies_elsewhere_counts_too(archive: Path, tmp_path: Path) -> None:
    """Nothing can be put into a read-only archive, so its table may lie beside."""
    table = tmp_path / "mine.csv"
    table.write_text("patient_id,note\na,x\n")
    params = settings(archive)
    for name in (str(table), "../mine.csv"):
        folder = params.cohort.folder.model_copy(update={"table": name})
        with_table = params.model_copy(update={"cohort": params.cohort.model_copy(update={"folder": folder})})
        table.write_text("patient_id,note\na,x\n")
        first = look(tmp_path, with_table)
        assert FolderDataset(archive, with_table.cohort.folder).patients()[0] == "a"
        table.write_text("patient_id,note\na,y\n")
        assert look(tmp_path, with_table)["cohort"] != first["cohort"] != look(tmp_path, params)["cohort"]


def test_key_and_split_file_count_by_their_contents(archive: Path, tmp_path: Path) -> None:
    key, split = tmp_path / "key", tmp_path / "split.csv"
    key.write_text("a secret of enough bytes")
    split.write_text("patient_key,subset\n")
    params = settings(archive, key=key, file=split)
    first = look(tmp_path, params)
    split.write_text("patient_key,subset\nP1,test\n")
    second = look(tmp_path, params)
    assert [stage for stage in first if first[stage] != second[stage]] == ["split"]
    key.write_text("another secret of enough bytes")
    third = look(tmp_path, params)
    assert [stage for stage in first if second[stage] != third[stage]] == ["ingest"]
    none = look(tmp_path, settings(archive))
    assert none["ingest"] == none["split"] == "none named"


def test_the_committed_state_is_that_of_the_default(project_root: Path, tmp_path: Path) -> None:
    default = load_params(project_root / "params.yaml")
    committed = yaml.safe_load((project_root / "data/outside.yaml").read_text())
    if default.cohort.name == "phantom":
        assert look(tmp_path, default) == committed
        assert (tmp_path / "outside.yaml").read_text() == (project_root / "data/outside.yaml").read_text()
