"""The contact sheet: which slices it shows, in which proportions, with what under them."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import SAGITTAL, write_dicom, write_patient
from PIL import Image

from lss.checking.cohort import check_cohort
from lss.checking.report import summary
from lss.checking.sheet import MOST_OF_A_GROUP, SIDE, ContactSheet, thumbnail_pixels
from lss.project.params import load_params


@pytest.mark.parametrize(
    ("shape", "spacing", "size"),
    [((40, 40), (1.0, 1.0), (SIDE, SIDE)), ((40, 80), (1.0, 1.0), (72, SIDE)), ((40, 80), (4.0, 1.0), (SIDE, 72))],
)
def test_thumbnails_keep_the_bodys_proportions(
    shape: tuple[int, int], spacing: tuple[float, float], size: tuple[int, int]
) -> None:
    rows, _ = np.mgrid[: shape[0], : shape[1]]
    small = thumbnail_pixels(rows.astype(np.uint16) * 50, *spacing)
    assert small.shape == size and small.dtype == np.uint8
    assert small[0].max() == 0 and small[-1].min() == 255  # dark above, bright below, over the whole range
    assert (np.diff(small[:, 0].astype(int)) >= 0).all()


def dataset_columns(root: Path) -> int:
    return int(pydicom.dcmread(next(root.rglob("*.ima"))).Columns)


def sheet_of(root: Path, project_root: Path) -> str:
    sheet = ContactSheet()
    result = check_cohort(load_params(project_root / "params.yaml"), root, see=sheet.add)
    return sheet.html(result, summary(result))


def test_a_slice_of_each_disc_and_series_and_all_that_want_a_look(tmp_path: Path, project_root: Path) -> None:
    for file in write_patient(tmp_path / "made", "0001", PixelSpacing=[4.0, 4.0]):
        target = tmp_path / "raw/A <b>" / "/".join(file.parts[-2:])
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    for number in range(20):
        write_dicom(
            tmp_path / f"raw/P2/what/{number}.dcm", SeriesDescription="spine", EchoTime=50.0, PixelSpacing=[9.0, 9.0],
            ImageOrientationPatient=SAGITTAL, SOPInstanceUID=f"1.2.{number}",
        )  # fmt: skip
    (tmp_path / "raw/P2/what/20.dcm").write_bytes(b"nothing")
    text = sheet_of(tmp_path / "raw", project_root)
    first, second = text.split("Patient P2")
    assert "A <b>" not in text and "Patient A &lt;b&gt;<" in first
    figures = re.findall(r"<figure.*?</figure>", first, flags=re.DOTALL)
    captions = [" ".join(re.sub(r"<[^>]+>", " ", figure).split()) for figure in figures]
    assert [caption.split(" not worked")[0].replace(" ,", ",") for caption in captions] == [
        "R L axial T2, L3-L4", "R L axial T2, L4-L5", "R L axial T2, L5-S1", "A P sagittal T2", "R L coronal localizer",
    ]  # fmt: skip
    width = int(re.findall(r'width="(\d+)"', figures[0])[0])
    columns = dataset_columns(tmp_path / "raw")
    assert f"width: {round(10 / (4.0 * columns) * width)}px" in figures[0], "10 mm of the picture's width"
    assert "1 of 4 alike" in captions[0] and "no grade: no note" in captions[0] and "the only one" in captions[3]
    assert second.count('<figure class="look">') == MOST_OF_A_GROUP and "12 of 20 alike" in second
    assert "weighting unknown" in second and "not DICOM: P2/what/20.dcm" in second
    for uri in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text):
        with Image.open(io.BytesIO(base64.b64decode(uri))) as picture:
            assert max(picture.size) == SIDE
    assert not re.search(r'(src|href)="(?!data:)', text)  # it asks for nothing


def test_the_same_cohort_gives_the_same_sheet(tmp_path: Path, project_root: Path) -> None:
    write_patient(tmp_path / "raw", "0001")
    assert sheet_of(tmp_path / "raw", project_root) == sheet_of(tmp_path / "raw", project_root)
