"""What exchanged prompts change, on masks counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lss.evaluation.prompt_exchange import measure_exchange
from lss.metrics.bootstrap import PatientBootstrap

KEY = {"task": "segmentation", "backbone": "b", "loss": "l", "source": "said_D", "reference": "pseudo_mask"}


def square(side: int) -> np.ndarray:
    mask = np.zeros((10, 10), dtype=bool)
    mask[:side, :side] = True
    return mask


def values_of(own: list[int], exchanged: list[int], true: list[int]) -> dict[tuple[str, str], float]:
    bootstrap = PatientBootstrap(["P1", "P2", "P3"], 50, 0.95, 1)
    masks = [[square(side) for side in sides] for sides in (own, exchanged, true)]
    rows = measure_exchange(KEY, *masks, ["A", "D", "D"], bootstrap)
    return {(row["metric"], row["stratum"]): row["value"] for row in rows}


def test_counted_by_hand() -> None:
    values = values_of(own=[0, 2, 4], exchanged=[2, 4, 4], true=[0, 4, 4])
    assert values["area_change", "all"] == pytest.approx((4 + 12 + 0) / 3)
    assert values["area_change", "D"] == pytest.approx(6)
    assert values["pixels_changed", "all"] == pytest.approx((4 + 12) / (4 + 16 + 16), abs=1e-6)
    # Dice: 1 -> 0 at A; 2 * 4 / 20 = 0.4 -> 1 and 1 -> 1 at D
    assert values["dice_change", "A"] == pytest.approx(-1) and values["dice_change", "D"] == pytest.approx(0.3)


def test_prompts_that_are_ignored_change_nothing() -> None:
    values = values_of(own=[0, 2, 4], exchanged=[0, 2, 4], true=[1, 1, 1])
    assert values["dice_change", "all"] == values["area_change", "all"] == values["pixels_changed", "all"] == 0
    assert values["pixels_changed", "A"] is None  # nothing drawn either way
