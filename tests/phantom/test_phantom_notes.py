"""The phantom's notes agree with its truth, by rules written down here and by the project's own parser."""

from __future__ import annotations

import re
from pathlib import Path

import openpyxl
import pytest

from lss.domain.grades import worst
from lss.notes.grading import grade_note
from lss.phantom.archive import draw_notes, plan_cohort
from lss.phantom.notes import INCOMPLETE_SHARE, Note
from lss.phantom.workbook import write_notes

SEEDS = range(6)


def all_notes() -> list[tuple[dict[str, str], Note]]:
    pairs = []
    for seed in SEEDS:
        plans, without_images = plan_cohort(48, seed)
        notes = draw_notes(plans, without_images, seed)
        pairs += [(plan.grades, note) for plan in plans if (note := notes[plan.number])]
    return pairs


def test_parser_reads_what_was_meant() -> None:
    pairs = all_notes()
    for _, note in pairs:
        read = grade_note(note.text)
        assert (read.grade, read.level_grades) == (note.grade, note.level_grades), note.text


def test_grades_are_the_true_ones_but_for_a_small_share_of_missing_levels() -> None:
    pairs = all_notes()
    missing = 0
    for grades, note in pairs:
        assert note.grade == worst(list(grades.values()))
        assert all(grades[level] == grade for level, grade in note.level_grades.items())
        missing += any(grade != "A" and level not in note.level_grades for level, grade in grades.items())
    assert 0 < missing / len(pairs) <= 2 * INCOMPLETE_SHARE


def test_strong_words_stand_in_notes_of_grade_d_only() -> None:
    strong = re.compile(r"larg(e)?ly|significantly|leading to sec[ao]ndary")
    for _, note in all_notes():
        assert bool(strong.search(note.text)) == (note.grade == "D"), note.text


def test_wording_varies_as_in_real_notes() -> None:
    texts = [note.text for _, note in all_notes()]
    assert len(set(texts)) > 0.85 * len(texts)
    together = "\n".join(texts)
    for habit in (
        "LSS MRI",
        "muscle spasm",
        "NB",
        "L4/L5",
        "L4-5",
        "L4-L5",
        "Lt paracentral",
        "compresing",
        "No significant",
    ):
        assert habit in together
    assert "severe" not in together.lower() and "moderate" not in together.lower()  # real notes never say so


def test_habits_are_those_of_real_notes(shared: Path) -> None:
    """Most words of the phantom's notes occur in real ones too."""
    book = openpyxl.load_workbook(
        shared / "data/mendeley-radiologists-notes/Radiologists Report.dev-subset.xlsx", read_only=True
    )
    real = {w for row in book["Sheet1"].iter_rows(values_only=True, min_row=2) for w in words(row[1] or "")}
    ours = [word for _, note in all_notes() for word in words(note.text)]
    assert sum(word in real for word in ours) / len(ours) > 0.97


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def test_workbook_is_as_in_the_archive_and_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = {3: "LSS MRI\nAdequate spinal canal.", 1: None, 2: "x"}
    write_notes(tmp_path / "a.xlsx", notes)
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_notes(tmp_path / "b.xlsx", dict(reversed(notes.items())))
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["Sheet1"]
    rows = list(book["Sheet1"].iter_rows(values_only=True))
    assert rows == [("Patient ID", "Clinician's Notes"), (1, None), (2, "x"), (3, "LSS MRI\nAdequate spinal canal.")]
