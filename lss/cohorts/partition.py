"""Who goes where, and the proof that nobody stands in two places: the rules of the split, free of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lss.cohorts.tables import read_table
from lss.errors import LssError
from lss.imaging.perceptual_hash import near_pairs
from lss.layout import SUBSETS
from lss.seeding import derive_seed, generator

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

    Raises LssError when there are fewer than three folds, fewer patients than folds, or no such fold.
    """
    from sklearn.model_selection import StratifiedKFold

    if folds < 3:
        raise LssError("params.yaml: split.folds: must be at least 3 (one tests, one validates, the rest trains).")
    if fold >= folds:
        raise LssError(f"params.yaml: split.fold: {fold} is not below split.folds = {folds}.")
    if len(strata) < folds:
        raise LssError(f"params.yaml: split.folds: {folds} folds need as many patients; there are {len(strata)}.")
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
            raise LssError(f"{path}: row {number}: subset {row['subset']!r} is none of {allowed}.")
        if patient not in patients:
            raise LssError(
                f"{path}: row {number}: no patient {patient!r} with slices to work on. "
                "Keys are those of the column patient_key of the slice tables; take the row out, or correct it."
            )
        if subsets.setdefault(patient, subset) != subset:
            both = f"{subsets[patient]} and in {subset}"
            raise LssError(f"{path}: row {number}: patient {patient} stands in {both}. Keep one row.")
    return subsets


def check_leakage(rows: list[dict[str, Any]], duplicate_bits: int) -> None:
    """The gate: raise LssError when a patient, a study, an image or a near-identical image is in two subsets.

    Args:
        rows: of `SPLIT`; those with subset unused are not looked at.
        duplicate_bits: largest distance of perceptual hashes, of 256 bits, that counts as the same image.
    """
    used = [row for row in rows if row["subset"] != UNUSED]
    for column, what in (("patient_key", "patient"), ("study_key", "study"), ("slice_key", "image")):
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
