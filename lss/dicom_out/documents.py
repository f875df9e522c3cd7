"""The same for viewers without segmentations and reports: an encapsulated PDF and secondary captures."""

from __future__ import annotations

from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, EncapsulatedPDFStorage, ExplicitVRLittleEndian

from lss import __version__
from lss.dicom_out.provenance import MANUFACTURER, MODEL, RESEARCH, Provenance
from lss.dicom_out.segmentation import SERIES
from lss.dicom_out.source import SourceImage
from lss.errors import LssError

_OF_PATIENT_AND_STUDY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName", "SpecificCharacterSet",
)  # fmt: skip


def encapsulated_pdf(pdf: bytes, source: SourceImage, by: Provenance, title: str) -> FileDataset:
    """Return a PDF as an object of the source's study (PS3.3 A.45.1); all `title` says of its content is on its pages.

    Raises LssError for bytes that are no PDF.
    """
    if not pdf.startswith(b"%PDF-"):
        raise LssError("an encapsulated document must be a PDF")
    made = _empty(source, by, EncapsulatedPDFStorage, ("pdf",), "DOC", SERIES + 90)
    made.ConversionType, made.BurnedInAnnotation = "WSD", "YES"
    made.DocumentTitle, made.MIMETypeOfEncapsulatedDocument = title[:64], "application/pdf"
    made.ConceptNameCodeSequence = []
    made.AcquisitionDateTime = ""
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    made.SourceInstanceSequence = [_reference(source)]
    by.stamp(made)
    return made


def secondary_capture(
    picture: NDArray[np.uint8], source: SourceImage, by: Provenance, number: int, description: str
) -> Dataset:
    """Return a picture (rows, columns, 3) of reds, greens and blues as a secondary capture of the source's study."""
    made = hd.sc.SCImage.from_ref_dataset(
        source.data,
        picture,
        hd.PhotometricInterpretationValues.RGB,
        8,
        hd.CoordinateSystemNames.PATIENT,
        series_instance_uid=by.uid("series", "capture"),
        series_number=SERIES + 91,
        sop_instance_uid=by.uid("capture", number),
        instance_number=number,
        manufacturer=MANUFACTURER,
        patient_orientation=("L", "P"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description=f"lss pictures. {RESEARCH}"[:64],
        manufacturer_model_name=MODEL,
        software_versions=__version__,
    )
    made.BurnedInAnnotation = "YES"
    made.Laterality = ""  # of no paired part; the library leaves it out, and the module wants it
    made.ImageComments = description
    made.SourceImageSequence = [_reference(source)]
    by.stamp(made)
    return made


def _empty(
    source: SourceImage, by: Provenance, sop_class: str, names: tuple[Any, ...], modality: str, series: int
) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = by.uid(*names)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for name in _OF_PATIENT_AND_STUDY:
        if name in source.data:
            setattr(made, name, source.data[name].value)
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    made.SeriesInstanceUID, made.SeriesNumber, made.InstanceNumber = by.uid("series", *names), series, 1
    made.Modality, made.SeriesDescription = modality, f"lss. {RESEARCH}"[:64]
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, MODEL
    made.DeviceSerialNumber, made.SoftwareVersions = by.serial_number, __version__
    made.ContentDate = made.InstanceCreationDate = "19000101"  # set by `Provenance.stamp`
    made.ContentTime = made.InstanceCreationTime = "000000"
    return made


def _reference(source: SourceImage) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.data.SOPClassUID, source.data.SOPInstanceUID
    if source.frame is not None:
        item.ReferencedFrameNumber = source.frame
    return item
