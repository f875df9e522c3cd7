from __future__ import annotations

import numpy as np
import pytest

from lss.imaging.matching import best_match

RANDOM = np.random.default_rng(4)
IMAGES = [RANDOM.integers(0, 4096, (40, 30)).astype(np.uint16) for _ in range(4)]


def test_correlation_is_numpys() -> None:
    picture = (IMAGES[2] * 0.05 + RANDOM.normal(0, 20, (40, 30))).clip(0, 255).astype(np.uint8)
    match = best_match(picture, IMAGES)
    expected = sorted((np.corrcoef(picture.ravel(), image.ravel())[0, 1], place) for place, image in enumerate(IMAGES))
    assert match is not None and match.place == 2 == expected[-1][1]
    assert match.correlation == pytest.approx(expected[-1][0], abs=1e-5)
    assert match.next_best == pytest.approx(expected[-2][0], abs=1e-5)


def test_the_best_channel_counts() -> None:
    colour = np.dstack([RANDOM.integers(0, 255, (40, 30)), IMAGES[1] // 16, RANDOM.integers(0, 255, (40, 30))])
    match = best_match(colour.astype(np.uint8), IMAGES)
    assert match is not None and match.place == 1 and match.correlation > 0.999


def test_sizes_and_constant_images() -> None:
    assert best_match(IMAGES[0], []) is None
    assert best_match(IMAGES[0], [IMAGES[0][:20]]) is None
    only = best_match(IMAGES[0], [np.zeros((20, 20), np.uint16), IMAGES[0]])
    assert only is not None and only.place == 1 and only.next_best == -1
    constant = best_match(np.full((40, 30), 7, np.uint8), IMAGES)
    assert constant is not None and constant.correlation == 0
