"""The phantom archive: which patients, which files, and the truth about them.

One patient is made by `write_patient` from the seed alone, so patients can be made in any order and in any number
of processes.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from lss.phantom import acquisition, axial, headers, sagittal
from lss.phantom.anatomy import (
    IMAGED_LEVELS,
    LUMBARISED,
    SACRALISED,
    STEEP_SACRUM,
    Patient,
    draw_grades,
    draw_patient,
)
from lss.phantom.canvas import OVERSAMPLING
from lss.phantom.headers import Plane, Protocol, Study
from lss.phantom.notes import Note, write_note
from lss.phantom.tissue import Textures
from lss.phantom.visible_findings import findings_of
from lss.runtime.seeding import generator

IMAGES = "01_MRI_Data"
NOTES = "Radiologists Report.xlsx"

MIN_PATIENTS_FOR_QUIRKS = 12
"""A smaller cohort is all regular; from here on one patient each shows one oddity of the real archive."""

NUMBER_WITHOUT_IMAGES = 9001
"""Of a patient with a note alone."""

T1_SLICES = (1, 2)
"""Slices of a block that also have a T1 image."""

SAGITTAL_T2_MM = (17.6, 13.2, 8.8, 4.4, 0.0, -4.4, -8.8, -13.2, -17.6)
SAGITTAL_T1_MM = (4.4, 0.0, -13.2)

_LEFT, _BACK, _HEAD = np.eye(3)


@dataclass(frozen=True)
class Plan:
    """One patient of the archive and what is odd about it."""

    number: int
    grades: dict[str, str]
    second_study: bool = False
    position_display: bool = False
    cervical_study: bool = False
    truncated_file: bool = False
    columns: int = 320
    empty_note: bool = False
    anatomy: str = ""  # one of `anatomy.ANATOMIES`
    blocks: tuple[str, ...] = IMAGED_LEVELS  # discs with axial slices


UNUSUAL: tuple[dict[str, Any], ...] = (
    {"anatomy": STEEP_SACRUM},
    {"anatomy": SACRALISED, "blocks": ("L2-L3", "L3-L4", "L4-L5")},
    {"anatomy": LUMBARISED},
    {"blocks": ("L3-L4", "L5-S1")},
    {"blocks": ("L3-L4", "L4-L5")},
    {"blocks": ("L2-L3", "L3-L4", "L4-L5")},
    {"blocks": ("L2-L3", "L3-L4", "L4-L5", "L5-S1")},
)
"""Spines and scans of which counting the blocks from below, three of them and flat enough, makes wrong levels."""


def plan_cohort(patients: int, seed: int, unusual: float = 0.0) -> tuple[list[Plan], list[int]]:
    """Return the patients, and the numbers of notes that have no images.

    Numbers run from 1 with gaps, as in the real archive. `unusual` is the share of patients with one of UNUSUAL, in
    turn; the others are the same whatever it is. With none of them a cohort of more patients begins with the same ones.
    """
    steps = generator(seed, "phantom", "plan").choice([1, 2, 3], patients, p=[0.88, 0.08, 0.04])
    numbers = np.cumsum(steps)
    grades = draw_grades(patients, seed)
    odd: dict[int, dict[str, Any]] = {}
    without_images: list[int] = []
    if patients >= MIN_PATIENTS_FOR_QUIRKS:
        # patients with a severe level are few: they stay regular
        regular = [index for index in range(MIN_PATIENTS_FOR_QUIRKS) if "D" not in grades[index].values()]
        chosen = generator(seed, "phantom", "odd").choice(regular, 6, replace=False)
        kinds: tuple[dict[str, Any], ...] = (
            {"second_study": True}, {"position_display": True}, {"cervical_study": True},
            {"truncated_file": True}, {"columns": 310}, {"empty_note": True},
        )  # fmt: skip
        odd = dict(zip(map(int, chosen), kinds, strict=True))
        without_images = [max(NUMBER_WITHOUT_IMAGES, int(numbers[-1]) + 2)]
    order = generator(seed, "phantom", "unusual").permutation([index for index in range(patients) if index not in odd])
    for place, index in enumerate(order[: round(unusual * patients)]):
        odd[int(index)] = UNUSUAL[place % len(UNUSUAL)]
        if odd[int(index)].get("anatomy") == SACRALISED:  # a rudimentary disc presses on nothing
            grades[int(index)]["L5-S1"] = "A"
    plans = [Plan(int(number), grades[index], **odd.get(index, {})) for index, number in enumerate(numbers)]
    return plans, without_images


def draw_notes(plans: list[Plan], without_images: list[int], seed: int) -> dict[int, Note | None]:
    """Return the notes by patient number; None where the note is empty."""
    notes: dict[int, Note | None] = {}
    for plan in plans:
        patient = draw_patient(plan.number, plan.grades, seed, plan.anatomy)
        note = write_note(patient, generator(seed, "phantom", "note", plan.number))
        notes[plan.number] = None if plan.empty_note else note
    for number in without_images:
        patient = draw_patient(number, dict.fromkeys(IMAGED_LEVELS, "A"), seed)
        notes[number] = write_note(patient, generator(seed, "phantom", "note", number))
    return notes


def write_patient(plan: Plan, root: Path, seed: int) -> list[dict[str, Any]]:
    """Write all files of a patient below `root`; returns its rows of `lss.storage.schemas.TRUTH`."""
    return write_anatomy(draw_patient(plan.number, plan.grades, seed, plan.anatomy), plan, root, seed)


def write_anatomy(patient: Patient, plan: Plan, root: Path, seed: int) -> list[dict[str, Any]]:
    """Write all files of a patient whose anatomy was drawn before, and perhaps altered since; as `write_patient`."""
    cv2.setNumThreads(1)  # patients are what runs in parallel
    return _Writer(patient, plan, root, seed).write()


class _Writer:
    """The drawing and writing of one patient's studies."""

    def __init__(self, patient: Patient, plan: Plan, root: Path, seed: int) -> None:
        self.patient, self.plan, self.seed = patient, plan, seed
        self.folder = root / IMAGES / f"{patient.number:04d}"
        self.textures = Textures(
            generator(seed, "phantom", "textures", patient.number), axial.SPACING_MM / OVERSAMPLING
        )
        self.truth: list[dict[str, Any]] = []

    def write(self) -> list[dict[str, Any]]:
        draw = generator(self.seed, "phantom", "studies", self.patient.number)
        first, second, third = (_draw_study(draw, year) for year in (2015, 2016, 2017))
        self._write_sagittal(first, 1, headers.LOCALIZER, (0.0,), 512, 420.0)
        self._write_sagittal(first, 2, headers.SAGITTAL_T2, SAGITTAL_T2_MM, 384, sagittal.FIELD_MM)
        self._write_sagittal(first, 3, headers.SAGITTAL_T1, SAGITTAL_T1_MM, 320, sagittal.FIELD_MM)
        self._write_axial(first, 4, 5)
        if self.plan.position_display:
            self._write_sagittal(first, 5001, headers.POSITION_DISPLAY, (0.0,), 384, sagittal.FIELD_MM)
        if self.plan.second_study:
            self._write_sagittal(second, 1, headers.LOCALIZER, (0.0,), 512, 420.0)
            self._write_axial(second, 2, None)
        if self.plan.cervical_study:
            cervical = Study(third.date, third.time, third.fraction, "C-SPINE_C-SPINE")
            self._write_sagittal(cervical, 1, headers.LOCALIZER, (0.0,), 512, 420.0)
        return self.truth

    def _write_axial(self, study: Study, t2_series: int, t1_series: int | None) -> None:
        """Write T2 of all slices, T1 of some; from the highest block to the lowest, within a block from above."""
        instances = {"T2": 0, "T1": 0}
        for level in self.plan.blocks:
            for index in range(axial.SLICES_PER_DISC):
                with_t1 = t1_series is not None and index in T1_SLICES
                weightings = ("T1", "T2") if with_t1 else ("T2",)
                section = axial.draw_section(
                    self.patient, level, index, self.plan.columns, self.textures, self.seed, weightings
                )
                plane = axial_plane(self.patient, level, index, section.centre_mm)
                truth = {
                    "level": level,
                    "grade": self.patient.discs[level].grade,
                    "canal_mask": _mask_png(section.canal),
                    "sac_area_mm2": section.sac_area_mm2,
                    "sac_diameter_mm": section.sac_diameter_mm,
                    "findings": findings_of(self.patient, level),
                    "anatomy": self.plan.anatomy,
                }
                instances["T2"] += 1
                self._write_slice(study, t2_series, headers.AXIAL_T2, instances["T2"], level, section, plane, truth)
                if t1_series is not None and "T1" in weightings:
                    instances["T1"] += 1
                    self._write_slice(study, t1_series, headers.AXIAL_T1, instances["T1"], level, section, plane, truth)

    def _write_slice(
        self,
        study: Study,
        series: int,
        protocol: Protocol,
        instance: int,
        level: str,
        section: axial.Section,
        plane: Plane,
        truth: dict[str, Any],
    ) -> None:
        is_t2 = protocol is headers.AXIAL_T2
        names = ("phantom", "acquisition", self.patient.number, study.date, series)
        clean = axial_image(self.patient, level, section, is_t2, generator(self.seed, *names, level))
        noise = generator(self.seed, *names, instance)
        border = acquisition.corrected_border(clean.shape, generator(self.seed, *names, level, "border"))
        image = acquisition.noisy(clean, self.patient.noise, acquisition.AXIAL, noise) * border
        pixels = acquisition.to_stored(image, self.patient.receiver)
        data = headers.dicom_bytes(pixels, plane, protocol, self.patient, study, series, instance, self.seed)
        if self.plan.truncated_file and not is_t2 and instance == 1:
            data = data[: len(data) // 3]
        self._write(study, protocol, series, instance, data)
        stored = acquisition.to_stored(clean * border, self.patient.receiver).astype("<u2").tobytes() if is_t2 else None
        rows, columns = pixels.shape
        row = {"source_sha256": hashlib.sha256(data).hexdigest(), "rows": rows, "columns": columns, "clean": stored}
        self.truth.append({**truth, **row})

    def _write_sagittal(
        self, study: Study, series: int, protocol: Protocol, lefts_mm: tuple[float, ...], size: int, field_mm: float
    ) -> None:
        patient = self.patient
        centre = sagittal.field_centre(patient, field_mm)
        weightings = {headers.LOCALIZER: ("T1", "T2"), headers.SAGITTAL_T1: ("T1",)}.get(protocol, ("T2",))
        for instance, left in enumerate(lefts_mm, start=1):
            section = sagittal.draw_section(patient, left, size, field_mm, centre, self.textures, self.seed, weightings)
            draw = generator(self.seed, "phantom", "acquisition", patient.number, study.folder, series, instance)
            image = sagittal_image(patient, section, protocol, field_mm / size, draw)
            pixels = acquisition.to_stored(image, patient.receiver)
            x, y, z = patient.shift_mm
            plane = Plane(np.array([x + left, y + centre[0], z - centre[1]]), _BACK, -_HEAD, field_mm / size)
            data = headers.dicom_bytes(pixels, plane, protocol, patient, study, series, instance, self.seed)
            self._write(study, protocol, series, instance, data)

    def _write(self, study: Study, protocol: Protocol, series: int, instance: int, data: bytes) -> None:
        name = f"{protocol.folder}_{series:04d}"
        folder = self.folder / study.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name[:11]}_{self.patient.number:04d}_{instance:03d}.ima").write_bytes(data)


def axial_plane(patient: Patient, level: str, index: int, centre_mm: tuple[float, float]) -> Plane:
    """Return where slice `index` of the block at `level` lies; `centre_mm` as in `axial.Section`."""
    disc = patient.discs[level]
    tilt = np.radians(disc.tilt)
    column_3 = np.cos(tilt) * _BACK + np.sin(tilt) * _HEAD
    normal_3 = np.cos(tilt) * _HEAD - np.sin(tilt) * _BACK
    disc_3 = np.array(patient.shift_mm) + np.array([0.0, *disc.centre_2])
    centre_3 = disc_3 + centre_mm[0] * _LEFT + centre_mm[1] * column_3 + axial.offset_of(index) * normal_3
    return Plane(centre_3, _LEFT, column_3, axial.SPACING_MM)


def axial_image(
    patient: Patient, level: str, section: axial.Section, is_t2: bool, draw: np.random.Generator
) -> np.ndarray:
    """Return noise-free image of an axial section, (rows, columns) float32; `draw` is the same for all slices of a
    block.
    """
    shape = section.canal.shape

    def row_of(y_mm: float) -> float:
        return (y_mm - section.centre_mm[1]) / axial.SPACING_MM + (shape[0] - 1) / 2

    coil = acquisition.spine_coil(shape, axial.SPACING_MM, row_of(section.skin_mm), (shape[1] - 1) / 2)
    edge = row_of(-patient.saturation - (8 if level == "L5-S1" else 0) + draw.normal(0, 2))
    band = acquisition.saturation(shape, edge, draw.normal(0, 0.015), draw.uniform(3.0, 8.0), draw.uniform(0.03, 0.10))
    image = section.signal["T2" if is_t2 else "T1"] * coil * band
    if level != "L3-L4" and draw.random() < 0.3:
        row = row_of(draw.uniform(48, 78))
        image = image * acquisition.crossing_band(shape, row, draw.uniform(5, 9), draw.uniform(0.3, 0.8))
    return acquisition.acquired(image, acquisition.AXIAL, acquisition.Motion.drawn(draw))


def sagittal_image(
    patient: Patient, section: sagittal.Section, protocol: Protocol, spacing_mm: float, draw: np.random.Generator
) -> np.ndarray:
    """Return noisy image of a sagittal section, (size, size) float32."""
    if protocol is headers.LOCALIZER:
        # a fast gradient echo with little contrast
        fluid = np.sqrt(np.maximum(section.signal["T2"], 0))
        signal = acquisition.blurred(0.55 * section.signal["T1"] + 0.25 * fluid, 1.1)
    else:
        signal = section.signal["T1" if protocol is headers.SAGITTAL_T1 else "T2"]
    shape = signal.shape
    # the same shading as in axial slices, with the back at the right instead of below
    coil = acquisition.spine_coil(shape, spacing_mm, section.skin_columns, (shape[0] - 1) / 2, floor=0.52).T
    image = signal * coil
    if protocol is not headers.LOCALIZER:
        edge = section.saturation_column + draw.normal(0, 2)
        soft_px = float(generator(patient.number, "saturation").uniform(4, 16))
        image = image * acquisition.saturation(shape, edge, draw.normal(-0.11, 0.04), soft_px, 0.05).T
    border = acquisition.bowed_border(shape, generator(patient.number, "border"))
    # thicker voxels and more averages than the axial series: a lower noise
    clean = acquisition.acquired(image, acquisition.SAGITTAL, acquisition.Motion.drawn(draw))
    return acquisition.noisy(clean, 0.85 * patient.noise, acquisition.SAGITTAL, draw) * border


def _draw_study(draw: np.random.Generator, year: int) -> Study:
    date = f"{year}{int(draw.integers(1, 13)):02d}{int(draw.integers(1, 29)):02d}"
    time = f"{int(draw.integers(8, 20)):02d}{int(draw.integers(0, 60)):02d}{int(draw.integers(0, 60)):02d}"
    return Study(date, time, f"{int(draw.integers(0, 1000)) * 1000:06d}")


def _mask_png(mask: np.ndarray) -> dict[str, Any]:
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": None}
