"""Spines and scans that mislead a count of blocks: drawn as the hidden truth says, only on request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from lss.notes.grading import grade_note
from lss.phantom import archive, sagittal
from lss.phantom.anatomy import ANATOMIES, IMAGED_LEVELS, LUMBARISED, SACRALISED, STEEP_SACRUM, draw_patient
from lss.phantom.spine import Spine
from lss.phantom.tissue import Textures
from lss.runtime.seeding import generator

SEED = 20250
HEALTHY = dict.fromkeys(IMAGED_LEVELS, "A")


def test_share_of_unusual_patients_leaves_the_others_alone() -> None:
    plain, _ = archive.plan_cohort(48, SEED)
    mixed, _ = archive.plan_cohort(48, SEED, unusual=0.25)
    changed = [new for old, new in zip(plain, mixed, strict=True) if old != new]
    assert len(changed) == 12
    assert all(plan.anatomy == "" and plan.blocks == IMAGED_LEVELS for plan in plain)
    assert {plan.anatomy for plan in changed} == set(ANATOMIES)
    assert {("L3-L4", "L5-S1"), ("L2-L3", "L3-L4", "L4-L5")} <= {plan.blocks for plan in changed}


def test_notes_of_unusual_patients_agree_with_the_truth() -> None:
    plans, without = archive.plan_cohort(24, SEED, unusual=0.6)
    notes = archive.draw_notes(plans, without, SEED)
    for plan in plans:
        note = notes[plan.number]
        if note is not None:
            read = grade_note(note.text)
            assert (read.grade, read.level_grades) == (note.grade, note.level_grades), note.text
            assert all(plan.grades[level] == grade for level, grade in note.level_grades.items())


def test_a_steep_block_lies_beyond_45_degrees(tmp_path: Path) -> None:
    plan = archive.Plan(5, HEALTHY, anatomy=STEEP_SACRUM, blocks=("L4-L5", "L5-S1"))
    truth = archive.write_patient(plan, tmp_path, SEED)
    files = sorted(tmp_path.glob("*/0005/*/T2_TSE_TRA*/*.ima"))
    tilts = []
    for file in files:
        row_3, column_3 = np.array(pydicom.dcmread(file).ImageOrientationPatient, float).reshape(2, 3)
        tilts.append(np.degrees(np.arccos(np.cross(row_3, column_3)[2])))
    assert tilts[:4] == pytest.approx([tilts[0]] * 4) and tilts[0] < 40
    assert all(45 < tilt <= 55 for tilt in tilts[4:]) and len(tilts) == 8
    t2 = [row for row in truth if row["clean"] is not None]
    assert [row["level"] for row in t2] == ["L4-L5"] * 4 + ["L5-S1"] * 4
    assert {row["anatomy"] for row in truth} == {STEEP_SACRUM}


def test_a_block_above_l3_is_drawn() -> None:
    plan = archive.Plan(6, HEALTHY, blocks=("L2-L3",))
    patient = draw_patient(plan.number, plan.grades, SEED)
    assert not patient.discs["L2-L3"].visible_bulge  # no note speaks of it
    section = archive.axial.draw_section(
        patient, "L2-L3", 1, 320, Textures(generator(SEED, "test"), archive.axial.SPACING_MM / 2), SEED, ("T2",)
    )
    assert section.sac_area_mm2 == pytest.approx(section.canal.sum() * archive.axial.SPACING_MM**2, rel=0.05)
    rows = np.flatnonzero(section.canal.any(axis=1))
    assert section.sac_diameter_mm == pytest.approx(len(rows) * archive.axial.SPACING_MM, abs=3.0)


def sagittal_t2(anatomy: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, Spine]:
    patient = replace(draw_patient(3, HEALTHY, SEED, anatomy), schmorl=False, endplates=False)
    centre = sagittal.field_centre(patient, sagittal.FIELD_MM)
    textures = Textures(generator(SEED, "test"), archive.axial.SPACING_MM / 2)
    section = sagittal.draw_section(patient, 0.0, 384, sagittal.FIELD_MM, centre, textures, SEED, ("T2",))
    rows, columns = (np.mgrid[:384, :384] - 191.5) * sagittal.FIELD_MM / 384
    return section.signal["T2"], columns + centre[0], rows + centre[1], Spine(patient)


def test_transitional_vertebrae_show_in_the_sagittal_plane() -> None:
    def height_of_the_last_gap(anatomy: str) -> float:
        spine = sagittal_t2(anatomy)[3]
        return spine.discs[-1].height

    assert height_of_the_last_gap(SACRALISED) < 0.6 * height_of_the_last_gap("")
    usual, x, y, spine = sagittal_t2("")
    free = sagittal_t2(LUMBARISED)[0]
    place = spine.sacrum[0][0]
    near = np.hypot(x - place[0], y - place[1]) < 8
    assert np.abs(free - usual)[near].mean() > 0.1  # a disc where the sacrum is
    assert np.abs(free - usual)[y < -30].mean() < 0.01  # and nothing else above
