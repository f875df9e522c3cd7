"""The counterfactual patient: the sac shrinks as asked, and outside the canal not a pixel moves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lss.domain.grades import GRADES
from lss.phantom import axial
from lss.phantom.anatomy import IMAGED_LEVELS, draw_patient
from lss.phantom.canal import canal_outline
from lss.phantom.canvas import OVERSAMPLING
from lss.phantom.narrowing import SAC_STEPS_MM2, kind_of, narrowed
from lss.phantom.tissue import Textures
from lss.runtime.seeding import generator

SEED = 99


@pytest.fixture(scope="module", params=[("L4-L5", 1, 3), ("L5-S1", 2, 8)])
def series(request: pytest.FixtureRequest):
    """One patient with the sac of one level narrowed: sections, patients, level."""
    level, index, number = request.param
    patient = draw_patient(number, dict.fromkeys(IMAGED_LEVELS, "A") | {level: "BC"}, SEED)
    patients = [narrowed(patient, level, area) for area in SAC_STEPS_MM2]
    sections = []
    for one in patients:
        textures = Textures(generator(SEED, "test", number), axial.SPACING_MM / OVERSAMPLING)
        sections.append(axial.draw_section(one, level, index, 320, textures, SEED))
    return sections, patients, level


def inside_the_canal(patient, level, section) -> np.ndarray:
    """The bony canal with a margin of 3.4 mm, (rows, columns) bool, rasterised by OpenCV."""
    outline = canal_outline(patient.discs[level], patient.size)
    turn = np.radians(patient.turn_at(level))
    outline = outline @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    places = (outline - section.centre_mm) / axial.SPACING_MM + (np.array(section.canal.shape[::-1]) - 1) / 2
    mask = np.zeros(section.canal.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(places).astype(np.int32)], 1)
    return cv2.dilate(mask, np.ones((11, 11), np.uint8)) > 0


def test_outside_the_canal_the_pixels_are_equal(series) -> None:
    sections, patients, level = series
    inside = inside_the_canal(patients[0], level, sections[0])
    assert 0.003 < inside.mean() < 0.03
    for section in sections[1:]:
        for weighting in ("T1", "T2"):
            first, other = sections[0].signal[weighting], section.signal[weighting]
            np.testing.assert_allclose(
                first[~inside], other[~inside], rtol=0, atol=1e-6
            )  # sums of floats: no grey level
            assert (first[inside] != other[inside]).mean() > 0.1


def test_the_sac_shrinks_to_the_area_asked_for_and_the_grade_follows(series) -> None:
    sections, patients, level = series
    areas = [section.sac_area_mm2 for section in sections]
    assert areas == sorted(areas, reverse=True)
    for area, asked in zip(areas, SAC_STEPS_MM2, strict=True):
        assert asked <= area <= 1.2 * asked  # beside the disc's plane a narrow sac is a little wider
    pixels = [section.canal.sum() * axial.SPACING_MM**2 for section in sections]
    np.testing.assert_allclose(pixels, areas, atol=7.0)  # a rim of a fifth of a millimetre
    grades = [GRADES.index(patient.discs[level].grade) for patient in patients]
    assert grades == sorted(grades) and set(grades) == {0, 1, 2}


def test_nothing_but_the_canal_of_that_disc_is_another(series) -> None:
    _, patients, level = series
    kept = ("bulge", "bulge_side", "shape", "flavum", "facets", "foramina", "degeneration", "joint_fluid", "centre_2")
    for patient in patients[1:]:
        for name in kept:
            assert getattr(patient.discs[level], name) == getattr(patients[0].discs[level], name)
        assert {k: v for k, v in patient.discs.items() if k != level} == {
            k: v for k, v in patients[0].discs.items() if k != level
        }


def test_kinds_follow_the_ranges_they_are_drawn_from() -> None:
    assert [kind_of(area) for area in SAC_STEPS_MM2] == ["A", "A", "A", "B", "C", "C", "D", "D"]
