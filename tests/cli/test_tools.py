"""Verbs beside the stages, by the command line."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lss import cli
from lss.cli import app
from lss.cohorts.privacy import pseudonyms
from lss.errors import LssError
from lss.project.params import load_params
from lss.storage.io import write_parquet
from lss.storage.schemas import REJECTS, SLICES


def call(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def in_project(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's settings."""
    (tmp_path / "params.yaml").write_text((project_root / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def test_pseudonyms_are_those_of_ingest_and_the_table_can_be_a_split_file(in_project: Path) -> None:
    (in_project / "mine.csv").write_text("Nr;subset\n0001;train\n46;Test\n")
    shown = call("pseudonyms", "mine.csv", "--column", "nr", "--output", "out.csv")
    assert "identifies" in shown and "who is who" in call("pseudonyms", "--help")
    names = pseudonyms(None, load_params("params.yaml").seed)
    assert rows_of(in_project / "out.csv") == [
        {"nr": "0001", "subset": "train", "patient_key": names.patient("1")},
        {"nr": "46", "subset": "Test", "patient_key": names.patient("46")},
    ]
    assert (in_project / "out.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who\n1\n", r"no column 'nr'"),
        ("nr,x\n1,a\n,b\n", "row 3: no patient in column 'nr'"),
        ("nr,patient_key\n1,a\n", "has a column patient_key already"),
    ],
)
def test_a_table_without_patients_is_named(in_project: Path, text: str, message: str) -> None:
    (in_project / "mine.csv").write_text(text)
    with pytest.raises(LssError, match=f"mine.csv: .*{message}"):
        call("pseudonyms", "mine.csv", "--column", "nr", "--output", "out.csv")
    assert not (in_project / "out.csv").exists()


def test_doubtful_slices_are_listed_with_their_reasons(in_project: Path) -> None:
    sure = {"weighting_reason": "name says 't2'", "level_reason": "companion table", "spacing_reason": "header"}
    unsure = {
        "weighting_reason": "doubtful: name says 't2', but TE 10 ms",
        "level_reason": "companion table; doubtful: the blocks say L4-L5",
        "spacing_reason": "assumed 0.7 mm",
    }
    unknown = {"slice_key": "SL4", "level": None, "level_reason": "no position in the header", "note_grade": "D"}
    base = {
        "patient_key": "P1", "plane": "axial", "weighting": "T2", "rows": 1, "columns": 2, "row_spacing_mm": 1.0,
        "column_spacing_mm": 1.0, "bits": 12, "pixels": b"\0\0\1\0", "cohort": "lss", "level": "L3-L4",
    }  # fmt: skip
    rows = [
        dict.fromkeys(SLICES.names) | base | sure | {"slice_key": "SL1"},
        dict.fromkeys(SLICES.names) | base | sure | {"slice_key": "SL2", "level_reason": unsure["level_reason"]},
        dict.fromkeys(SLICES.names) | base | unsure | {"slice_key": "SL3"},
        dict.fromkeys(SLICES.names) | base | sure | unknown,
    ]
    for batch in range(load_params("params.yaml").cohort.batches):
        write_parquet(f"data/interim/slices/batch-{batch:02d}.parquet", rows if batch == 1 else [], SLICES)
        write_parquet(f"data/interim/rejects/batch-{batch:02d}.parquet", [], REJECTS)
    shown = call("inspect", "--doubtful", "doubts.csv")
    result = [(row["slice_key"], row["doubt"], row["reason"]) for row in rows_of(in_project / "doubts.csv")]
    assert result == [
        ("SL2", "level", unsure["level_reason"]),
        ("SL3", "assumed spacing", unsure["spacing_reason"]),
        ("SL3", "level", unsure["level_reason"]),
        ("SL3", "weighting", unsure["weighting_reason"]),
        ("SL4", "level unknown", "no position in the header"),
    ]
    assert rows_of(in_project / "doubts.csv")[-1]["note_grade"] == "D"
    counts = shown.split("to be looked at")[1].split()
    assert [counts[counts.index(what) + 1] for what in ("spacing", "level", "weighting", "unknown")] == [
        "1",
        "2",
        "1",
        "1",
    ]


def test_the_version_is_that_of_the_package(project_root: Path) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    assert call("--version").strip() == f"lss {project['version']}"


def test_a_full_disk_is_one_sentence_and_other_faults_keep_their_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """/dev/full is a disk without space; what pyarrow raises carries the number in its text alone."""

    def write_to(path: str) -> None:
        with Path(path).open("w") as file:
            file.write("x" * 100_000)

    of_arrow = OSError("Error writing bytes to file. Detail: [errno 28] No space left on device")
    for fault in (lambda: write_to("/dev/full"), lambda: raise_(of_arrow)):
        monkeypatch.setattr(cli, "app", fault)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2 and "lss: no space left on the disk" in capsys.readouterr().err
    monkeypatch.setattr(cli, "app", lambda: write_to("/nowhere/file"))
    with pytest.raises(FileNotFoundError):
        cli.main()


def raise_(error: Exception) -> None:
    raise error
