"""A user's own folder: whose file it is, what it shows, and what becomes of the rest."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from dicom_files import nifti, smooth_pixels, volume_values, write_dicom, write_notes
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lss.cohorts import folder
from lss.cohorts.base import NO_FAULT_OF_A_FILE
from lss.cohorts.folder import FolderDataset, patient_of, patients_of
from lss.cohorts.settings import FolderParams
from lss.errors import LssError


def params(**changes: str | None) -> FolderParams:
    values = {
        "table": None, "patient_column": "patient_id", "note_column": "note", "grade_column": None,
        "plane_column": None, "weighting_column": None,
    } | changes  # fmt: skip
    return FolderParams.model_validate(values)


def png(path: Path, seed: int = 0, bits: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = smooth_pixels(seed)
    Image.fromarray((pixels // 16).astype(np.uint8) if bits == 8 else pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("file", "known", "patient"),
    [
        ("7/axial_t2/im_3.png", set(), "7"),
        ("axial_t2/0042.png", {"42"}, "42"),
        ("site/P7/t2/1.dcm", {"P7"}, "P7"),
        ("10008_12.png", {"10008"}, "10008"),
        ("10008_12.png", set(), "10008_12"),
        ("t2_lumbar.nii.gz", set(), "t2_lumbar"),
        ("a/b.png", {"a/b.png"}, "a/b.png"),
    ],
)
def test_patient_of_a_file(file: str, known: set[str], patient: str) -> None:
    assert patient_of(file, known) == patient


@pytest.mark.parametrize(
    ("files", "known", "patients"),
    [
        # patient 12 has no row: his files 1 and 2 are not of the patients 1 and 2, nor is his series 2
        (["1/t2/1.dcm", "2/t2/1.dcm", "12/t2/1.dcm", "12/2/7.dcm"], {"1", "2"}, ["1", "2", "12", "12"]),
        (["a/1/t2/1.dcm", "a/2/t2/1.dcm", "b/12/t2/1.dcm"], {"1", "2"}, ["1", "2", "12"]),
        (["axial_t2/1.png", "axial_t2/2.png", "sagittal/2.png", "sagittal/12.png"], {"1", "2"}, ["1", "2", "2", None]),
        (["P7/t2/1.dcm", "P7/t2/2.dcm", "pictures/P8.png"], {"P7", "P8"}, ["P7", "P7", "P8"]),
        (["1/t2/1.dcm", "2.nii.gz"], {"1", "2"}, ["1", "2"]),
        (["t2/1.png", "t2/2.png", "t2/3.png", "2/x.png"], {"1", "2", "3"}, ["1", "2", "3", "2"]),
    ],
)
def test_numbers_of_files_are_not_taken_for_patients(
    files: list[str], known: set[str], patients: list[str | None]
) -> None:
    expected = {file: patient or patient_of(file, known) for file, patient in zip(files, patients, strict=True)}
    assert patients_of(files, known) == expected


names = st.text(st.characters(blacklist_characters="/\x00", blacklist_categories=["Cs"]), min_size=1, max_size=8)
names = names.filter(lambda name: name not in (".", ".."))  # no file is called so


@given(st.lists(names, min_size=1, max_size=4))
def test_every_path_has_a_patient(parts: list[str]) -> None:
    assert patient_of("/".join(parts), set()) != ""


@given(st.integers(1, 9999), st.lists(st.sampled_from(["axial_t2", "study", "T1"]), max_size=2), st.integers(0, 99))
def test_a_patients_folder_is_found_at_any_depth(number: int, others: list[str], image: int) -> None:
    for depth in range(len(others) + 1):
        parts = [*others[:depth], f"{number:04d}", *others[depth:], f"im{image}.png"]
        assert patient_of("/".join(parts), {str(number)}) == str(number)


def test_pictures_take_plane_and_weighting_from_folders(tmp_path: Path) -> None:
    png(tmp_path / "P1" / "axial_t2" / "a_1.png")
    png(tmp_path / "P1" / "sagittal_t1" / "a_2.tif", 1, bits=16)
    png(tmp_path / "P1" / "other" / "a_3.png", 2)
    slices = FolderDataset(tmp_path, params(), 0.6875).read_patient("P1").slices
    assert [(s.plane, s.weighting, s.bits) for s in slices] == [
        ("axial", "T2", 8),
        ("unknown", "unknown", 8),
        ("sagittal", "T1", 16),
    ]
    assert np.array_equal(slices[2].pixels, smooth_pixels(1)) and "assumed" in slices[0].spacing_reason
    assert slices[0].level is None and slices[0].position_mm is None


def test_without_a_stated_spacing_pictures_are_rejected_with_the_setting(tmp_path: Path) -> None:
    png(tmp_path / "P1" / "axial_t2" / "a.png")
    record = FolderDataset(tmp_path, params()).read_patient("P1")
    assert [r.reason for r in record.rejects] == ["missing pixel spacing"]
    assert "ingest.assumed_spacing_mm" in record.rejects[0].remedy


def test_a_table_names_patients_grades_and_planes(tmp_path: Path) -> None:
    png(tmp_path / "0007.png")
    png(tmp_path / "8.png", 1)
    (tmp_path / "t.csv").write_text("patient_id,note,g,p,w\n7,,B&C,axial,T2\n8,x,severe-ish,axial,\n8,again,A,,\n")
    reader = FolderDataset(
        tmp_path, params(table="t.csv", grade_column="g", plane_column="p", weighting_column="w"), 1.0
    )
    assert reader.patients() == ["7", "8"]
    seven, eight = reader.read_patient("7"), reader.read_patient("8")
    assert seven.grading is not None and seven.grading.grade == "BC"
    assert (seven.slices[0].plane, seven.slices[0].weighting) == ("axial", "T2")
    assert [r.reason for r in eight.rejects] == ["unknown grade"]
    assert eight.rejects[0].private and "severe-ish" not in eight.rejects[0].detail
    assert [r.reason for r in reader.orphans()] == ["duplicate row"]


def test_excel_and_csv_give_the_same_notes(tmp_path: Path) -> None:
    png(tmp_path / "1.png")
    notes: dict[object, str | None] = {1: "L4-L5: ضغط, compressing\nthe sac"}
    write_notes(tmp_path / "n.xlsx", notes, columns=("patient_id", "note"))
    (tmp_path / "n.csv").write_text(f'patient_id;note\n001;"{notes[1]}"\n', encoding="utf-8-sig")
    result = [FolderDataset(tmp_path, params(table=name), 1.0).read_patient("1").note for name in ("n.xlsx", "n.csv")]
    assert result == [notes[1], notes[1]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,text\n1,x\n", "no column 'patient_id', 'note'. Columns found: 'id', 'text'"),
        (b"", "Columns found: none"),
        ("patient_id,note\n1,\xe4\n".encode("latin-1"), "is not UTF-8"),
    ],
)
def test_wrong_tables_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "n.csv").write_bytes(content)
    with pytest.raises(LssError, match=f"n.csv.*{message}"):
        FolderDataset(tmp_path, params(table="n.csv"))
    (tmp_path / "n.xlsx").write_bytes(b"no workbook")
    with pytest.raises(LssError, match=r"n.xlsx: is no Excel workbook"):
        FolderDataset(tmp_path, params(table="n.xlsx"))
    with pytest.raises(LssError, match=r"gone.csv: cohort.folder.table: no such file"):
        FolderDataset(tmp_path, params(table="gone.csv"))


def test_dicom_in_any_nesting_and_flat(tmp_path: Path) -> None:
    write_dicom(tmp_path / "A" / "x" / "y" / "z" / "IM1")
    write_dicom(tmp_path / "IM2", PatientID="0012", ImagePositionPatient=[0.0, 0.0, 1.0])
    write_dicom(tmp_path / "IM3", PatientID="0012", ImagePositionPatient=[0.0, 0.0, 2.0])
    (tmp_path / "IM4").write_bytes(b"something else")
    reader = FolderDataset(tmp_path, params())
    assert reader.patients() == ["12", "A", "IM4"]
    assert len(reader.read_patient("12").slices) == 2 and reader.read_patient("A").slices[0].plane == "axial"
    assert [r.reason for r in reader.read_patient("IM4").rejects] == ["not DICOM"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"text"), "not an image"),
        (lambda path: Image.new("L", (9, 9), 7).save(path), "blank image"),
        (lambda path: Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)).save(path),
         "colour image"),
        (lambda path: (png(path), path.write_bytes(path.read_bytes()[:200])), "truncated file"),
    ],
)  # fmt: skip
def test_bad_pictures(tmp_path: Path, make, reason: str) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "p.png")
    record = FolderDataset(tmp_path, params(), 1.0).read_patient("p")
    assert [r.reason for r in record.rejects] == [reason] and record.slices == []


def test_grey_rgb_counts_as_grey(tmp_path: Path) -> None:
    grey = (smooth_pixels(0) // 16).astype(np.uint8)
    Image.fromarray(np.stack([grey] * 3, -1)).save(tmp_path / "p.png")
    item = FolderDataset(tmp_path, params(), 1.0).read_patient("p").slices[0]
    assert np.array_equal(item.pixels, grey)


def test_numbers_of_pictures_are_their_places_and_not_those_of_their_names(tmp_path: Path) -> None:
    """A number in a file's name may be the patient's, or a date."""
    for name in ("0042.png", "0043.png", "P1/t2/20160309_2.png", "P1/t2/20160309_10.png", "P1/t1/5.png"):
        png(tmp_path / name, len(name))
    reader = FolderDataset(tmp_path, params(), 1.0)
    assert [s.instance for s in reader.read_patient("42").slices] == [1]
    result = {s.file: s.instance for s in reader.read_patient("P1").slices}
    assert result == {"P1/t1/5.png": 1, "P1/t2/20160309_2.png": 1, "P1/t2/20160309_10.png": 2}


def test_files_without_uids_in_one_folder_are_of_several_studies(tmp_path: Path) -> None:
    """A table names the patients; the folder above is no study, and the gate must not take it for one."""
    for patient in ("a", "b"):
        write_dicom(tmp_path / "all" / f"{patient}_1", StudyInstanceUID=None, SeriesInstanceUID=None)
        (tmp_path / "all" / f"{patient}.nii").write_bytes(nifti(volume_values(), "RAS", (1.0, 1.0, 1.0)))
        png(tmp_path / "all" / f"{patient}.png")
    (tmp_path / "t.csv").write_text("patient_id,note\na,x\nb,y\n")
    reader = FolderDataset(tmp_path, params(table="t.csv"), 1.0)
    slices = {patient: reader.read_patient(patient).slices for patient in ("a", "b")}
    assert all(len(result) == 2 + 5 for result in slices.values())
    for name in ("study", "series"):
        first, second = ({getattr(item, name) for item in slices[patient]} for patient in ("a", "b"))
        assert first.isdisjoint(second)


def test_tables_and_texts_are_reported_as_left_out(tmp_path: Path) -> None:
    png(tmp_path / "P1" / "axial_t2" / "a.png")
    for name in ("t.csv", "P1/info.txt", "P1/axial_t2/a.json", "manifest.json"):
        (tmp_path / name).write_text("patient_id,note\nP1,x\n")
    rejects = FolderDataset(tmp_path, params(table="t.csv"), 1.0).orphans()
    assert {r.file for r in rejects} == {"P1/info.txt", "P1/axial_t2/a.json", "manifest.json"}
    assert {r.reason for r in rejects} == {"no image file"} <= NO_FAULT_OF_A_FILE


def test_the_patient_of_a_flat_file_is_found_without_reading_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every batch asks; with the pixels each would read the whole cohort."""
    big = np.random.default_rng(0).integers(0, 4096, (1024, 1024)).astype(np.uint16)
    write_dicom(tmp_path / "IM1", big, PatientID="0012")
    write_dicom(tmp_path / "IM2", PatientID="0013")
    (tmp_path / "IM3").write_bytes(b"")
    read: list[int] = []

    class Counting(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            data = super().read(size)
            read.append(len(data))
            return data

    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *mode: Counting(path) if mode == ("rb",) else opened(path, *mode))
    assert FolderDataset(tmp_path, params()).patients() == ["12", "13", "IM3"]
    assert 0 < sum(read) < 100_000


def test_the_persons_id_is_read_beside_the_folder(tmp_path: Path) -> None:
    write_dicom(tmp_path / "visit 1" / "IM1", PatientID="PID-9")
    write_dicom(tmp_path / "visit 2" / "IM1", PatientID=" PID-9 ", ImagePositionPatient=[0.0, 0.0, 1.0])
    reader = FolderDataset(tmp_path, params())
    assert reader.patients() == ["visit 1", "visit 2"]
    assert [reader.read_patient(name).slices[0].person for name in reader.patients()] == ["PID-9", "PID-9"]


@pytest.mark.parametrize("below", ["", "P1/"])
@pytest.mark.parametrize(
    ("viewer", "images"),
    [
        ({"Horos.app/Contents/MacOS/Horos": b"\xcf\xfa\xed\xfe", "Horos.app/Contents/PkgInfo": b"APPL"}, "Anon/T2"),
        ({"IHE_PDI/index.htm": b"<html>", "IHE_PDI/a.png": b"\x89PNG", "IHE_PDI/data.woff2": b"wOF2"}, "DICOM/S1"),
        ({"CDVIEWER/v.exe": b"MZ", "CDVIEWER/COPYRIGHT": b"text", "CDVIEWER/res.dat": b"\0\3"}, "ST1/SE1"),
        ({"K-Pacs/kp.exe": b"MZ", "K-Pacs/k.jp2": b"\0\0\0\x0cjP", "DICOMDIR": b"x"}, "DICOM/1"),
        ({"weasis/weasis.jar.xz": b"\xfd7zXZ", "viewer-linux.run": b"#!/bin/sh", "DICOMDIR": b"x"}, "DICOM"),
        ({"jre/bin/java.exe": b"MZ", "jre/lib/security/cacerts": b"\xfe\xed", "jre/lib/tzdb.dat": b"\1"}, "DICOM"),
        ({"W/bin/x64/v.exe": b"MZ", "W/bin/data.001": b"\7", "W/COPYRIGHT": b"text"}, "A/A"),
    ],
)
def test_other_discs_and_viewers_without_a_directory(
    tmp_path: Path, viewer: dict[str, bytes], images: str, below: str
) -> None:
    for name, data in viewer.items():
        (tmp_path / below / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / below / name).write_bytes(data)
    for number in range(3):
        write_dicom(
            tmp_path / below / images / f"IM{number}", smooth_pixels(number), SOPInstanceUID=f"1.2.{number}"
        )  # fmt: skip
    reader = FolderDataset(tmp_path, params())
    records = [reader.read_patient(patient) for patient in reader.patients()]
    assert len(records) == 1 and len(records[0].slices) == 3
    lost = [*records[0].rejects, *reader.orphans()]
    assert len(lost) == len(viewer) and all(reject.reason in NO_FAULT_OF_A_FILE for reject in lost)


def test_a_viewer_s_pictures_are_no_slices_where_the_patient_has_dicom_files(tmp_path: Path) -> None:
    write_dicom(tmp_path / "P1/IMAGES/I1")
    png(tmp_path / "P1/VIEWER/res/t2_axial.png")
    (tmp_path / "P1/VIEWER/v.exe").write_bytes(b"MZ")
    png(tmp_path / "P2/t2_axial/1.png")
    png(tmp_path / "P2/VIEWER/1.png")
    (tmp_path / "P2/VIEWER/v.exe").write_bytes(b"MZ")
    reader = FolderDataset(tmp_path, params(), 1.0)
    files = {patient: [item.file for item in reader.read_patient(patient).slices] for patient in reader.patients()}
    assert files == {"P1": ["P1/IMAGES/I1"], "P2": ["P2/VIEWER/1.png", "P2/t2_axial/1.png"]}


def test_a_program_beside_pictures_hides_none_of_them(tmp_path: Path) -> None:
    png(tmp_path / "P1/t2_axial/1.png")
    (tmp_path / "P1/view.exe").write_bytes(b"MZ")
    assert len(FolderDataset(tmp_path, params(), 0.5).read_patient("P1").slices) == 1


def test_whatever_a_decoder_raises_is_that_file_s_reject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder's own exceptions are not foreseen one by one: the file is set aside, the others are read."""
    for number in (1, 2, 3):
        png(tmp_path / f"P1/{number}.png", number)
    second = (tmp_path / "P1/2.png").read_bytes()
    decode = folder.read_picture

    def decoder(data: bytes, *rest: object) -> object:
        if data == second:
            raise ZeroDivisionError("within a library, with /home/names/of/people in its words")
        return decode(data, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(folder, "read_picture", decoder)
    record = FolderDataset(tmp_path, params(), 0.6875).read_patient("P1")
    assert len(record.slices) == 2
    (reject,) = record.rejects
    assert (reject.file, reject.reason, reject.detail) == ("P1/2.png", "cannot be decoded", "ZeroDivisionError")


def test_rows_of_one_patient_with_unlike_grades_give_none(tmp_path: Path) -> None:
    """A row per disc is no row per patient: the first disc's grade is not the patient's."""
    png(tmp_path / "1" / "axial_t2" / "a.png")
    (tmp_path / "grades.csv").write_text("patient_id,level,grade\n1,L3-L4,A\n1,L4-L5,D\n2,L4-L5,B\n2,L5-S1,b\n")
    reader = FolderDataset(tmp_path, params(table="grades.csv", note_column=None, grade_column="grade"), 0.6875)
    gradings = [reader.read_patient(patient).grading for patient in ("1", "2")]
    assert [grading and grading.grade for grading in gradings] == [None, "BC"]
    details = [reject.detail for reject in reader.orphans()]
    assert ["neither was used" in detail for detail in details] == [True, False]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("scan.zip", b"PK\x03\x04", "packed archive"), ("IM_archive", b"Rar!\x1a\x07", "packed archive"),
        ("a.tar.gz", b"\x1f\x8b", "packed archive"), ("vol.mha", b"ObjectType = Image", "unsupported volume"),
        ("a.webp", b"RIFF0000WEBP", "unsupported picture"), ("slice7", b"\x89PNG\r\n", "ending missing"),
        ("V.HDR", bytes(348), "unsupported volume"), ("x.nrrd", b"NRRD0004", "unsupported volume"),
        ("list.xls", b"\xd0\xcf\x11\xe0", "no image file"), ("film.mp4", b"\0\0\0\x18ftyp", "no image file"),
        ("table.ods", b"PK\x03\x04", "no image file"), ("a.eml", b"From:", "no image file"),
    ],
)  # fmt: skip
def test_what_lies_among_images_is_called_what_it_is(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    """ "Remove it" would be a bad remedy for an archive full of images. None of them is a fault of an image file."""
    write_dicom(tmp_path / "P1" / "1.dcm")
    (tmp_path / "P1" / name).write_bytes(data)
    reader = FolderDataset(tmp_path, params())
    (reject,) = [*reader.read_patient("P1").rejects, *reader.orphans()]
    assert (reject.file, reject.reason) == (f"P1/{name}", reason)
    assert reason in NO_FAULT_OF_A_FILE or reason == "ending missing"


def test_a_dicom_file_keeps_its_pixels_whatever_its_ending(tmp_path: Path) -> None:
    for name in ("1.img", "2.raw", "3.rec", "4.zip"):
        write_dicom(tmp_path / "P1" / name, smooth_pixels(int(name[0])))
    record = FolderDataset(tmp_path, params()).read_patient("P1")
    assert len(record.slices) == 4 and not record.rejects


@pytest.mark.parametrize(
    ("file", "result"),
    [("1/axial_t2/loc_1.png", "localizer"), ("1/axial_t2/im_1.png", "T2"),
     ("1/axial_t2/knee_1.png", "not a lumbar study"), ("1/axial_t2/lumbar_neck_1.png", "T2")],
)  # fmt: skip
def test_a_picture_s_own_name_is_believed_before_its_folder_s(tmp_path: Path, file: str, result: str) -> None:
    png(tmp_path / file)
    record = FolderDataset(tmp_path, params(), 1.0).read_patient("1")
    assert [item.weighting for item in record.slices] + [reject.reason for reject in record.rejects] == [result]


@pytest.mark.parametrize(("name", "kind"), [("t2_probseg", "derived"), ("pred-t2", "derived"), ("t2_segment", "T2")])
def test_masks_of_probabilities_are_known_by_name(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "1").mkdir()
    values = np.random.default_rng(2).random((24, 20, 3)).astype(np.float32)
    (tmp_path / "1" / f"{name}.nii").write_bytes(nifti(values, "RAS", (2.0, 2.0, 5.0)))
    assert {item.weighting for item in FolderDataset(tmp_path, params()).read_patient("1").slices} == {kind}
