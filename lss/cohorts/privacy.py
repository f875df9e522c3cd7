"""Identifiers never leave the reader: a whitelist of attributes, and keyed hashes for what must stay joined.

The Basic Application Level Confidentiality Profile (DICOM PS3.15, Annex E, Table E.1-1) lists what to remove or
replace. A reader here asks pydicom for the attributes of `WHITELIST` and of `PEOPLE` alone, and for the number of
slices in a Siemens mosaic. Those of them that the profile lists are in `REPLACED` (unique ids, which leave as keyed
hashes), in `MATCHED` (free text, of which only a matched word such as "t2" is reported) or in `PEOPLE`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lss.cohorts.base import patient_number
from lss.cohorts.labels import unlabelled
from lss.cohorts.spreadsheets import numbered_rows
from lss.errors import LssError
from lss.runtime.seeding import derive_seed

REPLACED = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID")
"""Ids: used to join, leave ingest as keyed hashes or not at all."""

NOBODY = frozenset(
    {"", "0", "anon", "anonymous", "anonymized", "anonymised", "deidentified", "id", "na", "noid", "none", "null",
     "patient", "patientid", "removed", "test", "unknown", "xxx"}
)  # fmt: skip
"""What programs write as PatientID where they remove it; compared without case, blanks and signs."""


def identifies(person: str) -> bool:
    """Return whether a header's PatientID names somebody: not what stands where one was removed.

    >>> [identifies(text) for text in ("ID-7", "Anonymous", "xxxxxxxxxxxxx", "0000", "**", "100")]
    [True, False, False, False, False, True]
    """
    letters = "".join(re.findall(r"[^\W_]+", person.casefold()))
    return letters not in NOBODY and not re.fullmatch("x+|0+", letters)


MATCHED = (
    "SeriesDescription", "ProtocolName", "StudyDescription", "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
)  # fmt: skip
"""Free text: searched for weighting, plane and region, never copied."""

PLAIN = (
    "SOPClassUID", "Modality", "ImageType", "BodyPartExamined", "InstanceNumber", "EchoTime", "RepetitionTime",
    "ScanningSequence", "SequenceName", "PulseSequenceName", "EchoPlanarPulseSequence", "AcquisitionContrast",
    "ComplexImageComponent", "EchoPulseSequence", "DiffusionBValue", "LossyImageCompression", "ReceiveCoilName",
    "AnatomicRegionSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "Rows", "Columns", "SamplesPerPixel",
    "NumberOfFrames", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "BurnedInAnnotation", "PlanarConfiguration", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "PixelData",
)  # fmt: skip
"""Attributes without identity: geometry, contrast and the pixels.

Of functional groups `lss.cohorts.dicom_frames` takes what it lists, all of it of this kind.
"""

PEOPLE = (
    "PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "OtherPatientIDs",
    "PatientAddress", "PatientTelephoneNumbers", "AccessionNumber", "StudyID", "MedicalRecordLocator",
    "ReferringPhysicianName", "PerformingPhysicianName", "NameOfPhysiciansReadingStudy", "PhysiciansOfRecord",
    "RequestingPhysician", "OperatorsName", "InstitutionName", "InstitutionAddress",
)  # fmt: skip
"""Read only to blank their values in the note (`lss.notes.identifiers`); the values are stored nowhere."""

WHITELIST = REPLACED + MATCHED + PLAIN


_UNIQUE = re.compile(r"\d+(\.\d+){3,}(#\d+)?")
"""A unique id of DICOM; of a file with several slices with the slice's number."""


def _number(raw: str) -> str | None:
    """Return the one number in an id, without leading zeros; None where there is none, or more, or a long one."""
    numbers = re.findall(r"\d+", raw)
    number = numbers[0].lstrip("0") if len(numbers) == 1 else ""
    return number if 0 < len(number) <= 5 else None


@dataclass(frozen=True)
class Pseudonyms:
    """Keyed hashes (HMAC-SHA256) of raw ids: the same id gives the same pseudonym, nobody without the key can
    tell which, not even by trying all ids.

    Attributes:
        key: the secret.
        cohort: label of an external cohort, or of one of several archives that are trained on as one; "" for a cohort
            that is trained on alone. Ids that are an archive's own (numbers of patients, paths) give other pseudonyms
            in each; DICOM's unique ids give the same everywhere, so that the split's gate sees an image that stands in
            two.
        parts: labels that may stand before the name of a patient or a file (`lss.cohorts.labels`): its pseudonym is
            that of its archive, whatever the others are.
    """

    key: bytes
    cohort: str = ""
    parts: frozenset[str] = frozenset()

    def within(self, name: str) -> tuple[Pseudonyms, str]:
        """Return the pseudonyms of the archive that a patient or a file is of, and the name there."""
        label, own = unlabelled(name, self.parts)
        return (Pseudonyms(self.key, label), own) if label else (self, name)

    def patient(self, raw: str) -> str:
        """Return the pseudonym of a patient: "P" and 12 hexadecimal digits."""
        names, own = self.within(raw)
        return "P" + self._digest("patient", names._own(own), 12)

    def study(self, raw: str) -> str:
        """Return the pseudonym of a study: "ST" and 12 hexadecimal digits."""
        return "ST" + self._digest("study", self._own(raw), 12)

    def series(self, raw: str) -> str:
        """Return the pseudonym of a series: "SE" and 12 hexadecimal digits."""
        return "SE" + self._digest("series", self._own(raw), 12)

    def image(self, raw: str) -> str:
        """Return the pseudonym of an image's unique id: "IM" and 16 hexadecimal digits."""
        return "IM" + self._digest("image", self._own(raw), 16)

    def slice(self, patient: str, image: str) -> str:
        """Return the pseudonym of a patient's image: "SL" and 16 digits, unique even where two
        patients hold one image.
        """
        names, own = self.within(patient)
        return "SL" + self._digest("slice", names._named(f"{own}\x1f{image}"), 16)

    def person(self, raw: str, patient: str = "") -> str | None:
        """Return the pseudonym of a header's PatientID: "PE" and 12 hexadecimal digits; None where it is empty.

        A number of up to five digits that is the one of `patient` (his id in the archive) is the archive's own
        numbering, and another person's in another archive.
        """
        if not identifies(raw):
            return None
        parts = re.findall(r"[^\W_]+", raw.casefold())
        # one person's id may be typed in other letters, with other signs between, or without leading zeros
        text = patient_number(" ".join(parts))
        number, (names, own) = _number(raw), self.within(patient)
        return "PE" + self._digest("person", names._named(text) if number and number == _number(own) else text, 12)

    def file(self, raw: str) -> str:
        """Return the pseudonym of a path or of a table's row: "F" and 16 hexadecimal digits."""
        names, own = self.within(raw)
        return "F" + self._digest("file", names._named(own), 16)

    def source(self, sha256: str) -> str:
        """Return a keyed hash of a source file's SHA-256, 64 hexadecimal digits: useless without the key."""
        return self._digest("source", sha256, 64)

    def _own(self, raw: str) -> str:
        return raw if _UNIQUE.fullmatch(raw) else self._named(raw)

    def _named(self, raw: str) -> str:
        """Return an archive's own id with the name of the cohort."""
        return f"{self.cohort}\x1f{raw}" if self.cohort else raw

    def _digest(self, kind: str, raw: str, digits: int) -> str:
        text = f"{kind}\x1f{raw}".encode("utf-8", "surrogateescape")  # a name on disk need not be UTF-8
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:digits]


def add_pseudonyms(table: Path, column: str, names: Pseudonyms) -> list[dict[str, str]]:
    """Return rows of a CSV or Excel table of patients with their pseudonyms in a further column `patient_key`.

    Args:
        table: the file.
        column: of the patients' ids, as folders or tables of the cohort have them.
        names: the pseudonyms of the cohort.

    Raises LssError for a row without an id, and where the table has a column `patient_key` already.
    """
    rows = []
    for number, row in numbered_rows(table, [column]):
        if "patient_key" in row:
            raise LssError(f"{table}: has a column patient_key already. Rename it.")
        if not row[column]:
            raise LssError(f"{table}: row {number}: no patient in column {column!r}. Fill it in, or remove the row.")
        rows.append({**row, "patient_key": names.patient(patient_number(row[column]))})
    return rows


def pseudonyms(key_file: Path | None, seed: int, cohort: str = "", parts: Iterable[str] = ()) -> Pseudonyms:
    """Return pseudonyms with the secret in `key_file`, or with a key derived from `seed` where there is none; of the
    archive whose label is `cohort`, or of the cohort trained on, with the labels of its `parts`.

    A key from the public seed keeps the keys apart from the ids, no more: whoever has params.yaml can try all
    patient numbers. For data of real patients name a key file.

    Raises LssError when the file cannot be read or holds less than 16 bytes.
    """
    if key_file is None:
        return Pseudonyms(derive_seed(seed, "pseudonyms").to_bytes(8, "big"), cohort, frozenset(parts))
    try:
        key = key_file.read_bytes().strip()
    except OSError as error:
        raise LssError(
            f"{key_file}: ingest.pseudonym_key_file cannot be read ({error.strerror}). Make one: "
            f"head -c 32 /dev/urandom | base64 > {key_file}"
        ) from error
    if len(key) < 16:
        raise LssError(f"{key_file}: ingest.pseudonym_key_file holds {len(key)} bytes; a key needs 16 or more.")
    return Pseudonyms(key, cohort, frozenset(parts))
