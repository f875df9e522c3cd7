"""Frames of an Enhanced (multi-frame) MR file, each with a header as a file of its own would have.

An Enhanced MR file stores what differs between frames in functional groups: those of all frames in
SharedFunctionalGroupsSequence, those of one in PerFrameFunctionalGroupsSequence (DICOM PS3.3, C.7.6.16). A frame's own
group takes precedence over the shared one, and both over the file's header.
"""

from __future__ import annotations

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from lss.cohorts.base import UnusableError

MAX_VOXELS = 2**26
"""Maximum pixels of all frames together: those of 256 slices of 512 x 512."""

_TIMES = {"EchoTime": "EchoTime", "RepetitionTime": "RepetitionTime"}
_GROUPS: dict[str, dict[str, str]] = {
    "PixelMeasuresSequence": {"PixelSpacing": "PixelSpacing"},
    "PlanePositionSequence": {"ImagePositionPatient": "ImagePositionPatient"},
    "PlaneOrientationSequence": {"ImageOrientationPatient": "ImageOrientationPatient"},
    "PixelValueTransformationSequence": {name: name for name in ("RescaleSlope", "RescaleIntercept", "RescaleType")},
    "MRImageFrameTypeSequence": {
        "FrameType": "ImageType",
        **{name: name for name in ("AcquisitionContrast", "ComplexImageComponent")},
    },
    "MREchoSequence": {"EffectiveEchoTime": "EchoTime"},
    "MRTimingAndRelatedParametersSequence": {"RepetitionTime": "RepetitionTime"},
    "MRDiffusionSequence": {"DiffusionBValue": "DiffusionBValue"},
    "MRReceiveCoilSequence": {"ReceiveCoilName": "ReceiveCoilName"},
    "FrameAnatomySequence": {"AnatomicRegionSequence": "AnatomicRegionSequence"},
    # of files converted from single frames
    "UnassignedSharedConvertedAttributesSequence": _TIMES,
    "UnassignedPerFrameConvertedAttributesSequence": _TIMES,
}
"""Per functional group: its attributes, and their names in the header of a single frame."""

_PLACE = ("ImagePositionPatient", "ImageOrientationPatient")
_OWN = {"PixelData", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"}
_SPLIT = "Split it into single frames (emf2sf) and bring it again."


def frame_headers(header: pydicom.Dataset) -> list[pydicom.Dataset]:
    """Return the header of every frame, without pixels; of a file without functional groups the file's own.

    Raises UnusableError for several frames without a position each, or more than `MAX_VOXELS`.
    """
    shared, each = (list(header.get(f"{kind}FunctionalGroupsSequence") or []) for kind in ("Shared", "PerFrame"))
    count = int(header.get("NumberOfFrames") or len(each) or 1)
    if not each and count > 1:
        raise UnusableError("multi-frame DICOM", f"{count} frames without functional groups", _SPLIT)
    if not each and not shared:
        return [header]
    if each and len(each) != count:
        detail = f"{count} frames, but functional groups of {len(each)}"
        raise UnusableError("broken DICOM", detail, "Fetch or export it again.")
    if count * int(header.Rows) * int(header.Columns) > MAX_VOXELS:
        raise UnusableError("image too large", f"{count} frames of {header.Rows} x {header.Columns} pixels", _SPLIT)
    common = pydicom.Dataset()
    for element in header:
        if element.keyword not in _OWN and not (count > 1 and element.keyword in _PLACE):
            common.add(element)
    common = _with(common, shared[0]) if shared else common
    return [_with(common, group) for group in each] if each else [common]


def _with(header: pydicom.Dataset, group: pydicom.Dataset) -> pydicom.Dataset:
    """Return a copy of `header` with the attributes of functional groups, by the names of a single frame's header."""
    copy = pydicom.Dataset()
    copy.update(header)
    for sequence, names in _GROUPS.items():
        for item in (group.get(sequence) or [])[:1]:
            for name, flat in names.items():
                if name in item and item[name].value not in (None, ""):
                    # a new element: the old one is that of the other frames too
                    copy.add_new(Tag(flat), dictionary_VR(flat), item[name].value)
    return copy
