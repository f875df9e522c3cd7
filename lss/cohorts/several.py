"""Reader of several archives as one cohort (`cohort.parts`): each is read by its own reader.

A patient is LABEL/PATIENT, a file LABEL/FILE, so that two archives may both have a patient 7. What names an image, a
series or a study stays as it is: DICOM's unique ids are the same everywhere, and an image in two archives is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lss.cohorts.base import Cohort, PatientRecord, Reject
from lss.cohorts.labels import labelled, unlabelled


@dataclass(frozen=True)
class Part:
    """One archive: its reader, and the settings that it is read by (JSON values, without its place)."""

    reader: Cohort
    settings: object


class SeveralCohorts:
    """See `lss.cohorts.base.Cohort`."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        """Join archives by their labels."""
        self._parts = parts

    def patients(self) -> list[str]:
        """See `Cohort`: archive by archive."""
        return [labelled(label, patient) for label, part in self._parts.items() for patient in part.reader.patients()]

    def read_patient(self, patient: str) -> PatientRecord:
        """See `Cohort`. The id in its archive is among what is blanked in the note."""
        label, own = unlabelled(patient, self._parts)
        record = self._parts[label].reader.read_patient(own)
        for item in record.slices:
            item.file = labelled(label, item.file)
        record.rejects = [_labelled(label, reject) for reject in record.rejects]
        record.people |= {own}
        return record

    def sources(self, patient: str) -> tuple[list[str], object]:
        """See `Cohort`. How its archive is read is part of it: an edit of one archive's settings is seen there."""
        label, own = unlabelled(patient, self._parts)
        part = self._parts[label]
        files, inputs = part.reader.sources(own)
        return [labelled(label, file) for file in files], [part.settings, inputs]

    def orphans(self) -> list[Reject]:
        """See `Cohort`."""
        return [_labelled(label, reject) for label, part in self._parts.items() for reject in part.reader.orphans()]


def _labelled(label: str, reject: Reject) -> Reject:
    return replace(reject, file=labelled(label, reject.file))
