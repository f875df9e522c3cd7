"""The DICOM objects in a viewer's own library: cornerstone3D (that of OHIF), from npm, in headless Chromium."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from test_dicom_out import BY, SHAPE, discs, measured, source_bytes

from lss.dicom_out.report import measurement_report, outline
from lss.dicom_out.segmentation import segmentation
from lss.dicom_out.source import SourceImage, read_source

sys.path.append(str(Path(__file__).parent.parent))

import webdriver

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PACKAGES = {
    "@cornerstonejs/core": "5.14.0", "@cornerstonejs/adapters": "5.14.0", "dcmjs": "0.52.2", "esbuild": "0.28.2",
    "@babel/runtime": "7.29.15", "events": "3.3.0", "url": "0.11.4",
}  # fmt: skip
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lss-viewer-test"
LOUD = "NOT CHECKED in a viewer's library:"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the library; npm fetches it once, into the user's cache. It is no dependency of this project."""
    if reason := webdriver.missing():
        pytest.skip(f"{LOUD} {reason}")
    if lacking := [name for name in ("node", "npm") if shutil.which(name) is None]:
        pytest.skip(f"{LOUD} needs {' and '.join(lacking)} on the PATH")
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = json.dumps({"private": True, "dependencies": PACKAGES}, indent=1)
    done = CACHE / "installed.json"
    if not done.is_file() or done.read_text() != wanted:
        (CACHE / "package.json").write_text(wanted)
        install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
        try:
            run = subprocess.run(install, cwd=CACHE, capture_output=True, text=True, check=False, timeout=300)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{LOUD} npm did not end within five minutes")
        if run.returncode:
            pytest.skip(f"{LOUD} npm cannot install it (no network?): {run.stderr.strip()[-300:]}")
        done.write_text(wanted)
    folder = tmp_path_factory.mktemp("viewer")
    shutil.copy(Path(__file__).parent / "viewer.js", CACHE / "viewer.js")  # modules are sought from its folder upwards
    bundle = [str(CACHE / "node_modules/.bin/esbuild"), "viewer.js", "--bundle", "--format=iife", "--log-level=error",
              f"--outfile={folder / 'bundle.js'}"]  # fmt: skip
    subprocess.run(bundle, cwd=CACHE, check=True, timeout=300)
    page = folder / "index.html"
    page.write_text('<!doctype html><meta charset="utf-8"><script src="bundle.js"></script>')
    return page


def as_text(data: bytes | Dataset) -> str:
    if not isinstance(data, bytes):
        stream = io.BytesIO()
        data.save_as(stream, enforce_file_format=True)
        data = stream.getvalue()
    return base64.b64encode(data).decode()


def in_viewer(page: Path, function: str, files: list[bytes], made: Dataset) -> Any:
    with webdriver.Browser(800, 600) as browser:
        browser.open(page)
        return browser.run(f"return window.{function}(...arguments)", [as_text(one) for one in files], as_text(made))


def uid(data: bytes) -> str:
    return f"source:{pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).SOPInstanceUID}"


def sources_of(files: list[bytes]) -> list[SourceImage]:
    return [read_source(data) for data in files]


def test_label_map_lies_on_the_same_pixels_of_the_same_slices(page: Path) -> None:
    files = [source_bytes(index) for index in range(3)]
    masks = {"sac": discs(7), "stenosis": discs(3)}
    made = segmentation(sources_of(files), masks, 1, BY)
    # a viewer orders the stack as it likes
    result = in_viewer(page, "segmentation", files[::-1], made)
    assert result["labels"] == ["Thecal sac", "Stenotic region"]
    assert result["overlapping"]  # the stenotic region lies in the sac: the second layer holds it
    for number, kind in enumerate(masks, start=1):
        for data, mask in zip(files, masks[kind], strict=True):
            found: set[int] = set()
            for layer in result["layers"]:
                (image,) = [one for one in layer if one["referenced"] == uid(data)]
                assert (image["rows"], image["columns"]) == SHAPE
                found |= set(image["pixels"].get(str(number), []))
            assert found == set(np.flatnonzero(mask.ravel()))


def test_a_block_opens_on_its_own_slices_and_not_on_the_whole_series(page: Path) -> None:
    """Two blocks of different tilt in one series: the library compares with its first image, as the docs say."""
    first = [source_bytes(index) for index in range(3)]
    second = [source_bytes(index + 10, degrees=-5.0) for index in range(3)]
    made = segmentation(sources_of(second), {"sac": discs(7)}, 2, BY)
    assert in_viewer(page, "segmentation", second, made)["labels"] == ["Thecal sac"]
    assert "oblique to the acquisition plane" in in_viewer(page, "segmentation", first + second, made)["error"]


def test_measurements_are_drawn_on_their_slices_with_their_numbers(page: Path) -> None:
    """What the viewer's library makes of the report: outlines and lines, in mm of the patient by their header.

    On square pixels: the library takes the spacing between rows along a row, and that between columns down a column.
    """
    files = [source_bytes(index, PixelSpacing=[0.6875, 0.6875]) for index in range(3)]
    items = measured(sources_of(files))
    found = in_viewer(page, "measurements", files, measurement_report(items, BY))
    assert sorted(found) == ["Length", "PlanarFreehandROI"]
    for data, item, area, line in zip(files, items, found["PlanarFreehandROI"], found["Length"], strict=True):
        assert area["image"] == line["image"] == uid(data)
        assert area["closed"] and area["stats"]["area"] == pytest.approx(item.area_mm2, abs=0.05)
        assert line["stats"]["length"] == item.diameter_mm and line["stats"]["unit"] == "mm"
        header = pydicom.dcmread(io.BytesIO(data))
        corner, spacing = np.array(header.ImagePositionPatient, float), np.array(header.PixelSpacing, float)
        row_3, column_3 = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
        ends = np.asarray(item.diameter_ends_22)[:, ::-1] + 0.5
        for one, points in ((area, outline(item.mask)[:-1]), (line, ends)):
            x, y = (points - 0.5).T  # the position is that of the first pixel's centre
            expected = corner + np.outer(x * spacing[1], row_3) + np.outer(y * spacing[0], column_3)
            assert np.allclose(one["points"], expected, atol=1e-3)
        assert area["finding"] == "Spinal canal structure"
        assert area["site"] == ("Level of L4/L5 intervertebral disc" if item.level else "Lumbar spine structure")
