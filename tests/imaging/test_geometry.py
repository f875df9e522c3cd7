"""Frames of a slice: by hand, against torch and nibabel's affines, and their inverses as properties."""

from __future__ import annotations

import cv2
import nibabel
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lss.imaging.augment import Augmentation, augment, moved
from lss.imaging.geometry import (
    FieldOfView,
    SlicePlane,
    coverage,
    field_of_view,
    resample_image,
    resample_mask,
)

sides = st.integers(1, 80)
views = st.builds(FieldOfView, st.integers(-30, 60), st.integers(-30, 60), st.integers(1, 60), st.integers(1, 60))


def disc(side: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2


def test_field_of_view_by_hand() -> None:
    assert field_of_view((320, 310), (0.5, 1.0), (100, 50), 20) == FieldOfView(80, 40, 40, 20)
    assert field_of_view((101, 51), (1, 1), None, 11) == FieldOfView(45, 20, 11, 11)
    assert field_of_view((101, 51), (1, 1), (3, 3), None) == FieldOfView(0, 0, 101, 51)


def test_crop_pads_with_zeros_where_it_overhangs() -> None:
    image = np.arange(1, 10, dtype=np.uint16).reshape(3, 3)
    assert FieldOfView(-1, 1, 3, 3).crop(image).tolist() == [[0, 0, 0], [2, 3, 0], [5, 6, 0]]
    assert FieldOfView(5, 5, 2, 2).crop(image).tolist() == [[0, 0], [0, 0]]
    assert FieldOfView(1, 0, 2, 2).crop(image > 4).tolist() == [[False, True], [True, True]]


@given(views, st.tuples(sides, sides), st.integers(0, 9))
def test_paste_is_the_inverse_of_crop_inside_the_rectangle(
    view: FieldOfView, shape: tuple[int, int], seed: int
) -> None:
    image = np.random.default_rng(seed).integers(1, 99, shape)
    inside = view.paste(np.ones((view.rows, view.columns), bool), shape)
    assert np.array_equal(view.paste(view.crop(image), shape), np.where(inside, image, 0))
    assert np.array_equal(view.crop(view.paste(view.crop(image), shape)), view.crop(image))


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.integers(0, 9))
def test_masks_are_resampled_as_torch_does_by_pixel_centres(
    old: tuple[int, int], new: tuple[int, int], seed: int
) -> None:
    mask = np.random.default_rng(seed).random(old) < 0.4
    pixels = torch.from_numpy(mask.astype(np.float64))[None, None]
    points = (torch.arange(n) + 0.5 for n in new)
    grid = torch.meshgrid(*(2 * p / n - 1 for p, n in zip(points, new, strict=True)), indexing="ij")
    theirs = torch.nn.functional.grid_sample(
        pixels, torch.stack(grid[::-1], dim=-1)[None].double(), mode="nearest", align_corners=False
    )[0, 0].numpy()
    ours = resample_mask(mask, new)
    ties = [np.isin((2 * np.arange(n) + 1) * o % (2 * n), 0) for n, o in zip(new, old, strict=True)]  # on a border
    apart = ~(ties[0][:, None] | ties[1][None, :])
    assert np.array_equal(ours[apart], theirs[apart] > 0.5)


def to_grid(view: FieldOfView, mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A mask of the whole slice as the stage shards makes it a network's target."""
    return resample_mask(view.crop(mask), grid)


@given(views, st.integers(8, 96), st.integers(30, 90), st.integers(0, 9))
@settings(deadline=None)
def test_the_inverse_puts_a_mask_back_within_half_a_pixel(view: FieldOfView, grid: int, shape: int, seed: int) -> None:
    """Each pixel of the slice takes a value that its own mask has within half a pixel (of slice and grid together)."""
    mask = np.random.default_rng(seed).random((shape, shape)) < 0.5
    size = (shape, shape)
    back = view.mask_from_grid(to_grid(view, mask, (grid, grid)), size)
    reach = [0.5 + 0.5 * max(1.0, n / grid) for n in (view.rows, view.columns)]
    for row, column in np.argwhere(view.paste(np.ones((view.rows, view.columns), bool), size))[::37]:
        near = mask[max(0, int(np.ceil(row - reach[0]))) : int(row + reach[0]) + 1,
                    max(0, int(np.ceil(column - reach[1]))) : int(column + reach[1]) + 1]  # fmt: skip
        overhang = (near.shape[0] < 2 * int(reach[0]) + 1) or (near.shape[1] < 2 * int(reach[1]) + 1)
        assert back[row, column] in near or (overhang and not back[row, column])


@pytest.mark.parametrize(("pixels", "grid"), [(128, 96), (96, 128), (117, 96), (256, 224), (61, 96)])
def test_the_centre_of_a_mask_stays_within_half_a_pixel(pixels: int, grid: int) -> None:
    mask = disc(pixels, (pixels * 0.4, pixels * 0.55), pixels * 0.2)
    view = FieldOfView(0, 0, pixels, pixels)
    target = to_grid(view, mask, (grid, grid))
    back = view.mask_from_grid(target, mask.shape)
    assert np.abs(np.argwhere(back).mean(axis=0) - np.argwhere(mask).mean(axis=0)).max() < 0.5
    centre = view.points_from_grid(np.argwhere(target).mean(axis=0)[None], (grid, grid))[0]
    assert np.abs(centre - np.argwhere(mask).mean(axis=0)).max() < 0.5


def test_corners_of_the_grid_are_corners_of_the_field_of_view() -> None:
    view = FieldOfView(10, -4, 40, 20)
    corners = view.points_from_grid(np.array([[-0.5, -0.5], [7.5, 7.5]]), (8, 8))
    np.testing.assert_allclose(corners, [[9.5, -4.5], [49.5, 15.5]])


def test_images_are_shrunk_by_area_and_enlarged_linearly() -> None:
    image = np.random.default_rng(1).random((64, 64)).astype(np.float32)
    by_hand = image.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(resample_image(image, (16, 16)), by_hand, atol=1e-6)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(image)[None, None], 96, mode="bilinear")[0, 0].numpy()
    np.testing.assert_allclose(resample_image(image, (96, 96)), theirs, atol=1e-5)


def test_where_cells_are_whole_pixels_coverage_is_their_mean() -> None:
    mask = disc(112, (50, 61), 17)
    np.testing.assert_allclose(coverage(mask, (14, 14)), mask.reshape(14, 8, 14, 8).mean(axis=(1, 3)), atol=1e-6)


@pytest.mark.parametrize("grid", [(14, 14), (24, 24), (9, 13)])
def test_no_area_is_lost_where_borders_run_through_pixels(grid: tuple[int, int]) -> None:
    mask = disc(131, (40, 77), 23)
    shares = coverage(mask, grid)
    assert shares.shape == grid and shares.min() >= 0 and shares.max() <= 1 + 1e-6
    assert shares.mean() == pytest.approx(mask.mean(), rel=1e-5)


def oblique(degrees: float) -> SlicePlane:
    angle = np.radians(degrees)
    return SlicePlane((-80.0, -60.0, 12.5), (1.0, 0.0, 0.0), (0.0, np.cos(angle), -np.sin(angle)), (0.7, 0.65))


@pytest.mark.parametrize("degrees", [0.0, 12.0, 48.0])
def test_patient_millimetres_agree_with_an_affine_of_nibabel(degrees: float) -> None:
    plane = oblique(degrees)
    affine = np.eye(4)
    affine[:3, 0] = np.array(plane.column_direction) * plane.spacing_mm[0]
    affine[:3, 1] = np.array(plane.row_direction) * plane.spacing_mm[1]
    affine[:3, 2], affine[:3, 3] = plane.normal, plane.origin_mm
    points = np.array([[0, 0], [3.5, 100], [200, 7]])
    theirs = nibabel.affines.apply_affine(affine, np.c_[points, np.zeros(3)])
    np.testing.assert_allclose(plane.to_patient(points), theirs, atol=1e-9)
    np.testing.assert_allclose(plane.from_patient(theirs), np.c_[points, np.zeros(3)], atol=1e-9)
    np.testing.assert_allclose(plane.from_patient(theirs + 4.4 * plane.normal)[:, 2], 4.4)


@pytest.mark.parametrize("degrees", [0.0, 20.0])
def test_a_mask_of_the_grid_lies_in_the_patient_where_it_was_drawn(degrees: float) -> None:
    plane = oblique(degrees)
    mask = disc(320, (150.0, 171.0), 14)
    view = field_of_view(mask.shape, plane.spacing_mm, (147.0, 160.0), 88.0)
    target = to_grid(view, mask, (96, 96))
    result = plane.to_patient(view.points_from_grid(np.argwhere(target), (96, 96))).mean(axis=0)
    by_hand = np.array(plane.origin_mm) + 171 * 0.65 * np.array(plane.row_direction)
    by_hand += 150 * 0.7 * np.array(plane.column_direction)
    assert np.linalg.norm(result - by_hand) < 0.5 * 88 / 96
    back = view.mask_from_grid(target, (320, 320))
    assert 2 * (back & mask).sum() / (back.sum() + mask.sum()) > 0.9


@pytest.mark.parametrize("flip", [False, True])
def test_a_point_moves_as_the_image_does(flip: bool) -> None:
    image = np.zeros((61, 81), np.uint16)
    cv2.circle(image, (60, 20), 3, 1000, -1)
    change = Augmentation(rotation_deg=2.7, zoom=1.04, flip=flip, contrast=1.0)
    changed, _ = augment(image, image > 0, change)
    y, x = np.mgrid[:61, :81]
    centre = (y * changed).sum() / changed.sum(), (x * changed).sum() / changed.sum()
    np.testing.assert_allclose(moved((20, 60), image.shape, change), centre, atol=0.1)
