"""An altered copy is found, other images are not: on real slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from altered_copies import CHANGES
from dicom_files import smooth_pixels
from PIL import Image

from lss.imaging.same_image import MIRRORS, VIEWS, _near, as_viewed, find_copies, likeness, thumbnail, view_bits
from lss.project.params import load_params

BITS = load_params(Path(__file__).resolve().parents[2] / "params.yaml").split.duplicate_bits


def pictures(folder: Path, pattern: str) -> list[np.ndarray]:
    return [np.asarray(Image.open(file).convert("L"), np.float32) for file in sorted(folder.glob(pattern))]


def test_every_altered_copy_of_real_slices_is_found(shared: Path) -> None:
    """Sagittal slices of different patients, and axial ones: each among all others of its kind."""
    for folder, pattern, count in (("spider-midsagittal", "*_t2.png", 3), ("mendeley-lss-png", "axial_t2/*.png", 3)):
        images = pictures(shared / "data" / folder, pattern)
        known = [thumbnail(image) for image in images]
        for name, change in CHANGES.items():
            altered = [thumbnail(change(image.copy())) for image in images[:count]]
            for first, second in ((altered, known), (known, altered)):
                result = {(copy.first, copy.second) for copy in find_copies(first, second, BITS)}
                assert {(index, index) for index in range(count)} <= result, (folder, name)


def test_different_patients_are_never_one(shared: Path) -> None:
    """8,778 pairs of real slices are innocent: none is taken for a copy.

    Mid-sagittal T2 slices of 60 patients with each other (1,770 pairs) and with sagittal slices of another hospital's
    (4,380); axial slices with each other (2,628), among them neighbours of one patient.
    """
    spider, sagittal, axial = (
        [thumbnail(image) for image in pictures(shared / "data" / folder, pattern)]
        for folder, pattern in (
            ("spider-midsagittal", "*_t2.png"),
            ("mendeley-lss-png", "sagittal_t?/*.png"),
            ("mendeley-lss-png", "axial_t?/*.png"),
        )
    )
    pairs = len(spider) * (len(spider) - 1) // 2 + len(spider) * len(sagittal) + len(axial) * (len(axial) - 1) // 2
    assert pairs == 8778
    assert find_copies(spider, spider, BITS) == []
    assert find_copies(spider, sagittal, BITS) == []
    assert find_copies(axial, axial, BITS) == []


def test_copies_that_really_happened_are_found(shared: Path) -> None:
    """Two sets made of one archive, upright and upside down, hold two slices in common, under other numbers."""
    folders = (shared / "data/spider-midsagittal", "*_t2.png"), (shared / "data/spider-png-sagittal/images", "*.png")
    names = [[file.stem for file in sorted(folder.glob(pattern))] for folder, pattern in folders]
    first, second = ([thumbnail(image) for image in pictures(*place)] for place in folders)
    copies = find_copies(first, second, BITS)
    pairs = {(names[0][copy.first], names[1][copy.second]) for copy in copies}
    assert len(first) * len(second) == 1500
    assert pairs == {("105_t2", "10008_12"), ("108_t2", "10015_8")}
    assert all(copy.bits == 0 and copy.likeness > 0.99 for copy in copies)


def test_mirrored_bits_are_those_of_the_mirrored_image() -> None:
    image = thumbnail(smooth_pixels(3, (90, 70)))
    bits = view_bits(image, VIEWS)
    for number in range(len(VIEWS) * MIRRORS):
        direct = view_bits(as_viewed(image, VIEWS, number), VIEWS[:1])[0]
        assert (direct != bits[number]).sum() <= 2  # rounding at the median


def test_likeness_of_an_image_with_itself_and_with_noise() -> None:
    image = thumbnail(smooth_pixels(3, (320, 320)))
    noise = np.random.default_rng(0).integers(0, 255, image.shape).astype(np.uint8)
    assert likeness(image, image) == pytest.approx(1)
    assert likeness(image, noise) < 0.3


def test_pairs_of_few_bits_are_exact() -> None:
    draw = np.random.default_rng(1)
    first, second = (draw.choice(np.float32([-1, 1]), (count, 256)) for count in (30, 40))
    second[7] = first[3]
    second[7, :5] *= -1
    expected = {
        (i, j, int(bits)) for i in range(30) for j in range(40) if (bits := (first[i] != second[j]).sum()) <= 110
    }
    assert set(_near(first, second, 110)) == expected and (3, 7, 5) in expected


def test_nothing_has_no_copies() -> None:
    assert find_copies([], [thumbnail(smooth_pixels(1))], 44) == []
