"""Who goes where, and the proof that nobody stands in two places: the rules of the split, free of files."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from lss.cohorts.spreadsheets import read_table
from lss.errors import LssError
from lss.imaging.perceptual_hash import near_pairs
from lss.project.layout import SUBSETS
from lss.runtime.seeding import derive_seed, generator

UNUSED = "unused"
"""Subset of what takes no part."""


def assign_stratified(strata: dict[str, str], fractions: dict[str, float], seed: int) -> dict[str, str]:
    """Deal patients to subsets so that the shares hold over all and in each stratum, to within a patient.

    Patients are shuffled within their stratum; each in turn goes to the subset that lags most behind its share of
    the stratum and of all patients. A stratum of as many patients as subsets, or more, is in each of them.

    Args:
        strata: stratum (the worst grade) by patient.
        fractions: share by subset, sum 1.
        seed: of params.yaml.
    """
    subsets: dict[str, str] = {}
    total = dict.fromkeys(fractions, 0)
    for stratum in sorted(set(strata.values()), reverse=True):
        patients = sorted(patient for patient, value in strata.items() if value == stratum)
        order = generator(seed, "split", stratum).permutation(len(patients))
        taken = dict.fromkeys(fractions, 0)
        for count, index in enumerate(order, start=1):
            lag = {
                name: share * (count + len(subsets) + 1) - taken[name] - total[name]
                for name, share in fractions.items()
                if share > 0
            }
            empty = [name for name in lag if taken[name] == 0]
            candidates = empty if len(patients) - count < len(empty) else list(lag)
            subset = max(candidates, key=lambda name: lag[name])
            taken[subset] += 1
            total[subset] += 1
            subsets[patients[index]] = subset
    return subsets


def assign_folds(strata: dict[str, str], folds: int, fold: int, seed: int) -> dict[str, str]:
    """Stratified k-fold over patients: `fold` is the test part, the next one validates, the others train.

    Raises LssError when there are fewer than three folds, fewer patients of the most frequent grade than folds, or no
    such fold.
    """
    from sklearn.model_selection import StratifiedKFold

    if folds < 3:
        raise LssError("params.yaml: split.folds: must be at least 3 (one tests, one validates, the rest trains).")
    if fold >= folds:
        raise LssError(f"params.yaml: split.fold: {fold} is not below split.folds = {folds}.")
    if len(strata) < folds:
        raise LssError(f"params.yaml: split.folds: {folds} folds need as many patients; there are {len(strata)}.")
    largest = max(Counter(strata.values()).values())
    if folds > largest:
        raise LssError(
            f"params.yaml: split.folds: {folds} folds need a worst grade with as many patients; the most frequent has "
            f"{largest}. Set it to at most {largest}, or to null: split.fractions then hold."
        )
    patients = sorted(strata)
    # each patient stands once, so that stratified folds of patients are grouped folds of slices
    splitter = StratifiedKFold(folds, shuffle=True, random_state=derive_seed(seed, "folds") % 2**32)
    part: dict[str, int] = {}
    for number, (_, held_out) in enumerate(splitter.split(patients, [strata[patient] for patient in patients])):
        part |= {patients[index]: number for index in held_out}
    names = {fold: "test", (fold + 1) % folds: "val"}
    return {patient: names.get(part[patient], "train") for patient in patients}


def read_split_file(path: Path, patients: set[str]) -> dict[str, str]:
    """The user's own split: a CSV or Excel table with the columns patient_key and subset.

    Raises LssError for unknown patients or subsets, and for a patient in two subsets.
    """
    subsets: dict[str, str] = {}
    for number, row in enumerate(read_table(path, ["patient_key", "subset"]), start=2):
        patient, subset = row["patient_key"], row["subset"].lower()
        if subset not in (*SUBSETS, UNUSED):
            allowed = ", ".join((*SUBSETS, UNUSED))
            raise LssError(f"{path}: row {number}: its subset is none of {allowed}.")
        if patient not in patients:
            raise LssError(
                f"{path}: row {number}: its patient_key is none of a patient with slices to work on. Keys are those "
                "of the slice tables, which `lss pseudonyms` makes from ids; take the row out, or correct it."
            )
        if subsets.setdefault(patient, subset) != subset:
            both = f"{subsets[patient]} and in {subset}"
            raise LssError(f"{path}: row {number}: patient {patient} stands in {both}. Keep one row.")
    return subsets


def drop_shared_images(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Set aside all but one of the slices that show one image under several patients, in place.

    A copied folder, or a wrong number: the same picture must not be learnt from twice, nor with two notes. The one
    that could be used is kept; of several, that of the patient whose key comes first.

    Args:
        rows: with the keys of slice, patient and image, and `reason` (why unused; None: usable), which is set.

    Returns:
        what was set aside, as rows of `REJECTS` but for the stage.
    """
    kept: dict[str, dict[str, Any]] = {}
    aside = []
    for row in sorted(rows, key=lambda row: (row["reason"] is not None, row["patient_key"], row["slice_key"])):
        if row["image_key"] is None or kept.setdefault(row["image_key"], row) is row:
            continue
        first = kept[row["image_key"]]
        row["reason"] = row["reason"] or "image under two patients"
        aside.append(
            {
                "file_key": row["slice_key"],
                "patient_key": row["patient_key"],
                "reason": "image under two patients",
                "detail": f"same SOPInstanceUID as slice {first['slice_key']} of patient {first['patient_key']}",
                "remedy": "Take one of the two out of the cohort, or give each image its own UID. The other was kept.",
            }
        )
    return aside


def persons(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Which patients are one person: by patient the first key of those whose headers hold one PatientID.

    One person's two folders are two patients to a reader that goes by folders. A PatientID that more than two
    patients and more than half of them all share is taken for what some program writes everywhere.

    Args:
        rows: with `patient_key` and `person_key` (None: unknown).
    """
    patients_of: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["person_key"] is not None:
            patients_of[row["person_key"]].add(row["patient_key"])
    person = {row["patient_key"]: row["patient_key"] for row in rows}
    for _, alike in sorted(patients_of.items()):
        if len(alike) <= max(2, len(person) // 2):
            groups = {person[patient] for patient in alike}
            person |= {patient: min(groups) for patient, group in person.items() if group in groups}
    return person


def check_leakage(rows: list[dict[str, Any]], duplicate_bits: int) -> None:
    """The gate: raise LssError when a patient, a person, a study or a near-identical image is in two subsets.

    Args:
        rows: of `SPLIT`, and `person` (see `persons`); those with subset unused are not looked at.
        duplicate_bits: largest distance of perceptual hashes, of 256 bits, that counts as the same image.
    """
    used = [row for row in rows if row["subset"] != UNUSED]
    kinds = (("patient_key", "patient"), ("study_key", "study"), ("person", "a person, by the headers' PatientID:"))
    for column, what in kinds:
        seen: dict[str, dict[str, Any]] = {}
        for row in used:
            other = seen.setdefault(row[column], row)
            if other["subset"] != row["subset"]:
                raise LssError(
                    f"split: {what} {row[column]} is in {other['subset']} (patient {other['patient_key']}) and "
                    f"in {row['subset']} (patient {row['patient_key']}). Name both patients in split.file, in "
                    "one subset."
                )
    parts = {subset: [row for row in used if row["subset"] == subset] for subset in SUBSETS}
    for index, first in enumerate(SUBSETS):
        for second in SUBSETS[index + 1 :]:
            hashes = [[row["perceptual_hash"] for row in parts[name]] for name in (first, second)]
            if pairs := near_pairs(hashes[0], hashes[1], duplicate_bits):
                a, b = parts[first][pairs[0][0]], parts[second][pairs[0][1]]
                raise LssError(
                    f"split: {len(pairs)} pair(s) of near-identical images in {first} and {second}, such as "
                    f"{a['slice_key']} of patient {a['patient_key']} and {b['slice_key']} of patient "
                    f"{b['patient_key']}. Is it one person under two numbers? Name both in split.file, in "
                    "one subset, or lower split.duplicate_bits."
                )
