"""Coding without loss, balance by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lss.errors import LssError
from lss.imaging.balance import balance_plan
from lss.imaging.codec import decode_png, encode_png, pixels_from_bytes, pixels_to_bytes

IMAGE = np.random.default_rng(2).integers(0, 65536, (7, 5)).astype(np.uint16)


@pytest.mark.parametrize("image", [IMAGE, IMAGE.astype(np.uint8)], ids=["16 bits", "8 bits"])
def test_png_is_lossless_and_pillow_reads_the_same(image: np.ndarray) -> None:
    data = encode_png(image)
    back = decode_png(data)
    assert back.dtype == image.dtype and np.array_equal(back, image)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), image)


def test_masks_are_written_as_0_and_255() -> None:
    mask = IMAGE > 30000
    assert np.array_equal(decode_png(encode_png(mask)), np.where(mask, 255, 0))


def test_png_errors() -> None:
    with pytest.raises(LssError, match="no PNG"):
        decode_png(b"GIF89a")
    with pytest.raises(ValueError, match="float64"):
        encode_png(IMAGE.astype(float))


def test_raw_pixels() -> None:
    assert np.array_equal(pixels_from_bytes(pixels_to_bytes(IMAGE[:, ::2]), 7, 3), IMAGE[:, ::2])
    assert pixels_to_bytes(np.array([[1, 256]], np.uint16)) == b"\x01\x00\x00\x01"


@given(st.lists(st.sampled_from(["A", "BC", "D"]), max_size=40), st.integers(0, 9))
def test_balance_makes_grades_equal_and_spreads_copies_evenly(grades: list[str], seed: int) -> None:
    by_key = {f"slice-{i}": grade for i, grade in enumerate(grades)}
    plan = balance_plan(by_key, seed)
    after = {grade: [plan[k] for k, g in by_key.items() if g == grade] for grade in set(grades)}
    assert len({sum(counts) for counts in after.values()}) <= 1
    assert all(max(counts) - min(counts) <= 1 for counts in after.values())
    assert balance_plan(dict(reversed(by_key.items())), seed) == plan


def test_balance_by_hand() -> None:
    plan = balance_plan(dict.fromkeys("abcdefg", "A") | dict.fromkeys("xyz", "D"), 4)
    assert sorted(plan[key] for key in "xyz") == [2, 2, 3] and all(plan[key] == 1 for key in "abcdefg")
