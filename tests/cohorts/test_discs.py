"""Patients' discs: a viewer's files are named, and are no faults of images."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dicom_files import smooth_pixels, write_dicom
from PIL import Image
from pydicom.fileset import FileSet

from lss.cohorts.base import NO_FAULT_OF_A_FILE
from lss.cohorts.folder import FolderDataset
from lss.cohorts.settings import FolderParams
from lss.errors import LssError
from lss.project.params import load_params
from lss.stages import ingest, split

PARAMS = FolderParams.model_validate(
    {"table": None, "patient_column": "patient_id", "note_column": None, "grade_column": None, "plane_column": None,
     "weighting_column": None}
)  # fmt: skip
VIEWER = {
    "AUTORUN.INF": b"[autorun]", "START.EXE": b"MZ", "INDEX.HTM": b"<html>", "README.TXT": b"Hello", "License": b"MIT",
    "VIEWER/lib/core.dll": b"MZ", "VIEWER/lib/libjvm.so.1": b"\x7fELF", "VIEWER/data/STRINGS.RES": bytes(500),
    "VIEWER/Viewer.app/Contents/MacOS/viewer": b"\xcf\xfa\xed\xfe", "VIEWER/jre/bin/classes.jsa": bytes(9),
    "VIEWER/jre/lib/rt.jar": b"PK", "IHE_PDI/STYLE.XSL": b"<?xml", "IHE_PDI/P1.JPG": b"\xff\xd8\xff\xe0",
    "VIEWER/no_ending": b"\x01\x02\x03", "VIEWER/empty": b"",
}  # fmt: skip


def write_disc(root: Path, number: int, slices: int, *, directory: bool = True) -> None:
    """A disc as a hospital hands it out; its DICOMDIR is written by pydicom."""
    files = FileSet()
    for index in range(slices):
        path = write_dicom(
            root / f"aside/{index}", smooth_pixels(100 * number + index), PatientID=f"PID{number}",
            StudyInstanceUID=f"1.2.{number}", SeriesInstanceUID=f"1.2.{number}.1", InstanceNumber=index + 1,
            ImagePositionPatient=[0.0, 0.0, 5.0 * index], StudyTime="101010", StudyID="1", SeriesNumber=1,
        )  # fmt: skip
        files.add(path)
    files.write(root)
    for path in (root / "aside").iterdir():
        path.unlink()
    (root / "aside").rmdir()
    for name, data in VIEWER.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    Image.new("L", (8, 8), 3).save(root / "VIEWER/icon.png")
    if not directory:
        (root / "DICOMDIR").unlink()


@pytest.mark.parametrize("directory", [True, False])
@pytest.mark.parametrize("place", ["P7", "2024/P7/CD1", ""])
def test_a_disc_gives_its_slices_and_names_the_rest(tmp_path: Path, place: str, directory: bool) -> None:
    """The directory may have been left behind when the disc was copied: then autorun.inf shows that it is one."""
    write_disc(tmp_path / place, 7, 3, directory=directory)
    reader = FolderDataset(tmp_path, PARAMS)
    assert reader.patients() == [place.split("/")[0] or "PID7"]
    record = reader.read_patient(reader.patients()[0])
    assert len(record.slices) == 3 and record.rejects == []
    assert {reject.reason for reject in reader.orphans()} == {"no image file"} <= NO_FAULT_OF_A_FILE
    assert len(reader.orphans()) == len(VIEWER) + 1 + directory


def test_a_disc_of_several_patients_gives_each_his_own(tmp_path: Path) -> None:
    """Its folder is nobody's; who is on it, the table and the headers say. Without a table it stays one folder's."""
    for number in (7, 8):
        write_disc(tmp_path / f"{number}", number, 2)
    (tmp_path / "CD 2021").mkdir()
    for number in (7, 8):
        (tmp_path / f"{number}").rename(tmp_path / "CD 2021" / f"burnt{number}")
    (tmp_path / "grades.csv").write_text("patient_id,grade\nPID7,A\nPID8,D\n")
    settings = PARAMS.model_copy(update={"table": "grades.csv", "grade_column": "grade"})
    reader = FolderDataset(tmp_path, settings)
    assert reader.patients() == ["PID7", "PID8"]
    for patient, grade in (("PID7", "A"), ("PID8", "D")):
        record = reader.read_patient(patient)
        assert {item.person for item in record.slices} == {patient} and len(record.slices) == 2
        assert record.grading is not None and record.grading.grade == grade
    assert FolderDataset(tmp_path, PARAMS).patients() == ["CD 2021"]


def test_parts_of_a_viewer_without_its_disc_are_known_by_name_or_first_bytes(tmp_path: Path) -> None:
    write_dicom(tmp_path / "P1/1")
    for name, data in {
        "run": b"MZ\x90",
        "tool.exe": b"",
        "a/page": b"<!DOCTYPE html>",
        "a/b.jpeg": b"\xff\xd8\xff",
    }.items():
        (tmp_path / "P1" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "P1" / name).write_bytes(data)
    reader = FolderDataset(tmp_path, PARAMS)
    record = reader.read_patient("P1")
    result = {reject.file: reject.reason for reject in (*record.rejects, *reader.orphans())}
    named = "no image file"
    assert result == {"P1/run": named, "P1/tool.exe": named, "P1/a/page": named, "P1/a/b.jpeg": "no image file"}
    assert set(result.values()) <= NO_FAULT_OF_A_FILE


def test_a_damaged_image_on_a_disc_is_still_a_fault(tmp_path: Path) -> None:
    write_disc(tmp_path / "P7", 7, 2)
    image = next(path for path in (tmp_path / "P7/PT000000").rglob("*") if path.is_file())
    image.write_bytes(image.read_bytes()[:-500])
    (reject,) = FolderDataset(tmp_path, PARAMS).read_patient("P7").rejects
    assert reject.reason == "truncated file" and reject.reason not in NO_FAULT_OF_A_FILE


def test_discs_do_not_stop_a_run(tmp_path: Path, project_root: Path) -> None:
    """Six discs with more files of the viewer than slices pass the gate of the stage `split`; JPEGs alone do not."""
    for number in range(1, 7):
        write_disc(tmp_path / f"raw/{number}", number, 2)
    params = load_params(project_root / "params.yaml")
    rules = params.ingest.model_copy(update={"unknown_level": "note"})

    def run(root: Path, table: str | None) -> Path:
        settings = PARAMS.model_copy(update={"table": table, "grade_column": "grade"})
        cohort = params.cohort.model_copy(update={"name": "folder", "root": root, "batches": 1, "folder": settings})
        slices, rejects, where = (tmp_path / f"{name}.parquet" for name in ("slices", "rejects", "split"))
        ingest.run(
            cohort, rules, 1, batch="00", slices=slices, rejects=rejects, private=tmp_path / "private.csv",
            manifest=tmp_path / "ingest.json",
        )  # fmt: skip
        split.run(
            params.split, 1, slices=[slices], rejects=[rejects], split=where, parts=[tmp_path / "part.parquet"],
        used=[tmp_path / "used.parquet"], all_rejects=tmp_path / "all.parquet",
            manifest=tmp_path / "split.json",
        )  # fmt: skip
        return where

    (tmp_path / "raw/grades.csv").write_text("patient_id,grade\n1,A\n2,BC\n3,D\n4,A\n5,BC\n6,D\n")
    used = [row for row in pq.read_table(run(tmp_path / "raw", "grades.csv")).to_pylist() if row["reason"] is None]
    assert len(used) == 12
    (tmp_path / "pictures/1").mkdir(parents=True)
    (tmp_path / "pictures/1/a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "pictures/grades.csv").write_text("patient_id,grade\n1,A\n")
    with pytest.raises(LssError, match=r"0 of 0 files.*1 x unsupported picture"):
        run(tmp_path / "pictures", "grades.csv")
