"""A table is read as its owner meant it, or refused with the line: no row may end up in another patient's note."""

from __future__ import annotations

from pathlib import Path

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
