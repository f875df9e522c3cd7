"""How long `lss read` takes by part: wall clock and CPU seconds of a fresh process, on a phantom study.

    python benchmarks/read.py [--model results/models/biomedclip] [--seed 77] [--levels 3] [--no-reports]

CPU seconds beside the wall clock say what was waiting: where others use the cores, only they can be compared. `import`
is paid once per process; the parts that follow do not hide imports but those named.
"""

from __future__ import annotations

import time

_START = time.perf_counter(), time.process_time()

import argparse  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Callable  # noqa: E402
from datetime import datetime  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from lss.project.params import load_params  # noqa: E402

LEVELS = ("L3-L4", "L4-L5", "L5-S1", "L2-L3", "L1-L2")


class Clock:
    """Seconds since the last part ended."""

    def __init__(self) -> None:
        self.last = _START
        self.rows: list[tuple[str, float, float]] = []

    def part(self, name: str) -> None:
        """End the part called `name`; parts of one name add up."""
        now = time.perf_counter(), time.process_time()
        self.rows.append((name, now[0] - self.last[0], now[1] - self.last[1]))
        self.last = now

    def skip(self) -> None:
        """Leave out what lies behind."""
        self.last = time.perf_counter(), time.process_time()

    def around(self, name: str, function: Callable[..., Any], before: str) -> Callable[..., Any]:
        """`function` as the part `name`; what lies between parts belongs to `before`."""

        def timed(*args: Any, **options: Any) -> Any:
            self.part(before)
            result = function(*args, **options)
            self.part(name)
            return result

        return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("results/models/biomedclip"))
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--levels", type=int, default=3, help="imaged discs, four slices each")
    parser.add_argument("--no-reports", action="store_true")
    args = parser.parse_args()
    params = load_params()
    with tempfile.TemporaryDirectory() as folder:
        from lss.phantom.archive import IMAGES, Plan, write_patient

        levels = sorted(LEVELS[: args.levels])
        write_patient(
            Plan(1, dict.fromkeys(LEVELS[:3], "A") | {"L4-L5": "BC"}, blocks=tuple(levels)), Path(folder), args.seed
        )
        clock = Clock()
        clock.skip()

        from lss.inference import bundle  # noqa: F401

        clock.part("import torch and the backbone's libraries")
        from lss.read import reading, run

        clock.part("import the rest (highdicom, matplotlib)")
        opened = run.open_study(Path(folder) / IMAGES / "0001")
        clock.part("open: files to slices")
        models = run.load_models(args.model, "cpu")
        clock.part("load models")
        other = "page, pictures, study.json"
        reading.find_spine = clock.around("levels: discs on sagittal slices", reading.find_spine, other)
        reading.prepare_slice = clock.around("prepare: denoise, canal", reading.prepare_slice, "grades")
        reading.find_sac = clock.around("measures", reading.find_sac, "prepare: denoise, canal")
        for task, own in (("grades", models.grader), ("masks", models.masker), ("reports", models.writer)):
            if own is not None:
                object.__setattr__(own, "predict", clock.around(task, own.predict, "batches"))
        run.dicom_objects = clock.around("DICOM objects", run.dicom_objects, other)
        settings = run.Settings(params.predict, 16, params.seed, "cpu", None, datetime(2026, 1, 2))
        found = reading.read_slices(opened, models.grader.preparation, models, params.predict, params.seed, 16,
                                    reports=not args.no_reports, shown=False)  # fmt: skip
        clock.part("batches")
        run.write_reading(found, None, models, Path(folder) / "out", settings)
        clock.part(other)
        summed: dict[str, tuple[float, float]] = {}
        for name, wall, cpu in clock.rows:
            before = summed.get(name, (0.0, 0.0))
            summed[name] = before[0] + wall, before[1] + cpu
        print(f"{len(found.slices)} axial slices, {len(opened.slices)} in all\n")
        print("| part | wall, s | CPU, s |\n| --- | ---: | ---: |")
        for name, (wall, cpu) in summed.items():
            print(f"| {name} | {wall:.2f} | {cpu:.2f} |")
        print(f"| all | {sum(w for w, _ in summed.values()):.2f} | {sum(c for _, c in summed.values()):.2f} |")


if __name__ == "__main__":
    main()
