"""Ingest to shards at several sizes, every stage in a process of its own: speed, peak memory, growth of the time.

Needs a phantom cohort (`lss cohort`); then
`OMP_NUM_THREADS=1 python benchmarks/end_to_end.py [slices ...]` (default: 500 5000). For the size of the
paper's archive, 48345, it wants about 25 GB of disk in the present folder.

The cohort's patients are repeated under new numbers, with new UIDs and their notes, until there are so many slices; all
repeats of a patient go to one part, since the split's gate refuses near-identical images in two. There is one batch,
the worst case for memory. Speeds are per second of CPU time, so that other work on the machine counts little.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

STAGES = ("ingest", "split", "denoise", "pseudo_mask", "shards")
OF_ALL_SLICES = ("ingest", "split")  # the others work on those in use: axial, T2, with a grade
UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


def main(sizes: list[int]) -> None:
    from _phantom_slices import machine

    print(f"{machine()}; load {os.getloadavg()[0]:.1f} at the start")
    results: list[dict[str, Any]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=".", prefix=".end-to-end-") as name:
            folder = Path(name).resolve()
            files = write_cohort(Path("data/raw/phantom"), folder, size)
            print(f"{files} files written", file=sys.stderr)
            results.append({stage: in_own_process(folder, stage) for stage in STAGES})
    print_tables(results)


def write_cohort(source: Path, folder: Path, size: int) -> int:
    """The patients of `source` over and over, `size` files at least, with params.yaml and a split file; the files."""
    import yaml

    from lss.cohorts.lss_dataset import IMAGES
    from lss.cohorts.lss_tables import read_notes
    from lss.cohorts.privacy import pseudonyms
    from lss.phantom.archive import NOTES
    from lss.phantom.workbook import write_notes

    settings = yaml.safe_load(Path("params.yaml").read_text())
    settings["cohort"] |= {"name": "lss", "root": "raw", "batches": 1}
    settings["split"] |= {"file": "split.csv"}
    settings["denoise"]["device"] = "cpu"
    folder.joinpath("params.yaml").write_text(yaml.safe_dump(settings))
    old_notes, _ = read_notes(source)
    patients = sorted(path for path in (source / IMAGES).iterdir() if path.is_dir())
    names = pseudonyms(None, settings["seed"])
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
        notes[number] = old_notes.get(str(int(patient.name)))
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


def in_own_process(folder: Path, stage: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--stage", stage], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{stage} failed:\n{done.stderr}")
    print(f"  {stage}: {done.stdout.strip()}", file=sys.stderr)
    return json.loads(done.stdout)


def run_stage(stage: str) -> None:
    """In the process that is measured: the verb itself, what it took, and how many slices it worked on."""
    import cv2

    from lss.cli import stages_data

    cv2.setNumThreads(1)
    import_module(f"lss.stages.{stage}")  # the same few seconds at every size
    verb: Callable[..., None] = getattr(stages_data, stage)
    wall, cpu = time.perf_counter(), time.process_time()
    verb() if stage == "split" else verb(batch="00")
    taken = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    # of this process since it was started; rusage would count the one that started it too
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps(taken | {"peak_mib": int(status["VmHWM"].split()[0]) / 1024, "slices": slices_of(stage)}))


def slices_of(stage: str) -> int:
    split = json.loads(Path("results/manifests/split.json").read_text())["facts"] if stage != "ingest" else {}
    if stage == "ingest":
        return json.loads(Path("results/manifests/ingest/batch-00.json").read_text())["facts"]["slices"]
    return split["slices"] if stage in OF_ALL_SLICES else split["used"]


def print_tables(results: list[dict[str, Any]]) -> None:
    """Speed and memory by stage and size; the exponent of growth over the sizes."""
    sizes = [result["ingest"]["slices"] for result in results]
    speed, memory = [], []
    for stage in STAGES:
        one = [result[stage] for result in results]
        row = [stage, *(f"{r['slices'] / r['cpu_s']:.1f}" for r in one)]
        speed.append([*row, exponent([r["slices"] for r in one], [r["cpu_s"] for r in one])])
        memory.append([stage, *(f"{r['peak_mib']:.0f}" for r in one)])
    total = [sum(result[stage]["cpu_s"] for stage in STAGES) for result in results]
    speed.append(
        ["all, per slice read", *(f"{n / t:.1f}" for n, t in zip(sizes, total, strict=True)), exponent(sizes, total)]
    )
    used = [f"{result['ingest']['slices']:,} slices, {result['denoise']['slices']:,} in use" for result in results]
    print_table([["slices per CPU second", *used, "time grows with slices to the power"], *speed])
    print_table([["peak memory, MiB", *used], *memory])


def print_table(rows: list[list[str]]) -> None:
    align = ["left"] + ["right"] * (len(rows[0]) - 1)
    print("\n" + tabulate(rows[1:], rows[0], tablefmt="github", disable_numparse=True, colalign=align))


def exponent(slices: list[int], seconds: list[float]) -> str:
    """Slope of log time over log slices; 1 is linear."""
    return f"{np.polyfit(np.log(slices), np.log(seconds), 1)[0]:.2f}" if len(slices) > 1 else ""


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stage"]:
        run_stage(sys.argv[2])
    else:
        main([int(text) for text in sys.argv[1:]] or [500, 5000])
