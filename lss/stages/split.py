"""Stage split: assign patients to training, validation and test, before anything is done to the images.

Leakage is a failure, not a warning: the stage ends with an error when a patient, a study or a near-identical
image stands in two subsets.

Which files it reads and writes: `workflow/rules/split.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lss.cohorts.base import NO_FAULT_OF_A_FILE
from lss.cohorts.leakage import check_leakage, drop_shared_images, note_hash, persons
from lss.cohorts.partition import UNUSED, assign_stratified, deal_folds, read_split_file, subset_in_fold
from lss.cohorts.settings import ALL, SplitParams
from lss.domain.grades import GRADE_LABELS, GRADES, worst
from lss.errors import LssError
from lss.imaging.balance import balance_plan
from lss.imaging.perceptual_hash import perceptual_hash
from lss.imaging.same_image import thumbnail
from lss.project.layout import PRIVATE_REJECTS, SUBSETS, of_external
from lss.project.manifest import write_manifest
from lss.runtime.progress import progress
from lss.stages._slices import read_split
from lss.storage.io import read_parquet, write_parquet
from lss.storage.parquet_files import TableReader
from lss.storage.schemas import REJECTS, SLICES, SPLIT, SPLIT_BATCH, USED

_COLUMNS = ["slice_key", "patient_key", "study_key", "image_key", "person_key", "cohort", "plane", "weighting", "level",
            "grade", "grade_reason", "note", "note_grade", "rows", "columns", "pixels", "source_sha256", "origin_mm",
            "orientation", "row_spacing_mm"]  # fmt: skip


def run(
    params: SplitParams,
    seed: int,
    *,
    slices: list[Path],
    rejects: list[Path],
    split: Path,
    parts: list[Path],
    used: list[Path],
    all_rejects: Path,
    manifest: Path,
) -> None:
    """Put every slice into train, val, test or unused.

    Args:
        params: which plane and weighting, shares, folds, the user's file, the bounds of the checks.
        seed: of params.yaml.
        slices: slice tables of all batches, in order.
        rejects: tables of rejects of all batches.
        split: output, table `lss.storage.schemas.SPLIT`.
        parts: outputs, by batch in the same order: `lss.storage.schemas.SPLIT_BATCH`. One keeps its bytes where nothing
            of its batch changes, as when other patients are added.
        used: outputs, by batch: `lss.storage.schemas.USED`.
        all_rejects: output, all rejects in one table; with those of this stage, whose `file_key` is a slice key.
        manifest: output.

    Raises:
        LssError: too few files usable, nothing to work on, a wrong split file, or leakage between subsets.
    """
    started = datetime.now(UTC)
    batches, lost = _gather(slices, rejects, params, all_rejects, PRIVATE_REJECTS)
    rows = [row for batch in batches for row in batch]
    reasons = Counter(row["reason"] for row in lost)
    usable = [row for row in rows if row["reason"] is None]
    if not usable:
        raise LssError(
            f"split: no slice is left to work on ({_listed(rows)}). Check split.plane, split.weighting and the notes; "
            "slices of unknown disc take their patient's grade with ingest.unknown_level: note; "
            "`lss inspect` shows what the cohort holds."
        )
    person_of = persons(rows)
    subsets, fold_of = assign_subsets(usable, person_of, params, seed)
    for row in rows:
        row["person"] = person_of[row["patient_key"]]
        row["subset"] = subsets.get(row["patient_key"], UNUSED) if row["reason"] is None else UNUSED
        row["fold"] = fold_of.get(row["patient_key"]) if row["reason"] is None else None
        if row["reason"] is None and row["subset"] == UNUSED:
            row["reason"] = "patient left out by split.file"
    check_leakage(_apart(rows) if params.fold == ALL else rows, params.duplicate_bits)
    write_parquet(split, rows, SPLIT)
    train = {row["slice_key"]: row["grade"] for row in rows if row["subset"] == "train"}
    copies = balance_plan(train, seed)
    by_fold = _by_fold(rows, params, seed)
    for batch, part, use in zip(batches, parts, used, strict=True):
        own = [row | {"copies": copies.get(row["slice_key"]), **by_fold.get(row["slice_key"], {})} for row in batch]
        _write_batch(own, part, use)
    facts = _facts(rows, reasons)
    for name, counted in (("train_slices", Counter(train.values())), ("train_copies", _by_grade(train, copies))):
        facts[f"{name}_of_cohort"] = {grade: counted[grade] for grade in GRADES}
    facts["patients_that_are_one_person"] = sum(count for count in Counter(person_of.values()).values() if count > 1)
    _print(facts)
    write_manifest(
        manifest,
        "split",
        inputs=[*slices, *rejects, *([params.file] if params.file else [])],
        outputs=[split, *parts, *used, all_rejects],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts=facts,
    )


def deal_external(
    params: SplitParams,
    seed: int,
    *,
    label: str,
    slices: list[Path],
    rejects: list[Path],
    training_split: Path,
    training_slices: list[Path],
    split: Path,
    parts: list[Path],
    used: list[Path],
    all_rejects: Path,
    manifest: Path,
) -> None:
    """Put every slice of an external cohort into test or unused, unless somebody of it stands in the other cohort too.

    Args:
        params: which plane and weighting, the bounds of the checks; subsets are not drawn.
        seed: of params.yaml; recorded only.
        label: of the cohort.
        slices, rejects, split, parts, used, all_rejects, manifest: as of `run`, of the external cohort.
        training_split: the split of the cohort that is trained on.
        training_slices: its slice tables, of all batches in order.

    Raises:
        LssError: too few files usable, nothing to work on, or a patient, a study or an image that both cohorts hold.
    """
    started = datetime.now(UTC)
    batches, lost = _gather(slices, rejects, params, all_rejects, of_external(PRIVATE_REJECTS, label))
    rows = [row for batch in batches for row in batch]
    for row in rows:
        row |= {"subset": UNUSED if row["reason"] else "test", "fold": None, "copies": None}
    if all(row["subset"] == UNUSED for row in rows):
        raise LssError(
            f"split: external cohort {label}: no slice is left to test on ({_listed(rows)}). split.plane, "
            "split.weighting and the settings of ingest hold for every cohort."
        )
    known = read_split(training_split)
    own = [row for path in training_slices for row in _read_slices(path, params)]
    own = [row | {"subset": "the cohort trained on"} for row in own if known.get(row["slice_key"], UNUSED) != UNUSED]
    tested = [row | {"subset": f"the external cohort {label}"} for row in rows if row["subset"] != UNUSED]
    person_of = persons([*own, *tested])
    for row in (*own, *tested):
        row["person"] = person_of[row["patient_key"]]
    check_leakage([*own, *tested], params.duplicate_bits, "Take the patient out of one of the two archives")
    write_parquet(split, rows, SPLIT)
    for batch, part, use in zip(batches, parts, used, strict=True):
        _write_batch(batch, part, use)
    reasons = Counter(row["reason"] for row in rows if row["subset"] == UNUSED)
    facts = {
        "external": label,
        "slices": len(rows),
        "used": len(tested),
        "patients": len({row["patient_key"] for row in tested}),
        "unused": dict(sorted(reasons.items())),
        "rejects": dict(sorted(Counter(row["reason"] for row in lost).items())),
    }
    print(f"split: {label}: {len(tested)} of {len(rows)} slices, {facts['patients']} patients", file=sys.stderr)
    write_manifest(
        manifest,
        "split",
        inputs=[*slices, *rejects, training_split, *training_slices],
        outputs=[split, *parts, *used, all_rejects],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts=facts,
    )


def _gather(
    slices: list[Path], rejects: list[Path], params: SplitParams, all_rejects: Path, private_rejects: str
) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Return the slices of all batches and all rejects, which are written to `all_rejects`.

    Raises LssError where two slices have one key, or too few files can be used, naming the folder of `private_rejects`.
    """
    batches = [_read_slices(path, params) for path in slices]
    rows = [row for batch in batches for row in batch]
    _check_unique(rows)
    lost = _concatenate(rejects, drop_shared_images(rows), all_rejects)
    check_usable(rows, lost, params.min_usable_share, str(all_rejects), str(Path(private_rejects).parent))
    return batches, lost


def _listed(rows: list[dict[str, Any]]) -> str:
    """Return why slices are unused, with their numbers."""
    return "; ".join(f"{count} x {reason}" for reason, count in sorted(Counter(row["reason"] for row in rows).items()))


def _write_batch(rows: list[dict[str, Any]], part: Path, use: Path) -> None:
    """Write a batch's tables `SPLIT_BATCH` and `USED`."""
    write_parquet(part, rows, SPLIT_BATCH)
    states = [UNUSED if row["subset"] == UNUSED else "used" for row in rows]
    write_parquet(use, [row | {"subset": state} for row, state in zip(rows, states, strict=True)], USED)


def _apart(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the fold as their subset: where every fold is tested once, no two of them may overlap."""
    return [row if row["fold"] is None else row | {"subset": f"fold {row['fold']}"} for row in rows]


def _read_slices(path: Path, params: SplitParams) -> list[dict[str, Any]]:
    """Return rows of `SPLIT` but for the subset, read one row group at a time: pixels are hashed and dropped."""
    rows = []
    batch = path.stem.removeprefix("batch-")
    with TableReader(path, _COLUMNS, schema=SLICES) as table:
        for group in progress(table.groups(), f"split {path.stem}", total=len(table.group_sizes), unit="group"):
            for row in group.to_pylist():
                reason = why_unused(row, params)
                row["batch"], row["reason"], row["perceptual_hash"] = batch, reason, None
                pixels, row["note_hash"] = row.pop("pixels"), note_hash(row.pop("note"))
                if reason is None:
                    image = np.frombuffer(pixels, "<u2").reshape(row["rows"], row["columns"])
                    row["perceptual_hash"], row["thumbnail"] = perceptual_hash(image), thumbnail(image)
                rows.append(row)
    return rows


def why_unused(row: dict[str, Any], params: SplitParams) -> str | None:
    """Return why a slice is not worked on; None where it is."""
    if row["weighting"] == "localizer":
        return "localizer"
    if row["plane"] != params.plane:
        return f"plane {row['plane']}"
    if row["weighting"] not in params.weighting:
        return f"weighting {row['weighting']}"
    return None if row["grade"] else f"no grade: {row['grade_reason']}"


def _check_unique(rows: list[dict[str, Any]]) -> None:
    """Raise LssError where two rows have one key: later stages tell slices apart by it."""
    key, count = Counter(row["slice_key"] for row in rows).most_common(1)[0] if rows else ("", 0)
    if count > 1:
        raise LssError(f"split: slice {key} stands {count} times in the slice tables. Rerun ingest for all batches.")


def _concatenate(rejects: list[Path], shared: list[dict[str, Any]], all_rejects: Path) -> list[dict[str, Any]]:
    """Write all rejects into one table; return its rows."""
    rows = [row for path in rejects for row in read_parquet(path, REJECTS).to_pylist()]
    rows += [{"stage": "split", **row} for row in shared]
    write_parquet(all_rejects, rows, REJECTS)
    return rows


def check_usable(rows: list[dict[str, Any]], lost: list[dict[str, Any]], share: float, where: str, named: str) -> None:
    """Raise LssError when less than `share` of the files could be used. A volume of many slices is one file.

    Args:
        rows: slices, with `source_sha256` and `slice_key`.
        lost: rejects, with `file_key` and `reason`.
        share: `split.min_usable_share`.
        where: what the message begins with.
        named: where the files are named.
    """
    usable = len({row["source_sha256"] or row["slice_key"] for row in rows})
    faults = {row["file_key"]: row["reason"] for row in lost if row["reason"] not in NO_FAULT_OF_A_FILE}
    total = usable + len(faults)
    if total == 0 or usable / total < share:
        counts = sorted(Counter(faults.values() or (row["reason"] for row in lost)).items())
        listed = "; ".join(f"{count} x {reason}" for reason, count in counts) or "no files at all"
        raise LssError(
            f"{where}: only {usable} of {total} files could be used, less than split.min_usable_share = "
            f"{share:g}: {listed}. {named} names each file with a remedy; mend them, or lower the setting."
        )


def assign_subsets(
    used: list[dict[str, Any]], person_of: dict[str, str], params: SplitParams, seed: int
) -> tuple[dict[str, str], dict[str, int]]:
    """Return the subset of every patient, and with `split.folds` the fold of each; one person's patients go together.

    Patients are dealt by strata: their worst grade; of several archives that are one cohort, grade and archive.

    Raises LssError where a subset is left without a patient, and for a wrong split file.
    """
    grades: dict[str, list[str]] = defaultdict(list)
    archives: dict[str, set[str]] = defaultdict(set)
    for row in used:
        grades[person_of[row["patient_key"]]].append(row["grade"])
        archives[person_of[row["patient_key"]]].add(row["cohort"])
    strata = {person: str(worst(grades[person])) for person in sorted(grades)}
    if len(set().union(*archives.values())) > 1:
        strata = {person: " ".join([grade, *sorted(archives[person])]) for person, grade in strata.items()}
    patients = {row["patient_key"] for row in used}
    fold_of: dict[str, int] = {}
    if params.file is not None:
        subsets = read_split_file(params.file, patients)
    elif params.folds is not None:
        drawn = deal_folds(strata, params.folds, seed)
        fold_of = {patient: drawn[person_of[patient]] for patient in sorted(patients)}
        subsets = {patient: subset_in_fold(own, params.folds, params.first_fold) for patient, own in fold_of.items()}
    else:
        fractions = {"train": params.fractions.train, "val": params.fractions.val, "test": params.fractions.test}
        shares = assign_stratified(strata, fractions, seed)
        subsets = {patient: shares[person_of[patient]] for patient in sorted(patients)}
    if missing := [name for name in SUBSETS if name not in subsets.values()]:
        remedy = "Give it patients in split.file" if params.file else "Bring more patients, or change split.fractions"
        raise LssError(
            f"split: no patient falls to {', '.join(missing)}, of {len(subsets)} patients with slices to work on. "
            f"{remedy}: later stages learn from train, choose by val and report on test."
        )
    return subsets, fold_of


def _by_fold(rows: list[dict[str, Any]], params: SplitParams, seed: int) -> dict[str, dict[str, Any]]:
    """Return subset and copies of each slice in use, in every fold; nothing unless all folds are trained."""
    if params.fold != ALL or params.folds is None:
        return {}
    by_slice: dict[str, dict[str, Any]] = {}
    for fold in range(params.folds):
        subsets = [UNUSED if row["fold"] is None else subset_in_fold(row["fold"], params.folds, fold) for row in rows]
        train = {row["slice_key"]: row["grade"] for row, subset in zip(rows, subsets, strict=True) if subset == "train"}
        copies = balance_plan(train, seed)
        for row, subset in zip(rows, subsets, strict=True):
            own = by_slice.setdefault(row["slice_key"], {"subset_by_fold": [], "copies_by_fold": []})
            own["subset_by_fold"].append(subset)
            own["copies_by_fold"].append(copies.get(row["slice_key"]))
    return by_slice


def _by_grade(train: dict[str, str], copies: dict[str, int]) -> Counter[str]:
    """Return copies by grade, given grade and copies of each slice of the training part."""
    by_grade: Counter[str] = Counter()
    for key, grade in train.items():
        by_grade[grade] += copies[key]
    return by_grade


def _facts(rows: list[dict[str, Any]], reasons: Counter[str]) -> dict[str, Any]:
    """Return counts for the manifest and the page."""
    used = [row for row in rows if row["subset"] != UNUSED]
    facts: dict[str, Any] = {"slices": len(rows), "used": len(used), "rejects": dict(sorted(reasons.items()))}
    facts["unused"] = dict(sorted(Counter(row["reason"] for row in rows if row["subset"] == UNUSED).items()))
    facts["subsets"] = {
        subset: {
            "patients": len({row["patient_key"] for row in used if row["subset"] == subset}),
            "slices": dict(sorted(Counter(row["grade"] for row in used if row["subset"] == subset).items())),
        }
        for subset in SUBSETS
    }
    if len(archives := sorted({row["cohort"] for row in used})) > 1:
        for subset, counts in facts["subsets"].items():
            of_patient = {row["patient_key"]: row["cohort"] for row in used if row["subset"] == subset}
            counts["patients_of"] = {label: list(of_patient.values()).count(label) for label in archives}
    absent = {subset: [g for g in GRADES if g not in facts["subsets"][subset]["slices"]] for subset in SUBSETS}
    facts["absent_grades"] = {subset: missing for subset, missing in absent.items() if missing}
    return facts


def _print(facts: dict[str, Any]) -> None:
    print(f"split: {facts['used']} of {facts['slices']} slices used", file=sys.stderr)
    for subset, counts in facts["subsets"].items():
        grades = ", ".join(f"{grade} {count}" for grade, count in counts["slices"].items()) or "no slices"
        of = "".join(f", {count} of {label}" for label, count in counts.get("patients_of", {}).items())
        print(f"  {subset}: {counts['patients']} patients{of}; {grades}", file=sys.stderr)
    slices, copies = facts["train_slices_of_cohort"], facts["train_copies_of_cohort"]
    balanced = ", ".join(f"{GRADE_LABELS[grade]} {slices[grade]} -> {copies[grade]}" for grade in GRADES)
    print(f"  training part, balancing: {balanced}", file=sys.stderr)
    for subset, missing in facts["absent_grades"].items():
        print(f"  {subset}: no slice of grade {', '.join(missing)}: nothing can be said of it there", file=sys.stderr)
    if alike := facts["patients_that_are_one_person"]:
        print(
            f"  {alike} patients share a PatientID or a long note with another: one person's are in one subset",
            file=sys.stderr,
        )
    for name in ("unused", "rejects"):
        for reason, count in facts[name].items():
            print(f"  {name}: {count} x {reason}", file=sys.stderr)
