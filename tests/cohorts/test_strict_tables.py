"""A table is read as its owner meant it, or refused with the line: no row may end up in another patient's note."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from lss.cohorts.spreadsheets import read_cells, read_table
from lss.errors import LssError
from lss.notes.grade_file import grade_file

ROWS = "\n".join(f"{patient},MRI of patient {patient} shows a bulge" for patient in range(10, 20))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('id,note\n1,"stray mark\n' + ROWS, "line 2: is no row"),  # no other mark: all the rest is one note
        ('id,note\n1,a\n2,"stray mark\n3,x\n4,he said ""so""\n5,b\n' + ROWS, "line 3: is no row"),
        ('id,note\n1,a\n2,"stray mark\n3,x\n4,the end"\n5,b\n', "line 3: holds other rows of the table in one cell"),
        ('id;note\nP-7;a\nP-8;"stray\nP-9;x\nP-10;the end"\n', "line 3: holds other rows"),
        ('id,note\n1,"quoted" and not\n', "line 2: is no row"),
        ("id,note\n1,a bulge, and more\n", r"line 2: has 3 cells, the header 2\. Put a cell that holds ','"),
        ('sep=;\nid;note\n1;a\n2;"stray\n', "line 4: is no row"),
        ('note,id,grade\n"severe,7,D\nnormal,8,A\nmild bulge",9,B\n', "line 2: holds other rows"),
        ('note;id\nnormal;P-7\n"stray;P-8\nall is well, said he;P-9\nmild";P-10\n', "line 3: holds other rows"),
        ("id,no\0te\n1,a\n", "holds bytes of value 0"),
    ],
)
def test_a_stray_quotation_mark_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(LssError, match=rf"t\.csv: {message}"):
        read_cells(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "note",
    [
        "first line\nL4-L5: bulge, stenosis\nL5-S1: normal, no stenosis",
        'a 12" monitor, and a ""quoted"" word',
        "1. bulge, mild\n2. stenosis, severe",
        "bulge;\n;\n",
        "disc, canal\nmild,  moderate\nleft, right\n",
    ],
)
def test_notes_of_several_lines_are_kept(note: str, tmp_path: Path) -> None:
    import csv

    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "note"), (1, note), (2, "x")])
    assert [row["note"] for row in read_table(tmp_path / "t.csv", ["id", "note"])] == [note.strip(), "x"]


def test_a_mark_within_a_cell_is_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,note\n1,a 12" monitor\n2,x,\n')  # an empty cell more does no harm
    assert read_table(tmp_path / "t.csv", ["id", "note"])[0]["note"] == 'a 12" monitor'


@pytest.mark.parametrize("header", ["id,note,Note", "id,note,other,OTHER", "id,id,note"])
def test_two_columns_of_one_name(header: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{header}\n1,a,b\n")
    with pytest.raises(LssError, match=r"several columns are called '(note|other|id)'"):
        read_table(tmp_path / "t.csv", ["id", "note"])
    with pytest.raises(LssError, match="several columns are called"):
        grade_file(tmp_path / "t.csv", tmp_path / "out.csv")


def test_a_note_before_the_id_keeps_its_lines(tmp_path: Path) -> None:
    note = "L4-L5: bulge, mild, D\nL5-S1: normal, no stenosis, A\n1, 2, 3"
    (tmp_path / "t.csv").write_text(f'note,id,size\n"{note}",P-7,12.5\nx,P-8,11.5\n')
    assert read_table(tmp_path / "t.csv", ["id", "note"])[0]["note"] == note


def test_a_formula_without_its_value_is_named(tmp_path: Path) -> None:
    """A program wrote it and no spreadsheet has calculated it: the cell would be empty, the grade lost."""
    book = openpyxl.Workbook()
    book.active.append(["id", "grade"])
    book.active.append([7, '=IF(1=1,"D","A")'])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(LssError, match=r"t\.xlsx: cell B2 holds a formula without its value"):
        read_cells(tmp_path / "t.xlsx")


def test_cells_of_a_workbook_as_text(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "note"], [1.5e16, "#N/A"], [7.0, "a_x000D_\nb"], [0.5, "=A"[1:]]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    assert read_cells(tmp_path / "t.xlsx")[1:] == [["15000000000000000", ""], ["7", "a\r\nb"], ["0.5", "A"]]
