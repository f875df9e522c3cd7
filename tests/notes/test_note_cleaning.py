from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lss.notes.cleaning import BLANKED_DATE, clean_note


@pytest.mark.parametrize(
    "written",
    [
        "04/01/2016",
        "4-1-16",
        "4.1.2016",
        "2016-01-04",
        "4 January 2016",
        "4th of Jan, 2016",
        "January 4, 2016",
        "Mar 2017",
        "04/2016",
        "7/2014",
        "05-2015",
        "3.2016",
        "4 / 1 / 2016",
        "14/ 3/2016",
        "20160104",
        "04012016",
        "4–1–2016",
        "4—1—16",
        "12 Mar 16",
        "12Mar16",
        "12-Mar-2016",
        "2015 March 3",
        "March 15th",
        "3rd of May",
        "15 march",
        "Mar '16",
        "Janury 2015",
        "2016",
        "2015-2016",
        "12 th of March 2015",
    ],
)
def test_dates_are_blanked(written: str) -> None:
    assert clean_note(f"No changes since {written} noted.") == f"No changes since {BLANKED_DATE} noted."


@pytest.mark.parametrize(
    "kept",
    [
        "L4/5", "L3-4-5", "L5/S1", "3*1.5 cm", "6.5mm", "D12/L1", "T1&T2", "24 % of 1/3", "D 10-11-12",
        "marked 4 mm", "decreased 12 mm", "bone marrow", "septic", "grade 1 may represent", "1.5 x 2.5 x 3.5 cm",
        "2000 ms", "3.5/4.2", "L3/4, 4/5, 5/1", "2nd lumbar", "12.5 x 10.2",
    ],
)  # fmt: skip
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


_MONTHS = ("January", "Feb", "march", "APR", "May", "June", "Jul.", "August", "Sept", "October", "nov", "Dec.")
_STROKES = st.sampled_from(["/", "-", ".", "–", " / ", "- "])


@st.composite
def written_dates(draw: st.DrawFn) -> tuple[str, int]:
    """A day as people write it, with its year in four figures, and the year."""
    day = draw(st.dates(min_value=date(1950, 1, 1), max_value=date(2049, 12, 31)))
    stroke, ordinal = draw(_STROKES), draw(st.sampled_from(["", "th", " th"]))
    month = _MONTHS[day.month - 1]
    forms = (
        f"{day.day}{stroke}{day.month}{stroke}{day.year}",
        f"{day.day:02d}{stroke}{day.month:02d}{stroke}{day.year}",
        f"{day.year}{stroke}{day.month}{stroke}{day.day}",
        f"{day.month}{stroke}{day.year}",
        f"{day:%Y%m%d}",
        f"{day.day}{ordinal} {month} {day.year}",
        f"{day.day}{ordinal} of {month}, {day.year}",
        f"{month} {day.day}{ordinal}, {day.year}",
        f"{day.year} {month} {day.day}",
        f"{month} {day.year}",
        f"{day.year}",
    )
    return draw(st.sampled_from(forms)), day.year


@settings(max_examples=500)
@given(written_dates(), st.sampled_from(["", "Seen on ", "MRI of L4-L5 ("]), st.sampled_from(["", ".", ") and L5/S1"]))
def test_no_date_is_left_and_nothing_else_is_taken(written: tuple[str, int], before: str, after: str) -> None:
    cleaned = clean_note(f"{before}{written[0]}{after}")
    assert cleaned == f"{before}{BLANKED_DATE}{after}"


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("LSTDC"), st.integers(1, 12), st.sampled_from("-/"), st.integers(1, 12)).map(
                lambda parts: "{}{}{}{}".format(*parts)
            ),
            st.tuples(st.floats(0.5, 60), st.sampled_from([" mm", "mm", " cm", " %"])).map(
                lambda parts: f"{parts[0]:.1f}{parts[1]}"
            ),
            st.sampled_from(["grade 1", "disc", "marked", "decreased", "marrow", "may be", "1st", "both sides"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_levels_measures_and_words_stay(words: list[str]) -> None:
    assert clean_note(", ".join(words)) == ", ".join(words)
