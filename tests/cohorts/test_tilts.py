"""The chance that a count begins at L5-S1, by the tilts of its blocks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lss.cohorts import tilts
from lss.cohorts.tilts import LOWEST_DISCS, chances


def drawn(count: int) -> np.ndarray:
    """Tilts of S1-S2, L5-S1, ..., T12-L1 in drawn spines, (count, 7): built up disc by disc, without a covariance."""
    draw = np.random.default_rng(0)
    ends = draw.normal(*tilts.LUMBOSACRAL_DEG, count) + draw.normal(0, tilts.LYING_DEG, count)
    columns = [ends + draw.normal(*tilts.S1_S2_DEG, count)]
    for disc, (segment, spread) in zip(tilts.DISCS_DEG, (*tilts.SEGMENTS_DEG, tilts.SEGMENTS_DEG[-1]), strict=True):
        wedge = draw.normal(disc, spread * tilts.DISC_SHARE**0.5, count)
        columns.append(ends - wedge / 2)
        ends = ends - wedge - draw.normal(segment - disc, spread * (1 - tilts.DISC_SHARE) ** 0.5, count)
    return np.stack(columns, axis=1) + draw.normal(0, tilts.PLANNING_DEG, (count, len(columns)))


@pytest.mark.parametrize("seen", [[30.0, 5.0, 0.0], [50.0, 28.0, 15.0], [18.0, 9.0], [44.0, 37.0, 16.0], [30.0]])
def test_chances_follow_bayes_on_drawn_spines(seen: list[float]) -> None:
    """Means and covariances of drawn spines, densities by another library."""
    spines = drawn(100_000)
    weights = []
    for first, share in enumerate(LOWEST_DISCS.values()):
        own = spines[:, first : first + len(seen)]
        density = multivariate_normal(own.mean(axis=0), np.atleast_2d(np.cov(own.T))).pdf(seen)
        weights.append(share * density)
    expected = np.array(weights) / sum(weights)
    assert list(chances(seen).values()) == pytest.approx(expected, abs=0.01)


def test_a_shift_by_one_disc_takes_the_certainty() -> None:
    """Mean tilts of the discs, and the same count begun one disc further up or down."""
    mean = drawn(20_000).mean(axis=0)
    assert chances(mean[1:4])["L5-S1"] > 0.95
    assert chances(mean[2:5])["L5-S1"] < 0.5
    assert chances(mean[0:3])["S1-S2"] > 0.2


def test_discs_above_the_third_do_not_count() -> None:
    assert chances([30.0, 5.0, 0.0, 40.0]) == chances([30.0, 5.0, 0.0])
