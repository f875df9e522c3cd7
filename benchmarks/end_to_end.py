"""Cohort to shards at several sizes, every job in a process of its own: speed, peak memory, disk, growth of the time.

    OMP_NUM_THREADS=1 python benchmarks/end_to_end.py 500 5000
    OMP_NUM_THREADS=1 python benchmarks/end_to_end.py --preset paper --jobs 2 48345

Needs a phantom cohort (`lss cohort`). The second line rehearses the paper's archive: as many slices, the settings of
the preset, patients in its 32 batches, two jobs at a time; it wants about 30 GB of disk in the present folder.
Without a preset there is one batch, the worst case for memory.

The cohort's patients are repeated under new numbers, with new UIDs and their notes, until there are so many slices; all
repeats of a patient go to one part, since the split's gate refuses near-identical images in two. Speeds are per second
of CPU time, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

STAGES = ("cohort", "ingest", "split", "denoise", "pseudo_mask", "shards")
OF_ALL_SLICES = ("cohort", "ingest", "split")  # the others work on those in use: axial, T2, with a grade
WHOLE = ("cohort", "split")  # one job, whatever the batches
UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
MIB = 2**20


def main() -> None:
    """Write each cohort, run the stages on it, print the tables."""
    from _phantom_slices import machine

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[500, 5000], help="slices of each cohort")
    parser.add_argument("--preset", help="its settings and batches instead of those of params.yaml and one batch")
    parser.add_argument("--jobs", type=int, default=1, help="jobs at a time")
    args = parser.parse_args()
    print(f"{machine()}; load {os.getloadavg()[0]:.1f} at the start")
    results: list[dict[str, Any]] = []
    for size in args.sizes:
        with tempfile.TemporaryDirectory(dir=".", prefix=".end-to-end-") as name:
            folder = Path(name).resolve()
            batches = write_settings(folder, args.preset)
            started = time.process_time()
            files = write_cohort(Path("data/raw/phantom"), folder, size)
            print(f"{files} files written in {time.process_time() - started:.0f} s of CPU", file=sys.stderr)
            result: dict[str, Any] = {stage: of_stage(folder, stage, batches, args.jobs) for stage in STAGES}
            facts = json.loads((folder / "results/manifests/split.json").read_text())["facts"]
            results.append(result | {"slices": {"all": facts["slices"], "used": facts["used"]}})
    print_tables(results)


def write_settings(folder: Path, preset: str | None) -> list[str]:
    """Write the params.yaml of the cohort in `folder`; return the names of its batches."""
    import yaml

    from lss.project.layout import batch_names
    from lss.project.presets import apply_preset

    target = folder / "params.yaml"
    shutil.copy("params.yaml", target)
    if preset:
        apply_preset(preset, target)
    settings = yaml.safe_load(target.read_text())
    settings["cohort"] |= {"name": "lss", "root": "raw"} | ({} if preset else {"batches": 1})
    settings["split"] |= {"file": "split.csv"}
    settings["execution"]["device"] = "cpu"
    target.write_text(yaml.safe_dump(settings))
    return batch_names(settings["cohort"]["batches"])


def write_cohort(source: Path, folder: Path, size: int) -> int:
    """The patients of `source` over and over, `size` files at least, with a split file; the number of files."""
    from lss.cohorts.lss_dataset import IMAGES
    from lss.cohorts.lss_tables import read_notes
    from lss.cohorts.privacy import pseudonyms
    from lss.phantom.archive import NOTES
    from lss.phantom.workbook import write_notes
    from lss.project.params import load_params

    old_notes, _ = read_notes(source)
    patients = sorted(path for path in (source / IMAGES).iterdir() if path.is_dir())
    names = pseudonyms(None, load_params(folder / "params.yaml").seed)
    notes: dict[int, str | None] = {}
    lines = ["patient_key,subset"]
    written = 0
    for number in count(1):
        patient = patients[(number - 1) % len(patients)]
        for file in sorted(patient.rglob("*.ima")):
            target = folder / "raw" / IMAGES / f"{number:04d}" / file.relative_to(patient)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_copy(file, target, number)
            written += 1
        note = old_notes.get(str(int(patient.name)))
        notes[number] = note.text if note else None
        if notes[number]:  # without a note a patient has no slice to be put anywhere
            part = ("train", "train", "train", "val", "test")[(number - 1) % len(patients) % 5]
            lines.append(f"{names.patient(str(number))},{part}")
        if written >= size:
            break
    write_notes(folder / "raw" / NOTES, notes)
    folder.joinpath("split.csv").write_text("\n".join(lines) + "\n")
    return written


def write_copy(file: Path, target: Path, number: int) -> None:
    """The same image of another patient: new UIDs, new PatientID; a broken file as it is."""
    import pydicom

    try:
        data = pydicom.dcmread(file)
        for keyword in UIDS:
            digest = hashlib.sha256(f"{getattr(data, keyword)} {number}".encode()).hexdigest()
            setattr(data, keyword, f"2.25.{int(digest[:28], 16)}")
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.PatientID = f"{number:04d}"
        data.save_as(target)
    except (EOFError, AttributeError, pydicom.errors.InvalidDicomError):
        target.write_bytes(file.read_bytes())


def of_stage(folder: Path, stage: str, batches: list[str], jobs: int) -> dict[str, float]:
    """Run all jobs of a stage: CPU seconds of all together, peak memory of the largest, MiB that they wrote."""
    before = size_mib(folder)
    started = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        of_jobs = list(
            pool.map(lambda batch: in_own_process(folder, stage, batch), batches[: 1 if stage in WHOLE else None])
        )
    result = {
        "cpu_s": sum(job["cpu_s"] for job in of_jobs),
        "wall_s": time.perf_counter() - started,
        "peak_mib": max(job["peak_mib"] for job in of_jobs),
        "disk_mib": size_mib(folder) - before,
        "jobs": len(of_jobs),
    }
    print(f"  {stage}: {result}", file=sys.stderr)
    return result


def size_mib(folder: Path) -> float:
    """What the stages wrote, raw files left out."""
    files = (file for part in ("data", "results") for file in (folder / part).rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files) / MIB


def in_own_process(folder: Path, stage: str, batch: str) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).resolve()), "--stage", stage, batch]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{stage} {batch} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def run_stage(stage: str, batch: str) -> None:
    """In the process that is measured: the verb itself, and what it took."""
    import cv2

    from lss.cli import stages_data

    cv2.setNumThreads(1)
    import_module(f"lss.stages.{stage}")  # the same few seconds at every size
    verb: Callable[..., None] = getattr(stages_data, stage)
    cpu = time.process_time()
    verb() if stage in WHOLE else verb(batch=batch)
    taken = time.process_time() - cpu
    # of this process since it was started; rusage would count the one that started it too
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps({"cpu_s": taken, "peak_mib": int(status["VmHWM"].split()[0]) / 1024}))


def print_tables(results: list[dict[str, Any]]) -> None:
    """Speed, memory and disk by stage and size; the exponent of growth over the sizes."""
    sizes, used = ([result["slices"][kind] for result in results] for kind in ("all", "used"))
    titles = [f"{n:,} slices, {m:,} in use" for n, m in zip(sizes, used, strict=True)]
    speed, seconds, memory, disk = [], [], [], []
    for stage in STAGES:
        one = [result[stage] for result in results]
        slices, taken = sizes if stage in OF_ALL_SLICES else used, [r["cpu_s"] for r in one]
        speed.append([stage, *(f"{n / t:.1f}" for n, t in zip(slices, taken, strict=True)), exponent(slices, taken)])
        seconds.append([stage, *(f"{t:.0f} ({r['jobs']})" for r, t in zip(one, taken, strict=True))])
        memory.append([stage, *(f"{r['peak_mib']:.0f}" for r in one)])
        disk.append([stage, *(f"{r['disk_mib']:.0f}" for r in one)])
    total = [sum(result[stage]["cpu_s"] for stage in STAGES) for result in results]
    rates = [f"{n / t:.1f}" for n, t in zip(sizes, total, strict=True)]
    speed.append(["all, per slice read", *rates, exponent(sizes, total)])
    seconds.append(["all", *(f"{t:.0f}" for t in total)])
    print_table([["slices per CPU second", *titles, "time grows with slices to the power"], *speed])
    print_table([["CPU seconds (jobs)", *titles], *seconds])
    print_table([["peak memory of a job, MiB", *titles], *memory])
    print_table([["written, MiB", *titles], *disk])


def print_table(rows: list[list[str]]) -> None:
    align = ["left"] + ["right"] * (len(rows[0]) - 1)
    print("\n" + tabulate(rows[1:], rows[0], tablefmt="github", disable_numparse=True, colalign=align))


def exponent(slices: list[int], seconds: list[float]) -> str:
    """Slope of log time over log slices; 1 is linear."""
    return f"{np.polyfit(np.log(slices), np.log(seconds), 1)[0]:.2f}" if len(slices) > 1 else ""


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stage"]:
        run_stage(*sys.argv[2:])
    else:
        main()
