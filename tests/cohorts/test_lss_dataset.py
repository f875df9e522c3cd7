"""The paper's archive, as its published description says it is laid out."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from dicom_files import AXIAL, CORONAL, SAGITTAL, smooth_pixels, write_dicom, write_notes, write_patient

from lss.cohorts.lss_dataset import LssDataset
from lss.errors import LssError

STUDY = "L-SPINE_LSS_20160309_091629_240000"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_patient(tmp_path, "0001", seed=1)
    write_patient(tmp_path, "0046", seed=2)
    write_notes(tmp_path / "Radiologists Report.xlsx", {1: "L4-L5: compressing the sac", 46: None, 300: "a note"})
    return tmp_path


def test_patients_are_those_of_images_and_notes(archive: Path) -> None:
    assert LssDataset(archive).patients() == ["1", "46", "300"]


def test_reads_slices_with_planes_weightings_and_levels(archive: Path) -> None:
    record = LssDataset(archive).read_patient("1")
    assert record.rejects == [] and record.note == "L4-L5: compressing the sac"
    axial = [item for item in record.slices if item.plane == "axial"]
    assert [item.level for item in sorted(axial, key=lambda s: s.instance)] == (
        ["L5-S1"] * 4 + ["L4-L5"] * 4 + ["L3-L4"] * 4
    )
    assert sorted(item.weighting for item in record.slices if item.plane != "axial") == ["T2", "localizer"]
    first = next(item for item in axial if item.instance == 1)
    assert np.array_equal(first.pixels, smooth_pixels(1001))


def test_the_zip_gives_the_same_slices(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    packed = tmp_path_factory.mktemp("packed")
    with zipfile.ZipFile(packed / "01_MRI_Data.zip", "w") as file:
        for path in sorted((archive / "01_MRI_Data").rglob("*.ima")):
            file.write(path, f"dataset/{path.relative_to(archive).as_posix()}")
    shutil.copy(archive / "Radiologists Report.xlsx", packed)
    plain, zipped = LssDataset(archive), LssDataset(packed)
    assert zipped.patients() == plain.patients()
    one, other = plain.read_patient("46"), zipped.read_patient("46")
    assert [(s.source_sha256, s.level, s.plane) for s in one.slices] == [
        (s.source_sha256, s.level, s.plane) for s in other.slices
    ]


def test_several_studies_series_in_any_order_and_other_matrices(archive: Path) -> None:
    second = archive / "01_MRI_Data" / "0001" / "L-SPINE_CLINICAL_LIBRARIES_20170101_101010_000000"
    for number in (10, 9, 2):
        write_dicom(
            second / "T1_TSE_TRA_0005" / f"T1_TSE_TRA__0001_{number:03d}.ima",
            smooth_pixels(number, (32, 31)),
            StudyInstanceUID="1.2.99",
            SeriesInstanceUID="1.2.99.5",
            SeriesDescription="t1_tse_tra",
            EchoTime=12.0,
            RepetitionTime=550.0,
            InstanceNumber=number,
        )
    record = LssDataset(archive).read_patient("1")
    extra = [item for item in record.slices if item.study == "1.2.99"]
    assert [item.instance for item in extra] == [2, 9, 10]
    assert {(item.pixels.shape, item.weighting) for item in extra} == {((32, 31), "T1")}


def test_each_slice_of_a_mixed_series_has_its_own_plane(archive: Path) -> None:
    folder = archive / "01_MRI_Data" / "0046" / STUDY / "LOCALIZER_0009"
    for number, orientation in enumerate((AXIAL, SAGITTAL, CORONAL, None)):
        write_dicom(folder / f"{number}.ima", smooth_pixels(number), ImageOrientationPatient=orientation)
    record = LssDataset(archive).read_patient("46")
    mixed = [item for item in record.slices if "LOCALIZER_0009" in item.file]
    assert [item.plane for item in mixed] == ["axial", "sagittal", "coronal", "unknown"]
    assert {(item.weighting, item.level) for item in mixed} == {("localizer", None)}


def test_cervical_studies_and_position_displays_are_left_out_with_a_reason(archive: Path) -> None:
    folder = archive / "01_MRI_Data" / "0046"
    write_dicom(folder / "C-SPINE_C-SPINE_20160309_091629_240000" / "T2_TSE_TRA_0004" / "a.ima")
    write_dicom(folder / STUDY / "POSDISP_[4]_T2_TSE_TRA_384_5001" / "b.ima")
    record = LssDataset(archive).read_patient("46")
    assert sorted(reject.reason for reject in record.rejects) == ["not a lumbar study", "position display"]
    assert len(record.slices) == 14 and record.note == ""


def test_bad_files_do_not_stop_the_good_ones(archive: Path) -> None:
    series = archive / "01_MRI_Data" / "0001" / STUDY / "T2_TSE_TRA_384_0004"
    good = sorted(series.glob("*.ima"))
    shutil.copy(good[0], series / "T2_TSE_TRA__0001_900.ima")
    write_dicom(series / "T2_TSE_TRA__0001_901.ima", SOPInstanceUID=_uid(good[1]), SeriesInstanceUID="1.2.11.4")
    (series / "T2_TSE_TRA__0001_902.ima").write_bytes(good[2].read_bytes()[:700])
    (series / "notes.txt").write_text("not an image")
    (series / "gone.ima").symlink_to(series / "nowhere")
    record = LssDataset(archive).read_patient("1")
    reasons = {Path(reject.file).name: reject.reason for reject in record.rejects}
    assert reasons == {
        "T2_TSE_TRA__0001_900.ima": "duplicate file",
        "T2_TSE_TRA__0001_901.ima": "duplicate UID",
        "T2_TSE_TRA__0001_902.ima": "truncated file",
        "notes.txt": "no image file",
        "gone.ima": "cannot be read",
    }
    assert len(record.slices) == 14 and all(reject.remedy and reject.detail for reject in record.rejects)


def test_loose_files_and_doubled_notes_belong_to_nobody(archive: Path) -> None:
    (archive / "01_MRI_Data" / "stray.ima").write_bytes(b"x")
    write_notes(archive / "Radiologists Report.xlsx", {1: "one", "0001": "two", None: "three", 46: "ملاحظة"})
    reader = LssDataset(archive)
    assert sorted(reject.reason for reject in reader.orphans()) == [
        "duplicate note",
        "note without a patient",
        "outside a patient's folder",
    ]
    write_notes(archive / "code" / "radiologists.XLSX", {1: "other"})
    assert [(r.file, r.reason, r.private) for r in LssDataset(archive).orphans()][1:2] == [
        ("code/radiologists.XLSX", "second table", "read: Radiologists Report.xlsx")
    ]
    assert reader.read_patient("1").note == "one" and reader.read_patient("46").note == "ملاحظة"


def test_the_companion_table_names_the_discs(archive: Path) -> None:
    table = archive / "09_Source_Code" / "03_Extract_Best_Slices" / "Slices Numbers.csv"
    table.parent.mkdir(parents=True)
    table.write_text("Patient,D3,D4,D5\n0001,3,6,10\n")  # against the blocks' order, so that its effect shows
    record = LssDataset(archive).read_patient("1")
    levels = {item.instance: (item.level, item.level_reason) for item in record.slices if item.plane == "axial"}
    assert levels[3] == ("L3-L4", "companion table; doubtful: the blocks say L5-S1")
    assert levels[1][0] == "L3-L4" and levels[12][0] == "L5-S1" and levels[6] == ("L4-L5", "companion table")
    other = LssDataset(archive).read_patient("46").slices
    assert next(item for item in other if item.instance == 1 and item.plane == "axial").level == "L5-S1"


def test_unusable_rows_of_the_companion_table_are_rejected(archive: Path) -> None:
    (archive / "Slices Numbers.csv").write_text(
        "Patient;D3;D4;D5\n1;10;6;99\n46;x;6;10\n;1;2;3\n0001;1;2;3\n\n", encoding="utf-8"
    )
    (archive / "code").mkdir()
    shutil.copy(archive / "Slices Numbers.csv", archive / "code")
    reader = LssDataset(archive)
    orphans = {(Path(r.file).name, r.reason) for r in reader.orphans()}
    assert orphans == {
        ("Slices Numbers.csv", "second table"),
        ("Slices Numbers.csv#row3", "unusable row"),
        ("Slices Numbers.csv#row4", "unusable row"),
        ("Slices Numbers.csv#row5", "duplicate row"),
    }
    record = reader.read_patient("1")
    assert [(r.reason, r.detail) for r in record.rejects] == [
        ("unusable row", "L5-S1 is given as slice 99, which no axial series has")
    ]
    assert {item.level for item in record.slices if item.plane == "axial"} == {"L3-L4", "L4-L5", None}


def test_images_in_several_folders_are_all_read(archive: Path) -> None:
    write_patient(archive / "part 2", "0007", seed=3)
    write_patient(archive / "part 2", "0046", seed=4)
    reader = LssDataset(archive)
    assert reader.patients() == ["1", "7", "46", "300"]
    assert len(reader.read_patient("7").slices) == 14 and len(reader.read_patient("46").slices) == 28


def test_an_archive_unpacked_into_its_own_folder_is_read_once(archive: Path) -> None:
    (archive / "01_MRI_Data").rename(archive / "inner")
    (archive / "01_MRI_Data").mkdir()
    (archive / "inner").rename(archive / "01_MRI_Data" / "01_MRI_Data")
    assert LssDataset(archive).patients() == ["1", "46", "300"]


def test_several_zips_are_all_read_and_others_are_rejected(
    archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    packed = tmp_path_factory.mktemp("packed")
    for name, patient in (("a.zip", "0001"), ("b.ZIP", "0046")):
        with zipfile.ZipFile(packed / name, "w") as file:
            for path in sorted((archive / "01_MRI_Data" / patient).rglob("*.ima")):
                file.write(path, path.relative_to(archive).as_posix())
    with zipfile.ZipFile(packed / "labels.zip", "w") as file:
        file.writestr("Label_Images/L1.png", b"x")
    shutil.copy(archive / "Radiologists Report.xlsx", packed)
    reader = LssDataset(packed)
    assert [len(reader.read_patient(patient).slices) for patient in ("1", "46")] == [14, 14]
    assert reader.read_patient("46").slices[0].file.startswith("b.ZIP/01_MRI_Data/0046/")
    assert [(r.file, r.reason) for r in reader.orphans()] == [("labels.zip", "archive without images")]
    # beside the unpacked images the archives are not read, and it is said
    shutil.copytree(archive / "01_MRI_Data", packed / "01_MRI_Data")
    reader = LssDataset(packed)
    assert len(reader.read_patient("1").slices) == 14
    assert [(r.file, r.reason) for r in reader.orphans()] == [
        (name, "archive beside unpacked images") for name in ("a.zip", "b.ZIP", "labels.zip")
    ]


def test_a_zip_of_which_nothing_can_be_read_names_the_remedy(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "01_MRI_Data.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("01_MRI_Data/0001/s/a.ima", b"image" * 99)
    data = bytearray((tmp_path / "01_MRI_Data.zip").read_bytes())
    data[data.index(b"PK\1\2") + 10] = 9  # Deflate64
    (tmp_path / "01_MRI_Data.zip").write_bytes(data)
    with pytest.raises(LssError, match=r"01_MRI_Data.zip: .*packed by method 9. Unpack the archive"):
        LssDataset(tmp_path)


@pytest.mark.parametrize(
    ("remove", "message"),
    [("01_MRI_Data", "neither a folder 01_MRI_Data nor a zip"), ("Radiologists Report.xlsx", "no 'Radiologists")],
)
def test_a_missing_part_is_named_with_the_way_to_get_it(archive: Path, remove: str, message: str) -> None:
    path = archive / remove
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(LssError, match=message):
        LssDataset(archive)


def test_wrong_columns_are_named(archive: Path) -> None:
    write_notes(archive / "Radiologists Report.xlsx", {1: "x"}, columns=("Pat", "Text"))
    with pytest.raises(LssError, match=r"no column 'Patient ID'.*Columns found: 'Pat', 'Text'"):
        LssDataset(archive)


def _uid(path: Path) -> str:
    import pydicom

    return str(pydicom.dcmread(path).SOPInstanceUID)
