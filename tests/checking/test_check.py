"""`lss check`: all problems of a cohort at once, the same that the chain would find one run at a time."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pydicom
import pytest
import yaml
from dicom_files import smooth_pixels, write_dicom, write_notes, write_patient
from typer.testing import CliRunner

from lss.checking.cohort import Checked, check_cohort
from lss.checking.problems import Weight
from lss.cli import app
from lss.cohorts import open_cohort
from lss.errors import LssError
from lss.project.params import Params, load_params
from lss.stages import ingest, split
from lss.storage.io import read_parquet
from lss.storage.schemas import REJECTS, SPLIT

NOTES = {
    "A": "L3-L4: no significant compression. L4-L5: no significant compression. L5-S1: no significant compression.",
    "BC": "L4-L5: moderate spinal canal stenosis.",
    "D": "L4-L5: severe spinal canal stenosis.",
}
WHOLE = {"PixelSpacing": [4.0, 4.0]}
"""Of slices of 48 x 40 pixels: their field of view is then that of a spine."""
CANAL_COLUMNS = ",".join(f"spinal_canal_stenosis_{level}" for level in ("l1_l2", "l2_l3", "l3_l4", "l4_l5", "l5_s1"))


@pytest.fixture
def settings(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The project's settings, in a folder of their own."""
    text = (project_root / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return load_params()


def archive(root: Path, patients: int = 12) -> Path:
    """A cohort in the layout of the paper's archive in which nothing is wrong."""
    for number in range(1, patients + 1):
        write_patient(root, f"{number:04d}", seed=number, **WHOLE)
    write_notes(root / "Radiologists Report.xlsx", {n: list(NOTES.values())[n % 3] for n in range(1, patients + 1)})
    return root


def call(*arguments: str | Path) -> tuple[int, str, list[dict[str, str]]]:
    result = CliRunner().invoke(app, ["check", *map(str, arguments)], catch_exceptions=False, env={"COLUMNS": "120"})
    table = Path("data/private/check.csv")
    with table.open(newline="", encoding="utf-8") as rows:
        return result.exit_code, result.stdout, list(csv.DictReader(rows))


def kinds(checked: Checked, *weights: Weight) -> Counter[str]:
    return Counter(problem.kind for problem in checked.problems if problem.weight in (weights or Weight))


def test_a_clean_cohort_ends_with_0_and_the_settings_to_run_it(settings: Params, tmp_path: Path) -> None:
    status, shown, rows = call(archive(tmp_path / "raw"))
    assert (status, rows) == (0, []), shown
    assert "12 patients, 12 studies, 36 series, 168 slices" in " ".join(shown.split())
    assert "Nothing is to be mended" in shown
    settings_to_paste = shown.split("set in params.yaml:\n")[1].split("\ndata/private")[0]
    assert yaml.safe_load(settings_to_paste) == {"cohort": {"name": "lss", "root": str(tmp_path / "raw")}}
    for name in ("check.csv", "check.html"):
        assert Path("data/private", name).stat().st_mode & 0o777 == 0o600


def test_an_external_cohort_is_looked_at_by_its_own_entry(settings: Params, tmp_path: Path) -> None:
    archive(tmp_path / "clinic", 9)
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("external: []", "external: [{label: clinic, name: lss, root: clinic}]"))
    status, shown, rows = call("--external", "clinic")
    assert (status, rows) == (0, []) and "9 patients, 9 studies" in " ".join(shown.split())


def test_it_finds_what_ingest_and_split_find(settings: Params, tmp_path: Path) -> None:
    """The same slices worked on, the same rejects: a second opinion would be worth nothing."""
    root = archive(tmp_path / "raw", 9)
    files = sorted((root / "01_MRI_Data/0001").rglob("*TRA*.ima"))
    files[0].write_bytes(files[0].read_bytes()[:900])
    files[1].write_bytes(files[2].read_bytes())
    for folder in ("0010", "0011"):
        write_patient(root, folder, blocks=1, seed=int(folder), **WHOLE)
    notes = {n: list(NOTES.values())[n % 3] for n in range(1, 10)} | {11: "", 77: NOTES["D"]}
    write_notes(root / "Radiologists Report.xlsx", notes)
    (root / "01_MRI_Data" / "loose.txt").write_text("?")
    result = check_cohort(settings, root)

    cohort = settings.cohort.model_copy(update={"name": "lss", "root": root, "batches": 1})
    paths = {name: tmp_path / f"{name}-00.parquet" for name in ("slices", "rejects", "split", "all_rejects")}
    ingest.run(
        cohort, settings.ingest, settings.seed, batch="00", slices=paths["slices"], rejects=paths["rejects"],
        private=tmp_path / "private.csv", manifest=tmp_path / "ingest.json",
    )  # fmt: skip
    split.run(
        settings.split, settings.seed, slices=[paths["slices"]], rejects=[paths["rejects"]], split=paths["split"],
        parts=[tmp_path / "part.parquet"], used=[tmp_path / "used.parquet"],
        all_rejects=paths["all_rejects"], manifest=tmp_path / "split.json",
    )  # fmt: skip
    lost = Counter(read_parquet(paths["all_rejects"], REJECTS).column("reason").to_pylist())
    assert lost["truncated file"] and lost["duplicate file"] and lost["empty note"] and len(lost) == 6
    assert kinds(result, Weight.LEFT_OUT, Weight.AS_IT_SHOULD) == lost
    reasons = read_parquet(paths["split"], SPLIT).column("reason").to_pylist()
    assert Counter(row["reason"] for row in result.rows) == Counter(reasons)
    assert kinds(result, Weight.LOOK) == {"level unknown": 8}  # one block alone: nothing says which disc
    assert not kinds(result, Weight.STOPS)


def test_every_problem_of_a_folder_is_named_at_once_with_what_mends_it(settings: Params, tmp_path: Path) -> None:
    root = archive(tmp_path / "raw", 6)
    for patient in (root / "01_MRI_Data").iterdir():
        patient.rename(root / patient.name)
    (root / "01_MRI_Data").rmdir()
    (root / "Radiologists Report.xlsx").unlink()
    (root / "list.csv").write_text("ID;Befund\n" + "".join(f"{n};{NOTES['D']}\n" for n in (1, 2, 3, 4, 5, 99, 1)))
    write_dicom(root / "0003" / "s" / "1.dcm", SeriesDescription="spine", EchoTime=50.0, PixelSpacing=[4, 4])
    write_dicom(root / "0003" / "u" / "1.dcm", SOPInstanceUID="1.9", PixelSpacing=None)
    status, shown, rows = call(root)
    assert status == 1
    named = {row["kind"]: row for row in rows}
    assert named["table not named"]["mend"] == "cohort.folder.table: list.csv"
    assert named["column missing"]["mend"] == "cohort.folder.note_column: Befund"
    assert "'Befund'" in named["column missing"]["detail"] or "Befund" in named["column missing"]["detail"]
    assert named["missing pixel spacing"]["mend"] == "ingest.assumed_spacing_mm"
    assert (named["missing pixel spacing"]["patient"], named["missing pixel spacing"]["file"]) == ("3", "0003/u/1.dcm")
    assert named["weighting unknown"]["mend"] == "cohort.folder.slices, column weighting"
    assert named["duplicate row"]["mend"] == "list.csv, row 8"
    for row in rows:
        assert row["weight"] and row["detail"] and (row["mend"] or row["remedy"]), row
    assert [row["weight"] for row in rows] == sorted((row["weight"] for row in rows), key=[*Weight].index)
    for kind in named:
        assert kind in shown
    pasted = yaml.safe_load(shown.split("set in params.yaml:\n")[1].split("\ndata/private")[0])
    columns = {"table": "list.csv", "patient_column": "ID", "note_column": "Befund"}
    assert pasted == {"cohort": {"name": "folder", "root": str(root), "folder": columns}}
    text = Path("params.yaml").read_text().replace("name: phantom", "name: folder", 1)
    Path("params.yaml").write_text(re.sub(r"(?m)^  root: .*$", f"  root: {root}", text, count=1))
    _, again, _ = call()
    assert yaml.safe_load(again.split("set in params.yaml:\n")[1].split("\ndata/private")[0]) == pasted


def test_no_column_is_called_none(settings: Params, tmp_path: Path) -> None:
    """Where neither notes nor grades are named, the settings that name them mend it."""
    write_dicom(tmp_path / "raw/1/1.dcm")
    _, shown, rows = call(tmp_path / "raw")
    (tmp_path / "raw/t.csv").write_text("patient_id,age\n1,61\n2,44\n")
    _, with_table, more = call(tmp_path / "raw")
    assert "set in params.yaml, and the table and its columns once it can be read" in " ".join(shown.split())
    mends = {row["kind"]: row["mend"] for row in more}
    assert mends["images without a note"] == "cohort.folder.note_column"
    assert "None" not in shown + with_table and not any("None" in cell for row in rows + more for cell in row.values())


def test_settings_that_hold_are_used_as_they_are(settings: Params, tmp_path: Path) -> None:
    """A table in which `Grading` holds grades needs no notes."""
    root = tmp_path / "raw"
    for number in range(1, 10):
        for file in write_patient(tmp_path / "made", f"{number:04d}", seed=number, **WHOLE):
            target = root / file.relative_to(tmp_path / "made/01_MRI_Data")
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
    (root / "t.csv").write_text("nr,Grading\n" + "".join(f"{n},{('A', 'BC', 'D')[n % 3]}\n" for n in range(1, 10)))
    folder = {"table": "t.csv", "patient_column": "nr", "note_column": None, "grade_column": "grading"}
    cohort = {"name": "folder", "root": root, "folder": settings.cohort.folder.model_copy(update=folder)}
    params = settings.model_copy(update={"cohort": settings.cohort.model_copy(update=cohort)})
    result = check_cohort(params)
    assert result.is_clean and result.cohort == params.cohort, result.problems
    assert len(result.rows) == 9 * 14 and sum(row["reason"] is None for row in result.rows) == 9 * 12


def test_copies_and_persons_across_patients_are_named_by_their_files(settings: Params, tmp_path: Path) -> None:
    root = archive(tmp_path / "raw", 9)
    for file in write_patient(tmp_path / "copy", "0001", seed=1, **WHOLE):  # the same pixels and person, other UIDs
        target = root / "01_MRI_Data/0040" / file.relative_to(tmp_path / "copy/01_MRI_Data/0001")
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    result = check_cohort(settings, root)
    alike = [problem for problem in result.problems if problem.kind == "one person, several patients"]
    assert [problem.detail for problem in alike] == ["one PatientID, or one long note: patient 1, patient 40"]
    result.problems.clear()
    for file in (root / "01_MRI_Data/0040").rglob("*.ima"):
        write_dicom_again(file, PatientID="RAW-40")
    write_notes(
        root / "Radiologists Report.xlsx",
        {n: list(NOTES.values())[n % 3] for n in range(1, 10)} | {40: NOTES["D"]},
    )
    result = check_cohort(settings, root)
    copies = [problem for problem in result.problems if problem.kind == "near-identical images"]
    assert len(copies) == 1 and copies[0].detail.startswith("12 as those of patient ")
    assert {copies[0].patient, copies[0].detail.split("patient ")[1].split(":")[0]} == {"1", "40"}


def test_a_table_of_files_that_lies_there_is_used_and_named(settings: Params, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_dicom(root / "p1/x/1.dcm", SeriesDescription="spine", EchoTime=50.0, PixelSpacing=[4.0, 4.0])
    (root / "index.csv").write_text("File,Weighting,Level\np1/x/1.dcm,T2,L4-L5\np1/x/2.dcm,T2,L4-L5\n")
    result = check_cohort(settings, root)
    assert [(row["weighting"], row["level"]) for row in result.rows] == [("T2", "L4-L5")]
    mends = {(problem.kind, problem.mend) for problem in result.problems}
    assert ("table not named", "cohort.folder.slices: index.csv") in mends
    assert ("unusable row", "index.csv, row 3") in mends
    assert ("no notes or grades", "cohort.folder.table") in mends  # it is no table of patients


def write_dicom_again(file: Path, **attributes: str) -> None:
    """Change attributes of a file."""
    import pydicom

    ds = pydicom.dcmread(file)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.save_as(file)


@pytest.mark.parametrize(
    ("folder", "kind", "words"),
    [("absent", "files missing", "no such folder"), ("empty", "files missing", "no file in it")],
)
def test_no_files_at_all(settings: Params, tmp_path: Path, folder: str, kind: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    status, _, rows = call(tmp_path / folder)
    assert status == 1 and words in {row["kind"]: row["detail"] for row in rows}[kind]


def test_a_doubtful_level_names_the_table_that_settles_it(settings: Params, tmp_path: Path) -> None:
    write_patient(tmp_path / "raw", "0001", blocks=2, **WHOLE)
    write_notes(tmp_path / "raw/Radiologists Report.xlsx", {1: NOTES["D"]})
    result = check_cohort(settings, tmp_path / "raw")
    doubtful = [problem for problem in result.problems if problem.kind == "doubtful level"]
    assert len(doubtful) == 8 and {problem.mend for problem in doubtful} == {"Slices Numbers.csv"}
    assert all("fewer discs than the usual" in problem.detail for problem in doubtful)


def test_all_missing_tables_of_rsna_are_named_at_once(settings: Params, tmp_path: Path) -> None:
    (tmp_path / "raw/train_images").mkdir(parents=True)
    _, _, rows = call(tmp_path / "raw")
    assert [row["detail"] for row in rows if row["kind"] == "files missing"] == [
        f"no {name}.csv in it" for name in ("train", "train_series_descriptions", "train_label_coordinates")
    ]


@pytest.mark.parametrize("table", ["Radiologists Report.xlsx", "train.csv", "train_label_coordinates.csv"])
def test_a_table_without_a_column_is_one_problem_of_several(settings: Params, tmp_path: Path, table: str) -> None:
    """The images are checked all the same, and of what is wrong in them nothing is hidden."""
    root = tmp_path / "raw"
    if table.endswith(".xlsx"):
        archive(root, 3)
        pd.DataFrame({"Patient ID": [1, 2], "Remarks": ["a", "b"]}).to_excel(root / table, index=False)
        images = root / "01_MRI_Data/0001"
    else:
        images = root / "train_images/1/2"
        for number in range(1, 7):
            write_dicom(images / f"{number}.dcm", smooth_pixels(number), InstanceNumber=number, **WHOLE)
        headers = {
            "train.csv": "study_id,x" if table == "train.csv" else f"study_id,{CANAL_COLUMNS}",
            "train_series_descriptions.csv": "study_id,series_id,series_description",
            "train_label_coordinates.csv": "study_id,series_id,instance_number,level",
        }
        if table != "train.csv":
            headers[table] = "study_id,series_id,level"
        for name, header in headers.items():
            (root / name).write_text(f"{header}\n")
    (images / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM and no more")
    status, shown, rows = call(root)
    layout = "lss" if table.endswith(".xlsx") else "rsna"
    stops = [row["detail"] for row in rows if row["kind"] == "table cannot be used"]
    assert status == 1 and len(stops) == 1 and table in stops[0] and "no column" in stops[0], shown
    assert any(row["file"].endswith("broken.dcm") for row in rows)
    assert any(row["kind"] == "nothing to work on" or row["weight"] == "left out" for row in rows)
    with pytest.raises(LssError, match="no column"):
        open_cohort(
            settings.cohort.model_copy(update={"name": layout, "root": root}),
            settings.ingest,
        )


@pytest.mark.parametrize("layout", ["lss", "rsna"])
def test_viewers_files_in_an_archive_are_no_faults(settings: Params, tmp_path: Path, layout: str) -> None:
    """A patient's CD, copied whole into the folder of its patient or study, and files of it beside the folders."""
    root = tmp_path / "raw"
    archive(root, 6)
    images = root / "01_MRI_Data"
    if layout == "rsna":
        (root / "Radiologists Report.xlsx").unlink()
        images = images.rename(root / "train_images")
        (root / "train.csv").write_text(f"study_id,{CANAL_COLUMNS}\n")
        (root / "train_series_descriptions.csv").write_text("study_id,series_id,series_description\n")
        (root / "train_label_coordinates.csv").write_text("study_id,series_id,instance_number,level\n")
    before = check_cohort(settings, root)
    viewer = {
        "DICOMDIR": b"\0" * 128 + b"DICM", "autorun.inf": b"[autorun]\nopen=viewer.exe", "viewer.exe": b"MZ\0",
        "README.TXT": b"read me", "INDEX.HTM": b"<html>", "IHE_PDI/THUMB1": b"\xff\xd8\xff\xe0 a picture",
        "plugins/data.bin": b"\1\2\3" * 99, "run": b"\x7fELF\2", "help/page": b"<!DOCTYPE html>",
        "Micro/lang.dat": b"abc",
    }  # fmt: skip
    for name, data in viewer.items():
        for place in (images / "0002", images / "0002/cd"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
    for name in ("README.TXT", "autorun.inf"):
        (images / name).write_bytes(viewer[name])
    result = check_cohort(settings, root)
    new = [problem for problem in result.problems if problem not in before.problems]
    assert {(problem.kind, problem.weight) for problem in new} == {("no image file", Weight.AS_IT_SHOULD)}
    assert len(new) == 2 * len(viewer) + 2 and len(result.rows) == len(before.rows) > 50


def test_patients_without_a_slice_to_work_on_and_with_several_studies(settings: Params, tmp_path: Path) -> None:
    root = archive(tmp_path / "raw", 6)
    shown = {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]}
    write_patient(root, "0002", seed=2, **WHOLE | shown)
    for path in sorted((root / "01_MRI_Data/0003").rglob("*TRA*.ima")):
        ds = pydicom.dcmread(path)
        ds.StudyInstanceUID, ds.SOPInstanceUID = "1.2.999", f"1.2.999.{int(path.stem[-3:])}"
        ds.PixelData = bytes(reversed(ds.PixelData))
        ds.save_as(path.with_name("later_" + path.name))
    result = check_cohort(settings, root)
    found = {(p.kind, p.patient) for p in result.problems if p.weight is Weight.LOOK}
    assert {("no slice of a patient", "2"), ("several studies, one grade", "3")} <= found
    assert {p.patient for p in result.problems if p.kind == "several studies, one grade"} == {"3"}


def test_a_table_of_an_older_format_is_named(settings: Params, tmp_path: Path) -> None:
    write_dicom(tmp_path / "raw/1/1.dcm")
    (tmp_path / "raw/befund.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    (problem,) = [p for p in check_cohort(settings, tmp_path / "raw").problems if p.kind == "no notes or grades"]
    assert "befund.xls cannot be read: save it as .xlsx" in problem.detail


def test_columns_in_any_language_are_known_by_what_they_hold(settings: Params, tmp_path: Path) -> None:
    root = archive(tmp_path / "raw", 6)
    for patient in (root / "01_MRI_Data").iterdir():
        patient.rename(root / patient.name)
    (root / "01_MRI_Data").rmdir()
    (root / "Radiologists Report.xlsx").unlink()
    notes = [list(NOTES.values())[n % 3] for n in range(1, 7)]
    (root / "liste.csv").write_text("nr;tarih;hasta;rapor\n" + "".join(
        f"{n + 90};2021-03-0{n};{n};{note}\n" for n, note in enumerate(notes, start=1)))  # fmt: skip
    result = check_cohort(settings, root)
    mends = {problem.mend for problem in result.problems}
    assert {"cohort.folder.patient_column: hasta", "cohort.folder.note_column: rapor"} <= mends
    assert {row["note_grade"] for row in result.rows} == {"A", "BC", "D"}
