"""Stage ingest: raw files of one batch of patients to the slice table, without identifiers.

Which files it reads and writes: `workflow/rules/ingest.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from lss.cohorts import open_cohort
from lss.cohorts.base import Grading, PatientRecord, RawSlice, Reject
from lss.cohorts.batches import patients_of_batch
from lss.cohorts.labels import unlabelled
from lss.cohorts.privacy import Pseudonyms, pseudonyms
from lss.cohorts.settings import CohortParams, IngestParams, reading_settings
from lss.cohorts.slice_grade import slice_grade
from lss.domain.grades import format_level_grades
from lss.imaging.geometry import SlicePlane
from lss.project import layout
from lss.project.manifest import write_manifest
from lss.runtime.progress import progress
from lss.storage.io import OWNER_ONLY, parquet_writer, write_csv, write_parquet
from lss.storage.schemas import REJECTS, SLICES

ROWS_AT_A_TIME = 64
"""Slices per row group: 13 MB of 320 x 320 pixels."""


def run(
    cohort: CohortParams,
    params: IngestParams,
    seed: int,
    *,
    batch: str,
    slices: Path,
    rejects: Path,
    private: Path,
    manifest: Path,
    external: str | None = None,
) -> None:
    """Read the patients of `batch` and write their slices and what could not be used.

    A patient's batch follows from the pseudonym (`lss.cohorts.batches`). Memory holds one patient at a time.

    Args:
        cohort: which files.
        params: rules of grades and pseudonyms.
        seed: of params.yaml; keys the pseudonyms where there is no key file.
        batch: name of the batch, one of `layout.batch_names(cohort.batches)`.
        slices: output, table `lss.storage.schemas.SLICES`.
        rejects: output, table `lss.storage.schemas.REJECTS`.
        private: output, a CSV for the owner of the data: the names that the keys of `rejects` stand for.
        manifest: output.
        external: label, where `cohort` is an external one.

    Raises:
        LssError: when the cohort as a whole cannot be read; a single file's fault ends in `rejects`.
    """
    from lss.notes.doubt import doubtful_words

    started = datetime.now(UTC)
    names = pseudonyms(params.pseudonym_key_file, seed, external or "", cohort.labels)
    reader = open_cohort(cohort, params)
    patients = patients_of_batch(reader, names, batch, cohort.batches)
    counts: Counter[str] = Counter()
    lost: list[tuple[str | None, Reject]] = []  # with the patient's pseudonym
    with parquet_writer(slices, SLICES) as writer:
        for patient in progress(patients, f"ingest {batch}", unit="patient"):
            record = reader.read_patient(patient)
            grading, note, note_rejects = grade_patient(patient, record)
            counts["notes graded"] += grading.source == "note"
            counts["doubtful notes"] += bool(grading.source == "note" and doubtful_words(note))
            rows = [slice_row(item, cohort, patient, note, grading, params, names) for item in record.slices]
            for start in range(0, len(rows), ROWS_AT_A_TIME):
                writer.write_table(pa.Table.from_pylist(rows[start : start + ROWS_AT_A_TIME], SLICES))
            lost += [(names.patient(patient), reject) for reject in (*record.rejects, *note_rejects)]
            counts["slices"] += len(rows)
            counts["patients with slices"] += bool(rows)
    # known to the reader only after it has read; they belong to no patient, so one batch reports them
    orphans = reader.orphans() if batch == layout.batch_names(cohort.batches)[0] else []
    lost += [(None, reject) for reject in sorted(orphans, key=lambda reject: names.file(reject.file))]
    _write_rejects(lost, rejects, private, names)
    reasons = Counter(reject.reason for _, reject in lost)
    facts: dict[str, Any] = {
        "cohort": cohort.name,
        "patients": len(patients),
        **{key: counts[key] for key in ("patients with slices", "slices", "notes graded", "doubtful notes")},
        "rejects": dict(sorted(reasons.items())),
        "pseudonym_key": "key file" if params.pseudonym_key_file else "derived from the seed",
    }
    print(f"ingest {batch}: {facts['slices']} slices of {len(patients)} patients", file=sys.stderr)
    if counts["doubtful notes"]:
        share = 100 * counts["doubtful notes"] / counts["notes graded"]
        print(
            f"  doubtful, with wording that no rule knows: {counts['doubtful notes']} notes ({share:.1f} %);"
            " `lss grade-notes` quotes it",
            file=sys.stderr,
        )
    for reason, count in facts["rejects"].items():
        print(f"  left out: {count} x {reason}", file=sys.stderr)
    if lost:
        print(f"  their names, which identify patients, stand in {private}", file=sys.stderr)
    pattern = layout.of_external(layout.COHORT_BATCH, external) if external else layout.COHORT_BATCH
    state = Path(pattern.format(batch=batch))
    write_manifest(
        manifest,
        "ingest",
        inputs=[state] if state.is_file() else [],
        outputs=[slices, rejects],
        params={"cohort": reading_settings(cohort), "ingest": params.model_dump(mode="json")},
        seed=seed,
        started=started,
        facts=facts,
    )


def grade_patient(patient: str, record: PatientRecord) -> tuple[Grading, str | None, list[Reject]]:
    """Return grading and note of a patient, cleaned of what identifies him, and what is wrong with its pairing with
    images.
    """
    from lss.notes.cleaning import clean_note, tidy
    from lss.notes.grading import grade_note
    from lss.notes.identifiers import blank_identifiers

    known = record.people.union(*(item.people for item in record.slices))
    note = clean_note(blank_identifiers(tidy(record.note), {patient, *known})) if record.note else ""
    labelled = record.grading is not None
    where, problems = f"patient {patient}", []
    if record.note is not None and not note and not labelled:
        problems.append(Reject(where, "empty note", "the note's cell is empty", "Fill in the note, or leave it out."))
    if not record.slices and (note or labelled):
        remedy = "Bring the images, or leave the note: it is not used."
        problems.append(Reject(where, "note without images", "no usable slice of this patient", remedy))
    if record.slices and record.note is None and not labelled:
        remedy = "Add the note to the table; without it the slices have no grade."
        problems.append(Reject(where, "images without a note", f"{len(record.slices)} slices", remedy))
    if record.grading is not None:
        return record.grading, note or None, problems
    if not note:
        return Grading(None), None, problems
    read = grade_note(note)
    return Grading(read.grade, dict(read.level_grades), "note"), note, problems


def slice_row(
    item: RawSlice,
    cohort: CohortParams,
    patient: str,
    note: str | None,
    grading: Grading,
    params: IngestParams,
    names: Pseudonyms,
) -> dict[str, Any]:
    """Return one row of the slice table: pseudonyms in place of ids, nothing else of the header but geometry."""
    grade, grade_reason = slice_grade(
        item.level, grading, unnamed_level=params.unnamed_level, unknown_level=params.unknown_level
    )
    rows, columns = item.pixels.shape
    label, _ = unlabelled(patient, cohort.archives)
    archive, (own, _) = cohort.archive_of(patient), names.within(patient)
    return {
        "slice_key": names.slice(patient, item.image),
        "patient_key": names.patient(patient),
        "study_key": own.study(item.study),
        "series_key": own.series(item.series),
        "image_key": own.image(item.image),
        "person_key": names.person(item.person, patient),
        "cohort": label or archive.name,
        "plane": item.plane,
        "plane_reason": item.plane_reason,
        "weighting": item.weighting,
        "weighting_reason": item.weighting_reason,
        "level": item.level,
        "level_reason": item.level_reason,
        "instance": item.instance,
        "position_mm": item.position_mm,
        "rows": rows,
        "columns": columns,
        "row_spacing_mm": item.row_spacing_mm,
        "column_spacing_mm": item.column_spacing_mm,
        "spacing_reason": item.spacing_reason,
        **_place(item),
        "bits": item.bits,
        "pixels": item.pixels.astype("<u2").tobytes(),
        "note": note,
        "note_grade": grading.grade,
        "level_grades": format_level_grades(grading.level_grades),
        "grade": grade,
        "grade_reason": grade_reason,
        "source_sha256": item.source_sha256 if archive.name == "phantom" else names.source(item.source_sha256),
    }


def _place(item: RawSlice) -> dict[str, list[float] | None]:
    """Return the columns from which a slice's plane in the patient is built again."""
    if item.geometry is None:
        return {"origin_mm": None, "orientation": None}
    plane = SlicePlane.about_centre(
        item.geometry.centre_3,
        item.geometry.orientation_6,
        (item.row_spacing_mm, item.column_spacing_mm),
        item.pixels.shape,
    )
    return {"origin_mm": list(plane.origin_mm), "orientation": [*plane.row_direction, *plane.column_direction]}


def _write_rejects(lost: list[tuple[str | None, Reject]], rejects: Path, private: Path, names: Pseudonyms) -> None:
    """Write the table of rejects without names, and the owner's table with them, in the same order."""
    rows = [
        {
            "file_key": names.file(reject.file),
            "patient_key": patient,
            "stage": "ingest",
            "reason": reject.reason,
            "detail": reject.detail,
            "remedy": reject.remedy,
        }
        for patient, reject in lost
    ]
    write_parquet(rejects, rows, REJECTS)
    named = [
        row | {"file": reject.file, "private": reject.private} for row, (_, reject) in zip(rows, lost, strict=True)
    ]
    columns = ["file", "reason", "detail", "private", "remedy", "file_key", "patient_key"]
    write_csv(private, named, columns, mode=OWNER_ONLY)
