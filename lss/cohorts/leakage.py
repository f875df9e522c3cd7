"""Leakage: who is one person, and whether a patient, a person, a study or an image stands in two subsets."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from lss.cohorts.partition import UNUSED
from lss.errors import LssError
from lss.imaging.same_image import ALIKE_IN_PLACE, find_copies, likeness
from lss.project.layout import SUBSETS

MIN_NOTE = 200
"""Letters and digits of a note that two patients do not share by chance: of 369 real notes two of such length agree."""
IN_ONE_SUBSET = "Name both patients in split.file, in one subset"
"""What mends one person in two subsets."""


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
