"""Rules of the split, without file access: assign patients to subsets, and check that no patient is in two."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lss.cohorts.spreadsheets import read_table
from lss.errors import LssError
from lss.imaging.same_image import ALIKE_IN_PLACE, find_copies, likeness
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


def drop_shared_images(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Set aside all but one of the slices that show one image under several patients, in place.

    A copied folder, or a wrong number: the same picture must not be learnt from twice, nor with two notes. The one
    that could be used is kept; of several, that of the patient whose key comes first.

    Args:
        rows: with the keys of slice, patient and image, and `reason` (why unused; None: usable), which is set.

    Returns:
        what was set aside, as rows of `REJECTS` without the column stage.
    """
    first_of: dict[str, dict[str, Any]] = {}
    aside = []
    for row in sorted(rows, key=lambda row: (row["reason"] is not None, row["patient_key"], row["slice_key"])):
        if row["image_key"] is None or first_of.setdefault(row["image_key"], row) is row:
            continue
        first = first_of[row["image_key"]]
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


MIN_NOTE = 200
"""Letters and digits of a note that two patients do not share by chance: of 369 real notes two of such length agree."""


def persons(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return which patients are one person: by patient the first key of those whose headers hold one PatientID, or who
    have one note of at least `MIN_NOTE` letters and digits.

    One person's two folders are two patients to a reader that goes by folders. A PatientID or a note that more than two
    patients and more than half of them all share is taken for what some program writes everywhere.

    Args:
        rows: with `patient_key`, `person_key` (None: unknown) and `note_hash` (see `note_hash`; None: too short).
    """
    patients_of: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for key in (row["person_key"], row.get("note_hash")):
            if key is not None:
                patients_of[key].add(row["patient_key"])
    person = {row["patient_key"]: row["patient_key"] for row in rows}
    for _, alike in sorted(patients_of.items()):
        if len(alike) <= max(2, len(person) // 2):
            groups = {person[patient] for patient in alike}
            person |= {patient: min(groups) for patient, group in person.items() if group in groups}
    return person


def note_hash(note: str | None) -> str | None:
    """Hash a note's letters and digits in their order; None for a short note, which many patients share."""
    plain = "".join(character for character in (note or "").casefold() if character.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest() if len(plain) >= MIN_NOTE else None


IN_ONE_SUBSET = "Name both patients in split.file, in one subset"
"""What mends one person in two subsets."""


def check_leakage(rows: list[dict[str, Any]], duplicate_bits: int, remedy: str = IN_ONE_SUBSET) -> None:
    """Raise LssError when a patient, a person, a study, an image or its neighbour is in two subsets.

    Args:
        rows: of `SPLIT`, `person` (see `persons`), `thumbnail` (see `lss.imaging.same_image`), and of `SLICES` origin,
            orientation and spacing; those with subset unused are not looked at. Where all folds are trained the subset
            is the fold: whoever stands in one of them never stands in another.
        duplicate_bits: distance of perceptual hashes, of 256 bits, up to which two images are looked at closely.
        remedy: what to do, for the message.
    """
    used = [row for row in rows if row["subset"] != UNUSED]
    kinds = (
        ("patient_key", "patient"),
        ("study_key", "study"),
        ("person", "a person, by the headers' PatientID or the note:"),
    )
    for column, what in kinds:
        first_by_value: dict[str, dict[str, Any]] = {}
        for row in used:
            other = first_by_value.setdefault(row[column], row)
            if other["subset"] != row["subset"]:
                raise LssError(
                    f"split: {what} {row[column]} is in {other['subset']} (patient {other['patient_key']}) and "
                    f"in {row['subset']} (patient {row['patient_key']}). {remedy}."
                )
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in used:
        parts[row["subset"]].append(row)
    names = sorted(parts, key=lambda name: (SUBSETS.index(name) if name in SUBSETS else len(SUBSETS), len(name), name))
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            thumbnails = [[row["thumbnail"] for row in parts[name]] for name in (first, second)]
            if copies := find_copies(thumbnails[0], thumbnails[1], duplicate_bits):
                a, b = parts[first][copies[0].first], parts[second][copies[0].second]
                raise LssError(
                    f"split: {len(copies)} pair(s) of near-identical images in {first} and {second}, such as "
                    f"{a['slice_key']} of patient {a['patient_key']} and {b['slice_key']} of patient "
                    f"{b['patient_key']}. Is it one person under two numbers? {remedy}, or lower split.duplicate_bits."
                )
    for first_row, second_row in neighbours(used):
        raise LssError(
            f"split: slice {first_row['slice_key']} of patient {first_row['patient_key']} in {first_row['subset']} and "
            f"slice {second_row['slice_key']} of patient {second_row['patient_key']} in {second_row['subset']} lie in "
            f"one series, by their place and their likeness. Is it one person under two numbers? {remedy}."
        )


def neighbours(rows: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield pairs of alike slices of two patients in two subsets that were planned as slices of one oblique block.

    They have one orientation, of which no direction is an axis of the scanner, one matrix and spacing, and lie behind
    each other. Nobody plans two patients alike to a hundredth of a millimetre.
    """
    blocks: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["orientation"] is None or row["origin_mm"] is None:
            continue
        directions_23 = np.reshape(row["orientation"], (2, 3))
        normal_3 = np.cross(*directions_23)
        if np.abs(normal_3).max() > 0.9999:  # straight: many are planned so
            continue
        across = np.round(directions_23 @ np.array(row["origin_mm"]), 2) + 0.0
        key = (*np.round(directions_23.ravel(), 4) + 0.0, *across, row["rows"], row["columns"], row["row_spacing_mm"])
        blocks[key].append(row)
    for block in blocks.values():
        for index, first in enumerate(block):
            for second in block[:index]:
                if first["subset"] != second["subset"] and first["patient_key"] != second["patient_key"]:
                    if likeness(first["thumbnail"], second["thumbnail"]) >= ALIKE_IN_PLACE:
                        yield first, second
