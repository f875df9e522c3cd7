"""Every line of Algorithm 1 against another library or by hand, and the whole on drawn and real slices."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import threshold_otsu

from lss.imaging import pseudo_mask as algorithm
from lss.imaging.roi import region_of_interest

MM = 0.6875
RANDOM = np.random.default_rng(11)
BLOBS = ndimage.gaussian_filter(RANDOM.random((60, 70)), 2) > 0.51
EVERYWHERE = np.ones(BLOBS.shape, bool)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("kernel", [3, 5])
def test_refine_mild_is_scipys_closing_inside_the_border(kernel: int) -> None:
    square = np.ones((kernel, kernel))
    expected = ndimage.binary_erosion(ndimage.binary_dilation(BLOBS, square), square)
    assert np.array_equal(algorithm.refine_mild(BLOBS, kernel)[9:-9, 9:-9], expected[9:-9, 9:-9])


def test_refine_severe_is_scipys_dilation_then_closing_inside_the_border() -> None:
    square = np.ones((9, 9))
    sparse = np.zeros((80, 80), bool)
    sparse[30:34, 30:36] = sparse[45:47, 40] = sparse[52, 28] = True
    expected = ndimage.binary_closing(ndimage.binary_dilation(sparse, square), square)
    assert np.array_equal(algorithm.refine_severe(sparse, 9), expected)


def test_severe_covers_more_than_mild_and_both_cover_their_input() -> None:
    mild, severe = algorithm.refine_mild(BLOBS, 3), algorithm.refine_severe(BLOBS, 9)
    assert (mild | BLOBS == mild).all() and (severe | mild == severe).all()
    assert severe.sum() > mild.sum() > BLOBS.sum()


def test_otsu_is_scikit_images_threshold_of_the_region() -> None:
    grey = np.where(BLOBS, 0.8, 0.2).astype(np.float32) + RANDOM.normal(0, 0.05, BLOBS.shape).astype(np.float32)
    region = EVERYWHERE.copy()
    region[:, 50:] = False
    got = algorithm.otsu(grey, region)
    assert np.array_equal(got, (grey > threshold_otsu(grey[region])) & region)
    assert dice(got, BLOBS & region) > 0.999


def test_otsu_and_canny_find_nothing_in_a_constant_or_empty_region() -> None:
    flat = np.full(BLOBS.shape, 0.5, np.float32)
    nowhere = np.zeros_like(BLOBS)
    for grey, region in ((flat, EVERYWHERE), (RANDOM.random(BLOBS.shape).astype(np.float32), nowhere)):
        assert not algorithm.otsu(grey, region).any()
        assert not algorithm.canny_edges(grey, region, 1.0).any()


def test_canny_follows_the_outline_of_a_disc() -> None:
    rows, columns = np.mgrid[:80, :80]
    distance = np.hypot(rows - 40, columns - 40)
    edges = algorithm.canny_edges((distance < 20).astype(np.float32), np.ones((80, 80), bool), 1.0)
    assert np.abs(distance[edges] - 20).max() < 1.5
    angles = np.degrees(np.arctan2(*(np.argwhere(edges) - 40).T))
    assert np.diff(np.sort(angles)).max() < 8  # no gap


def test_gray_is_scaled_by_the_region_and_inverted_on_t1() -> None:
    image = np.arange(100, dtype=np.uint16).reshape(10, 10)
    region = np.zeros((10, 10), bool)
    region[:5] = True
    grey = algorithm.gray(image, region)
    assert grey[2, 0] == pytest.approx(20 / np.percentile(np.arange(50), 65))
    assert grey[4, 0] == grey.max() == 1
    assert algorithm.gray(image, region, inverted=True)[4, 0] == pytest.approx(
        1 - 40 / np.percentile(np.arange(50), 99)
    )


def test_at_canal_drops_lines_and_what_does_not_touch_the_core() -> None:
    both = np.zeros((60, 60), bool)
    both[20:35, 20:35] = True  # the canal
    both[27, 35:55] = True  # an edge leading away
    both[45:55, 45:55] = True  # fat elsewhere
    core = np.zeros_like(both)
    core[25:30, 25:30] = True
    kept = algorithm.at_canal(both, core)
    assert kept[22:33, 22:33].all()
    assert not kept[27, 38:].any() and not kept[45:, 45:].any()


def test_final_mask_fills_holes_and_stays_in_the_region() -> None:
    ring = np.zeros((20, 20), bool)
    ring[5:15, 5:15] = True
    ring[8:11, 8:11] = False
    region = np.ones_like(ring)
    region[:, 13:] = False
    mask = algorithm.final_mask(ring, region)
    assert mask[5:15, 5:13].all() and mask.sum() == 10 * 8


def test_steps_on_a_drawn_slice(draw_axial) -> None:
    drawing = draw_axial()
    roi = region_of_interest(drawing.image, MM, MM)
    mild = algorithm.steps(drawing.image, roi, "BC")
    assert dice(mild.mask, drawing.canal) > 0.9
    assert np.array_equal(mild.union, mild.otsu | mild.edges)
    severe = algorithm.steps(drawing.image, roi, "D")
    assert severe.mask.sum() > mild.mask.sum()
    assert np.array_equal(severe.at_canal, mild.at_canal)
    assert not algorithm.steps(drawing.image, roi, "A").mask.any()
    assert np.array_equal(algorithm.steps(drawing.image, roi, "A", grade_a="refine").mask, mild.mask)
    for step in (mild.otsu, mild.edges, mild.union, mild.mask, severe.mask):
        assert not (step & ~roi.region).any()


def test_t1_marks_the_dark_sac(draw_axial) -> None:
    drawing = draw_axial(t1=True)
    roi = region_of_interest(drawing.image, MM, MM, "T1")
    assert dice(algorithm.steps(drawing.image, roi, "BC", weighting="T1").mask, drawing.canal) > 0.85


def test_real_masks_lie_on_the_canal(shared) -> None:
    """Between 60 and 450 mm2, compact, and with the found canal's centre within 6 mm of their own."""
    for file in sorted((shared / "data/mendeley-lss-png/axial_t2").glob("*.png")):
        image = cv2.imread(str(file), 0).astype(np.uint16)
        roi = region_of_interest(image, MM, MM)
        mask = algorithm.steps(image, roi, "BC").mask
        rows, columns = np.nonzero(mask)
        assert 60 < mask.sum() * MM**2 < 450, file.name
        assert np.hypot(rows.mean() - roi.centre_row, columns.mean() - roi.centre_column) * MM < 6, file.name
        assert np.ptp(columns) * MM < 34 and np.ptp(rows) * MM < 28, file.name
