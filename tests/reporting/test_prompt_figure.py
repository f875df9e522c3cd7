"""Figure 11: what stands under each panel is counted by hand."""

from __future__ import annotations

import numpy as np

from lss.evaluation.prompt_exchange import EXCHANGES
from lss.reporting.prompt_figure import PromptCase, draw_prompts
from lss.reporting.view_marks import View

VIEW = View(("R", "L"), 88.0)
ROW = {"grade": "D", "level": None, "patient_key": "P"}


def square(side: int) -> np.ndarray:
    mask = np.zeros((16, 16), dtype=bool)
    mask[4 : 4 + side, 4 : 4 + side] = True
    return mask


def labels(case: PromptCase) -> list[str]:
    return [axes.get_xlabel() for axes in draw_prompts([case], "title").axes]


def test_dice_and_changed_pixels_of_every_exchange() -> None:
    exchanged = dict(zip(EXCHANGES, (square(4), square(2), square(0), square(6)), strict=True))
    case = PromptCase(np.eye(64, dtype=np.uint16), VIEW, square(4), square(4), exchanged, ROW, "SmolVLM")
    assert labels(case) == [
        "patient P",
        "Dice 1.000\n16 px",
        "Dice 1.000\n0 of 16 px change",
        "Dice 0.400\n12 of 16 px change",  # 2 * 4 / (4 + 16)
        "Dice 0.000\n16 of 16 px change",
        "Dice 0.615\n20 of 36 px change",  # 2 * 16 / (36 + 16)
    ]


def test_a_case_without_any_mask_and_no_case_at_all() -> None:
    empty = square(0)
    case = PromptCase(np.eye(64, dtype=np.uint16), VIEW, empty, empty, dict.fromkeys(EXCHANGES, empty), ROW, "SmolVLM")
    assert set(labels(case)[1:]) == {"Dice 1.000\n0 px", "Dice 1.000\n0 px change"}
    (text,) = draw_prompts([], "title").texts
    assert text.get_text() == "No network with prompts was trained"
