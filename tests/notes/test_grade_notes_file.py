from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lss.errors import LssError
from lss.notes.grade_file import grade_file

ROWS = {"Patient ID": ["7", "8", "9"], "Clinician's Notes": ["L4-L5: bulge compressing the sac.", "", "No herniation."]}


@pytest.fixture(params=["notes.xlsx", "notes.csv"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    table = pd.DataFrame(ROWS)
    table.to_excel(path, index=False) if path.suffix == ".xlsx" else table.to_csv(path, index=False)
    return path


def test_grades_of_a_file(source: Path, tmp_path: Path) -> None:
    summary = grade_file(source, tmp_path / "grades.csv")
    written = pd.read_csv(tmp_path / "grades.csv", dtype=str, keep_default_na=False)
    assert list(written.columns) == ["patient_id", "grade", "level_grades", "evidence", "doubtful"]
    assert list(written.patient_id) == ["7", "8", "9"]
    assert list(written.grade) == ["BC", "none", "A"]
    assert list(written.level_grades) == ["L4-L5:BC", "", ""]
    assert written.evidence[0] == "L4-L5 BC: compressing the sac"
    assert (summary.notes, summary.empty) == (3, 1)
    assert summary.by_grade == {"A": 1, "BC": 1, "D": 0, "none": 1}
    assert str(summary) == (
        "3 notes, 1 of them empty. A: 1, B&C: 1, D: 0, none: 1\n"
        "Doubtful, with wording that no rule knows: 0 (0.0 % of the notes with text)"
    )


def test_named_columns(tmp_path: Path) -> None:
    pd.DataFrame({"who": ["x"], "what": ["Spinal canal stenosis."]}).to_csv(tmp_path / "n.csv", index=False)
    assert grade_file(tmp_path / "n.csv", tmp_path / "g.csv", "who", "what").by_grade["D"] == 1


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    pd.DataFrame({"Patient ID": ["1"], "Befund": ["x"]}).to_csv(tmp_path / "n.csv", index=False)
    with pytest.raises(LssError, match=r"n\.csv: no column .*Patient ID, Befund.*--note-column"):
        grade_file(tmp_path / "n.csv", tmp_path / "g.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", b"x", "neither"),
        ("a.xlsx", b"no zip", "is no Excel workbook"),
        ("a.csv", b"\xfa\xfe", "is not UTF-8"),
        ("a.csv", b"\xff\xfe\xfa", "is not UTF-16"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LssError, match=message):
        grade_file(tmp_path / name, tmp_path / "g.csv")
    assert not (tmp_path / "g.csv").exists()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LssError, match="no such file"):
        grade_file(tmp_path / "none.csv", tmp_path / "g.csv")
