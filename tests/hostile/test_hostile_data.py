"""Bad input, case by case (hostile_data): named for what it is, in time and memory, and nothing else is written."""

from __future__ import annotations

import json
import re
import signal
import traceback
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hostile_data import CASES, good

from lss.errors import LssError
from lss.project.params import load_params
from lss.stages import ingest

SECONDS, BYTES = 30, 500 * 2**20
SETTINGS = load_params(Path(__file__).resolve().parents[2] / "params.yaml")


def read(name: str, folder: Path) -> None:
    """Ingest the case, write what came of it and how much memory that took."""
    case = CASES[name]
    Path("/proc/self/clear_refs").write_text("5")  # the highest memory use counts from here
    before = _memory("VmRSS")
    columns: dict[str, Any] = {"patient_column": "patient_id", "note_column": None, "grade_column": None, "table": None}
    if case.table:
        table = "notes.xlsx" if (folder / "raw/notes.xlsx").exists() else "notes.csv"
        columns |= {"note_column": "note", "table": table}
    cohort = SETTINGS.cohort.model_copy(
        update={
            "name": "lss" if case.lss else "folder", "root": folder / "raw", "batches": 1,
            "folder": SETTINGS.cohort.folder.model_copy(update=columns),
        }
    )  # fmt: skip
    rules = SETTINGS.ingest.model_copy(update={"assumed_spacing_mm": 0.7})
    out = folder / "out"
    try:
        ingest.run(
            cohort, rules, 1, batch="00", slices=out / "slices.parquet", rejects=out / "rejects.parquet",
            private=out / "private.csv", manifest=out / "manifest.json",
        )  # fmt: skip
        rows = pq.read_table(out / "rejects.parquet").to_pylist()
        patients = len(set(pq.read_table(out / "slices.parquet", columns=["patient_key"])["patient_key"].to_pylist()))
        message = {"rejects": [f"{row['reason']}: {row['detail']}" for row in rows], "patients": patients}
    except LssError as error:
        message = {"error": str(error)}
    except BaseException:
        message = {"traceback": traceback.format_exc()}
    message["memory"] = _memory("VmHWM") - before
    (folder / "said.json").write_text(json.dumps(message))


def _hangs(*_: object) -> None:
    raise TimeoutError(f"takes over {SECONDS} s")


def _memory(kind: str) -> int:
    return 1024 * int(re.search(rf"{kind}:\s+(\d+)", Path("/proc/self/status").read_text())[1])  # type: ignore[index]


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_named_and_does_no_harm(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    for folder in ("raw", "work", "out"):
        (tmp_path / folder).mkdir()
    if not case.lss:
        good(tmp_path / "raw")
    case.write(tmp_path / "raw")
    monkeypatch.chdir(tmp_path / "work")
    signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(SECONDS)
    try:
        read(name, tmp_path)
    finally:
        signal.alarm(0)
    message = json.loads((tmp_path / "said.json").read_text())
    assert "traceback" not in message, message["traceback"]
    assert message["memory"] < BYTES, f"takes {message['memory'] >> 20} MiB"
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "work", "out", "said.json"}
    assert not any((tmp_path / "work").iterdir())
    if "error" in message:
        assert re.search(case.expected, message["error"]), message["error"]
        assert not any((tmp_path / "out").iterdir())
        return
    messages = [reason for reason in message["rejects"] if not re.match("images without a note|no image file", reason)]
    assert re.search(case.expected, "\n".join(messages)), messages
    assert message["patients"] >= 1
