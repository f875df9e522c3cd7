"""Tables of notes and grades: every row is read, and what cannot be read is said."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from dicom_files import write_notes

from lss.cohorts.spreadsheets import numbered_rows, read_cells, read_table
from lss.errors import LssError
from lss.notes.grade_file import grade_file

SHEET = "xl/worksheets/sheet1.xml"


def rewritten(source: Path, target: Path, member: str, change) -> Path:  # type: ignore[no-untyped-def]
    """A copy of a workbook with the bytes of one member changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name == member else data)
    return target


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_notes(tmp_path / "n.xlsx", {number: f"note {number}" for number in range(1, 21)})


def test_rows_beyond_the_size_that_a_workbook_states_are_read(book: Path, tmp_path: Path) -> None:
    """Some programs write a wrong <dimension>; a reader that believes it stops there in silence."""
    wrong = rewritten(
        book, tmp_path / "w.xlsx", SHEET, lambda data: re.sub(rb"A1:B\d+", b"A1:A3", data, count=1)
    )  # fmt: skip
    assert b'"A1:A3"' in zipfile.ZipFile(wrong).read(SHEET)
    rows = read_table(wrong, ["Patient ID", "Clinician's Notes"])
    assert [row["Clinician's Notes"] for row in rows] == [f"note {number}" for number in range(1, 21)]
    assert read_cells(wrong) == read_cells(book)


@pytest.mark.parametrize("member", [SHEET, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"])
def test_a_damaged_workbook_is_named(book: Path, tmp_path: Path, member: str) -> None:
    damaged = rewritten(book, tmp_path / "d.xlsx", member, lambda data: data[: len(data) // 2])
    with pytest.raises(LssError, match=r"d\.xlsx: is no Excel workbook"):
        read_table(damaged, [])


def test_rows_keep_the_numbers_that_a_spreadsheet_shows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n1;x\n\n;\n2;y\n")
    assert numbered_rows(tmp_path / "t.csv", ["a"]) == [(2, {"a": "1", "b": "x"}), (5, {"a": "2", "b": "y"})]


def test_notes_are_graded_from_any_csv_that_a_cohort_may_use(tmp_path: Path) -> None:
    for name, delimiter in (("c.csv", ","), ("s.csv", ";"), ("t.csv", "\t")):
        rows = [["patient_id", "note"], ["7", '"L4-L5: bulge, compressing the sac"'], ["8", "No herniation"]]
        (tmp_path / name).write_text("".join(delimiter.join(row) + "\n" for row in rows), encoding="utf-8-sig")
        assert grade_file(tmp_path / name, tmp_path / "out.csv").by_grade == {"A": 1, "BC": 1, "D": 0, "none": 0}
