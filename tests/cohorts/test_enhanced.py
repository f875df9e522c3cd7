"""Enhanced (multi-frame) MR: every frame equals the same slice in a file of its own; real ones of two makers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import AXIAL, dataset, dicom_bytes, read_one, some_pixels, tilted_axial
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, RLELossless

from lss.cohorts.base import UnusableError
from lss.cohorts.dicom import read_dicom
from lss.cohorts.folder import FolderDataset
from lss.cohorts.settings import FolderParams

FRAMES = [
    {
        "ImageOrientationPatient": orientation, "ImagePositionPatient": [-5.0, 3.0 * index, 7.0 + 30 * index],
        "PixelSpacing": [0.5 + 0.125 * index, 0.75], "RescaleSlope": 1.0 + index, "RescaleIntercept": 2.0 * index,
        "EchoTime": echo, "RepetitionTime": 4000.0, "ImageType": ["ORIGINAL", "PRIMARY", kind, "NONE"],
    }
    for index, (orientation, echo, kind) in enumerate(
        [(AXIAL, 100.0, "T2"), (tilted_axial(30.0), 110.0, "T2"), (AXIAL, 90.0, "DIFFUSION")]
    )
]  # fmt: skip
GROUPS = {
    "PlaneOrientationSequence": ("ImageOrientationPatient",), "PlanePositionSequence": ("ImagePositionPatient",),
    "PixelMeasuresSequence": ("PixelSpacing",), "MRTimingAndRelatedParametersSequence": ("RepetitionTime",),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"), "MREchoSequence": ("EchoTime",),
    "MRImageFrameTypeSequence": ("ImageType",),
}  # fmt: skip
RENAMED = {"EchoTime": "EffectiveEchoTime", "ImageType": "FrameType"}


def group(values: dict[str, object], without: str = "") -> Dataset:
    result = Dataset()
    for sequence, names in GROUPS.items():
        item = Dataset()
        for name in names:
            if name in values and name != without:
                setattr(item, RENAMED.get(name, name), values[name])
        if len(item):
            setattr(result, sequence, Sequence([item]))
    return result


def enhanced(
    pixels: list[np.ndarray],
    each: list[dict[str, object]],
    shared: dict[str, object] | None = None,
    **attributes: object,
) -> pydicom.FileDataset:
    """An Enhanced MR file with `each` per frame and `shared` for all."""
    bare = dict.fromkeys(
        ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "EchoTime", "RepetitionTime")
    )
    file = dataset(np.concatenate(pixels), SOPInstanceUID="1.2.3.77", **bare, SOPClassUID=EnhancedMRImageStorage)
    file.Rows, file.NumberOfFrames = pixels[0].shape[0], len(pixels)
    if each:
        file.PerFrameFunctionalGroupsSequence = Sequence([group(values) for values in each])
    if shared:
        file.SharedFunctionalGroupsSequence = Sequence([group(shared)])
    for name, value in attributes.items():
        setattr(file, name, value)
    return file


def to_bytes(file: pydicom.FileDataset) -> bytes:
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "RLE"])
def test_every_frame_is_as_a_file_of_its_own(packed: bool) -> None:
    pixels = [some_pixels(seed) // 8 for seed in range(3)]
    file = enhanced(pixels, FRAMES)
    if packed:
        file.compress(RLELossless, generate_instance_uid=False)
    result = read_dicom(to_bytes(file), "a", "")
    alone = [read_one(dicom_bytes(p, **values), "a", "") for p, values in zip(pixels, FRAMES, strict=True)]
    assert result.rejects == [] and len(result.slices) == len(alone)
    for number, (frame, single) in enumerate(zip(result.slices, alone, strict=True), 1):
        assert np.array_equal(frame.pixels, single.pixels) and frame.bits == single.bits
        assert frame.geometry is not None and single.geometry is not None
        assert np.allclose(frame.geometry.centre_3, single.geometry.centre_3)
        assert np.allclose(frame.geometry.normal_3, single.geometry.normal_3)
        for name in ("row_spacing_mm", "column_spacing_mm", "plane", "weighting", "position_mm", "series", "study"):
            assert getattr(frame, name) == getattr(single, name), name
        assert (frame.image, frame.instance) == (f"1.2.3.77#{number}", number)
    assert [frame.weighting for frame in result.slices] == ["T2", "T2", "other"]


def test_a_frames_own_group_goes_before_the_shared_one_and_both_before_the_header() -> None:
    pixels = [some_pixels(seed) for seed in range(2)]
    each = [
        {"ImagePositionPatient": [0.0, 0.0, 1.0]},
        {"ImagePositionPatient": [0.0, 0.0, 5.0], "PixelSpacing": [2, 2]},
    ]
    shared = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.5, 0.5], "ImagePositionPatient": [0.0, 0.0, 99.0]}
    file = enhanced(pixels, each, shared, PixelSpacing=[4, 4], ImagePositionPatient=[0, 0, 77])
    result = read_dicom(to_bytes(file), "a", "t2").slices
    assert [(item.row_spacing_mm, item.position_mm) for item in result] == [(0.5, 1.0), (2.0, 5.0)]


@pytest.mark.parametrize(
    ("sequence", "values", "weighting"),
    [
        ("MRDiffusionSequence", {"DiffusionBValue": 800.0}, "other"),
        ("MRDiffusionSequence", {"DiffusionBValue": 0.0}, "T2"),
        ("MRImageFrameTypeSequence", {"ComplexImageComponent": "PHASE"}, "derived"),
        ("MRImageFrameTypeSequence", {"ComplexImageComponent": "MAGNITUDE"}, "T2"),
        ("MRImageFrameTypeSequence", {"AcquisitionContrast": "T2_STAR"}, "other"),
        ("MRImageFrameTypeSequence", {"AcquisitionContrast": "T2"}, "T2"),
        ("", {"EchoPulseSequence": "GRADIENT"}, "other"),
        ("", {"EchoPulseSequence": "SPIN"}, "T2"),
    ],
)
def test_what_functional_groups_say_of_contrast(sequence: str, values: dict[str, object], weighting: str) -> None:
    """Of two frames that are alike otherwise the second alone has the values, but for those of the file's header."""
    file = enhanced([some_pixels(0), some_pixels(1)], FRAMES[:2])
    frame = file.PerFrameFunctionalGroupsSequence[1]
    if sequence and sequence not in frame:
        setattr(frame, sequence, Sequence([Dataset()]))
    for name, value in values.items():
        setattr(frame[sequence][0] if sequence else file, name, value)
    first, second = read_dicom(to_bytes(file), "a", "").slices
    assert (first.weighting, second.weighting) == ("T2" if sequence else weighting, weighting)


def test_a_mosaic_is_known_by_its_frame() -> None:
    file = enhanced([some_pixels(0), some_pixels(1)], FRAMES[:2])
    file.PerFrameFunctionalGroupsSequence[1].MRImageFrameTypeSequence[0].FrameType = [
        "ORIGINAL", "PRIMARY", "M", "MOSAIC",
    ]  # fmt: skip
    result = read_dicom(to_bytes(file), "a", "")
    assert [item.instance for item in result.slices] == [1] and [r.reason for r in result.rejects] == ["mosaic"]


def test_a_file_converted_from_single_frames() -> None:
    """Legacy Converted Enhanced MR keeps what has no functional group in groups of unassigned attributes."""
    file = enhanced([some_pixels(0), some_pixels(1)], FRAMES[:2])
    for number, frame in enumerate(file.PerFrameFunctionalGroupsSequence):
        del frame.MREchoSequence, frame.MRTimingAndRelatedParametersSequence
        item = Dataset()
        item.EchoTime, item.RepetitionTime = (100.0, 4000.0) if number else (10.0, 500.0)
        frame.UnassignedPerFrameConvertedAttributesSequence = Sequence([item])
    result = read_dicom(to_bytes(file), "a", "").slices
    assert [item.weighting for item in result] == ["T1", "T2"]


def test_what_one_frame_lacks_is_no_fault_of_the_others() -> None:
    pixels = [some_pixels(0), np.full((24, 20), 7, np.uint16), some_pixels(1)]
    result = read_dicom(to_bytes(enhanced(pixels, FRAMES)), "a", "")
    assert [item.instance for item in result.slices] == [1, 3]
    (reject,) = result.rejects
    assert (reject.reason, reject.detail) == ("blank image", "1 of 3 frames: all pixels are equal")


@pytest.mark.parametrize(
    ("each", "shared", "reason"),
    [
        ([], None, "multi-frame DICOM"),
        ([], FRAMES[0], "multi-frame DICOM"),
        (FRAMES[:2], None, "broken DICOM"),
        ([{"ImagePositionPatient": [0, 0, 0]}] * 3, None, "missing pixel spacing"),
    ],
)
def test_files_that_do_not_say_where_their_frames_lie(each, shared, reason) -> None:
    data = to_bytes(enhanced([some_pixels(seed) for seed in range(3)], each, shared))
    with pytest.raises(UnusableError) as error:
        read_dicom(data, "a", "")
    assert error.value.reason == reason


def test_more_frames_than_a_lumbar_volume_are_refused() -> None:
    file = enhanced([some_pixels()], FRAMES[:1])
    file.Rows = file.Columns = 4096
    file.NumberOfFrames = 5
    file.PerFrameFunctionalGroupsSequence = Sequence([group(FRAMES[0])] * 5)
    with pytest.raises(UnusableError, match="image too large: 5 frames"):
        read_dicom(to_bytes(file), "a", "")


def test_made_case_of_two_blocks(shared: Path) -> None:
    """Heights of the frames as their functional groups say; blocks counted as in single files."""
    root = shared / "cases/08-enhanced-multiframe/data"
    params = FolderParams.model_validate(
        {"table": None, "patient_column": "patient_id", "note_column": None, "grade_column": None,
         "plane_column": None, "weighting_column": None}
    )  # fmt: skip
    reader = FolderDataset(root, params)
    record = reader.read_patient("p1")
    assert record.rejects == [] and [item.level for item in record.slices] == ["L4-L5"] * 4 + ["L5-S1"] * 4
    groups = pydicom.dcmread(root / "p1/enh.dcm").PerFrameFunctionalGroupsSequence
    for item, frame in zip(record.slices, groups, strict=True):
        row_3, column_3 = np.reshape(frame.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3))
        corner_3 = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        assert np.allclose(item.geometry.centre_3, corner_3 + 0.6875 * 63 / 2 * (row_3 + column_3))  # 64 x 64 pixels
    (single,) = reader.read_patient("p2").slices
    assert (single.row_spacing_mm, single.plane, single.weighting) == (0.6875, "axial", "T2")


REAL = {
    "enhanced_mr_philips_8_frames.dcm": (8, "sagittal", "T1", 1.2),
    "enhanced_mr_siemens_8_frames.dcm": (8, "axial", "unknown", 0.9),
    "enhanced_mr_siemens_xa10_6_frames.dcm": (6, "axial", "other", 2.4),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_frame_by_frame(shared: Path, name: str) -> None:
    """The three are of other regions than the spine; with that taken out of the header every frame is read."""
    frames, plane, weighting, apart_mm = REAL[name]
    file = pydicom.dcmread(shared / "data/dicom" / name)
    if "siemens_8" not in name:  # which says no region
        with pytest.raises(UnusableError, match=r"not a lumbar study: .*(brain|BRAIN)"):
            read_dicom((shared / "data/dicom" / name).read_bytes(), "a", "")
    file.BodyPartExamined = "LSPINE"
    for item in file.get("SharedFunctionalGroupsSequence", []):
        if "FrameAnatomySequence" in item:
            del item.FrameAnatomySequence
    result = read_dicom(to_bytes(file), "a", "").slices
    assert {(item.plane, item.weighting) for item in result} == {(plane, weighting)} and len(result) == frames
    stored = np.frombuffer(file.PixelData, "<u2").reshape(frames, file.Rows, file.Columns)
    for item, values, groups in zip(result, stored, file.PerFrameFunctionalGroupsSequence, strict=True):
        slope = float(groups.PixelValueTransformationSequence[0].RescaleSlope)
        assert np.array_equal(item.pixels, np.rint(values * slope))
        assert np.isclose(item.row_spacing_mm, groups.PixelMeasuresSequence[0].PixelSpacing[0])
    heights = np.array([item.position_mm for item in result])
    assert np.allclose(np.abs(np.diff(heights)), apart_mm, atol=0.01)
