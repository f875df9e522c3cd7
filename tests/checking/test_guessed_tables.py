"""Which table of a folder, and which of its columns, `lss check` takes for the notes or grades."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from lss.checking.tables import usable_table
from lss.cohorts.settings import FolderParams

TEXTS = ("L4-L5: severe spinal canal stenosis.", "L3-L4: no significant compression.", "L4-L5: moderate stenosis.")
BY_DEFAULT = FolderParams(
    table=None, patient_column="patient_id", note_column="note", grade_column=None, plane_column=None,
    weighting_column=None,
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folders of three patients."""
    for number in (1, 2, 3):
        (tmp_path / f"{number:02d}").mkdir()
    return tmp_path


def write(path: Path, header: str, *columns: str | tuple[str, ...]) -> Path:
    """Write a CSV of three rows; a column is a sequence of three cells, or one text for all."""
    rows = [[column if len(column) != 3 else str(column[row]) for column in columns] for row in range(3)]
    lines = [header, *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def said(root: Path, settings: FolderParams = BY_DEFAULT) -> tuple[FolderParams, dict[str, str]]:
    """What is taken, and the details of the problems by kind."""
    taken, problems = usable_table(root, settings)
    details: dict[str, str] = {}
    for problem in problems:
        details[problem.kind] = f"{details.get(problem.kind, '')} {problem.detail} -> {problem.mend or problem.remedy}"
    return taken, details


def test_the_table_of_reports_is_taken_among_others(root: Path) -> None:
    write(root / "demographics.csv", "patient_id,age,sex", "123", "61", "F")
    write(root / "contrast.csv", "patient_id,note", "123", "ok")
    write(root / "reports.csv", "patient_id,report", "123", TEXTS)
    taken, details = said(root)
    assert (taken.table, taken.patient_column, taken.note_column) == ("reports.csv", "patient_id", "report")
    assert "reports.csv is a guess, by texts or grades of 3 patients" in details["table not named"]


def test_two_tables_of_equal_worth_are_a_guess(root: Path) -> None:
    for name in ("b.csv", "a.csv"):
        write(root / name, "patient_id,note", "123", TEXTS)
    taken, details = said(root)
    assert taken.table == "a.csv" and "a.csv and b.csv would do equally" in details["table not named"]


def test_a_table_of_other_patients_is_not_taken(root: Path) -> None:
    write(root / "a_other_study.csv", "patient_id,note", ("91", "92", "93"), TEXTS)
    write(root / "z_this_study.csv", "patient_id,note", "123", TEXTS)
    assert said(root)[0].table == "z_this_study.csv"


@pytest.mark.parametrize("titles", [["Lumbar study 2024"], ["Lumbar study 2024", "", "as of 3 May"]])
@pytest.mark.parametrize("ending", ["xlsx", "csv"])
def test_a_title_is_no_header(root: Path, titles: list[str], ending: str) -> None:
    rows = [["patient_id", "age", "sex", "note"], *([n, 60 + n, "F", TEXTS[n - 1]] for n in (1, 2, 3))]
    if ending == "xlsx":
        book = openpyxl.Workbook()
        for row in [*([title] for title in titles), *rows]:
            book.active.append(row)
        book.active.merge_cells("A1:D1")
        book.save(root / "t.xlsx")
    else:
        lines = [*titles, *(";".join(map(str, row)) for row in rows)]
        (root / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    taken, details = said(root)
    assert taken.table is None and "column missing" not in details
    assert f"stand in row {len(titles) + 1}" in details["title above the header"]
    above = "row 1" if len(titles) == 1 else "rows 1 to 3"
    assert f"Remove {above} from the table" in details["title above the header"]


@pytest.mark.parametrize(
    "name",
    ["Stenosis (Schizas)", "Schizas grade", "Stenosegrad", "Grade", "Grad der Stenose", "Severity", "stenosis_grade",
     "Grado de estenosis", "Степень стеноза", "canal stenosis"],
)  # fmt: skip
def test_a_column_of_grades_is_known_by_its_name_and_cells(root: Path, name: str) -> None:
    write(root / "t.csv", f"patient_id,group,{name}", "123", "AAB", ("B", "A2", "D"))
    taken, details = said(root)
    assert (taken.note_column, taken.grade_column) == (None, name)
    assert f"cohort.folder.grade_column: {name}" in details["no notes or grades"]


@pytest.mark.parametrize(
    ("name", "cells", "words"),
    [
        ("Grade", "024", "holds 0, 2, 4: no grades"),
        ("Pfirrmann grade", "ABD", ""),
        ("Foraminal stenosis", "ABD", ""),
        ("Stenosis L4-L5", "ABD", ""),
        ("group", "ABD", ""),
        ("Graduation", "ABD", ""),
        ("stenosis,grade", ("A,B", "B,A", "D,D"), "'stenosis', 'grade' hold grades: say which"),
    ],
)
def test_other_columns_are_no_grades_of_the_canal(
    root: Path, name: str, cells: str | tuple[str, ...], words: str
) -> None:
    write(root / "t.csv", f"patient_id,{name}", "123", cells)
    taken, details = said(root)
    assert taken.grade_column is None and words in details["no notes or grades"]


def test_grades_beside_notes_are_named_where_they_are_not_used(root: Path) -> None:
    write(root / "t.csv", "patient_id,note,Schizas", "123", TEXTS, "DAB")
    taken, details = said(root)
    assert (taken.note_column, taken.grade_column) == ("note", None)
    assert (
        "column 'Schizas' holds grades, not used -> cohort.folder.grade_column: Schizas" in details["grades not used"]
    )
    named = BY_DEFAULT.model_copy(update={"table": "t.csv", "grade_column": "Schizas"})
    assert said(root, named) == (named, {})


def test_a_running_number_is_no_patient(root: Path) -> None:
    """Its cells are names of folders too, in another order."""
    write(root / "t.csv", "nr,hasta,rapor", "123", "312", TEXTS)
    taken, details = said(root)
    assert taken.table is None
    assert "'nr' and 'hasta' name the folder's patients equally well" in details["column missing"]
    write(root / "t.csv", "nr,Patient,rapor", "123", "312", TEXTS)
    assert said(root)[0].patient_column == "Patient"


def test_an_id_that_is_no_folder_gives_way_to_one_that_is(root: Path) -> None:
    write(root / "t.csv", "id,folder,note", ("a7", "b8", "c9"), ("01", "02", "03"), TEXTS)
    taken, details = said(root)
    assert taken.patient_column == "folder"
    assert "'folder' is a guess, by 3 names of folders or files in it" in details["column missing"]


def test_a_question_to_the_radiologist_is_no_report(root: Path) -> None:
    asked = "Suspected severe spinal canal stenosis at L4-L5 and please look at it"
    write(
        root / "t.csv",
        "patient_id,Indication,Home address,Result",
        "123",
        asked,
        "Very Long Street 12 in 9999 Town",
        TEXTS,
    )
    taken, details = said(root)
    assert taken.note_column == "Result" and "'Result' is a guess" in details["column missing"]


def test_a_table_in_a_folder_below_is_mentioned(root: Path) -> None:
    (root / "tables").mkdir()
    write(root / "tables/reports.csv", "patient_id,note", "123", TEXTS)
    assert "in its folders lie tables/reports.csv" in said(root)[1]["no notes or grades"]


def test_other_sheets_and_double_columns_are_told(root: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Legend"
    for row in (["what", "how"], ["a", "b"]):
        book.active.append(row)
    book.create_sheet("Data").append(["patient_id", "note"])
    book.save(root / "t.xlsx")
    taken, details = said(root)
    assert taken.table is None
    assert (
        "what, how (the first sheet alone is read, 'Legend'; beside it there are 'Data')" in details["column missing"]
    )
    (root / "t.xlsx").unlink()
    write(root / "t.csv", "patient_id,note,Note", "123", TEXTS, TEXTS)
    taken, details = said(root)
    assert taken.table is None and "several columns are called 'note'" in details["table cannot be read"]
