"""Read a whole cohort as the chain would, and collect all that would stop it, be left out or need review."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lss.checking.opening import open_for_check
from lss.checking.problems import Problem, Weight, mended_by, of_reject
from lss.cohorts.base import Cohort, RawSlice, Reject
from lss.cohorts.contrast import NO_ANATOMY
from lss.cohorts.leakage import drop_shared_images, note_hash, persons
from lss.cohorts.partition import UNUSED
from lss.cohorts.privacy import Pseudonyms, pseudonyms
from lss.cohorts.settings import CohortParams
from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.imaging.same_image import find_copies, thumbnail
from lss.project.layout import SUBSETS
from lss.project.params import Params
from lss.runtime.progress import progress
from lss.stages.ingest import grade_patient, slice_row
from lss.stages.split import assign_subsets, check_usable, why_unused
from lss.tools.inspect import doubts

FIELD_OF_VIEW_MM = (80.0, 600.0)
"""Sides of a lumbar slice, with room: another side tells of a wrong pixel spacing."""

Row = dict[str, Any]
"""A row of `SLICES` without its pixels, and `file`, `patient`, `reason` (why unused), `thumbnail`, and `looks`:
what needs review, and why."""


@dataclass
class Checked:
    """The result of a check. `rows`: one per usable slice."""

    cohort: CohortParams
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether the check found no error, no item left out and no warning."""
        return all(problem.weight is Weight.AS_IT_SHOULD for problem in self.problems)


def check_cohort(
    params: Params, folder: Path | None = None, see: Callable[[list[RawSlice], list[Row]], None] | None = None
) -> Checked:
    """Read every file of a cohort, one patient in memory at a time, and collect its problems.

    Args:
        params: all settings; those of the cohort are replaced where they do not fit `folder`.
        folder: the cohort's files, if they lie elsewhere than `cohort.root`.
        see: is called with the slices of each patient and their rows.

    Raises LssError for a pseudonyms' key that cannot be read.
    """
    names = pseudonyms(params.ingest.pseudonym_key_file, params.seed, parts=params.cohort.labels)
    reader, cohort, problems = open_for_check(folder, params.cohort, params.ingest)
    checked = Checked(cohort, problems=problems)
    if reader is None:
        return checked
    known: dict[str, str] = {}  # file or patient by its pseudonym
    lost: list[Row] = []
    for patient in progress(reader.patients(), "check", unit="patient"):
        known[names.patient(patient)] = f"patient {patient}"
        slices, rows, rejects = _read(reader, patient, checked, params, names)
        archive = cohort.archive_of(patient)
        has_notes = archive.name != "folder" or archive.folder.table is not None
        relevant = [reject for reject in rejects if has_notes or reject.reason != "images without a note"]
        checked.problems += [of_reject(reject, cohort, patient) for reject in relevant]
        lost += [{"file_key": reject.file, "reason": reject.reason} for reject in rejects]
        known |= {row["slice_key"]: row["file"] for row in rows}
        checked.rows += rows
        if see is not None:
            see(slices, rows)
    for reject in reader.orphans():
        checked.problems.append(of_reject(reject, cohort))
        lost.append({"file_key": reject.file, "reason": reject.reason})
    checked.problems += _of_cohort(checked, lost, params, lambda text: _named(text, known))
    checked.problems.sort(key=lambda problem: list(Weight).index(problem.weight))
    return checked


def _read(
    reader: Cohort, patient: str, checked: Checked, params: Params, names: Pseudonyms
) -> tuple[list[RawSlice], list[Row], list[Reject]]:
    """Return slices, rows and rejects of a patient; what is doubtful goes into `checked`."""
    from lss.notes.doubt import doubtful_words

    record = reader.read_patient(patient)
    grading, note, rejects = grade_patient(patient, record)
    rows = []
    files = Counter(item.file for item in record.slices)
    for item in record.slices:
        row = slice_row(item, checked.cohort, patient, note, grading, params.ingest, names)
        del row["pixels"]
        row["note_hash"] = note_hash(row.pop("note"))
        row |= {"file": item.file, "patient": patient, "reason": why_unused(row, params.split)}
        row["thumbnail"] = thumbnail(item.pixels) if row["reason"] is None else None
        rows.append(row)
        row["looks"] = _looks(row)
        number = item.instance if files[item.file] > 1 else None
        if "assumed" in row["spacing_reason"]:
            why = row["spacing_reason"]
            checked.problems.append(
                Problem(Weight.AS_IT_SHOULD, "assumed spacing", why, *_ASSUMED, item.file, number, patient)
            )
        checked.problems += [
            _look(kind, why, checked.cohort, _LOOKS[kind], item.file, patient, number)
            for kind, why in row["looks"].items()
        ]
    where = f"patient {patient}"
    told = any(reject.reason in ("unknown grade", "duplicate row") for reject in record.rejects)
    if rows and grading.source == "table" and grading.grade is None and not told:
        remedy = "Its slices take no grade; fill in the cell if the patient shall be used."
        checked.problems.append(
            _look("no grade", "its cell is empty, or says none", checked.cohort, remedy, where, patient)
        )
    if rows and note and grading.source == "note":
        if words := doubtful_words(note):
            remedy = "Read the note; where it was misread, give the patient a grade in the table."
            detail = "no rule knows: " + "; ".join(words)
            checked.problems.append(_look("doubtful note", detail, checked.cohort, remedy, where, patient))
        if grading.grade is None:
            remedy = "Its slices take no grade; give the patient one in the table if the images show it."
            checked.problems.append(
                _look("note without grade", "it grades no stenosis", checked.cohort, remedy, where, patient)
            )
    return record.slices, rows, [*record.rejects, *rejects]


def _looks(row: Row) -> dict[str, str]:
    """Return what of a slice needs review, and why."""
    looks = {
        what if what.endswith("unknown") else f"doubtful {what}": why
        for what, why in doubts(row).items()
        if what != "assumed spacing"  # its owner set it
    }
    sides = row["rows"] * row["row_spacing_mm"], row["columns"] * row["column_spacing_mm"]
    low, high = FIELD_OF_VIEW_MM
    if row["weighting"] not in NO_ANATOMY and not all(low <= side <= high for side in sides):
        spacing = f"{row['row_spacing_mm']:.4g} x {row['column_spacing_mm']:.4g} mm per pixel"
        looks["unusual spacing"] = f"{spacing}: the slice would be {sides[0]:.0f} x {sides[1]:.0f} mm"
    return looks


_ASSUMED = "ingest.assumed_spacing_mm", "Check that the images have this spacing: masks are measured with it."
_LOOKS = {
    "unusual spacing": "Correct the spacing in the file; masks are measured with it.",
    "doubtful level": "Look at the slice; name its level in a table if it is another one.",
    "doubtful weighting": "Look at the series; name its weighting in a table if it is another one.",
    "doubtful plane": "Look at the series; name its plane in a table if it is another one.",
    "plane unknown": "It is not worked on; name its plane in a table.",
    "weighting unknown": "It is not worked on; name its weighting in a table, or leave it if it is neither T1 nor T2.",
    "level unknown": "It takes no grade (ingest.unknown_level: none); name its level, or set `note` for the worst one.",
}


def _look(
    kind: str,
    detail: str,
    cohort: CohortParams,
    remedy: str,
    file: str,
    patient: str = "",
    number: int | None = None,
) -> Problem:
    return Problem(Weight.LOOK, kind, detail, mended_by(kind, cohort, patient or file), remedy, file, number, patient)


def _of_cohort(checked: Checked, lost: list[Row], params: Params, named: Callable[[str], str]) -> list[Problem]:
    """Return what only all patients together tell: shares, copies between patients, subsets."""
    cohort, rows = checked.cohort, checked.rows
    problems = [
        of_reject(Reject(known_file, shared["reason"], named(shared["detail"]), shared["remedy"]), cohort)
        for shared in drop_shared_images(rows)
        for known_file in [named(shared["file_key"])]
    ]
    person_of = persons(rows)
    problems += _one_person(rows, person_of, cohort, named)
    problems += _of_patients(rows, cohort)
    problems += _near_copies(rows, person_of, cohort, params.split.duplicate_bits)
    try:
        share = params.split.min_usable_share
        check_usable(rows, lost, share, "the cohort", "The table of problems")
    except LssError as error:
        problems.append(Problem(Weight.STOPS, "too few usable files", str(error), "split.min_usable_share"))
    used = [row for row in rows if row["reason"] is None]
    if not used:
        listed = "; ".join(f"{n} x {why}" for why, n in sorted(Counter(row["reason"] for row in rows).items()))
        detail = f"no slice is left to work on ({listed or 'none was read'})"
        mend = "split.plane, split.weighting, ingest.unknown_level"
        problems.append(Problem(Weight.STOPS, "nothing to work on", detail, mend, "See the other rows."))
        return problems
    try:
        subsets, _ = assign_subsets(used, person_of, params.split, params.seed)
    except LssError as error:
        problems.append(Problem(Weight.STOPS, "no split", named(str(error)), "split.file or split.fractions"))
        return problems
    held: dict[str, set[str]] = defaultdict(set)
    for row in used:
        held[subsets.get(row["patient_key"], UNUSED)].add(row["grade"])
    for subset in SUBSETS:
        if missing := [grade for grade in GRADES if grade not in held[subset]]:
            detail = f"no slice of grade {', '.join(missing)} in {subset}: nothing can be said of it there"
            problems.append(_look("grade absent", detail, cohort, "Bring more patients of it.", ""))
    return problems


def _of_patients(rows: list[Row], cohort: CohortParams) -> list[Problem]:
    """Return patients with a note or grade of whom no slice is worked on, and those whose slices are of several persons
    or studies.
    """
    of: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of[row["patient"]].append(row)
    problems = []
    for patient, own in of.items():
        where, reasons = f"patient {patient}", Counter(row["reason"] for row in own)
        if own[0]["note_grade"] is not None and None not in reasons and not any(row["looks"] for row in own):
            listed = "; ".join(f"{count} x {why}" for why, count in reasons.most_common())
            remedy = "Bring the series that shall be worked on; or name plane, weighting or level in a table."
            problems.append(_look("no slice of a patient", listed, cohort, remedy, where, patient))
        if len(people := {row["person_key"] for row in own} - {None}) > 1:
            detail = f"the headers of its files hold {len(people)} PatientIDs"
            remedy = "Are files of another person among them? Each person needs a folder, and a row in the table."
            problems.append(_look("several persons, one patient", detail, cohort, remedy, where, patient))
        studies = {row["study_key"] for row in own if row["reason"] is None}
        if len(studies) > 1:
            detail = f"slices of {len(studies)} studies take the grades of one note or row"
            remedy = "Leave out the studies that it does not describe, or give each study its own patient and row."
            problems.append(_look("several studies, one grade", detail, cohort, remedy, where, patient))
    return problems


def _one_person(
    rows: list[Row], person_of: dict[str, str], cohort: CohortParams, named: Callable[[str], str]
) -> list[Problem]:
    """Return patients whose headers hold one PatientID."""
    patients: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        patients[person_of[row["patient_key"]]].add(named(row["patient_key"]))
    kind, remedy = "one person, several patients", "They go into one subset together; merge them if they are one."
    return [
        _look(kind, f"one PatientID, or one long note: {', '.join(sorted(alike))}", cohort, remedy, min(alike))
        for alike in patients.values()
        if len(alike) > 1
    ]


def _near_copies(rows: list[Row], person_of: dict[str, str], cohort: CohortParams, bits: int) -> list[Problem]:
    """Return near-identical images of different patients, one row a pair of patients."""
    used = [row for row in rows if row["reason"] is None]
    images = [row["thumbnail"] for row in used]
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    copies = (
        (used[copy.first], used[copy.second]) for copy in find_copies(images, images, bits) if copy.first < copy.second
    )
    for first, second in copies:
        if person_of[first["patient_key"]] != person_of[second["patient_key"]]:
            pairs[first["patient"], second["patient"]].append((first["file"], second["file"]))
    remedy = "Is it one person under two numbers? The run stops where they fall into two subsets."
    return [
        _look("near-identical images", f"{len(files)} as those of patient {b}: {files[0][1]}", cohort, remedy,
              files[0][0], a)
        for (a, b), files in pairs.items()
    ]  # fmt: skip


def _named(text: str, known: dict[str, str]) -> str:
    """Return a message with the names that pseudonyms stand for."""
    return re.sub(r"\b(patient |slice )?((?:P|SL)[0-9a-f]{12,16})\b", lambda m: known.get(m[2], m[0]), text)
