"""A user's own folder: whose file it is, what it shows, and what becomes of the rest."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_files import smooth_pixels, write_dicom, write_notes
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lss.cohorts.folder import FolderDataset, patient_of
from lss.cohorts.pictures import read_volume
from lss.errors import LssError
from lss.params import FolderParams


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
def test_whose_file(file: str, known: set[str], patient: str) -> None:
    assert patient_of(file, known) == patient


names = st.text(st.characters(blacklist_characters="/\x00", blacklist_categories=["Cs"]), min_size=1, max_size=8)


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
    assert [(s.plane, s.weighting, s.bits, s.instance) for s in slices] == [
        ("axial", "T2", 8, 1),
        ("unknown", "unknown", 8, 3),
        ("sagittal", "T1", 16, 2),
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
    assert [r.reason for r in reader.orphans()] == ["duplicate row"]


def test_excel_and_csv_give_the_same_notes(tmp_path: Path) -> None:
    png(tmp_path / "1.png")
    notes: dict[object, str | None] = {1: "L4-L5: ضغط, compressing\nthe sac"}
    write_notes(tmp_path / "n.xlsx", notes, columns=("patient_id", "note"))
    (tmp_path / "n.csv").write_text(f'patient_id;note\n001;"{notes[1]}"\n', encoding="utf-8-sig")
    found = [FolderDataset(tmp_path, params(table=name), 1.0).read_patient("1").note for name in ("n.xlsx", "n.csv")]
    assert found == [notes[1], notes[1]]


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


def nifti(values: np.ndarray, codes: str, spacing: tuple[float, float, float]) -> bytes:
    """A volume whose voxel values are given in right-front-head order, stored in the axis order `codes`."""
    ras = nibabel.Nifti1Image(values, np.diag([*spacing, 1.0]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    return ras.as_reoriented(turn).to_bytes()


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL"])
def test_volumes_of_any_storage_order_look_the_same(codes: str) -> None:
    """A bright voxel at the patient's right, front: it must be shown top left, on the slice of its height."""
    values = np.zeros((6, 5, 4), np.int16)
    values[...] = np.random.default_rng(0).integers(1, 50, values.shape)
    values[5, 4, 2] = 900  # right-most, front-most
    slices, bits, plane, _ = read_volume(nifti(values, codes, (1.0, 1.0, 1.2)))
    assert (plane, bits, len(slices)) == ("axial", 10, 4)
    assert slices[2].pixels.shape == (5, 6) and slices[2].pixels[0, 0] == 900
    assert slices[2].position_mm == pytest.approx(2.4) and slices[2].row_spacing_mm == 1.0


def test_thick_sagittal_volumes_stay_sagittal() -> None:
    values = np.random.default_rng(0).integers(0, 99, (3, 8, 9)).astype(np.int16)
    values[1, 7, 8] = 500  # front-most, highest voxel of the middle slice
    slices, _, plane, reason = read_volume(nifti(values, "RAS", (4.0, 0.8, 0.7)))
    assert plane == "sagittal" and len(slices) == 3 and "thickest" in reason
    assert slices[1].pixels.shape == (9, 8) and slices[1].pixels[0, 0] == 500
    assert slices[1].row_spacing_mm == pytest.approx(0.7) and slices[1].column_spacing_mm == pytest.approx(0.8)


def test_floating_point_volumes_are_scaled_to_twelve_bits() -> None:
    values = np.linspace(-0.5, 0.5, 64).reshape(4, 4, 4)
    slices, bits, _, _ = read_volume(nifti(values, "RAS", (1, 1, 1)))
    assert bits == 12 and min(s.pixels.min() for s in slices) == 0 and max(s.pixels.max() for s in slices) == 4095


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bno gzip", b"x" * 400])
def test_broken_volumes_are_rejected(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.nii.gz").write_bytes(content)
    record = FolderDataset(tmp_path, params()).read_patient("v")
    assert [r.reason for r in record.rejects] == ["broken NIfTI"]


def test_a_real_volume(shared: Path, tmp_path: Path) -> None:
    """38 x 257 x 201 voxels of 1 mm: 201 axial slices, 257 rows, 38 columns; checked against nibabel's own array."""
    source = shared / "data" / "sct-t2-lumbar" / "t2_lumbar.nii.gz"
    (tmp_path / "t2_lumbar.nii.gz").symlink_to(source)
    slices = FolderDataset(tmp_path, params()).read_patient("t2_lumbar").slices
    array = nibabel.load(source).get_fdata()  # stored right-front-head
    assert {s.pixels.shape for s in slices} == {(257, 38)} and {s.plane for s in slices} == {"axial"}
    assert {s.weighting for s in slices} == {"T2"}
    shift = min(array.min(), 0)
    for item in slices[::40]:
        assert np.array_equal(item.pixels, np.flip(array[:, :, item.instance - 1].T) - shift)
