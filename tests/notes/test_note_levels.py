from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lss.domain.grades import LEVELS
from lss.notes.level_names import OUTSIDE, TRANSITIONAL
from lss.notes.spelling import write_out
from lss.notes.tokens import tokenise


def named(text: str) -> list[str]:
    return [level for token in tokenise(write_out(text)) for level in token.levels or ()]


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("L4-L5", ["L4-L5"]),
        ("L4/5", ["L4-L5"]),
        ("L4-l5", ["L4-L5"]),
        ("L4 - L5", ["L4-L5"]),
        ("L5/S 1", ["L5-S1"]),
        ("L5-SI level", ["L5-S1"]),
        ("LS-S1", ["L5-S1"]),
        ("L4L5", ["L4-L5"]),
        ("L45", ["L4-L5"]),
        ("D12/L1", ["T12-L1"]),
        ("T12-1", ["T12-L1"]),
        ("L3/L4&L4/L5", ["L3-L4", "L4-L5"]),
        ("L3-L4-L5", ["L3-L4", "L4-L5"]),
        ("L2-L5", ["L2-L3", "L3-L4", "L4-L5"]),
        ("L5-S1levels", ["L5-S1"]),
        ("noted atL4/L5", ["L4-L5"]),
        ("L5/mpressing", ["L5-S1"]),
        ("C5/C6", [OUTSIDE]),
        ("D11/D12", [OUTSIDE]),
        ("S2/S3", [OUTSIDE]),
        ("S1/S2", [TRANSITIONAL]),
        ("L5-L6", [TRANSITIONAL]),
        ("L6/S1", [TRANSITIONAL]),
        ("L5/6", [TRANSITIONAL]),
        ("L2/3, 3/4 and 4/5", ["L2-L3", "L3-L4", "L4-L5"]),
        ("LIV-LV and L V/S1", ["L4-L5", "L5-S1"]),
        ("L3 to S1", ["L3-L4", "L4-L5", "L5-S1"]),
        ("fifth lumbar disc", ["L5-S1"]),
        ("L4 body", []),
        ("low on T1&T2 WI", []),
        ("3*1.5 cm", []),
        ("HL4-5", []),
    ],
)
def test_levels_as_they_are_typed(text: str, levels: list[str]) -> None:
    assert named(text) == levels


@given(st.sampled_from(LEVELS), st.sampled_from("-/"), st.booleans(), st.booleans(), st.sampled_from("TD"))
def test_every_spelling_of_a_level(level: str, mark: str, short: bool, lower: bool, thoracic: str) -> None:
    upper_vertebra, lower_vertebra = level.replace("T", thoracic).split("-")
    if short and lower_vertebra not in ("L1", "S1"):
        lower_vertebra = lower_vertebra[1:]
    text = upper_vertebra + mark + lower_vertebra
    assert named(text.lower() if lower else text) == [level]
