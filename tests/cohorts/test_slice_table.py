"""A user's table of single files: what it says holds, and what it cannot mean is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import SAGITTAL, nifti, smooth_pixels, write_dicom
from PIL import Image

from lss.cohorts.base import RawSlice
from lss.cohorts.folder import FolderDataset
from lss.cohorts.needed_files import all_missing_files, files_elsewhere
from lss.cohorts.settings import CohortParams, FolderParams
from lss.errors import LssError
from lss.project.params import load_params


def reader(root: Path, table: str, **changes: str | None) -> FolderDataset:
    (root / "slices.csv").write_text(table, encoding="utf-8")
    settings: dict[str, str | None] = {
        "table": None, "patient_column": "id", "note_column": None, "grade_column": None, "plane_column": None,
        "weighting_column": None, "slices": "slices.csv",
    }  # fmt: skip
    return FolderDataset(root, FolderParams.model_validate(settings | changes), 0.7)


def pictures(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((smooth_pixels(seed) // 16).astype(np.uint8)).save(root / name)


def readings(slices: list[RawSlice]) -> dict[str, tuple[str, str, str | None]]:
    return {item.file: (item.plane, item.weighting, item.level) for item in slices}


def test_files_and_folders_get_what_the_table_says(tmp_path: Path) -> None:
    pictures(tmp_path, "p1/x/a.png", "p1/x/b.png", "p1/x/c.png", "p1/axial_t2/d.png")
    table = "File;Level;Plane;Weighting\np1\\x;;axial;T2 tse\np1/x/a.png;L4/5;;\np1/x/b.png;l5_s1;sag;t1\n"
    cohort = reader(tmp_path, table)
    slices = cohort.read_patient("p1").slices
    assert readings(slices) == {
        "p1/x/a.png": ("axial", "T2", "L4-L5"),
        "p1/x/b.png": ("sagittal", "T1", None),  # no level is asked of a sagittal slice
        "p1/x/c.png": ("axial", "T2", None),
        "p1/axial_t2/d.png": ("axial", "T2", None),
    }
    by_file = {item.file: item for item in slices}
    assert by_file["p1/x/a.png"].level_reason == "the table of files says L4-L5"
    assert by_file["p1/x/a.png"].plane_reason == "the table of files says axial"
    assert cohort.orphans() == []


def test_rows_that_mean_nothing_are_named(tmp_path: Path) -> None:
    pictures(tmp_path, "p1/a.png")
    table = "file,plane,weighting,level\n" + "".join(
        f"{row}\n"
        for row in ("p1/b.png,axial,,", "p1/a.png,axil,T3,L4", "p1/a.png,axial,T2,L4-L5", "p1/a.png,,T1,", ",axial,,")
    )
    cohort = reader(tmp_path, table)
    assert readings(cohort.read_patient("p1").slices) == {"p1/a.png": ("axial", "T2", "L4-L5")}
    assert [(reject.file, reject.reason, reject.detail, reject.private) for reject in cohort.orphans()] == [
        ("slices.csv#row2", "unusable row", "no such file or folder in the cohort", "p1/b.png"),
        ("slices.csv#row3", "unusable row", "its plane is none", "axil"),
        ("slices.csv#row3", "unusable row", "its weighting is none", "T3"),
        ("slices.csv#row3", "unusable row", "its level is none", "L4"),
        ("slices.csv#row5", "duplicate row", "a second row of this file, of another weighting", "p1/a.png"),
        ("slices.csv#row6", "unusable row", "no such file or folder in the cohort", ""),
    ]


def test_words_for_nothing_say_nothing(tmp_path: Path) -> None:
    pictures(tmp_path, "p1/axial_t2/a.png", "p1/x/b.png")
    table = "file,plane,weighting,level\np1/axial_t2/a.png,unknown,N/A,-\np1/x/b.png,localizer,localizer,none\n"
    cohort = reader(tmp_path, table)
    expected = {"p1/axial_t2/a.png": ("axial", "T2", None), "p1/x/b.png": ("unknown", "localizer", None)}
    assert readings(cohort.read_patient("p1").slices) == expected and cohort.orphans() == []


def test_a_position_that_contradicts_the_table_is_doubtful(tmp_path: Path) -> None:
    write_dicom(tmp_path / "p1/1.dcm", SeriesDescription="spine", EchoTime=50.0, ImageOrientationPatient=SAGITTAL)
    write_dicom(tmp_path / "p1/2.dcm", SOPInstanceUID="1.2.3.4")
    slices = reader(tmp_path, "file,plane,weighting\np1,axial,T1\n").read_patient("p1").slices
    assert [(item.plane, item.weighting) for item in slices] == [("axial", "T1")] * 2
    assert "doubtful: normal 0 degrees from left-right" in slices[0].plane_reason
    assert slices[1].plane_reason == "the table of files says axial"


def test_single_slices_of_a_volume(tmp_path: Path) -> None:
    """40 slices of 3 mm in one stack: those near a named one take its level, the others none."""
    values = np.random.default_rng(3).integers(0, 99, (24, 20, 40)).astype(np.int16)
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1/t2_axial.nii.gz").write_bytes(nifti(values, "RAS", (1.0, 1.0, 3.0)))
    table = "file,slice,level\np1/t2_axial.nii.gz,10,L4-L5\np1/t2_axial.nii.gz,22,L3-L4\n"
    slices = reader(tmp_path, table).read_patient("p1").slices
    levels = {item.instance: item.level for item in slices}
    assert levels[10] == "L4-L5" and levels[22] == "L3-L4" and levels[40] is None
    lost = reader(tmp_path, "file,slice,level\n.,,L4-L5\np1/t2_axial.nii.gz,41,L4-L5\np1/t2_axial.nii.gz,x,L1-L2\n")
    assert [(r.file, r.detail) for r in lost.read_patient("p1").rejects] == [
        ("slices.csv#row3", "slice 41 is not in its file, or is blank")
    ]
    assert [(r.file, r.detail) for r in lost.orphans()] == [("slices.csv#row4", "its slice is no number")]
    one = reader(tmp_path, "file,slice,level\np1/t2_axial.nii.gz,10,L4-L5\n").read_patient("p1").slices
    levels = {item.instance: item.level for item in one}
    assert levels[10] == "L4-L5" and levels[40] is None and levels[11] == "L4-L5"


@pytest.mark.parametrize(("table", "message"), [("name,plane\n", "no column 'file'"), ("file,x\na,b\n", "none of the")])
def test_a_table_without_its_columns_is_refused(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(LssError, match=message):
        reader(tmp_path, table)


def test_the_table_counts_among_the_cohorts_files(tmp_path: Path, project_root: Path) -> None:
    """So that an edit of it makes the results stale, and a missing one is found before the run."""
    params = load_params(project_root / "params.yaml").cohort
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.png").touch()

    def cohort(slices: str) -> CohortParams:
        folder = params.folder.model_copy(update={"slices": slices})
        return params.model_copy(update={"name": "folder", "root": tmp_path / "raw", "folder": folder})

    assert files_elsewhere(cohort("s.csv")) == []
    assert files_elsewhere(cohort("../s.csv")) == [tmp_path / "raw/../s.csv"]
    assert all_missing_files(cohort("s.csv")) == ["no s.csv (cohort.folder.slices)"]
