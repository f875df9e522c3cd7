"""Subsets of the split: patients are assigned to them by a draw, in folds, or by the user's own file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lss.cohorts.spreadsheets import read_table
from lss.errors import LssError
from lss.project.layout import SUBSETS
from lss.runtime.seeding import derive_seed

UNUSED = "unused"
"""Subset of slices that are not used."""


def assign_stratified(strata: dict[str, str], fractions: dict[str, float], seed: int) -> dict[str, str]:
    """Deal patients to subsets so that the shares hold over all and in each stratum, to within a patient.

    Patients stand in their stratum in the order of a lot that each draws alone, and the subsets are cut from it as
    blocks, so that patients who come later move only those at the blocks' ends. How long the blocks are: one place
    after the other is counted to the subset that lags most behind its share of the stratum and of all patients. A
    stratum of as many patients as subsets, or more, is in each of them.

    Args:
        strata: stratum (the worst grade) by patient.
        fractions: share by subset, sum 1.
        seed: of params.yaml.
    """
    subsets: dict[str, str] = {}
    total = dict.fromkeys(fractions, 0)
    for stratum in sorted(set(strata.values()), reverse=True):
        patients = [patient for patient, value in strata.items() if value == stratum]
        patients.sort(key=lambda patient: (derive_seed(seed, "split", patient), patient))
        assigned = dict.fromkeys(fractions, 0)
        for count in range(1, len(patients) + 1):
            lag = {
                name: share * (2 * count + len(subsets)) - assigned[name] - total[name]
                for name, share in fractions.items()
                if share > 0
            }
            empty = [name for name in lag if assigned[name] == 0]
            candidates = empty if len(patients) - count < len(empty) else list(lag)
            subset = max(candidates, key=lambda name: lag[name])
            assigned[subset] += 1
            total[subset] += 1
        blocks = [name for name, length in assigned.items() for _ in range(length)]
        subsets |= dict(zip(patients, blocks, strict=True))
    return subsets


def deal_folds(strata: dict[str, str], folds: int, seed: int) -> dict[str, int]:
    """Deal patients into stratified folds; return the fold, from 0, in which each is tested.

    Raises LssError when there are fewer than three folds, or fewer patients of the most frequent grade than folds.
    """
    from sklearn.model_selection import StratifiedKFold

    if folds < 3:
        raise LssError("params.yaml: split.folds: must be at least 3 (one tests, one validates, the rest trains).")
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
    fold_of: dict[str, int] = {}
    for number, (_, held_out) in enumerate(splitter.split(patients, [strata[patient] for patient in patients])):
        fold_of |= {patients[index]: number for index in held_out}
    return fold_of


def subset_in_fold(own: int, folds: int, fold: int) -> str:
    """Return the subset of a patient of fold `own` where `fold` of `folds` is tested and the next one validates.

    >>> [subset_in_fold(own, 4, 3) for own in range(4)]
    ['val', 'train', 'train', 'test']
    """
    return {fold: "test", (fold + 1) % folds: "val"}.get(own, "train")


def read_split_file(path: Path, patients: set[str]) -> dict[str, str]:
    """Return the user's own split: a CSV or Excel table with the columns patient_key and subset.

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
                f"{path}: row {number}: its patient_key belongs to no patient with usable slices. Keys are those "
                "of the slice tables, which `lss pseudonyms` makes from ids; take the row out, or correct it."
            )
        if subsets.setdefault(patient, subset) != subset:
            both = f"{subsets[patient]} and in {subset}"
            raise LssError(f"{path}: row {number}: patient {patient} stands in {both}. Keep one row.")
    return subsets
