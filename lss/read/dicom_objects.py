"""The DICOM objects of a reading."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from pydicom.dataset import Dataset

from lss.dicom_out.documents import encapsulated_pdf, secondary_capture
from lss.dicom_out.provenance import Provenance
from lss.dicom_out.report import Measured, measurement_report
from lss.dicom_out.segmentation import segmentation
from lss.dicom_out.source import SourceImage, read_source_header
from lss.domain.grades import GRADE_LABELS
from lss.errors import LssError
from lss.read.page import measure_text
from lss.read.pictures import overlay
from lss.read.reading import Reading, SliceReading


def sources_of(reading: Reading) -> dict[int, SourceImage]:
    """Return the source image of each slice by its number; {} where the study is no DICOM."""
    headers: dict[str, Dataset] = {}
    sources = {}
    for one in reading.slices:
        item = one.item
        try:
            if item.file not in headers:
                headers[item.file] = read_source_header(reading.study.tree.read(item.file))
        except LssError:
            return {}
        sources[one.number] = SourceImage(headers[item.file], item.instance if "#" in item.image else None)
    return sources


def dicom_objects(reading: Reading, document: dict[str, Any], by: Provenance) -> dict[str, tuple[str, Dataset]]:
    """Return objects by file name, each with its kind in words; {} where the study is no DICOM.

    Raises LssError where an object cannot be made, with the reason.
    """
    sources = sources_of(reading)
    if not sources:
        return {}
    objects: dict[str, tuple[str, Dataset]] = {}
    groups: dict[tuple[int, tuple[int, int], str], list[SliceReading]] = defaultdict(list)
    for one in reading.slices:
        source = sources[one.number]
        if one.prepared is not None and one.item.geometry is not None:
            groups[one.block, source.size, str(source.data.SeriesInstanceUID)].append(one)
    for number, members in enumerate(groups.values(), start=1):
        empty = [np.zeros(one.item.pixels.shape, bool) for one in members]
        sac = [one.sac.mask if one.sac else blank for one, blank in zip(members, empty, strict=True)]
        masks = {"sac": sac}
        if any(one.mask is not None for one in members):
            masks["stenosis"] = [
                one.mask if one.mask is not None else blank for one, blank in zip(members, empty, strict=True)
            ]
        dataset = segmentation([sources[one.number] for one in members], masks, number, by)
        objects[f"segmentation-{number}.dcm"] = "masks (Segmentation)", dataset
    measured = [
        Measured(sources[one.number], one.sac.mask, one.measure.area_mm2.value, one.measure.diameter_mm.value,
                 one.measure.ends_22, one.level.level, one.grade)
        for one in reading.slices
        if one.sac is not None and one.measure is not None and one.measure.has_values
    ]  # fmt: skip
    first = next(iter(sources.values()))
    if measured:
        objects["measurements.dcm"] = "measurements (TID 1500)", measurement_report(measured, by)
    objects["reading.dcm"] = "reading (PDF)", encapsulated_pdf(_pdf(document), first, by, "Reading, research software")
    for number, disc in enumerate(reading.discs, start=1):
        shown = disc.smallest or next((s for s in disc.slices if s.prepared is not None), None)
        if shown is not None:
            words = f"{disc.level or 'level uncertain'}, slice {shown.number}"
            picture = secondary_capture(overlay(shown), sources[shown.number], by, number, words)
            objects[f"picture-{number}.dcm"] = "pictures (Secondary Capture)", picture
    return objects


def _pdf(document: dict[str, Any]) -> bytes:
    """Return a page with a line per disc."""
    figure = Figure(figsize=(8.27, 11.69))
    lines = [
        document["research_only"],
        f"Model {document['software']['model']} ({document['software']['weights']})",
        "",
    ]
    lines += document["notes"]
    for disc in document["discs"]:
        probabilities = ", ".join(f"{grade} {p:.2f}" for grade, p in disc["probabilities"].items())
        lines += [
            f"{disc['level'] or 'Level uncertain: ' + disc['level_reason']}",
            f"    grade {disc['grade'] or 'not read'}  ({probabilities})",
            f"    possible: {', '.join(GRADE_LABELS[g] for g in disc['grade_set']) or 'not stated'}",
            *(f"    look first: {reason}" for reason in disc["reasons"]),
            f"    sac, mm2: {measure_text(disc['area_mm2'])}",
            f"    front to back, mm: {measure_text(disc['diameter_mm'])}",
            f"    slices {', '.join(map(str, disc['slices']))}" + ("; cut obliquely" if disc["oblique"] else ""), "",
        ]  # fmt: skip
    figure.text(0.08, 0.95, "Reading of one study", fontsize=16, va="top")
    figure.text(0.08, 0.91, "\n".join(lines), fontsize=9, va="top", wrap=True, parse_math=False)
    stream = io.BytesIO()
    figure.savefig(stream, format="pdf", metadata={"CreationDate": None, "Title": "Reading, research software"})
    return stream.getvalue()
