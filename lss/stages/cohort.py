"""Stage `cohort`: make the phantom archive, or check that a real one is in place; hash all raw files.

Which files it reads and writes: `workflow/rules/cohort.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from lss.cohorts import open_cohort
from lss.cohorts.batches import batch_states
from lss.cohorts.file_tree import FolderTree
from lss.cohorts.labels import unlabelled
from lss.cohorts.needed_files import missing_files
from lss.cohorts.privacy import Pseudonyms, pseudonyms
from lss.cohorts.settings import CohortParams, IngestParams
from lss.errors import LssError
from lss.fetch.sources import COHORT_REMEDY
from lss.phantom import archive
from lss.phantom.settings import PhantomParams
from lss.phantom.workbook import write_notes
from lss.project.layout import batch_names
from lss.project.manifest import write_manifest
from lss.project.outside import hash_of_all, list_files
from lss.runtime.progress import progress
from lss.runtime.seeding import derive_seed
from lss.runtime.workers import end_with_parent
from lss.storage import schemas
from lss.storage.io import atomic_folder, parquet_writer, write_json

MARK = "manifest.json"
"""File in the phantom's folder by which this stage knows its own work."""


def run(
    params: CohortParams,
    seed: int,
    *,
    ingest: IngestParams,
    files: Path,
    states: dict[str, Path],
    private: Path,
    truth: Path,
    manifest: Path,
    processes: int | None = None,
    external: str | None = None,
) -> None:
    """Run the stage.

    Args:
        params: section `cohort`. Nothing is written into the folder of a real cohort, which may be read-only.
        seed: the seed of params.yaml; the phantom depends on nothing else but `params.phantom`.
        files: how many raw files there are, of how many bytes, and one SHA-256 over all; it changes with any of them.
        ingest: section `ingest`, by which patients get their pseudonyms and so their batches.
        states: by batch, number of its patients and one SHA-256 over the raw files and notes that they are read from.
        private: a CSV for the owner of the data: every raw file with size and SHA-256.
        truth: true masks and grades of the phantom, or of the phantoms among several archives
            (`lss.storage.schemas.TRUTH`); an empty table for other cohorts.
        manifest: the stage's manifest.
        processes: how many draw the phantom; None for as many as there are cores.
        external: label, where `params` is an external cohort; a phantom's patients are then others.

    Raises LssError when the files of a real cohort are missing; it says how to get them.
    """
    started = datetime.now(UTC)
    facts_of: dict[str, dict[str, Any]] = {}
    for label, part in params.archives.items():
        if part.name != "phantom":
            _check_presence(part, label)
    with parquet_writer(truth, schemas.TRUTH) as writer:
        for label, part in params.archives.items():
            facts_of[label] = {}
            if part.name == "phantom":
                drawn_from = derive_seed(seed, "external", own) if (own := external or label) else seed
                facts_of[label] = _make_phantom(part.root, part.phantom, drawn_from, writer, processes)
    listed = list_files(params, private)
    unreadable = sum(bool(entry["problem"]) for entry in listed)
    if unreadable:
        print(f"cohort: {unreadable} files cannot be read; {private} says why", file=sys.stderr)
    summary = _summary(params.name, listed)
    write_json(files, summary)
    facts = facts_of.pop("", {})
    if facts_of:
        facts["parts"] = {
            label: _summary(params.archives[label].name, rows) | facts_of[label]
            for label, rows in _by_label(listed, params.labels).items()
        }
    names = partial(pseudonyms, ingest.pseudonym_key_file, seed, external or "", params.labels)
    for batch, state in _states(params, ingest, names, listed, len(states)).items():
        write_json(states[batch], {"batch": batch, **state})
    write_manifest(
        manifest,
        "cohort",
        inputs=[],
        outputs=[truth, files, *states.values()],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={"caveat": params.caveat, **summary, **facts},
    )


def _summary(name: str, listed: list[dict[str, Any]]) -> dict[str, Any]:
    """Return kind of cohort, number and bytes of its raw files, and one SHA-256 over all."""
    return {
        "cohort": name,
        "files": len(listed),
        "bytes": sum(entry["bytes"] for entry in listed),
        "unreadable": sum(bool(entry["problem"]) for entry in listed),
        "sha256": hash_of_all(listed),
    }


def _by_label(listed: list[dict[str, Any]], labels: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the raw files of each of several archives, with their paths in it."""
    rows: dict[str, list[dict[str, Any]]] = {label: [] for label in labels}
    for row in listed:
        label, own = unlabelled(row["file"], labels)
        rows[label].append(row | {"file": own})
    return rows


def _make_phantom(
    root: Path, params: PhantomParams, seed: int, truth: ParquetWriter, processes: int | None
) -> dict[str, Any]:
    """Write the archive into a folder beside `root`, then put it in its place; return facts for the manifest."""
    root = root.resolve()  # where it is a link, the link stays
    _check_replaceable(root)
    plans, without_images = archive.plan_cohort(params.patients, seed, params.unusual)
    notes = archive.draw_notes(plans, without_images, seed)
    with atomic_folder(root) as folder:
        levels: Counter[str] = Counter()
        slices = 0
        made = _write_patients(plans, folder, seed, processes or len(os.sched_getaffinity(0)))
        for rows in progress(made, "phantom patients", total=len(plans), unit="patient"):
            truth.write_table(pa.Table.from_pylist(rows, schema=schemas.TRUTH))
            slices += sum(row["clean"] is not None for row in rows)
        write_notes(folder / archive.NOTES, {number: note.text if note else None for number, note in notes.items()})
        for plan in plans:
            levels.update(plan.grades.values())
        write_json(folder / MARK, {"cohort": "phantom", "files": FolderTree(folder).files()})
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


def _write_patients(
    plans: list[archive.Plan], folder: Path, seed: int, processes: int
) -> Iterator[list[dict[str, Any]]]:
    """Yield rows of truth of one patient after the other, in order, made in so many processes."""
    work = partial(archive.write_patient, root=folder, seed=seed)
    processes = min(processes, len(plans))
    if processes == 1:
        yield from map(work, plans)
        return
    # spawn: a forked child could inherit a lock held by some library's thread
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=end_with_parent, initargs=(os.getpid(),)) as pool:
        yield from pool.map(work, plans)


def _states(
    params: CohortParams,
    ingest: IngestParams,
    names: Callable[[], Pseudonyms],
    listed: list[dict[str, Any]],
    batches: int,
) -> dict[str, dict[str, Any]]:
    """Return what each batch is read from. Of a cohort that cannot be read every batch has the state of the whole."""
    try:
        reader = open_cohort(params, ingest, unread=[])
        return batch_states(reader, names(), {row["file"]: row["sha256"] for row in listed}, batches)
    except LssError:  # which the stage ingest raises again, and says more of
        return {batch: {"patients": None, "sha256": hash_of_all(listed)} for batch in batch_names(batches)}


def _check_replaceable(root: Path) -> None:
    """Raise LssError rather than delete, later on, files that this stage did not write, by its own mark."""
    if not root.exists():
        return
    present = set(FolderTree(root).files()) - {MARK}
    try:
        mark = json.loads((root / MARK).read_text(encoding="utf-8"))
        written = set(mark["files"]) if mark["cohort"] == "phantom" else set()
    except (OSError, ValueError, KeyError, TypeError):
        written = set()
    if strange := sorted(present - written):
        raise LssError(
            f"{root}: cohort.root: holds {len(strange)} files that are not the phantom's. "
            "Name an empty folder for the phantom, or move them; for an archive of yours set cohort.name."
        )


def _check_presence(params: CohortParams, label: str) -> None:
    if lack := missing_files(params):
        where = f"{params.root}: {f'root of {label} in cohort.parts' if label else 'cohort.root'}: {lack}"
        raise LssError(f"{where}, and the cohort '{params.name}' must lie there. {COHORT_REMEDY[params.name]}")
