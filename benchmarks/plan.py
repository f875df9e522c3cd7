"""Time of `lss plan`, in a process of its own: nothing kept, then everything kept.

    python benchmarks/plan.py [--preset paper] [--repetitions 3]

Prints wall and CPU seconds of each call (children included), in pairs.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lss.project.presets import apply_preset

ROOT = Path(__file__).resolve().parent.parent


def timed(folder: Path, cache: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one `lss plan` in `folder`."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "lss.cli", "plan"], cwd=folder, env=environment, check=True, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="phantom")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    for _ in range(options.repetitions):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            shutil.copy(ROOT / "params.yaml", folder)
            apply_preset(options.preset, folder / "params.yaml")
            for what in ("nothing kept", "all kept"):
                wall, cpu = timed(folder, folder / "cache")
                print(f"{options.preset}, {what}: {wall:.1f} s, CPU {cpu:.1f} s", flush=True)


if __name__ == "__main__":
    main()
