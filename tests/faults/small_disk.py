"""Run verbs of `lss` on a disk of a chosen size, as a program of its own: `unshare` gives it disks of its own.

python small_disk.py JOBS.json   each job: folder (copied onto the disk), verbs, kind (full or read-only), bytes left
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from killed_stages import PRELOADED, digests, run_verb, strays

DISK = Path("/mnt")
TMPFS = ("mount", "-t", "tmpfs", "-o", "size=2g", "none", str(DISK))


def _mounted(options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(DISK)], check=True)


def _run(verb: list[str], log: Path) -> int:
    """Exit code of a verb in a fork of this process, which has imported all."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run_verb(DISK / "project", tuple(verb), None, log)
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def one_job(job: dict[str, Any], log: Path) -> dict[str, Any]:
    """What the verbs said on the small disk, and what lies there after a second run with space enough."""
    subprocess.run(TMPFS, check=True)
    shutil.copytree(job["folder"], DISK / "project")
    disk = os.statvfs(DISK)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    _mounted("ro" if job["kind"] == "read-only" else f"size={used + job['bytes']}")
    codes = [_run(verb, log) for verb in job["verbs"]]
    said = log.read_text() if log.exists() else ""
    _mounted("rw,size=2g" if job["kind"] == "read-only" else "size=2g")
    again = [_run(verb, log) for verb in job["verbs"]]
    result = {"codes": codes, "said": said, "again": again, "log": log.read_text()[len(said) :],
              "digests": digests(DISK / "project"), "strays": strays(DISK / "project")}  # fmt: skip
    subprocess.run(["umount", str(DISK)], check=True)
    return result


if __name__ == "__main__":
    os.environ["HOME"] = os.environ.get("HOME", "/tmp")
    for module in PRELOADED:
        importlib.import_module(module)
    results = {}
    for name, job in json.loads(Path(sys.argv[1]).read_text()).items():
        results[name] = one_job(job, Path(sys.argv[1]).with_name(f"{name}.log"))
    Path(sys.argv[1]).with_name("results.json").write_text(json.dumps(results))
