"""Measurements as a TID 1500 report: one group per slice, each with the outline (SCOORD) that it was measured on.

Viewers show no group without coordinates (OHIF#3390). cornerstone3D, the library of OHIF, looks for them below the
number (TID 1501, TID 300), where a group of a planar region (TID 1410) may have none, and knows a group's kind by the
opening of its tracking identifier. Coordinates are (column, row) with the upper left corner of the first pixel at 0, so
that its centre is at 0.5 (PS3.3 C.18.6.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom import sr
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from skimage.measure import find_contours

from lss import __version__
from lss.dicom_out import vocabulary as words
from lss.dicom_out.provenance import ALGORITHM, MANUFACTURER, MODEL, RESEARCH, Provenance
from lss.dicom_out.segmentation import SERIES
from lss.dicom_out.source import SourceImage
from lss.errors import LssError

CLOSED, LINE = (f"Cornerstone3DTools@^0.1.0:{tool}" for tool in ("PlanarFreehandROI", "Length"))
"""What a tracking identifier opens with by which cornerstone3D draws a closed outline, or a line."""


@dataclass(frozen=True)
class Measured:
    """The measurements of one slice.

    `mask` (rows, columns) bool is the sac's; `level` and `grade` may be None where uncertain. `diameter_ends_22` are
    the ends (row, column) in pixels of the anteroposterior diameter.
    """

    source: SourceImage
    mask: NDArray[np.bool_]
    area_mm2: float
    diameter_mm: float | None
    diameter_ends_22: NDArray[np.float64] | None
    level: str | None
    grade: str | None


def measurement_report(measured: Sequence[Measured], by: Provenance) -> sr.ComprehensiveSR:
    """Return the measurements of a study as a Comprehensive SR, unverified and preliminary.

    Raises LssError where there is nothing to measure on any slice.
    """
    groups = [
        group for index, item in enumerate(measured, start=1) if item.mask.any() for group in _groups(item, index, by)
    ]
    if not groups:
        raise LssError("no mask on any slice: a measurement report would be empty")
    observer = sr.ObserverContext(
        codes.DCM.Device,
        sr.DeviceObserverIdentifyingAttributes(
            by.uid("device"),
            name=ALGORITHM,
            manufacturer_name=MANUFACTURER,
            model_name=MODEL,
            serial_number=by.serial_number,
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.MRIUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    evidence = {str(item.source.data.SOPInstanceUID): item.source.data for item in measured if item.mask.any()}
    report = sr.ComprehensiveSR(
        evidence=list(evidence.values()),
        content=content,
        series_instance_uid=by.uid("series", "report"),
        series_number=SERIES,
        sop_instance_uid=by.uid("report"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=__version__,
        device_serial_number=by.serial_number,
        series_description=f"lss measurements. {RESEARCH}"[:64],
    )
    by.stamp(report)
    return report


def _groups(item: Measured, index: int, by: Provenance) -> list[sr.MeasurementsAndQualitativeEvaluations]:
    """Return the group of the sac's area and grade, and the group of its diameter."""
    label = f"slice {index}, {item.level or 'level uncertain'}"
    grade = [sr.QualitativeEvaluation(words.STENOSIS_GRADE, words.GRADES[item.grade])] if item.grade else None
    area = _group(
        item, sr.TrackingIdentifier(by.uid("tracking", index, "area"), f"{CLOSED}:Thecal sac, {label}"),
        outline(item.mask), (words.AREA, item.area_mm2, codes.UCUM.SquareMillimeter), by, grade,
    )  # fmt: skip
    if item.diameter_mm is None or item.diameter_ends_22 is None:
        return [area]
    diameter = _group(
        item, sr.TrackingIdentifier(by.uid("tracking", index, "diameter"), f"{LINE}:Sac front to back, {label}"),
        np.asarray(item.diameter_ends_22)[:, ::-1] + 0.5,
        (words.DIAMETER, item.diameter_mm, codes.UCUM.Millimeter), by,
    )  # fmt: skip
    return [area, diameter]


def _group(
    item: Measured,
    tracking: sr.TrackingIdentifier,
    points_n2: NDArray[np.float64],
    measure: tuple[Code, float, Code],
    by: Provenance,
    evaluations: list[sr.QualitativeEvaluation] | None = None,
) -> sr.MeasurementsAndQualitativeEvaluations:
    """Return the group of one measure (what, value, unit), with the points (column, row) that it was measured on."""
    image = sr.SourceImageForRegion(
        item.source.data.SOPClassUID,
        item.source.data.SOPInstanceUID,
        [item.source.frame] if item.source.frame is not None else None,
    )
    what, value, unit = measure
    coordinates = sr.CoordinatesForMeasurement(sr.GraphicTypeValues.POLYLINE, points_n2, image)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        finding_type=words.SPINAL_CANAL,
        algorithm_id=sr.AlgorithmIdentification(ALGORITHM, __version__, parameters=[f"model: {by.model}"]),
        finding_sites=[sr.FindingSite(words.DISC_LEVELS[item.level] if item.level else words.LUMBAR_SPINE)],
        measurements=[sr.Measurement(what, round(value, 1), unit, referenced_coordinates=[coordinates])],
        qualitative_evaluations=evaluations,
    )


def outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the closed outline of the largest part of a mask, (n, 2) as (column, row) in DICOM's coordinates."""
    padded = np.pad(mask.astype(np.float64), 1)
    longest = max(find_contours(padded, 0.5), key=len)
    points = np.clip(longest[:, ::-1] - 1 + 0.5, 0, [mask.shape[1], mask.shape[0]])
    return points if np.array_equal(points[0], points[-1]) else np.vstack([points, points[:1]])
