"""Attention on the canal: areas by hand, and the score of attention unrelated to the canal."""

import numpy as np
import pytest

from lss.evaluation.attention import attention_inside, estimate_attention
from lss.metrics.bootstrap import PatientBootstrap


def disc(side, centre, radius):
    y, x = np.mgrid[:side, :side]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2


def test_even_attention_has_the_share_of_the_area_and_attention_on_the_canal_all():
    canal = np.zeros((96, 96), dtype=bool)
    canal[24:48, 48:60] = True  # 6 x 3 patches of 4 x 4 pixels
    assert attention_inside(np.full((24, 24), 1 / 576), canal) == pytest.approx(18 / 576)
    on_it = np.zeros((24, 24))
    on_it[8, 13] = 1.0
    beside = np.zeros((24, 24))
    beside[8, 20] = 1.0
    assert attention_inside(on_it, canal) == pytest.approx(1)
    assert attention_inside(beside, canal) == 0
    assert attention_inside(7 * (on_it + beside), canal) == pytest.approx(0.5)


def test_the_ratio_is_that_of_the_means_and_its_interval_that_of_patients():
    inside, canal = np.array([0.2, 0.4, 0.1, 0.3, 0.25]), np.array([0.1, 0.1, 0.05, 0.15, 0.1])
    bootstrap = PatientBootstrap(list("pqrst"), 500, 0.95, 1)
    result = estimate_attention(inside, canal, ["A", "D", "A", "D", "A"], bootstrap)
    assert result["all"]["attention_ratio"].value == pytest.approx(1.25 / 0.5)
    assert result["A"]["attention_ratio"].value == pytest.approx(0.55 / 0.25)
    assert (result["D"]["attention_inside"].value, result["D"]["canal_share"].n) == (pytest.approx(0.35), 2)
    # the patients' own quotients lie between 2 and 4, and so does that of any draw
    low, high = result["all"]["attention_ratio"].low, result["all"]["attention_ratio"].high
    assert 2.0 - 1e-9 <= low < 2.5 < high <= 4.0 + 1e-9
    assert np.isnan(result["BC"]["attention_ratio"].value)
