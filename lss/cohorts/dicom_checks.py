"""Reject DICOM files that are no grey MR slices of a lumbar spine by their headers, each with the reason."""

from __future__ import annotations

import re

import pydicom
from pydicom.uid import MRImageStorage

from lss.cohorts.base import UnusableError
from lss.cohorts.body_regions import other_region
from lss.cohorts.dicom_header import AGAIN, images_in_mosaic, number, texts
from lss.cohorts.privacy import MATCHED

MAX_PIXELS = 4096 * 4096

GREY = ("MONOCHROME1", "MONOCHROME2")
"""PhotometricInterpretation of grey levels: the lowest is white, or black."""

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_OTHER_MODALITIES = frozenset({"CT", "CR", "DX", "MG", "NM", "OT", "PR", "PT", "RF", "SC", "SEG", "SR", "US", "XA"})
_NO_IMAGES = frozenset({"SR", "PR", "KO", "DOC", "AU", "REG", "RTSTRUCT"})
_OTHER_BODY_PARTS = frozenset(
    {"CSPINE", "TSPINE", "CTSPINE", "BRAIN", "HEAD", "HEADNECK", "SKULL", "NECK", "KNEE", "SHOULDER", "HIP", "CHEST",
     "ANKLE", "WRIST", "ELBOW", "HAND", "FOOT", "ARM", "LEG", "EXTREMITY", "BREAST", "HEART", "PROSTATE"}
)  # fmt: skip
_SPINE_COILS = re.compile(r"spin|ctl|body|torso|(?<![a-z])sp\d", re.IGNORECASE)
_UNIT = re.compile(r"mm|sec|hz|ppm|%|rad|deg|/|^m?s$|^us-?2$", re.IGNORECASE)
_NO_UNITS = frozenset({"", "US", "HU", "NORMALIZED", "UNSPECIFIED", "NONE", "N/A"})
DIFFUSION = "DiffusionBValue is above 0"
"""Reason of the weighting of a slice of a diffusion series."""

_NOTHING = "Nothing to do."
_MOSAIC_REMEDY = "Nothing to do: mosaics are of functional or diffusion series."
_SENDER_REMEDY = "Export it again as grey MR images."


def check_file(header: pydicom.Dataset) -> None:
    """Raise UnusableError unless a file holds grey MR images of credible size."""
    modality = str(header.get("Modality", "MR") or "MR")
    if modality in _NO_IMAGES and "Rows" not in header:
        raise UnusableError("no image", f"Modality is {modality}: a report or a viewer's state", _NOTHING)
    if str(header.get("SOPClassUID", "")).startswith(_SECONDARY_CAPTURE) and "ImagePositionPatient" not in header:
        raise UnusableError("screen save", "SOP class Secondary Capture", "Nothing to do: it is no scan.")
    if modality != "MR":
        known = modality if modality in _OTHER_MODALITIES else "another"  # a broken header may hold anything there
        raise UnusableError("not MR", f"Modality is {known}", "Keep only MR series in the cohort.")
    if "Rows" not in header or "Columns" not in header:
        if header.get("SOPClassUID") == MRImageStorage:
            raise UnusableError("truncated file", "ends before Rows and Columns", AGAIN)
        raise UnusableError("no image", "no Rows or Columns", "Remove it: it is no image.")
    if "PixelData" not in header:
        raise UnusableError("truncated file", "ends before the pixels", AGAIN)
    if "YES" in texts(header, "BurnedInAnnotation"):
        detail = "BurnedInAnnotation is YES: names may stand in its pixels"
        raise UnusableError("burnt-in text", detail, "Bring the images as the scanner stored them, without text.")
    if int(number(header, "SamplesPerPixel") or 1) != 1:
        raise UnusableError("colour image", "several samples per pixel", _SENDER_REMEDY)
    colours = str(header.get("PhotometricInterpretation", "") or "").strip().upper()
    if colours not in ("", *GREY):
        detail = "its values are numbers of a palette" if colours == "PALETTE COLOR" else "no MONOCHROME1 or 2"
        raise UnusableError("colour image", detail, _SENDER_REMEDY)
    if not 0 < int(header.Rows) * int(header.Columns) <= MAX_PIXELS:
        raise UnusableError("image too large", f"{header.Rows} x {header.Columns} pixels", _SENDER_REMEDY)
    if (tiles := images_in_mosaic(header)) > 1:
        raise UnusableError("mosaic", f"one image tiled of {tiles} slices", _MOSAIC_REMEDY)


def check_frame(header: pydicom.Dataset) -> None:
    """Raise UnusableError unless a frame's header (`lss.cohorts.dicom_frames`) may be of a lumbar spine."""
    if "MOSAIC" in texts(header, "ImageType"):
        raise UnusableError("mosaic", "ImageType says MOSAIC: slices tiled in one image", _MOSAIC_REMEDY)
    if "POSDISP" in texts(header, "ImageType"):
        raise UnusableError("position display", "ImageType says POSDISP", "Nothing to do: it shows slice lines.")
    body_part = str(header.get("BodyPartExamined", "") or "").upper().replace(" ", "")
    if body_part in _OTHER_BODY_PARTS:
        raise UnusableError("not a lumbar study", f"BodyPartExamined is {body_part}", _NOTHING)
    regions = " ".join(str(item.get("CodeMeaning", "")) for item in header.get("AnatomicRegionSequence") or [])
    names = " ".join(str(header.get(keyword, "") or "") for keyword in MATCHED)
    coil = str(header.get("ReceiveCoilName", "") or "")
    if _SPINE_COILS.search(coil):
        coil = ""
    for where, text in (("anatomic region", regions), ("series, study or procedure", names), ("receive coil", coil)):
        if region := other_region(text, f"{names} {regions} {body_part}"):
            detail = f"the {where} says '{region}'"
            raise UnusableError("not a lumbar study", detail, _NOTHING)


def kind_of_values(header: pydicom.Dataset) -> tuple[str, str] | None:
    """Return weighting (derived, other) and the reason, where the header says that a program made the image, that its
    values are measured ones with a unit (T2 times, diffusion), or that they are weighted by diffusion; None otherwise.
    """
    if str(header.get("SOPClassUID", "")).startswith(_SECONDARY_CAPTURE):
        return "derived", "SOP class Secondary Capture"
    unit = str(header.get("RescaleType", "") or "").strip()
    if unit.upper() not in _NO_UNITS and _UNIT.search(unit):
        return "derived", "RescaleType names a unit: a map of measured values"
    if (number(header, "DiffusionBValue") or 0) > 0:  # some scanners write 0 into every file
        return "other", DIFFUSION
    return None
