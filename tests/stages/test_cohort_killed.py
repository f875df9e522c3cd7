"""The stage cohort leaves no worker behind, and waits for no file that has no end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lss.project.outside import list_files
from lss.project.params import load_params
from lss.storage.io import sha256_file


def alive(marks: str) -> list[int]:
    """Processes whose environment holds a text, but for those that ended and wait for their parent."""
    result = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and marks.encode() in (folder / "environ").read_bytes():
                if (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    result.append(int(folder.name))
        except OSError:
            continue
    return result


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_stage(how: signal.Signals, project_root: Path, tmp_path: Path) -> None:
    settings = (project_root / "params.yaml").read_text().replace("patients: 48", "patients: 300")
    (tmp_path / "params.yaml").write_text(settings)
    mark = f"LSS_TEST_MARK={tmp_path}"
    with subprocess.Popen(
        [sys.executable, "-m", "lss.cli", "cohort", "--threads", "2"],
        cwd=tmp_path, env={**os.environ, "LSS_TEST_MARK": str(tmp_path), "PYTHONPATH": str(project_root)},
        stderr=subprocess.DEVNULL, start_new_session=True,
    ) as stage:  # fmt: skip
        for _ in range(600):
            if any((tmp_path / "data/raw").glob(".phantom.*/phantom/01_MRI_Data/*")):  # workers are at work
                break
            time.sleep(0.1)
        assert stage.poll() is None and len(alive(mark)) >= 3
        stage.send_signal(how)
        stage.wait(60)
    for _ in range(200):
        if not alive(mark):
            return
        time.sleep(0.1)
    left = alive(mark)
    for process in left:
        os.kill(process, signal.SIGKILL)
    pytest.fail(f"{len(left)} processes are left")


def test_pipes_and_endless_files_are_not_read(tmp_path: Path, project_root: Path) -> None:
    root = tmp_path / "raw"
    root.mkdir()
    os.mkfifo(root / "pipe.dcm")
    (root / "zero.dcm").symlink_to("/dev/zero")
    (root / "a.dcm").write_bytes(b"a")
    for name in ("pipe.dcm", "zero.dcm"):
        with pytest.raises(OSError, match="not a regular file"):
            sha256_file(root / name)
    cohort = load_params(project_root / "params.yaml").cohort.model_copy(update={"name": "folder", "root": root})
    listed = {row["file"]: row["problem"] for row in list_files(cohort, tmp_path / "files.csv")}
    assert listed == {"a.dcm": ""} | dict.fromkeys(("pipe.dcm", "zero.dcm"), "not a regular file")


def test_a_table_is_read_in_one_thread(tmp_path: Path) -> None:
    """Arrow's own threads are started at the first read, and waited for without end where none can start."""
    script = (
        "import sys, os\n"
        "from lss.storage.io import read_parquet, write_parquet\nfrom lss.storage.schemas import SPLIT\n"
        "rows = [dict.fromkeys(SPLIT.names) | {'slice_key': 'a', 'patient_key': 'b'}] * 500\n"
        "write_parquet(sys.argv[1], rows, SPLIT)\nbefore = len(os.listdir('/proc/self/task'))\n"
        "assert read_parquet(sys.argv[1], SPLIT).num_rows == 500\n"
        "assert len(os.listdir('/proc/self/task')) == before, 'threads were started'\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "t.parquet"], check=True)
