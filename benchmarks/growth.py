"""How long a plan takes, and how much memory, as a cohort grows: `snakemake -n` over archives of empty files.

    python benchmarks/growth.py                       48, 500 and 5,000 patients of 100 files each
    python benchmarks/growth.py --patients 515 5000

The archive has the layout of the paper's (`cohort.name: lss`). A plan opens none of its files, but looks at each one's
size and time. Batches grow with the cohort: 16 patients each, 100 batches at most. Printed are the time of the wall
clock and of the CPU, and the largest resident memory of Snakemake.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
FILES = 100
"""Of each patient: the paper's archive has 94."""


def main() -> None:
    """Print a line per size of the cohort."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="+", default=[48, 500, 5000])
    print(f"{'patients':>9} {'files':>8} {'batches':>8} {'wall s':>7} {'CPU s':>6} {'MiB':>6}")
    for patients in parser.parse_args().patients:
        with tempfile.TemporaryDirectory() as folder:
            batches = min(100, max(4, patients // 16))
            project = make_project(Path(folder), patients, batches)
            wall, cpu, mib = planned(project)
        print(f"{patients:9,} {patients * FILES:8,} {batches:8} {wall:7.1f} {cpu:6.1f} {mib:6.0f}", flush=True)


def make_project(folder: Path, patients: int, batches: int) -> Path:
    """Copy the checkout, with an archive of empty files and the settings for it."""
    project = folder / "project"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, project / name)
    archive = folder / "archive"
    for number in range(1, patients + 1):
        series = archive / f"01_MRI_Data/{number:04d}/L-SPINE/T2_TSE_TRA_384_0005"
        series.mkdir(parents=True)
        for file in range(FILES):
            os.close(os.open(series / f"T2_TSE_TRA_{file:03d}.ima", os.O_CREAT | os.O_WRONLY))
    (archive / "Radiologists Report.xlsx").touch()
    settings = yaml.safe_load((project / "params.yaml").read_text())
    settings["cohort"] |= {"name": "lss", "root": str(archive), "batches": batches}
    (project / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    return project


def planned(project: Path) -> tuple[float, float, float]:
    """Return the seconds of the wall clock and of the CPU, and the peak memory in MiB, of `snakemake -n`."""
    program = "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); "
    program += "usage = resource.getrusage(resource.RUSAGE_CHILDREN); "
    program += "print(done.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)"
    command = [str(Path(sys.executable).parent / "snakemake"), "-n", "all"]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *command], cwd=project, env=environment, capture_output=True, text=True
    )
    wall = time.perf_counter() - start
    code, cpu, kib = done.stdout.split()
    if code != "0":
        sys.exit(f"snakemake -n failed:\n{done.stderr[-3000:]}")
    return wall, float(cpu), float(kib) / 1024


if __name__ == "__main__":
    main()
