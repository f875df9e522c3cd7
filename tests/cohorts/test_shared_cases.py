"""The made cases of files, pictures and tables, each through the reader of a folder, with their right outcome.

`HELD_BY` says which test holds which case.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import tifffile
from dicom_files import write_dicom
from PIL import Image

from lss.checking.tables import usable_table
from lss.cohorts.base import PatientRecord
from lss.cohorts.folder import FolderDataset
from lss.cohorts.picture_files import read_picture
from lss.cohorts.settings import FolderParams
from lss.cohorts.spreadsheets import read_cells
from lss.errors import LssError

HELD_BY = {
    "01-rsna-several-axial-series": ["cohorts/test_series.py::test_cases_of_rsna"],
    "02-rsna-uid-unique-in-series-only": ["cohorts/test_series.py::test_cases_of_rsna"],
    "03-rsna-number-in-name": ["cohorts/test_series.py::test_cases_of_rsna"],
    "05-localizer-in-series": ["cohorts/test_series.py::test_case_planning_series"],
    "07-high-bits": [
        "cohorts/test_shared_cases.py::test_07_every_way_to_store_twelve_bits_is_the_clean_image",
        "cohorts/test_odd_files.py::test_high_bits_are_shifted_or_refused",
    ],
    "08-enhanced-multiframe": ["cohorts/test_enhanced.py::test_made_case_of_two_blocks"],
    "09-no-preamble": ["cohorts/test_shared_cases.py::test_09_without_a_preamble"],
    "10-blocks-order-copies": [
        "cohorts/test_series.py::test_case_blocks_and_copies",
        "cohorts/test_series.py::test_case_steep_sacrum",
    ],
    "11-slopes": ["cohorts/test_odd_files.py::test_slopes_of_their_own"],
    "14-pictures": ["cohorts/test_shared_cases.py::test_14_pictures_keep_their_depth_or_are_named"],
    "15-tables": [
        "cohorts/test_shared_cases.py::test_15_tables_as_programs_write_them",
        "cohorts/test_shared_cases.py::test_15_tables_that_are_refused_say_where_the_fault_is",
        "cohorts/test_shared_cases.py::test_15_ids_that_are_no_folders_are_patients_without_images",
    ],
    "17-note-wording": [
        "notes/test_other_hospitals.py::test_statements_of_several_hospitals",
        "notes/test_other_hospitals.py::test_snippets_of_several_hospitals",
    ],
    "23-steep-sacrum": ["cohorts/test_series.py::test_case_steep_sacrum"],
    # kinds without files
    "level of an RSNA slice that no label names": [
        "cohorts/test_rsna.py::test_slices_that_no_label_names_keep_an_unknown_level"
    ],
    "names of planning, diffusion, subtraction": ["cohorts/test_series.py::test_kinds_of_names"],
    "ImageType DERIVED\\SECONDARY": ["cohorts/test_series.py::test_the_header_says_what_is_no_t2"],
    "screen saves": ["cohorts/test_series.py::test_screen_saves_are_left_out_with_their_reason"],
    "NIfTI spacing of 700 mm": ["cohorts/test_odd_files.py::test_volumes_whose_header_cannot_be_right"],
    "label masks": [
        "cohorts/test_odd_files.py::test_a_mask_of_many_labels_is_no_image",
        "cohorts/test_volumes.py::test_a_mask_of_floating_point_values_is_no_image",
    ],
    "viewers on patients' discs": [
        "cohorts/test_folder.py::test_other_discs_and_viewers_without_a_directory",
        "checking/test_check.py::test_viewers_files_in_an_archive_are_no_faults",
    ],
    "dangling links": [
        "cohorts/test_tree.py::test_unreadable_files_say_why",
        "inference/test_damaged_models.py::test_a_missing_file_of_a_model",
    ],
    "a stale model.safetensors beside shards": [
        "backbones/test_transformers_layout.py::test_what_would_be_loaded_wrong_or_late_stops_the_stage_weights"
    ],
    "grade_column alone": ["cohorts/test_shared_cases.py::test_grades_need_no_notes"],
}
"""Case of `shared/cases`, and of the kinds that its README names without files, to the tests that hold it."""


def reader(root: Path, assumed_spacing_mm: float | None = None, **settings: str | None) -> FolderDataset:
    columns = dict.fromkeys(("table", "note_column", "grade_column", "plane_column", "weighting_column"))
    params = FolderParams.model_validate({**columns, "patient_column": "patient_id", **settings})
    return FolderDataset(root, params, assumed_spacing_mm)


def of_case(shared: Path, case: str, patient: str) -> PatientRecord:
    return reader(shared / "cases" / case / "data").read_patient(patient)


@pytest.mark.parametrize("case", HELD_BY)
def test_a_case_is_held_by_tests_that_exist(case: str, project_root: Path) -> None:
    for test in HELD_BY[case]:
        file, name = test.split("::")
        assert re.search(rf"^def {name}\(", (project_root / "tests" / file).read_text("utf-8"), re.MULTILINE), test


def test_every_case_is_held(shared: Path) -> None:
    assert {path.name for path in (shared / "cases").iterdir() if path.is_dir()} <= HELD_BY.keys()


def test_07_every_way_to_store_twelve_bits_is_the_clean_image(shared: Path) -> None:
    clean = of_case(shared, "07-high-bits", "clean").slices[0].pixels
    for name in ("clean_j2k", "highbit15_shifted", "overlay_j2k", "overlay_plain", "overlay_rle"):
        assert np.array_equal(of_case(shared, "07-high-bits", name).slices[0].pixels, clean), name
    signed, other = (
        of_case(shared, "07-high-bits", f"signed{n}").slices[0].pixels for n in ("", "12_no_sign_extension")
    )
    assert np.array_equal(signed, other)


def test_09_without_a_preamble(shared: Path) -> None:
    record = of_case(shared, "09-no-preamble", "p1")
    assert [item.plane for item in record.slices] == ["axial"] * 4 and record.rejects == []


def test_14_pictures_keep_their_depth_or_are_named(shared: Path) -> None:
    root = shared / "cases/14-pictures/data"
    record = reader(root, 1.0).read_patient("axial_t2")
    for item in record.slices:
        stored = np.asarray(Image.open(root / item.file))
        first_channel = stored if stored.ndim == 2 else stored[..., 0]
        assert np.array_equal(item.pixels, first_channel), item.file
        assert item.bits == 8 * (1 + (stored.dtype != np.uint8))
    assert len(record.slices) == 12
    assert {Path(reject.file).name: reject.reason for reject in record.rejects} == {
        "float.tif": "unsupported depth", "photo.jpg": "unsupported picture", "photo.bmp": "unsupported picture",
    }  # fmt: skip


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_in_which_0_is_white_is_inverted_whatever_its_depth(dtype: type) -> None:
    stored = np.arange(80, dtype=dtype).reshape(8, 10)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, stored, photometric="miniswhite")
    pixels, _ = read_picture(buffer.getvalue())
    assert np.array_equal(pixels, np.iinfo(dtype).max - stored)


NOTES = ["L5-S1: disc bulge compressing the thecal sac", "L5-S1: no significant disc bulge.", "Normal"]


@pytest.mark.parametrize(
    "table",
    ["float_ids.csv", "float_ids.xlsx", "pipe.csv", "quoted_apostrophe_ids.csv", "sep_line.csv", "spaces.csv",
     "utf16_tab.csv", "utf8_bom_semicolon.csv", "comma_in_head.csv"],
)  # fmt: skip
def test_15_tables_as_programs_write_them(shared: Path, table: str) -> None:
    note = "note, free text, by radiologist" if table.startswith("comma") else "note"
    result = reader(shared / "cases/15-tables/data", table=table, note_column=note)
    assert result.patients() == ["1", "2", "10"]
    for patient, expected in zip(result.patients(), NOTES, strict=True):
        record = result.read_patient(patient)
        assert len(record.slices) == 4 and str(record.note).startswith(expected)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("cp1252_semicolon.csv", r"is not UTF-8 \(byte 67\)\. Save it as CSV UTF-8"),
        ("second_sheet.xlsx", r"The first sheet alone is read, '.+'; beside it there are '.+'\."),
        ("title_above.xlsx", r"Row \d has them: remove the rows above\."),
    ],
)
def test_15_tables_that_are_refused_say_where_the_fault_is(shared: Path, table: str, message: str) -> None:
    with pytest.raises(LssError, match=message):
        reader(shared / "cases/15-tables/data", table=table, note_column="note")


@pytest.mark.parametrize("table", ["pid_prefix.csv", "sci.csv"])
def test_15_ids_that_are_no_folders_are_patients_without_images(shared: Path, table: str) -> None:
    result = reader(shared / "cases/15-tables/data", table=table, note_column="note")
    assert len(result.patients()) == 6
    assert sum(bool(result.read_patient(patient).slices) for patient in result.patients()) == 3


def test_utf_16_cut_in_a_letter_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a;b\n1;x".encode("utf-16")[:-1])
    with pytest.raises(LssError, match="is not UTF-16"):
        read_cells(tmp_path / "t.csv")


def test_commas_in_notes_part_no_columns(tmp_path: Path) -> None:
    text = "patient_id;note\n1;bulge, compressing, the sac, at, L4\n2;normal\n3;a | b, c\n"
    (tmp_path / "t.csv").write_text(text)
    assert [len(row) for row in read_cells(tmp_path / "t.csv")] == [2] * 4


def test_grades_need_no_notes(tmp_path: Path) -> None:
    """The setting for notes has a value by default; a table of grades has no such column."""
    write_dicom(tmp_path / "7/1")
    (tmp_path / "t.csv").write_text("patient_id,grade\n7,D\n")
    settings = {"table": "t.csv", "note_column": "note", "grade_column": "grade"}
    record = reader(tmp_path, **settings).read_patient("7")
    assert record.grading is not None and record.grading.grade == "D" and record.note is None
    params = reader(tmp_path, **settings)._params
    assert usable_table(tmp_path, params) == (params, [])
    (tmp_path / "t.csv").write_text("patient_id,grade,Note\n7,D,L4-L5: stenosis\n")
    assert reader(tmp_path, **settings).read_patient("7").note == "L4-L5: stenosis"


def test_a_workbook_with_one_sheet_is_not_blamed_on_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "text"])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(LssError, match=r"Columns found: 'id', 'text'\. Rename them"):
        reader(tmp_path, table="t.xlsx", note_column="note")
