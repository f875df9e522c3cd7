"""Which patients are one batch, and what a batch is read from.

A patient's batch follows from the pseudonym alone, so that a cohort grows by patients: those that come later leave the
batches of the others as they were. What a batch is read from is one hash, by which the workflow sees which batches are
to be read again.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from lss.cohorts.base import Cohort
from lss.cohorts.privacy import Pseudonyms
from lss.project.layout import batch_names


def batch_of(patient_key: str, batches: int) -> str:
    """Return the batch of a patient, given the pseudonym: batches are equally large but for chance.

    >>> batch_of("P0123456789ab", 4)
    '01'
    """
    digest = hashlib.sha256(patient_key.encode()).digest()
    return batch_names(batches)[int.from_bytes(digest[:8], "big") % batches]


def patients_of_batch(reader: Cohort, names: Pseudonyms, batch: str, batches: int) -> list[str]:
    """Return the raw ids of a batch's patients, in the order of their pseudonyms, which tells nothing of the ids."""
    keys = {patient: names.patient(patient) for patient in reader.patients()}
    return sorted((patient for patient, key in keys.items() if batch_of(key, batches) == batch), key=keys.__getitem__)


def batch_states(
    reader: Cohort, names: Pseudonyms, hashes: Mapping[str, str], batches: int
) -> dict[str, dict[str, Any]]:
    """Return the number of patients of each batch, and one SHA-256 over all that they are read from.

    Args:
        reader: of the cohort.
        names: makes the pseudonyms.
        hashes: SHA-256 of each raw file by its path within the cohort.
        batches: how many there are.
    """
    parts: dict[str, list[Any]] = defaultdict(list)
    patients: dict[str, int] = defaultdict(int)
    for patient in reader.patients():
        key = names.patient(patient)
        files, inputs = reader.sources(patient)
        batch = batch_of(key, batches)
        patients[batch] += 1
        parts[batch].append([key, [[file, hashes.get(file, "")] for file in files], inputs])
    first = batch_names(batches)[0]  # reports what belongs to no patient
    parts[first].append(["", sorted(map(repr, reader.orphans()))])
    return {
        batch: {
            "patients": patients[batch],
            "sha256": hashlib.sha256(
                json.dumps(sorted(parts[batch], key=lambda part: part[0])).encode("utf-8", "surrogateescape")
            ).hexdigest(),
        }
        for batch in batch_names(batches)
    }
