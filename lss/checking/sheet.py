"""Contact sheet of a cohort: thumbnails with what each slice was taken for, as one HTML file that asks for nothing."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from lss.checking.cohort import Checked, Row
from lss.checking.problems import Weight
from lss.cohorts.base import RawSlice, natural_key
from lss.domain.grades import GRADE_LABELS, LEVELS
from lss.evaluation.summary import RESEARCH_ONLY
from lss.imaging.geometry import edge_letters
from lss.reporting.view_marks import BAR_MM, UNKNOWN_SIDES

SIDE = 144
"""Pixels of a thumbnail's longer side."""

MOST_OF_A_GROUP = 12
"""So many slices are shown of a doubtful group; of any other its middle one."""

_PLANES = ("axial", "sagittal", "coronal")


@dataclass(frozen=True)
class Thumbnail:
    """One picture of the sheet and the words under it."""

    uri: str
    width: int
    height: int
    sides: tuple[str, str] | None  # the patient's at its left and right edge; None where the file does not say
    bar: int  # length of 10 mm in pixels
    file: str
    taken_for: str  # plane and weighting
    level: str
    use: str  # its grade, or why it is not worked on
    alike: str  # how many slices were taken for the same, and how many of them are shown
    marks: tuple[str, ...]  # what is doubtful of it


class ContactSheet:
    """A sheet that takes slices patient by patient, as `check_cohort` sees them, and keeps thumbnails alone."""

    def __init__(self) -> None:
        self._patients: dict[str, list[Thumbnail]] = {}

    def add(self, slices: Sequence[RawSlice], rows: Sequence[Row]) -> None:
        """Take the slices of one patient and their rows."""
        groups: dict[tuple[Any, ...], list[tuple[RawSlice, Row]]] = defaultdict(list)
        files = Counter(item.file for item in slices)
        for item, row in zip(slices, rows, strict=True):
            groups[_group(row)].append((item, row))
        for key in sorted(groups, key=_order):
            members = sorted(groups[key], key=lambda pair: (pair[0].instance, natural_key(pair[0].file)))
            shown = _shown(members)
            alike = f"{len(shown)} of {len(members)} alike" if len(members) > 1 else "the only one"
            self._patients.setdefault(members[0][1]["patient"], []).extend(
                _thumbnail(item, row, alike, numbered=files[item.file] > 1) for item, row in shown
            )

    def html(self, checked: Checked, summary: str) -> str:
        """Return the sheet.

        Args:
            checked: result of the check, also for the patients without a usable slice.
            summary: what the cohort holds, in a sentence.
        """
        problems = Counter(p.kind for p in checked.problems if p.weight is not Weight.AS_IT_SHOULD)
        of_patient: dict[str, list[str]] = defaultdict(list)
        for problem in checked.problems:
            if problem.patient and problem.weight is Weight.LEFT_OUT:
                of_patient[problem.patient].append(f"{problem.kind}: {problem.file}")
        patients = sorted(self._patients.keys() | of_patient.keys(), key=natural_key)
        environment = Environment(
            loader=PackageLoader("lss.checking"), autoescape=select_autoescape(["j2"]), undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        return environment.get_template("sheet.html.j2").render(
            summary=summary,
            research_only=RESEARCH_ONLY,
            unknown_sides=UNKNOWN_SIDES,
            bar_label=f"{BAR_MM:.0f} mm",
            problems=problems.most_common(),
            patients=[(patient, of_patient[patient], self._patients.get(patient, [])) for patient in patients],
        )


def _group(row: Row) -> tuple[Any, ...]:
    """Return slices that were taken for the same."""
    return row["study_key"], row["plane"], row["weighting"], row["series_key"], row["level"], bool(row["looks"])


def _order(group: tuple[Any, ...]) -> tuple[Any, ...]:
    study, plane, weighting, series, level, doubtful = group
    return (
        study,
        _PLANES.index(plane) if plane in _PLANES else len(_PLANES),
        weighting,
        series,
        LEVELS.index(level) if level in LEVELS else len(LEVELS),
        doubtful,
    )


def _shown(members: list[tuple[RawSlice, Row]]) -> list[tuple[RawSlice, Row]]:
    """Return the middle slice of a group, or some evenly spread over it where it is doubtful."""
    if not members[0][1]["looks"]:
        return [members[len(members) // 2]]
    picked = np.linspace(0, len(members) - 1, min(len(members), MOST_OF_A_GROUP)).round().astype(int)
    return [members[index] for index in picked]


def _thumbnail(item: RawSlice, row: Row, alike: str, *, numbered: bool) -> Thumbnail:
    picture = thumbnail_pixels(item.pixels, item.row_spacing_mm, item.column_spacing_mm)
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    marks = tuple(f"{what}: {reason}" for what, reason in row["looks"].items())
    level = row["level"] or ("level unknown" if row["plane"] == "axial" else "")
    return Thumbnail(
        uri=f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}",
        width=picture.shape[1],
        height=picture.shape[0],
        sides=edge_letters(row["orientation"]),
        bar=round(BAR_MM * picture.shape[1] / (item.pixels.shape[1] * item.column_spacing_mm)),
        file=f"{item.file}, slice {item.instance}" if numbered else item.file,
        taken_for=f"{row['plane']} {row['weighting']}",
        level=level,
        use=f"grade {GRADE_LABELS[row['grade']]}" if row["reason"] is None else f"not worked on: {row['reason']}",
        alike=alike,
        marks=marks,
    )


def thumbnail_pixels(pixels: np.ndarray, row_spacing_mm: float, column_spacing_mm: float) -> np.ndarray:
    """Return a slice in its true proportions, its longer side of `SIDE` pixels, as uint8 (rows, columns).

    0 stands for the 1st percentile, 255 for the 99.5th.

    Args:
        pixels: (rows, columns) uint16.
        row_spacing_mm: from a row to the next.
        column_spacing_mm: from a column to the next.
    """
    low, high = np.percentile(pixels, (1, 99.5))
    grey = (np.clip((pixels.astype(np.float32) - low) / max(float(high - low), 1.0), 0, 1) * 255).round()
    height_mm, width_mm = pixels.shape[0] * row_spacing_mm, pixels.shape[1] * column_spacing_mm
    scale = SIDE / max(height_mm, width_mm)
    size = max(1, round(width_mm * scale)), max(1, round(height_mm * scale))
    return cv2.resize(grey.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
