"""Phantom studies of which only the sagittal slices are drawn: of axial ones it matters only where they lie."""

from __future__ import annotations

import numpy as np

from lss.cohorts.base import Geometry, RawSlice
from lss.cohorts.slice_levels import assign_levels
from lss.phantom import acquisition, archive, axial, headers, sagittal
from lss.phantom.anatomy import Patient, draw_patient
from lss.phantom.canvas import OVERSAMPLING
from lss.phantom.tissue import Textures
from lss.runtime.seeding import generator


def raw_slice(name: str, pixels: np.ndarray, plane: headers.Plane, kind: str, instance: int) -> RawSlice:
    """A slice as the reader of DICOM gives it."""
    normal_3 = np.cross(plane.row_3, plane.column_3)
    normal_3 *= np.sign(normal_3[np.argmax(np.abs(normal_3))])
    orientation_6 = np.concatenate([plane.row_3, plane.column_3])
    geometry = Geometry(plane.centre_3, normal_3, "1.2.3", orientation_6)
    spacing = plane.spacing_mm
    return RawSlice(f"{name}{instance}", "", "1.2", f"1.2.{len(name)}", f"{name}{instance}", pixels, 12, kind, "", "T2",
                    "", instance, spacing, spacing, "", geometry=geometry)  # fmt: skip


def study(plan: archive.Plan, seed: int) -> tuple[Patient, list[RawSlice], list[str]]:
    """A patient's sagittal T2 slices and empty axial ones, with the true level of the latter."""
    patient = draw_patient(plan.number, plan.grades, seed, plan.anatomy)
    textures = Textures(generator(seed, "phantom", "textures", patient.number), axial.SPACING_MM / OVERSAMPLING)
    centre = sagittal.field_centre(patient, sagittal.FIELD_MM)
    slices: list[RawSlice] = []
    truth: list[str] = []
    x, y, z = patient.shift_mm
    for instance, left in enumerate((4.4, 0.0, -4.4), start=1):
        section = sagittal.draw_section(patient, left, 384, sagittal.FIELD_MM, centre, textures, seed, ("T2",))
        draw = generator(seed, "benchmark", patient.number, instance)
        image = archive.sagittal_image(patient, section, headers.SAGITTAL_T2, sagittal.FIELD_MM / 384, draw)
        plane = headers.Plane(np.array([x + left, y + centre[0], z - centre[1]]), np.array([0.0, 1, 0]),
                              np.array([0.0, 0, -1]), sagittal.FIELD_MM / 384)  # fmt: skip
        pixels = acquisition.to_stored(image, patient.receiver)
        slices.append(raw_slice("sagittal", pixels, plane, "sagittal", instance))
    blank = np.zeros((axial.ROWS, plan.columns), np.uint16)
    for level in plan.blocks:
        for index in range(axial.SLICES_PER_DISC):
            plane = archive.axial_plane(patient, level, index, axial.field_centre(patient, level))
            slices.append(raw_slice("axial", blank, plane, "axial", len(truth) + 1))
            truth.append(level)
    assign_levels(slices)
    return patient, slices, truth
