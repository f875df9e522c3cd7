"""Area and diameter against hand-computed shapes and drawn sacs; cut-offs, obliquity and change by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lss.imaging.roi import Roi
from lss.measures import cutoffs, outline, sac
from lss.measures.cutoffs import AREA_CUTOFFS, DIAMETER_CUTOFFS, Cutoff, change, crossed, obliquity
from lss.measures.outline import find_sac
from lss.measures.sac import EXACT, Interval, OutlineError, error_at, measure_sac
from lss.runtime.seeding import generator

SHAPE, SPACING = (160, 180), (0.5, 0.5)


def ellipse(row: float, column: float, half_height_mm: float, half_width_mm: float) -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    down, right = (rows - row) * SPACING[0] / half_height_mm, (columns - column) * SPACING[1] / half_width_mm
    return down**2 + right**2 <= 1


def region(row: float, column: float) -> Roi:
    everywhere = np.ones(SHAPE, bool)
    return Roi(True, "", row, column, everywhere, everywhere)


def picture(sac_level: float, fat_level: float, half_height: float, half_width: float, seed: int = 0) -> np.ndarray:
    """A sac with dark roots and a dark wall in fat, in dark ligament."""
    draw = generator(seed, "test", "sac")
    image = np.full(SHAPE, 150.0)
    image[ellipse(84, 90, half_height + 4, half_width + 4)] = fat_level
    image[ellipse(80, 90, half_height + 0.6, half_width + 0.6)] = 150
    image[ellipse(80, 90, half_height, half_width)] = sac_level
    for _ in range(25):
        angle, share = draw.uniform(0, 2 * np.pi), np.sqrt(draw.uniform(0, 0.7))
        row = 80 + share * half_height / SPACING[0] * np.sin(angle)
        column = 90 + share * half_width / SPACING[1] * np.cos(angle)
        image[ellipse(row, column, 0.6, 0.6)] = 0.35 * sac_level
    return np.clip(image + draw.normal(0, 15, SHAPE), 0, 4095).astype(np.uint16)


@pytest.mark.parametrize("spacing", [(0.5, 0.5), (0.8, 0.4)])
def test_area_and_diameter_of_a_rectangle(spacing: tuple[float, float]) -> None:
    mask = np.zeros((50, 60), bool)
    mask[10:30, 15:45] = True
    result = measure_sac(mask, spacing, OutlineError(0.0, 0.5, 0.0, 1.0))
    assert result is not None
    assert result.area_mm2.value == pytest.approx(20 * 30 * spacing[0] * spacing[1])
    assert result.diameter_mm.value == pytest.approx(20 * spacing[0])
    ends = (result.diameter_mm.low, result.diameter_mm.high)
    assert ends == pytest.approx((20 * spacing[0] - 1, 20 * spacing[0] + 1))
    assert result.ends_22 == pytest.approx(np.array([[9.5, 29.5], [29.5, 29.5]]))


def test_interval_of_a_circle_is_that_of_the_next_larger_and_smaller() -> None:
    """A wall displaced by w makes a circle of radius r + w: its area grows by about w times the outline."""
    result = measure_sac(ellipse(80, 90, 10, 10), SPACING, OutlineError(0.0, 0.5, 0.0, 1.0))
    assert result is not None
    assert result.area_mm2.value == pytest.approx(np.pi * 100, rel=0.01)
    assert result.area_mm2.high == pytest.approx(np.pi * 10.5**2, rel=0.02)
    assert result.area_mm2.low == pytest.approx(np.pi * 9.5**2, rel=0.02)


@pytest.mark.parametrize(("radius_mm", "told"), [(3.9, False), (4.2, True)])
def test_a_value_that_may_be_off_by_all_of_itself_is_an_upper_bound_alone(radius_mm: float, told: bool) -> None:
    """A circle's area is its outline times half its radius: a wall known to 2 mm tells its value from 4 mm on."""
    result = measure_sac(ellipse(80, 90, radius_mm, radius_mm), SPACING, OutlineError(0.0, 2.0, 0.0, 4.0))
    assert result is not None and result.has_values == told


def test_bias_is_taken_off_and_an_empty_mask_has_no_measure() -> None:
    mask = ellipse(80, 90, 10, 10)
    plain, moved = (measure_sac(mask, SPACING, OutlineError(bias, 0.5, 2 * bias, 1.0)) for bias in (0.0, -0.5))
    assert plain is not None and moved is not None
    assert moved.area_mm2.value == pytest.approx(np.pi * 10.5**2, rel=0.02)
    assert moved.diameter_mm.value == pytest.approx(plain.diameter_mm.value + 1)
    assert measure_sac(np.zeros((5, 5), bool), SPACING, EXACT) is None


@pytest.mark.parametrize(("half_height", "half_width"), [(5.0, 7.0), (7.0, 9.0), (8.0, 10.0)])
@pytest.mark.parametrize("off", [(0, 0), (8, -6)])
def test_a_sac_in_fat_is_found_from_a_point_near_it(
    half_height: float, half_width: float, off: tuple[int, int]
) -> None:
    result = find_sac(picture(1500, 1000, half_height, half_width), region(80 + off[0], 90 + off[1]), SPACING)
    truth = ellipse(80, 90, half_height, half_width)
    assert result is not None
    assert 2 * (result.mask & truth).sum() / (result.mask.sum() + truth.sum()) > 0.88


def test_outline_does_not_depend_on_the_receiver_gain() -> None:
    image = picture(1000, 700, 7, 9)
    first, second = (find_sac(image * factor, region(80, 90), SPACING) for factor in (np.uint16(1), np.uint16(2)))
    assert first is not None and second is not None
    assert np.array_equal(first.mask, second.mask)


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_blank_slices_have_no_sac(seed: int) -> None:
    noise = generator(seed, "noise").integers(0, 1500, SHAPE).astype(np.uint16)
    result = find_sac(noise, region(80, 90), SPACING)
    assert result is None
    assert find_sac(np.zeros(SHAPE, np.uint16), region(80, 90), SPACING) is None


@pytest.mark.parametrize(
    ("value", "cutoffs_of", "name", "open_question"),
    [
        (Interval(60, 55, 65), AREA_CUTOFFS, "absolute stenosis", False),
        (Interval(74, 68, 80), AREA_CUTOFFS, "absolute stenosis", True),
        (Interval(115, 108, 122), AREA_CUTOFFS, None, False),
        (Interval(200, 180, 220), AREA_CUTOFFS, None, False),
        (Interval(9.0, 8.5, 9.5), DIAMETER_CUTOFFS, "absolute stenosis", False),
        (Interval(11.5, 10.5, 12.5), DIAMETER_CUTOFFS, "relative stenosis", True),
    ],
)
def test_cutoffs(value: Interval, cutoffs_of: tuple[Cutoff, ...], name: str | None, open_question: bool) -> None:
    result, doubtful = crossed(value, cutoffs_of)
    assert (result.name if result else None, doubtful) == (name, open_question)


def test_obliquity_is_the_angle_of_the_planes_whatever_the_normals_point() -> None:
    up = np.array([0.0, 0.0, 1.0])
    for degrees in (0, 10, 30, 90):
        turned = np.array([0, np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
        assert obliquity(up, turned) == pytest.approx(degrees, abs=1e-4)
        assert obliquity(up, -turned) == pytest.approx(degrees, abs=1e-4)


def test_change_adds_the_errors_of_both_studies() -> None:
    result = change(Interval(70, 64, 76), Interval(100, 92, 108))
    assert result.words == "smaller"
    assert (result.difference.low, result.difference.high) == pytest.approx((-40, -20))
    assert change(Interval(100, 92, 108), Interval(70, 64, 76)).words == "larger"


def test_constants_are_where_the_benchmark_put_them() -> None:
    bright, middling, dark = (error_at(brightness) for brightness in (1.0, 0.8, 0.3))
    assert 0 < bright.wall_half < middling.wall_half < dark.wall_half  # a sac without fluid has no clear wall
    assert sac.ERRORS[-1][0] == 0.0
    assert outline.MIN_AREA_MM2 < 28 and cutoffs.OBLIQUE_DEGREES == 15
