"""Files in the layout and with the column names of the RSNA 2024 challenge."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_files import SAGITTAL, smooth_pixels, write_dicom

from lss.cohorts.rsna import RsnaDataset
from lss.errors import LssError

CONDITIONS = ("spinal_canal_stenosis", "left_neural_foraminal_narrowing", "right_neural_foraminal_narrowing",
              "left_subarticular_stenosis", "right_subarticular_stenosis")  # fmt: skip
LEVELS = ("l1_l2", "l2_l3", "l3_l4", "l4_l5", "l5_s1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for index in range(12):  # one axial stack from the tail upwards, no blocks
        write_dicom(
            tmp_path / "train_images" / "4003253" / "702807833" / f"{index + 1}.dcm",
            smooth_pixels(index),
            SeriesDescription=None, EchoTime=None, RepetitionTime=None, InstanceNumber=index + 1,
            ImagePositionPatient=[0.0, 0.0, 4.5 * index],
        )  # fmt: skip
    write_dicom(
        tmp_path / "train_images" / "4003253" / "1054713880" / "1.dcm", smooth_pixels(50), SeriesDescription=None,
        EchoTime=None, RepetitionTime=None, ImageOrientationPatient=SAGITTAL,
    )  # fmt: skip
    columns = [f"{condition}_{level}" for condition in CONDITIONS for level in LEVELS]
    canal = {"l1_l2": "Normal/Mild", "l2_l3": "", "l3_l4": "Moderate", "l4_l5": "Severe", "l5_s1": "Normal/Mild"}
    row = [canal[column[-5:]] if column.startswith("spinal") else "Severe" for column in columns]
    (tmp_path / "train.csv").write_text(f"study_id,{','.join(columns)}\n4003253,{','.join(row)}\n99,{',' * 24}\n")
    (tmp_path / "train_series_descriptions.csv").write_text(
        "study_id,series_id,series_description\n4003253,702807833,Axial T2\n4003253,1054713880,Sagittal T1\n"
    )
    (tmp_path / "train_label_coordinates.csv").write_text(
        "study_id,series_id,instance_number,condition,level,x,y\n"
        "4003253,702807833,2,Left Subarticular Stenosis,L5/S1,10.5,11\n"
        "4003253,702807833,10,Left Subarticular Stenosis,L4/L5,10,11\n"
        "4003253,1054713880,1,Spinal Canal Stenosis,L1/L2,10,11\n"
    )
    return tmp_path


def test_labels_become_grades(root: Path) -> None:
    reader = RsnaDataset(root)
    assert reader.patients() == ["99", "4003253"]
    grading = reader.read_patient("4003253").grading
    assert grading is not None and grading.grade == "D" and grading.levels_are_complete
    assert grading.level_grades == {"L1-L2": "A", "L3-L4": "BC", "L4-L5": "D", "L5-S1": "A"}
    empty = reader.read_patient("99")
    assert empty.slices == [] and empty.grading is not None and empty.grading.grade is None


@pytest.mark.parametrize("same", [True, False])
def test_a_second_row_of_a_study(same: bool, root: Path) -> None:
    """Of other grades it leaves the study without any: nothing says which row is right."""
    header, first, other = (root / "train.csv").read_text().splitlines()
    again = first if same else first.replace("Moderate", "Severe")
    (root / "train.csv").write_text("\n".join([header, first, again, first, other]) + "\n")
    reader = RsnaDataset(root)
    grading = reader.read_patient("4003253").grading
    assert grading is not None and grading.grade == ("D" if same else None)
    rejects = [reject for reject in reader.orphans() if reject.reason == "duplicate row"]
    assert [reject.file for reject in rejects] == ["train.csv#row3", "train.csv#row4"]
    assert all(("neither was used" in reject.detail) != same for reject in rejects)


def test_levels_come_from_the_labelled_instances(root: Path) -> None:
    slices = RsnaDataset(root).read_patient("4003253").slices
    axial = sorted((item for item in slices if item.plane == "axial"), key=lambda item: item.instance)
    assert [item.level for item in axial] == ["L5-S1"] * 4 + [None] * 3 + ["L4-L5"] * 5
    assert {item.weighting for item in axial} == {"T2"} and "label coordinates" in axial[0].level_reason
    sagittal = next(item for item in slices if item.plane == "sagittal")
    assert (sagittal.weighting, sagittal.level) == ("T1", None)


def test_what_the_tables_do_not_settle_is_reported(root: Path) -> None:
    """Rows that cannot be used, and files in no study's folder, are no silent loss."""
    write_dicom(root / "train_images" / "stray.dcm")
    write_dicom(root / "train_images" / "7" / "8" / "1.dcm", smooth_pixels(70), SOPInstanceUID="1.2.3.70")
    with (root / "train_label_coordinates.csv").open("a") as table:
        table.write(
            "4003253,702807833,6,Left,L3/L4,1,1\n4003253,702807833,6,Left,L4/L5,1,1\n"
            "4003253,702807833,x,Left,L3/L4,1,1\n4003253,702807833,7,Left,L9/L9,1,1\n"
            "4003253,1054713880,1,Spinal Canal Stenosis,L2/L3,1,1\n"  # one sagittal instance shows all levels
        )
    with (root / "train.csv").open("a") as table:
        table.write(f"99{',Severe' * 25}\n100{',dreadful' * 25}\n")
    with (root / "train_series_descriptions.csv").open("a") as table:
        table.write("4003253,702807833,Axial T2\n4003253,702807833,Axial T1\n")
    reader = RsnaDataset(root)
    assert sorted((r.file, r.reason) for r in reader.orphans()) == [
        ("train.csv#row4", "duplicate row"),
        ("train.csv#row5", "unknown grade"),
        ("train_images/stray.dcm", "outside a patient's folder"),
        ("train_label_coordinates.csv#row5", "ambiguous level"),
        ("train_label_coordinates.csv#row7", "unusable row"),
        ("train_label_coordinates.csv#row8", "unusable row"),
        ("train_series_descriptions.csv#row5", "duplicate row"),
    ]
    assert not any("dreadful" in reject.detail for reject in reader.orphans())
    axial = [item for item in reader.read_patient("4003253").slices if item.plane == "axial"]
    assert {item.level for item in axial} == {"L5-S1", None, "L4-L5"} and {item.weighting for item in axial} == {"T2"}
    without_labels = reader.read_patient("7")
    assert len(without_labels.slices) == 1 and without_labels.grading is None and without_labels.note is None


def test_missing_parts_are_named(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(LssError, match="no folder train_images"):
        RsnaDataset(tmp_path_factory.mktemp("empty"))
    (root / "train.csv").unlink()
    with pytest.raises(LssError, match=r"train.csv: there is no such file"):
        RsnaDataset(root)


def _write_labels(root: Path, rows: list[str]) -> None:
    head = "study_id,series_id,instance_number,condition,level,x,y\n"
    (root / "train_label_coordinates.csv").write_text(head + "".join(f"{row}\n" for row in rows))


def test_labels_join_by_the_name_s_number_where_the_header_counts_otherwise(root: Path) -> None:
    for path in (root / "train_images/4003253/702807833").iterdir():
        number = int(path.stem)
        write_dicom(path, smooth_pixels(number), SeriesDescription=None, EchoTime=None, RepetitionTime=None,
                    InstanceNumber=None if number % 2 else 500 + number,
                    ImagePositionPatient=[0.0, 0.0, 4.5 * (number - 1)])  # fmt: skip
    slices = RsnaDataset(root).read_patient("4003253").slices
    axial = sorted((s for s in slices if s.plane == "axial"), key=lambda s: s.geometry.centre_3[2])
    assert [item.level for item in axial] == ["L5-S1"] * 4 + [None] * 3 + ["L4-L5"] * 5


def test_names_that_are_no_numbers_join_by_the_header(root: Path) -> None:
    for path in list((root / "train_images/4003253/702807833").iterdir()):
        path.rename(path.with_name(f"IM_{path.stem}.dcm"))
    record = RsnaDataset(root).read_patient("4003253")
    assert {s.level for s in record.slices if s.plane == "axial"} == {"L5-S1", None, "L4-L5"} and not record.rejects


def test_a_label_without_its_slice_is_rejected(root: Path) -> None:
    _write_labels(root, [
        "4003253,702807833,2,Left Subarticular Stenosis,L5/S1,1,1",
        "4003253,702807833,77,Right Subarticular Stenosis,L4/L5,1,1",
        "4003253,31337,1,Right Subarticular Stenosis,L4/L5,1,1",
    ])  # fmt: skip
    rejects = RsnaDataset(root).read_patient("4003253").rejects
    assert [(r.file, r.reason, r.detail[-2:]) for r in rejects] == [
        ("train_label_coordinates.csv#row3", "label without its slice", "77"),
        ("train_label_coordinates.csv#row4", "label without its slice", " 1"),
    ]


def test_slices_that_no_label_names_keep_an_unknown_level(root: Path) -> None:
    """Also in planned blocks, which could be counted: an RSNA study's levels are its labels'."""
    _write_labels(root, [])
    axial = [item for item in RsnaDataset(root).read_patient("4003253").slices if item.plane == "axial"]
    assert {item.level for item in axial} == {None}
    assert {item.level_reason for item in axial} == {"no slice of this block has a known level"}


def test_levels_labelled_in_two_series_and_a_study_without_axial_t2(root: Path) -> None:
    for index in range(4):
        write_dicom(root / "train_images/4003253/9" / f"{index + 1}.dcm", smooth_pixels(80 + index),
                    SeriesDescription=None, EchoTime=None, RepetitionTime=None, SOPInstanceUID=f"1.9.{index}",
                    ImagePositionPatient=[0.0, 0.0, 200 + 4.5 * index])  # fmt: skip
    write_dicom(root / "train_images/99/5/1.dcm", smooth_pixels(90), ImageOrientationPatient=SAGITTAL)
    with (root / "train_series_descriptions.csv").open("a") as table:
        table.write("4003253,9,Axial T2\n99,5,Sagittal T2/STIR\n")
    with (root / "train_label_coordinates.csv").open("a") as table:
        table.write("4003253,9,1,Right Subarticular Stenosis,L1/L2,1,1\n99,5,1,Spinal Canal Stenosis,L1/L2,1,1\n")
    reader = RsnaDataset(root)
    record = reader.read_patient("4003253")
    result = {item.level for item in record.slices if item.series == "4003253.9"}
    assert result == {"L1-L2"} and not record.rejects
    bare = reader.read_patient("99")
    assert [item.plane for item in bare.slices] == ["sagittal"] and not bare.rejects


@pytest.mark.parametrize("level", ["L4/L5", "L4-L5", "l4_l5", "L4L5", "L4 / L5"])
@pytest.mark.parametrize("end", ["", ".0"])
def test_numbers_and_levels_spelt_as_spreadsheets_leave_them(root: Path, level: str, end: str) -> None:
    """A program that met an empty cell writes all numbers of a column with ".0"; levels are spelt in several ways."""
    table = root / "train_label_coordinates.csv"
    table.write_text(
        "study_id,series_id,instance_number,condition,level,x,y\n"
        f"4003253{end},702807833{end},10{end},Left Subarticular Stenosis,{level},10,11\n"
    )
    labels = root / "train.csv"
    labels.write_text(labels.read_text().replace("\n4003253,", f"\n4003253{end},"))
    described = root / "train_series_descriptions.csv"
    described.write_text(described.read_text().replace("4003253,702807833,", f"4003253{end},702807833{end},"))
    reader = RsnaDataset(root)
    assert reader.patients() == ["99", "4003253"] and reader.orphans() == []
    record = reader.read_patient("4003253")
    assert record.grading is not None and record.grading.grade == "D"
    assert {item.level for item in record.slices if item.instance == 10 and item.plane == "axial"} == {"L4-L5"}
    assert {item.weighting for item in record.slices if item.plane == "axial"} == {"T2"}
