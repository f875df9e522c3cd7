"""Encapsulated PDF and secondary captures, for viewers that show neither segmentations nor structured reports."""

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
    """Return a PDF as an object of the source's study (PS3.3 A.45.1), with `title` as its document title.

    Raises LssError for bytes that are no PDF.
    """
    if not pdf.startswith(b"%PDF-"):
        raise LssError("an encapsulated document must be a PDF")
    dataset = _empty(source, by, EncapsulatedPDFStorage, ("pdf",), "DOC", SERIES + 90)
    dataset.ConversionType, dataset.BurnedInAnnotation = "WSD", "YES"
    dataset.DocumentTitle, dataset.MIMETypeOfEncapsulatedDocument = title[:64], "application/pdf"
    dataset.ConceptNameCodeSequence = []
    dataset.AcquisitionDateTime = ""
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    dataset.SourceInstanceSequence = [_reference(source)]
    by.stamp(dataset)
    return dataset


def secondary_capture(
    picture: NDArray[np.uint8], source: SourceImage, by: Provenance, number: int, description: str
) -> Dataset:
    """Return a picture (rows, columns, 3) of reds, greens and blues as a secondary capture of the source's study."""
    dataset = hd.sc.SCImage.from_ref_dataset(
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
    dataset.BurnedInAnnotation = "YES"
    dataset.Laterality = ""  # of no paired part; the library leaves it out, and the module wants it
    dataset.ImageComments = description
    dataset.SourceImageSequence = [_reference(source)]
    by.stamp(dataset)
    return dataset


def _empty(
    source: SourceImage, by: Provenance, sop_class: str, names: tuple[Any, ...], modality: str, series: int
) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = by.uid(*names)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for name in _OF_PATIENT_AND_STUDY:
        if name in source.data:
            setattr(dataset, name, source.data[name].value)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID, dataset.SeriesNumber, dataset.InstanceNumber = by.uid("series", *names), series, 1
    dataset.Modality, dataset.SeriesDescription = modality, f"lss. {RESEARCH}"[:64]
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, MODEL
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = by.serial_number, __version__
    dataset.ContentDate = dataset.InstanceCreationDate = "19000101"  # set by `Provenance.stamp`
    dataset.ContentTime = dataset.InstanceCreationTime = "000000"
    return dataset


def _reference(source: SourceImage) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.data.SOPClassUID, source.data.SOPInstanceUID
    if source.frame is not None:
        item.ReferencedFrameNumber = source.frame
    return item
