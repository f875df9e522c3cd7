"""The canal is found where it was drawn, and on every real axial slice; other pictures are refused with a reason."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lss.imaging.roi import Ellipse, find_midline, flatten_shading, inside_ellipse, region_of_interest

MM = 0.6875


def centroid(mask: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return rows.mean(), columns.mean()


@pytest.mark.parametrize(("down", "right"), [(0, 0), (-25, 12), (20, -18)])
@pytest.mark.parametrize("t1", [False, True], ids=["T2", "T1"])
def test_centre_lies_in_the_drawn_canal(draw_axial, down: int, right: int, t1: bool) -> None:
    drawing = draw_axial(down, right, t1)
    roi = region_of_interest(drawing.image, MM, MM, "T1" if t1 else "T2")
    assert roi.detected, roi.reason
    row, column = centroid(drawing.canal)
    assert abs(roi.centre_row - row) * MM < 3
    assert abs(roi.centre_column - column) * MM < 2
    assert (drawing.canal & ~roi.region).sum() < 0.05 * drawing.canal.sum()


def test_a_narrow_canal_is_found(draw_axial) -> None:
    drawing = draw_axial(sac_mm=(3.5, 5.0))
    roi = region_of_interest(drawing.image, MM, MM)
    assert roi.detected
    assert drawing.canal[round(roi.centre_row), round(roi.centre_column)]


def test_does_not_depend_on_grey_scale_or_pixel_size(draw_axial) -> None:
    image = draw_axial(5, 5).image
    reference = region_of_interest(image, MM, MM)
    brighter = region_of_interest((image * 3).astype(np.uint16), MM, MM)
    assert (brighter.centre_row, brighter.centre_column) == pytest.approx(
        (reference.centre_row, reference.centre_column), abs=1.5
    )
    finer = cv2.resize(image, (640, 640), interpolation=cv2.INTER_LINEAR)
    roi = region_of_interest(finer, MM / 2, MM / 2)
    assert roi.centre_row / 2 == pytest.approx(reference.centre_row, abs=2)
    assert roi.centre_column / 2 == pytest.approx(reference.centre_column, abs=2)


def test_midline_of_a_shifted_mirror_image(draw_axial) -> None:
    column, symmetry = find_midline(flatten_shading(draw_axial(right=16).image, MM, MM))
    assert column == pytest.approx(110 + 16 * MM, abs=1)
    assert symmetry > 0.8


def test_other_pictures_are_refused_with_a_reason() -> None:
    noise = np.random.default_rng(0).integers(0, 400, (320, 320)).astype(np.uint16)
    for image in (noise, np.zeros((320, 320), np.uint16), np.full((12, 15), 9, np.uint16)):
        roi = region_of_interest(image, MM, MM, size_mm=44)
        assert not roi.detected
        assert roi.reason.startswith("image centre: no ")
        assert roi.region.any()
        assert roi.centre_row == (image.shape[0] - 1) / 2


def test_centre_and_none_by_hand() -> None:
    image = np.zeros((100, 80), np.uint16)
    square = region_of_interest(image, 1.0, 2.0, method="centre", size_mm=20)
    assert square.region.sum() == 20 * 10
    assert square.extent == (20, 10)
    assert square.region[40:60, 35:45].all()
    assert region_of_interest(image, 1.0, 1.0, method="none").region.all()


def test_ellipse_area() -> None:
    inside = inside_ellipse((200, 200), (0.5, 0.5), Ellipse(50, 50, 10, 20, 1.0), 2.0)
    assert inside.sum() * 0.25 == pytest.approx(np.pi * 12 * 22, rel=0.01)


@pytest.mark.parametrize("weighting", ["T2", "T1"])
def test_found_on_every_real_axial_slice(shared, weighting: str) -> None:
    files = sorted((shared / f"data/mendeley-lss-png/axial_{weighting.lower()}").glob("*.png"))
    assert len(files) > 30
    for file in files:
        roi = region_of_interest(cv2.imread(str(file), 0).astype(np.uint16), MM, MM, weighting)
        assert roi.detected, f"{file.name}: {roi.reason}"
        assert 165 < roi.centre_row < 235, file.name  # seen by eye on all of them
        assert 140 < roi.centre_column < 185, file.name


def test_most_real_sagittal_slices_are_refused(shared) -> None:
    files = sorted((shared / "data/mendeley-lss-png/sagittal_t2").glob("*.png"))
    result = [region_of_interest(cv2.imread(str(f), 0).astype(np.uint16), 0.573, 0.573).detected for f in files]
    assert np.mean(result) < 0.15
