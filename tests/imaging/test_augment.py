"""Augmentation: image and mask move together, identity at zero, the same draw for the same sample, one law for all."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.transform import rotate
from sklearn.metrics import roc_auc_score

from lss.imaging.augment import Augmentation, augment, draw
from lss.imaging.balance import balance_plan

SETTINGS = {"rotation_deg": 3.0, "zoom": 0.05, "contrast": 0.1, "flip": True}


def pair(size: int = 129) -> tuple[np.ndarray, np.ndarray]:
    """A bright ellipse off the centre, and its mask."""
    rows, columns = np.mgrid[:size, :size]
    mask = ((rows - 50) / 14) ** 2 + ((columns - 80) / 22) ** 2 <= 1
    return np.where(mask, 3000, 1000).astype(np.uint16), mask


def test_identity() -> None:
    image, mask = pair()
    same_image, same_mask = augment(image, mask, Augmentation())
    assert np.array_equal(same_image, image) and np.array_equal(same_mask, mask)


@pytest.mark.parametrize(
    "change",
    [
        Augmentation(rotation_deg=3),
        Augmentation(rotation_deg=-40),
        Augmentation(zoom=1.05),
        Augmentation(flip=True),
        Augmentation(-2, 0.95, True),
    ],
    ids=str,
)
def test_image_and_mask_move_together(change: Augmentation) -> None:
    image, mask = augment(*pair(), change)
    assert np.array_equal(image > 2000, mask)  # halfway between the two grey levels


def test_rotation_is_scikit_images() -> None:
    image, _ = pair()
    smooth = (1000 + 300 * np.add.outer(np.sin(np.arange(129) / 9), np.cos(np.arange(129) / 7))).astype(np.uint16)
    turned, _ = augment(smooth, np.zeros_like(image, bool), Augmentation(rotation_deg=10))
    theirs = rotate(smooth.astype(float), 10, order=3, mode="reflect")
    assert np.abs(turned - theirs)[20:-20, 20:-20].max() < 6  # OpenCV rounds coordinates to 1/32 pixel


def test_zoom_scales_the_area_and_flip_only_mirrors() -> None:
    image, mask = pair()
    assert augment(image, mask, Augmentation(zoom=1.05))[1].sum() / mask.sum() == pytest.approx(1.05**2, rel=0.01)
    flipped = augment(image, mask, Augmentation(flip=True))
    assert np.array_equal(flipped[0], image[:, ::-1]) and np.array_equal(flipped[1], mask[:, ::-1])


def test_contrast_keeps_the_mean_and_scales_the_spread() -> None:
    image, mask = pair()
    stronger = augment(image, mask, Augmentation(contrast=1.1))[0].astype(float)
    assert stronger.mean() == pytest.approx(image.mean(), abs=0.6)
    assert stronger.std() == pytest.approx(1.1 * image.std(), rel=1e-3)


def test_grey_levels_stay_in_uint16() -> None:
    image = np.array([[0, 65535], [0, 65535]], np.uint16)
    assert np.array_equal(augment(image, image > 9, Augmentation(contrast=1.1))[0], image)


def test_draws_depend_on_seed_sample_and_copy_only() -> None:
    first = draw(1, "slice-a", 1, **SETTINGS)
    assert draw(1, "slice-a", 1, **SETTINGS) == first
    others = [draw(2, "slice-a", 1, **SETTINGS), draw(1, "slice-b", 1, **SETTINGS), draw(1, "slice-a", 2, **SETTINGS)]
    assert first not in others


def test_draws_fill_their_ranges() -> None:
    draws = [draw(1, "s", copy, **SETTINGS) for copy in range(600)]
    for values, low, high in (
        ([d.rotation_deg for d in draws], -3, 3),
        ([d.zoom for d in draws], 0.95, 1.05),
        ([d.contrast for d in draws], 0.9, 1.1),
    ):
        assert low <= min(values) < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < max(values) <= high
    assert 240 < sum(d.flip for d in draws) < 360
    assert not any(draw(1, "s", copy, **SETTINGS | {"flip": False}).flip for copy in range(20))


def sharpness(image: np.ndarray) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=1)).mean())


def test_sharpness_does_not_tell_the_grade_of_what_is_trained_on() -> None:
    """Images of one kind, of which few are of grade D: their copies look as sharp as those of grade A.

    The control, copies of the rarer grade beside the originals of both, is detected at once.
    """
    random = np.random.default_rng(1)
    grades = {f"a{n}": "A" for n in range(80)} | {f"d{n}": "D" for n in range(20)}
    images = {key: random.normal(1000, 100, (48, 48)).clip(0).astype(np.uint16) for key in grades}
    nothing = np.zeros((48, 48), bool)

    def copies(key: str, numbers: range) -> list[float]:
        return [sharpness(augment(images[key], nothing, draw(7, key, n, **SETTINGS))[0]) for n in numbers]

    plan = balance_plan(grades, 7)
    ours = {g: [s for key in grades if grades[key] == g for s in copies(key, range(1, plan[key] + 1))] for g in "AD"}
    before = {
        "A": [sharpness(images[key]) for key in grades if grades[key] == "A"],
        "D": [s for key in grades if grades[key] == "D" for s in [sharpness(images[key]), *copies(key, range(1, 4))]],
    }
    assert len(ours["A"]) == len(ours["D"]) == 80

    def auc(of: dict[str, list[float]]) -> float:
        return float(roc_auc_score([0] * len(of["A"]) + [1] * len(of["D"]), of["A"] + of["D"]))

    assert abs(auc(ours) - 0.5) < 0.1
    assert abs(auc(before) - 0.5) > 0.2
