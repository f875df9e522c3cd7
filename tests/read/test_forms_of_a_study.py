"""One study in several forms, from its files to study.json: Enhanced MR, pictures, a volume; and a run cut short."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import highdicom as hd
import jsonschema
import nibabel
import numpy as np
import pydicom
import pytest
from small_readers import as_enhanced, read_all, series_of

from lss.errors import LssError
from lss.inference.bundle import Bundle
from lss.read import reading as reading_module
from lss.read.document import load_schema
from lss.read.models import Models
from lss.read.reading import Reading
from lss.read.resume import SliceCache
from lss.read.run import Settings, _refuse_output, _summary, read_study, write_reading
from lss.read.study import RefusedError, open_prior, open_study


def without_names(document: dict[str, Any]) -> dict[str, Any]:
    """study.json without what names files and frames."""
    copy = json.loads(json.dumps(document))
    copy["spine"].pop("file")
    for one in copy["slices"]:
        one.pop("file"), one.pop("instance")
    return copy


def test_enhanced_mr_gives_the_same_as_single_images(
    patient: tuple[Path, Any], reading: Reading, models: Models, settings: Settings, tmp_path: Path
) -> None:
    study = tmp_path / "enhanced"
    study.mkdir()
    for name, files in series_of(patient[0]).items():
        (study / f"{name}.dcm").write_bytes(as_enhanced(files))
    assert len(list(study.iterdir())) == 5
    classic = write_reading(reading, None, models, tmp_path / "a", settings)
    result = write_reading(read_all(study, models, settings), None, models, tmp_path / "b", settings)
    assert [one["instance"] for one in result["slices"]] == list(range(1, 13))
    assert all(one["report"] for one in result["slices"])
    assert without_names(result) == without_names(classic)
    for one in classic["slices"]:
        assert (tmp_path / "a" / one["overlay"]).read_bytes() == (tmp_path / "b" / one["overlay"]).read_bytes()
    for name in classic["dicom"]:
        if "segmentation" in name:
            masks = [pydicom.dcmread(tmp_path / side / name).pixel_array for side in "ab"]
            assert np.array_equal(*masks)
    _frames_are_referred_to_by_number(reading, study, tmp_path / "b/dicom")


def _frames_are_referred_to_by_number(reading: Reading, study: Path, objects: Path) -> None:
    """Each frame of a Segmentation on the frame of the Enhanced file whose mask it is, blocks and all."""
    source = next(data for path in study.glob("T2_TSE_TRA*") for data in [pydicom.dcmread(path)])
    seen = 0
    for path in sorted(objects.glob("segmentation-*.dcm")):
        masks = hd.seg.segread(path)
        numbers = [4 * seen + index for index in (1, 2, 3, 4)]
        pixels = masks.get_pixels_by_source_frame(source.SOPInstanceUID, numbers)
        for number, result in zip(numbers, pixels, strict=True):
            one = reading.slices[number - 1]
            assert np.array_equal(result[..., 0] > 0, one.sac.mask if one.sac else np.zeros_like(result[..., 0], bool))
        seen += 1
    assert seen == 3


@pytest.mark.filterwarnings("error:Invalid value for VR UI")
def test_pictures_are_read_with_the_spacing_that_is_given(
    patient: tuple[Path, Any], reading: Reading, models: Models, settings: Settings, tmp_path: Path
) -> None:
    """Without a position: no level, no disc; grades and measures are those of the same pixels in DICOM."""
    study = tmp_path / "axial_t2"
    study.mkdir()
    (files,) = (files for name, files in series_of(patient[0]).items() if name.startswith("T2_TSE_TRA"))
    for data in files:
        assert cv2.imwrite(str(study / f"{int(data.InstanceNumber):02d}.png"), data.pixel_array.astype(np.uint16))
    spacing = float(files[0].PixelSpacing[0])
    document = write_reading(
        read_all(study, models, settings, spacing=spacing), None, models, tmp_path / "out", settings
    )
    jsonschema.validate(document, load_schema())
    assert [one["file"] for one in document["slices"]] == [f"{number:02d}.png" for number in range(1, 13)]
    assert document["discs"] == [] and document["spine"] is None and document["dicom"] == {}
    assert document["study"] == {"patient_id": None, "study_instance_uid": None}
    assert "slices by grade: " in _summary(document, tmp_path / "out")
    assert {one["level"] for one in document["slices"]} == {None}
    for picture, one in zip(document["slices"], reading.slices, strict=True):
        assert (picture["area_mm2"] is None) == (one.measure is None)
        if one.measure is not None:
            assert picture["area_mm2"]["value"] == pytest.approx(one.measure.area_mm2.value, rel=0.02)
    with pytest.raises(LssError, match=r"missing pixel spacing.*--spacing MM"):
        open_study(study)


def test_a_volume_is_read_from_its_affine(
    patient: tuple[Path, Any], reading: Reading, models: Models, settings: Settings, tmp_path: Path
) -> None:
    """One block as NIfTI, turned level (a volume's slices are parallel): the same areas, on the same side."""
    own = [one for one in reading.slices if one.block == 2]
    assert own[0].item.geometry is not None
    stack = np.stack([one.item.pixels for one in reversed(own)]).astype(np.int16)  # from the feet
    sides = own[0].item.row_spacing_mm, own[0].item.column_spacing_mm
    affine = np.diag([-sides[1], -sides[0], 4.4, 1.0])  # the patient's right on the left, the front on top
    path = tmp_path / "t2_tra.nii.gz"
    nibabel.save(nibabel.Nifti1Image(stack.transpose(2, 1, 0), affine), path)
    document = write_reading(read_all(path, models, settings), None, models, tmp_path / "out", settings)
    jsonschema.validate(document, load_schema())
    assert [one["instance"] for one in document["slices"]] == [4, 3, 2, 1]
    (disc,) = document["discs"]
    assert disc["level"] is None and "blocks" in disc["level_reason"]
    assert [one["area_mm2"] and one["area_mm2"]["value"] for one in document["slices"]] == [
        one.measure and round(one.measure.area_mm2.value, 1) for one in own
    ]


def test_real_axial_pictures_are_read(shared: Path, models: Models, settings: Settings, tmp_path: Path) -> None:
    result = read_all(shared / "data/mendeley-lss-png/axial_t2", models, settings, spacing=0.6875)
    assert len(result.slices) > 30
    document = write_reading(result, None, models, tmp_path / "out", settings)
    jsonschema.validate(document, load_schema())
    areas = [one["area_mm2"]["value"] for one in document["slices"] if one["area_mm2"]]
    assert len(areas) > 5 and 20 < np.median(areas) < 400


def test_the_real_slice_of_a_study_without_blocks_has_no_certain_level(
    shared: Path, models: Models, settings: Settings, tmp_path: Path
) -> None:
    result = read_all(shared / "data/dicom/axial_t2_siemens_sempra.dcm", models, settings)
    document = write_reading(result, None, models, tmp_path / "out", settings)
    jsonschema.validate(document, load_schema())
    assert [one["level"] for one in document["slices"]] == [None]
    assert document["dicom"]


def test_a_second_series_of_the_same_places_is_told(patient: tuple[Path, Any], tmp_path: Path) -> None:
    """A repeated series doubles the slices of each disc; one series per block is no repetition."""
    (files,) = (files for name, files in series_of(patient[0]).items() if name.startswith("T2_TSE_TRA"))
    for index, data in enumerate(files):
        data.SeriesInstanceUID = f"1.2.3.{index // 4}"
        data.save_as(tmp_path / f"{index}.dcm")
    assert open_study(tmp_path).notes == []
    for index, data in enumerate(files[4:8]):
        data.SeriesInstanceUID, data.SOPInstanceUID = "1.2.3.9", f"1.2.3.9.{index}"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.PixelData = (data.pixel_array + 1).astype("<u2").tobytes()  # else a copy, which is left out
        data.save_as(tmp_path / f"again-{index}.dcm")
    study = open_study(tmp_path)
    assert len(study.axial) == 16
    (note,) = study.notes
    assert note.startswith("2 axial T2 series show the same places")


def test_prior_of_another_patient_is_refused(patient: tuple[Path, Any], settings: Settings, tmp_path: Path) -> None:
    """A change against another person's sac is worse than none; where an id is missing the reading says so."""
    study = open_study(patient[0])
    (files,) = (files for name, files in series_of(patient[0]).items() if name.startswith("T2_TSE_TRA"))
    for person in ("SOMEBODY-ELSE", "", files[0].PatientID):
        for index, data in enumerate(files):
            data.PatientID = person
            data.save_as(tmp_path / f"{index}.dcm")
        if person == "SOMEBODY-ELSE":
            with pytest.raises(RefusedError, match="another patient"):
                open_prior(tmp_path, study)
            with pytest.raises(RefusedError, match="another patient"):  # before a model is looked for
                read_study(patient[0], tmp_path / "out", tmp_path / "no-model", settings, prior=tmp_path)
            assert study.notes == []
            continue
        assert open_prior(tmp_path, study).axial
        assert [note for note in study.notes if "is not known" in note] == study.notes
        assert len(study.notes) == (1 if person == "" else 0)
        study.notes.clear()


def test_a_run_cut_short_goes_on_and_ends_with_the_same(
    patient: tuple[Path, Any], reading: Reading, models: Models, settings: Settings, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Killed after the first of three batches; the second run reads the eight slices that are left."""
    output = tmp_path / "reading"
    study = open_study(patient[0])
    segmented: list[int] = []
    whole = reading_module._read_batch

    def counted(batch: list[Any], bundle: Bundle, *rest: Any) -> None:
        if bundle is models.masker:
            if len(segmented) == 4 and not os.environ.get("LSS_TEST_ON"):
                raise KeyboardInterrupt
            segmented.extend(one.number for one in batch)
        whole(batch, bundle, *rest)

    monkeypatch.setattr(reading_module, "_read_batch", counted)

    def run(model_name: str) -> tuple[Reading, SliceCache]:
        cache = SliceCache(output, {"model": model_name})
        return reading_module.read_slices(
            study, models.grader.preparation, models, settings.writing, 0, 4, cache=cache, shown=False
        ), cache

    with pytest.raises(KeyboardInterrupt):
        run("one")
    monkeypatch.setenv("LSS_TEST_ON", "1")
    second, cache = run("one")
    assert cache.reused == 4 and segmented == list(range(1, 13))
    for one, other in zip(second.slices, reading.slices, strict=True):
        assert one.report == other.report and one.grade == other.grade
        assert one.unfamiliarity == pytest.approx(other.unfamiliarity, abs=1e-5)
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert one.mask is not None and np.array_equal(one.mask, other.mask)  # type: ignore[arg-type]
    _, other_model = run("two")
    assert other_model.reused == 0
    victim = sorted(cache.folder.iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:40])  # a damaged file counts as none
    _, damaged = run("one")
    assert damaged.reused in (11, 12)
    damaged.clear()
    assert list(tmp_path.iterdir()) == []


def test_only_a_reading_is_replaced(tmp_path: Path) -> None:
    """--overwrite on the wrong folder removes nothing."""
    _refuse_output(tmp_path / "new", overwrite=False)
    assert list(tmp_path.iterdir()) == []  # the trial leaves nothing
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    _refuse_output(thesis, overwrite=False)  # empty
    (thesis / "chapter.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(LssError, match="no reading"):
            _refuse_output(thesis, overwrite)
    (thesis / "study.json").write_text(json.dumps({"software": {"version": "0.1", "model": "tiny-1"}}))
    with pytest.raises(LssError, match=r"already \(lss 0.1, model tiny-1\).*--overwrite"):
        _refuse_output(thesis, overwrite=False)
    _refuse_output(thesis, overwrite=True)


def test_an_output_that_cannot_be_written_is_an_error_before_the_study_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LssError, match=r"file/out: cannot be written: .*file"):
        _refuse_output(tmp_path / "file" / "out", overwrite=False)


def test_a_long_stack_gets_a_report_of_some_slices_of_each_disc_only(reading: Reading) -> None:
    own = reading.slices
    assert reading_module._described(own[:4]) == own[:4]
    assert [one.number for one in reading_module._described(own)] == [1, 4, 7, 9, 12]
