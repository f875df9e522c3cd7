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
from dataclasses import dataclass
from pathlib import Path

from lss.cohorts.base import patient_number
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

MATCHED = (
    "SeriesDescription", "ProtocolName", "StudyDescription", "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
)  # fmt: skip
"""Free text: searched for weighting, plane and region, never copied."""

PLAIN = (
    "SOPClassUID", "Modality", "ImageType", "BodyPartExamined", "InstanceNumber", "EchoTime", "RepetitionTime",
    "ScanningSequence", "SequenceName", "PulseSequenceName", "EchoPlanarPulseSequence", "AcquisitionContrast",
    "LossyImageCompression", "ReceiveCoilName", "AnatomicRegionSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
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


@dataclass(frozen=True)
class Pseudonyms:
    """Keyed hashes (HMAC-SHA256) of raw ids: the same id gives the same pseudonym, nobody without the key can
    tell which, not even by trying all ids.
    """

    key: bytes

    def patient(self, raw: str) -> str:
        """Return the pseudonym of a patient: "P" and 12 hexadecimal digits."""
        return "P" + self._digest("patient", raw, 12)

    def study(self, raw: str) -> str:
        """Return the pseudonym of a study: "ST" and 12 hexadecimal digits."""
        return "ST" + self._digest("study", raw, 12)

    def series(self, raw: str) -> str:
        """Return the pseudonym of a series: "SE" and 12 hexadecimal digits."""
        return "SE" + self._digest("series", raw, 12)

    def image(self, raw: str) -> str:
        """Return the pseudonym of an image's unique id: "IM" and 16 hexadecimal digits."""
        return "IM" + self._digest("image", raw, 16)

    def slice(self, patient: str, image: str) -> str:
        """Return the pseudonym of a patient's image: "SL" and 16 digits, unique even where two
        patients hold one image.
        """
        return "SL" + self._digest("slice", f"{patient}\x1f{image}", 16)

    def person(self, raw: str) -> str | None:
        """Return the pseudonym of a header's PatientID: "PE" and 12 hexadecimal digits; None where it is empty."""
        parts = re.findall(r"[^\W_]+", raw.casefold())
        if "".join(parts) in NOBODY:
            return None
        # one person's id may be typed in other letters, with other signs between, or without leading zeros
        return "PE" + self._digest("person", patient_number(" ".join(parts)), 12)

    def file(self, raw: str) -> str:
        """Return the pseudonym of a path or of a table's row: "F" and 16 hexadecimal digits."""
        return "F" + self._digest("file", raw, 16)

    def source(self, sha256: str) -> str:
        """Return a keyed hash of a source file's SHA-256, 64 hexadecimal digits: useless without the key."""
        return self._digest("source", sha256, 64)

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


def pseudonyms(key_file: Path | None, seed: int) -> Pseudonyms:
    """Return pseudonyms with the secret in `key_file`, or with a key derived from `seed` where there is none.

    A key from the public seed keeps the keys apart from the ids, no more: whoever has params.yaml can try all
    patient numbers. For data of real patients name a key file.

    Raises LssError when the file cannot be read or holds less than 16 bytes.
    """
    if key_file is None:
        return Pseudonyms(derive_seed(seed, "pseudonyms").to_bytes(8, "big"))
    try:
        key = key_file.read_bytes().strip()
    except OSError as error:
        raise LssError(
            f"{key_file}: ingest.pseudonym_key_file cannot be read ({error.strerror}). Make one: "
            f"head -c 32 /dev/urandom | base64 > {key_file}"
        ) from error
    if len(key) < 16:
        raise LssError(f"{key_file}: ingest.pseudonym_key_file holds {len(key)} bytes; a key needs 16 or more.")
    return Pseudonyms(key)
