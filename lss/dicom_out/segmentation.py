"""Masks as Segmentation objects, one per block: an object's frames share one orientation (PS3.3 A.51)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import highdicom as hd
import numpy as np
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    SegmentationTypeValues,
    SegmentDescription,
)
from numpy.typing import NDArray

from lss.dicom_out import vocabulary as words
from lss.dicom_out.provenance import MANUFACTURER, MODEL, RESEARCH, Provenance
from lss.dicom_out.source import SourceImage
from lss.errors import LssError

Mask = NDArray[np.bool_]

SEGMENTS = {
    "sac": ("Thecal sac", words.ANATOMICAL_STRUCTURE, words.SPINAL_CANAL, [255, 217, 102]),
    "stenosis": ("Stenotic region", words.ABNORMAL_STRUCTURE, words.SPINAL_STENOSIS, [204, 51, 51]),
}
"""Kinds of masks: label, category, type and colour (red, green, blue)."""

SERIES = 9700
"""First series number of the objects: scanners do not count so far."""


def segmentation(
    sources: Sequence[SourceImage], masks: Mapping[str, Sequence[Mask]], block: int, by: Provenance
) -> hd.seg.Segmentation:
    """Return the masks of one block of parallel slices as a binary Segmentation.

    Frames are aligned with the source's pixels, empty ones are kept, and each refers to its source image, as viewers
    require.

    Args:
        sources: the slices of the block.
        masks: for each kind of `SEGMENTS`, one mask (rows, columns) bool per slice.
        block: number of the block in its study, from 1.
        by: the run.

    Raises LssError where the slices differ in orientation or size, or a mask does not fit its slice.
    """
    _check(sources, masks)
    descriptions = []
    for number, kind in enumerate(masks, start=1):
        label, category, kind_code, colour = SEGMENTS[kind]
        descriptions.append(
            SegmentDescription(
                number,
                label,
                category,
                kind_code,
                SegmentAlgorithmTypeValues.AUTOMATIC,
                by.algorithm(),
                tracking_uid=by.uid("segment", block, kind),
                tracking_id=f"{label}, block {block}",
                anatomic_regions=[words.LUMBAR_SPINE],
                display_color=hd.color.CIELabColor.from_rgb(*colour),
            )
        )
    stacked = np.stack(
        [np.stack(list(of_kind)) for of_kind in masks.values()], axis=-1
    )  # (slices, rows, columns, kinds)
    first = sources[0].data
    framed = sources[0].frame is not None
    if framed:
        sources[0].share_groups()
    dataset = hd.seg.Segmentation(
        source_images=[first] if framed else [source.data for source in sources],
        pixel_array=stacked,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=by.uid("series", "segmentation", block),
        series_number=SERIES + block,
        sop_instance_uid=by.uid("segmentation", block),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=by.algorithm()[0].AlgorithmVersion,
        device_serial_number=by.serial_number,
        plane_positions=[source.position() for source in sources] if framed else None,
        plane_orientation=hd.PlaneOrientationSequence(
            hd.CoordinateSystemNames.PATIENT, sources[0].orientation().tolist()
        ) if framed else None,
        omit_empty_frames=False,
        content_description=RESEARCH,
        content_label="LSS_MASKS",
        series_description=f"lss masks, block {block} (research)",
    )  # fmt: skip
    by.stamp(dataset)
    return dataset


def _check(sources: Sequence[SourceImage], masks: Mapping[str, Sequence[Mask]]) -> None:
    """Raise LssError for masks that do not fit their slices, or slices that cannot share one object."""
    if not sources or not masks:
        raise LssError("a Segmentation needs at least one slice and one kind of mask")
    orientation_6 = sources[0].orientation()
    for source in sources:
        if not np.allclose(source.orientation(), orientation_6, atol=1e-3):
            raise LssError("slices of several orientations cannot share a Segmentation: make one per block")
        if source.size != sources[0].size:
            raise LssError("slices of several sizes cannot share a Segmentation: make one per size")
    for kind, of_kind in masks.items():
        if kind not in SEGMENTS:
            raise LssError(f"unknown kind of mask '{kind}': one of {', '.join(SEGMENTS)}")
        if len(of_kind) != len(sources):
            raise LssError(f"{len(of_kind)} masks of kind '{kind}' for {len(sources)} slices")
        if any(mask.shape != source.size or mask.dtype != bool for mask, source in zip(of_kind, sources, strict=True)):
            raise LssError(f"a mask of kind '{kind}' is not bool or not of its slice's size")
