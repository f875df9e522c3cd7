from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lss.notes.cleaning import BLANKED_DATE, clean_note


@pytest.mark.parametrize(
    "date",
    [
        "04/01/2016",
        "4-1-16",
        "4.1.2016",
        "2016-01-04",
        "4 January 2016",
        "4th of Jan, 2016",
        "January 4, 2016",
        "Mar 2017",
    ],
)
def test_dates_are_blanked(date: str) -> None:
    assert clean_note(f"No changes since {date} noted.") == f"No changes since {BLANKED_DATE} noted."


@pytest.mark.parametrize("kept", ["L4/5", "L3-4-5", "L5/S1", "3*1.5 cm", "6.5mm", "D12/L1", "T1&T2", "24 % of 1/3"])
def test_levels_and_measures_are_no_dates(kept: str) -> None:
    assert clean_note(kept) == kept


@pytest.mark.parametrize("separator", ["\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_every_line_separator_becomes_a_newline(separator: str) -> None:
    assert clean_note(f"LSS MRI{separator}Disc bulge") == "LSS MRI\nDisc bulge"


def test_whitespace_and_control_characters() -> None:
    assert clean_note("  a\t b \x00\u200bc\n\n\n\n d\ufeff ") == "a b c\n\nd"


def test_text_of_other_scripts_is_kept() -> None:
    assert (
        clean_note("muscle spasmز\n腰椎 L4-L5, Bandscheibenvorwölbung")
        == "muscle spasmز\n腰椎 L4-L5, Bandscheibenvorwölbung"
    )


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean_note(clean_note(text)) == clean_note(text)


@given(st.text())
def test_only_newlines_end_lines(text: str) -> None:
    assert clean_note(text).splitlines() == [line for line in clean_note(text).split("\n") if clean_note(text)]
