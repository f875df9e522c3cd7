"""Reading one patient's study: against the phantom's truth, its schema, other readers of DICOM, and wrong studies."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import jsonschema
import numpy as np
import pydicom
import pytest
from dicom_files import SAGITTAL, dataset
from small_readers import read_all
from typer.testing import CliRunner

from lss.cli import app
from lss.errors import LssError
from lss.read.document import load_schema, study_document
from lss.read.models import Models
from lss.read.reading import Reading, pooled
from lss.read.run import Settings, read_study, write_reading
from lss.read.study import RefusedError, open_study


@pytest.fixture(scope="module")
def written(
    reading: Reading, models: Models, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    output = tmp_path_factory.mktemp("out") / "reading"
    return output, write_reading(reading, None, models, output, settings)


def test_document_fits_its_schema_and_is_what_was_written(
    written: tuple[Path, dict[str, Any]], reading: Reading
) -> None:
    output, document = written
    stored = json.loads((output / "study.json").read_text())
    jsonschema.Draft202012Validator.check_schema(load_schema())
    jsonschema.validate(stored, load_schema())
    assert stored == document
    assert "phantom" in stored["intervals"] and stored["study"]["study_instance_uid"] == reading.study.axial[0].study
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(stored | {"discs": [{"level": "L6-S1"}]}, load_schema())


def test_a_reading_says_on_whose_patients_its_grades_were_calibrated(
    written: tuple[Path, dict[str, Any]], reading: Reading, models: Models
) -> None:
    """Three phantom patients were trained on, two validated on (conftest)."""
    card = models.grader.card
    assert card.made_from["cohort"] == {"name": "phantom", "patients": {"train": 3, "val": 2}}
    certainty = written[1]["certainty"]
    assert certainty["patients"] == 2 and certainty["fitted_on"].endswith(
        "trained on: phantom (images and notes made by this program)"
    )
    of_before = replace(models.grader, card=replace(card, made_from={}))  # a model of an earlier version
    document = study_document(reading, replace(models, grader=of_before), None, {})
    assert document["certainty"]["fitted_on"].endswith("trained on: not stated")


def test_levels_and_areas_against_the_truth(written: tuple[Path, dict[str, Any]], patient: tuple[Path, Any]) -> None:
    _, document = written
    truth = patient[1]
    assert [one["level"] for one in document["slices"]] == [row["level"] for row in truth]
    assert [disc["level"] for disc in document["discs"]] == ["L3-L4", "L4-L5", "L5-S1"]
    pairs = [(one["area_mm2"], row["sac_area_mm2"]) for one, row in zip(document["slices"], truth, strict=True)]
    measured = [(area, true) for area, true in pairs if area]
    assert len(measured) >= 6  # of 12: a slice without a clear outline is not measured
    assert np.mean([abs(area["value"] - true) for area, true in measured]) < 40
    assert sum(area["low"] <= true <= area["high"] for area, true in measured) >= len(measured) - 1  # of 95 % intervals
    for disc in document["discs"]:
        assert sum(disc["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert disc["oblique_degrees"] < 12 and not disc["oblique"]


def test_folder_is_whole_and_says_that_it_identifies_a_patient(written: tuple[Path, dict[str, Any]]) -> None:
    output, document = written
    assert "identifies a patient" in (output / "README.txt").read_text()
    page = (output / "index.html").read_text()
    assert "Research software" in page and "L4-L5" in page and "random weights" in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched
    for one in document["slices"]:
        assert (output / one["overlay"]).is_file()
    assert {path.relative_to(output).as_posix() for path in output.glob("dicom/*")} == set(document["dicom"])


def test_dicom_objects_hold_what_was_read(written: tuple[Path, dict[str, Any]], reading: Reading) -> None:
    output, _ = written
    uids = {one.number: one.item.image for one in reading.slices}
    seen = 0
    for path in sorted((output / "dicom").glob("segmentation-*.dcm")):
        read = hd.seg.segread(path)
        members = [one for one in reading.slices if one.item.image in str(read.ReferencedSeriesSequence)]
        pixels = read.get_pixels_by_source_instance([uids[one.number] for one in members])
        for index, one in enumerate(members):
            sac = one.sac.mask if one.sac else np.zeros(one.item.pixels.shape, bool)
            assert np.array_equal(pixels[index, :, :, 0].astype(bool), sac)
            seen += 1
    assert seen == len(reading.slices)
    groups = hd.sr.srread(output / "dicom/measurements.dcm").content.get_image_measurement_groups()
    assert len(groups) == 2 * sum(one.measure is not None and one.measure.has_values for one in reading.slices)


def test_a_zip_gives_the_same_as_the_folder(
    patient: tuple[Path, Any], reading: Reading, models: Models, settings: Settings, tmp_path: Path
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "study"), "zip", patient[0]))
    zipped = read_all(archive, None, settings, models)
    assert [one.item.image for one in zipped.slices] == [one.item.image for one in reading.slices]
    assert [one.level for one in zipped.slices] == [one.level for one in reading.slices]
    assert [one.measure and one.measure.area_mm2 for one in zipped.slices] == [
        one.measure and one.measure.area_mm2 for one in reading.slices
    ]


def test_a_damaged_slice_is_a_line_and_not_the_end(
    patient: tuple[Path, Any], models: Models, settings: Settings, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    shutil.copytree(patient[0], study)
    victim = sorted(study.rglob("T2_TSE_TRA*/*.ima"))[2]
    victim.write_bytes(victim.read_bytes()[:30000])
    result = read_all(study, None, settings, models)
    assert len(result.slices) == 11
    assert any(reject.file.endswith(victim.name) and "truncated" in reject.reason for reject in result.study.rejects)


def test_the_same_study_as_prior_shows_no_change(
    reading: Reading, models: Models, settings: Settings, tmp_path: Path
) -> None:
    document = write_reading(reading, reading, models, tmp_path / "out", settings)
    changes = [disc["change"] for disc in document["discs"] if disc["area_mm2"]]
    assert changes and all(change["words"].startswith("no change") for change in changes)
    jsonschema.validate(document, load_schema())


def test_without_a_model_it_says_which_command_trains_one(
    patient: tuple[Path, Any], settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(LssError, match="train_all"):
        read_study(patient[0], tmp_path / "out", tmp_path / "models", settings)
    assert not (tmp_path / "out").exists()


def _sagittal_only(folder: Path, make: Callable[..., None]) -> None:
    for index in range(5):
        make(index, ImageOrientationPatient=SAGITTAL, SeriesDescription="t2_tse_sag")


def _noise(folder: Path, make: Callable[..., None]) -> None:
    for index in range(5):
        make(index)


def _upside_down(folder: Path, make: Callable[..., None]) -> None:
    for index in range(5):
        make(index, ImageOrientationPatient=[1.0, 0, 0, 0, -1, 0])


def _two_patients(folder: Path, make: Callable[..., None]) -> None:
    for index in range(4):
        make(index, PatientID=f"P-{index % 2}")


def _brain(folder: Path, make: Callable[..., None]) -> None:
    for index in range(4):
        make(index, BodyPartExamined="BRAIN")


def _ct(folder: Path, make: Callable[..., None]) -> None:
    for index in range(4):
        make(index, Modality="CT", SOPClassUID=pydicom.uid.CTImageStorage)


def _knee(folder: Path, make: Callable[..., None]) -> None:
    for index in range(4):
        make(index, SeriesDescription="knee t2 tra")


def _localizer(folder: Path, make: Callable[..., None]) -> None:
    for index in range(3):
        make(index, SeriesDescription="localizer", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


def _nothing(folder: Path, make: Callable[..., None]) -> None:
    (folder / "notes.txt").write_text("nothing")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (_sagittal_only, "no axial T2"), (_noise, "spinal canal is found on 0 of 5"), (_upside_down, "back on top"),
        (_two_patients, "2 patients"), (_brain, "BRAIN"), (_ct, "CT"), (_knee, "no axial T2"),
        (_localizer, "no axial T2"), (_nothing, "no axial T2"),
    ],
)  # fmt: skip
def test_a_wrong_study_is_refused_with_the_reason(
    fill: Callable[..., None], words: str, models: Models, settings: Settings, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    study.mkdir()

    def make(index: int, **attributes: Any) -> None:
        pixels = np.random.default_rng(index).integers(0, 4096, (200, 200)).astype(np.uint16)
        place = {"ImagePositionPatient": [-70.0, -70.0, 4.4 * index], "SOPInstanceUID": f"1.2.3.{index + 1}"}
        stream = io.BytesIO()
        dataset(pixels, **({"PixelSpacing": [0.7, 0.7], "InstanceNumber": index + 1} | place | attributes)).save_as(
            stream, enforce_file_format=True
        )
        (study / f"{index}.dcm").write_bytes(stream.getvalue())

    fill(study, make)
    with pytest.raises(RefusedError, match=words):
        read_all(study, None, settings, models)


def test_a_mirrored_header_does_not_move_the_sac(patient: tuple[Path, Any], tmp_path: Path) -> None:
    """Rows that run to the patient's right: the same places in millimetres, so the same levels."""
    study = tmp_path / "study"
    shutil.copytree(patient[0], study)
    for path in study.rglob("T2_TSE_TRA*/*.ima"):
        data = pydicom.dcmread(path)
        pixels = data.pixel_array[:, ::-1]
        row_3 = np.array(data.ImageOrientationPatient[:3], float)
        corner = np.array(data.ImagePositionPatient, float) + row_3 * (data.Columns - 1) * float(data.PixelSpacing[1])
        data.ImagePositionPatient = [f"{value:.6f}" for value in corner]
        data.ImageOrientationPatient = [*(f"{-value:.6f}" for value in row_3), *data.ImageOrientationPatient[3:]]
        data.PixelData = np.ascontiguousarray(pixels).tobytes()
        data.save_as(path)
    first, second = open_study(patient[0]), open_study(study)
    assert [item.level for item in first.axial] == [item.level for item in second.axial]
    for one, other in zip(first.axial, second.axial, strict=True):
        assert one.geometry is not None and other.geometry is not None
        assert np.allclose(one.geometry.centre_3, other.geometry.centre_3, atol=0.01)


def test_slices_are_pooled_only_where_they_are_one_disc(reading: Reading) -> None:
    """Blocks are; a stack too long for a disc, or slices without a position, only as far as their level is known."""
    assert [len(own) for own in pooled(reading.slices)] == [4, 4, 4]
    stack = [replace(one, block=1) for one in reading.slices]
    assert [{one.level.level for one in own} for own in pooled(stack)] == [{"L3-L4"}, {"L4-L5"}, {"L5-S1"}]
    unknown = [replace(one, level=replace(one.level, level=None)) for one in stack]
    assert pooled(unknown) == []
    nowhere = [replace(one, item=replace(one.item, geometry=None)) for one in unknown[:3]]
    assert pooled(nowhere) == []


def test_help_tells_it_from_predict() -> None:
    text = CliRunner().invoke(app, ["read", "--help"]).output
    assert "predict" in text and "identifies" in text and "--prior" in text
