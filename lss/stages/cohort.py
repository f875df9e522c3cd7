"""Stage `cohort`: make the phantom archive, or check that a real one is in place; list all raw files."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from lss import schemas
from lss.cohorts.phantom import archive
from lss.cohorts.phantom.workbook import write_notes
from lss.errors import LssError
from lss.io import parquet_writer, sha256_file, write_json
from lss.manifest import write_manifest
from lss.params import CohortParams
from lss.progress import progress

MANIFEST_NAME = "manifest.json"

_SOURCES = {
    "lss": "Fetch the Lumbar Spine MRI Dataset (Mendeley Data k57fr854j2: 01_MRI_Data.zip) and the radiologists' notes "
    "(Mendeley Data s6bgczr8s2: Radiologists Report.xlsx), and put both there, the archive packed or unpacked.",
    "rsna": "Fetch the files of the RSNA 2024 Lumbar Spine Degenerative Classification challenge and put "
    "train_images/, train.csv and train_series_descriptions.csv there.",
    "folder": "Put your DICOM, NIfTI, PNG or TIFF files and the table named in cohort.folder.table there.",
}
_NEEDED = {
    "lss": (("01_MRI_Data", "*/01_MRI_Data", "*.zip"), ("**/*adiologist*.xlsx",)),
    "rsna": (("train_images",), ("train.csv",), ("train_series_descriptions.csv",)),
    "folder": (("*",),),
}
"""Per cohort: what must be there, each as patterns of which one must match."""


def run(params: CohortParams, seed: int, *, truth: Path, manifest: Path) -> None:
    """Run the stage.

    Args:
        params: section `cohort`.
        seed: the seed of params.yaml; the phantom depends on nothing else but the number of patients.
        truth: where the phantom's true masks and grades go (`lss.schemas.TRUTH`); an empty table for other cohorts.
        manifest: the stage's manifest.

    Raises LssError when the files of a real cohort are missing; it says how to get them.
    """
    started = datetime.now(UTC)
    if params.name == "phantom":
        facts = _make_phantom(params.root, params.phantom.patients, seed, truth)
    else:
        _check_presence(params)
        with parquet_writer(truth, schemas.TRUTH):
            pass
        facts = {}
    files = _list_files(params.root)
    listing = params.root / MANIFEST_NAME
    write_json(listing, {"cohort": params.name, "files": files})
    facts = {
        "caveat": params.caveat,
        "cohort": params.name,
        "files": len(files),
        "bytes": sum(f["bytes"] for f in files.values()),
        **facts,
    }
    write_manifest(
        manifest,
        "cohort",
        inputs=[],
        outputs=[truth, listing],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts=facts,
    )


def _make_phantom(root: Path, patients: int, seed: int, truth: Path) -> dict[str, Any]:
    """Write the archive into a folder beside `root`, then put it in its place; returns facts for the manifest."""
    _check_replaceable(root)
    plans, without_images = archive.plan_cohort(patients, seed)
    notes = archive.draw_notes(plans, without_images, seed)
    with _beside(root) as folder:
        levels: Counter[str] = Counter()
        slices = 0
        with parquet_writer(truth, schemas.TRUTH) as writer:
            made = _write_patients(plans, folder, seed)
            for rows in progress(made, "phantom patients", total=len(plans), unit="patient"):
                writer.write_table(pa.Table.from_pylist(rows, schema=schemas.TRUTH))
                slices += sum(row["clean"] is not None for row in rows)
        write_notes(folder / archive.NOTES, {number: note.text if note else None for number, note in notes.items()})
        for plan in plans:
            levels.update(plan.grades.values())
        if root.exists():
            shutil.rmtree(root)
        folder.replace(root)
    incomplete = [
        plan.number
        for plan in plans
        if (note := notes[plan.number]) is not None
        and any(grade != "A" and note.level_grades.get(level) != grade for level, grade in plan.grades.items())
    ]
    return {
        "patients": len(plans),
        "axial_t2_slices": slices,
        "level_grades": dict(sorted(levels.items())),
        "notes_with_missing_levels": len(incomplete),
    }


def _write_patients(plans: list[archive.Plan], folder: Path, seed: int) -> Iterator[list[dict[str, Any]]]:
    """Rows of truth of one patient after the other, in order; made in as many processes as there are cores."""
    work = partial(archive.write_patient, root=folder, seed=seed)
    processes = min(len(os.sched_getaffinity(0)), len(plans))
    if processes == 1:
        yield from map(work, plans)
        return
    # spawn: a forked child could inherit a lock held by some library's thread
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, plans)


@contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """A temporary folder in the folder of `root`, removed at the end if it is still there."""
    root.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}."))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_replaceable(root: Path) -> None:
    """Raise LssError rather than delete, later on, files that this stage did not write."""
    if root.exists():
        strange = {p.name for p in root.iterdir()} - {archive.IMAGES, archive.NOTES, MANIFEST_NAME}
        if strange:
            raise LssError(
                f"{root}: cohort.root: holds files that are not the phantom's ({', '.join(sorted(strange)[:3])}). "
                "Name an empty folder, or move them."
            )


def _check_presence(params: CohortParams) -> None:
    root, remedy = params.root, _SOURCES[params.name]
    if not root.is_dir():
        raise LssError(f"{root}: cohort.root: no such folder, and the cohort '{params.name}' must lie there. {remedy}")
    for patterns in _NEEDED[params.name]:
        if not any(next(iter(root.glob(pattern)), None) for pattern in patterns):
            raise LssError(f"{root}: cohort.root: nothing matches {' or '.join(patterns)}. {remedy}")


def _list_files(root: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file below `root` but the listing itself, by relative path."""
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path != root / MANIFEST_NAME)
    return {
        path.relative_to(root).as_posix(): {"sha256": sha256_file(path), "bytes": path.stat().st_size}
        for path in progress(paths, "hashing raw files", unit="file")
    }
