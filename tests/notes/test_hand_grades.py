"""Real notes graded by hand (120), and the real notes as material for properties."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pandas as pd
import pytest

from lss.domain.grades import parse_level_grades
from lss.notes.grading import NoteGrade, grade_note

LEAST_NOTE_AGREEMENT = 0.98
LEAST_LEVEL_AGREEMENT = 0.95


@pytest.fixture(scope="module")
def notes(shared: Path) -> pd.Series[str]:
    table = pd.read_excel(shared / "data/mendeley-radiologists-notes/Radiologists Report.dev-subset.xlsx")
    return table.set_index("Patient ID")["Clinician's Notes"]


@pytest.fixture(scope="module")
def hand_grades(shared: Path) -> pd.DataFrame:
    path = shared / "data/mendeley-radiologists-notes/grades.dev.csv"
    return pd.read_csv(path, keep_default_na=False, index_col="patient_id")


def test_agreement_with_hand_grades(notes: pd.Series[str], hand_grades: pd.DataFrame) -> None:
    graded = {patient: grade_note(notes[patient]) for patient in hand_grades.index}
    agree = [(graded[patient].grade or "none") == row.grade for patient, row in hand_grades.iterrows()]
    assert len(agree) == 120
    assert sum(agree) / len(agree) >= LEAST_NOTE_AGREEMENT


def test_agreement_on_levels(notes: pd.Series[str], hand_grades: pd.DataFrame) -> None:
    """Over the levels that either the hand or the program grades."""
    agree = []
    for patient, row in hand_grades.iterrows():
        by_hand, by_program = parse_level_grades(row.level_grades), grade_note(notes[patient]).level_grades
        agree += [by_hand.get(level) == by_program.get(level) for level in {*by_hand, *by_program}]
    assert len(agree) > 150
    assert sum(agree) / len(agree) >= LEAST_LEVEL_AGREEMENT


def test_evidence_quotes_the_note(notes: pd.Series[str]) -> None:
    for note in notes.dropna():
        graded = grade_note(note)
        assert bool(graded.evidence) == (graded.grade is not None)
        quotes = [quote for part in graded.evidence.split("; ") for quote in part.partition(": ")[2].split(", ")]
        squeezed = re.sub(r"\W", "", note)
        assert all(re.sub(r"\W", "", quote) in squeezed for quote in quotes)


def _variants(note: str) -> list[str]:
    return [note.upper(), note.replace("\n", "\r\n"), "\n".join(f"  {line}  " for line in note.split("\n"))]


def test_case_and_whitespace_play_no_part(notes: pd.Series[str]) -> None:
    for note in notes.dropna():
        expected = _grades(grade_note(note))
        assert all(_grades(grade_note(variant)) == expected for variant in _variants(note)), note


def test_one_misspelt_letter_in_some_words_changes_few_grades(notes: pd.Series[str]) -> None:
    generator = random.Random(20250)
    present = notes.dropna()
    same = [grade_note(note).grade == grade_note(_misspell(note, generator)).grade for note in present]
    assert sum(same) / len(same) >= 0.98


def _misspell(note: str, generator: random.Random) -> str:
    """In every fifth word of at least six letters a letter is lost, doubled, exchanged or replaced."""

    def slip(match: re.Match[str]) -> str:
        word, place = match[0], generator.randrange(1, len(match[0]) - 1)
        if generator.random() > 0.2:
            return word
        slips = (
            word[:place] + word[place + 1 :],
            word[:place] + word[place] + word[place:],
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
            word[:place] + generator.choice("aeinrst") + word[place + 1 :],
        )
        return generator.choice(slips)

    return re.sub(r"[A-Za-z]{6,}", slip, note)


def _grades(graded: NoteGrade) -> tuple[str | None, dict[str, str]]:
    return graded.grade, graded.level_grades
