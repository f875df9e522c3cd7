"""One DICOM file to one slice, against files written attribute by attribute."""

from __future__ import annotations

import hashlib
import io
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import AXIAL, dataset, dicom_bytes, read_one, smooth_pixels, some_pixels, tilted_axial
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import JPEGLosslessSV1, JPEGLSLossless, RLELossless

from lss.cohorts import decoding_apart
from lss.cohorts.base import UnusableError
from lss.cohorts.dicom_header import read_patient_id
from lss.cohorts.dicom_pixels import to_uint16
from lss.errors import LssError


def test_keeps_twelve_bits_and_geometry() -> None:
    pixels = some_pixels()
    data = dicom_bytes(pixels)
    item = read_one(data, "a.ima", "T2_TSE_TRA_384_0004")
    assert np.array_equal(item.pixels, pixels) and item.pixels.dtype == np.uint16 and item.bits == 12
    assert (item.row_spacing_mm, item.column_spacing_mm) == (0.6875, 0.5)
    assert item.source_sha256 == hashlib.sha256(data).hexdigest()
    assert (item.plane, item.weighting, item.position_mm) == ("axial", "T2", 7.0)
    # centre by hand: corner (-5, -6, 7), 20 columns 0.5 mm apart, 24 rows 0.6875 mm apart
    assert item.geometry is not None
    assert np.allclose(item.geometry.centre_3, [-5 + 19 * 0.5 / 2, -6 + 23 * 0.6875 / 2, 7])


def test_monochrome1_is_inverted() -> None:
    pixels = some_pixels()
    item = read_one(dicom_bytes(pixels, PhotometricInterpretation="MONOCHROME1"), "a", "t2")
    assert np.array_equal(item.pixels, 4095 - pixels)


def test_rescale_is_applied_where_it_loses_nothing() -> None:
    pixels = some_pixels()
    item = read_one(dicom_bytes(pixels, RescaleSlope=2.0, RescaleIntercept=5.0), "a", "t2")
    assert np.array_equal(item.pixels, 2 * pixels + 5) and item.bits == 13
    kept = read_one(dicom_bytes(pixels, RescaleSlope=0.01, RescaleIntercept=0.0), "a", "t2")
    assert np.array_equal(kept.pixels, pixels)


def test_bits_beyond_bits_stored_are_cleared_and_signed_values_shifted() -> None:
    overlay = np.array([[0x1001, 2], [3, 0xF004]], np.uint16)
    values, bits = to_uint16(overlay, bits=12, signed=False, inverted=False, slope=None, intercept=None)
    assert values.tolist() == [[1, 2], [3, 4]] and bits == 12
    signed = np.array([[-10, 0], [5, 20]], np.int16)
    values, _ = to_uint16(signed, bits=16, signed=True, inverted=False, slope=1.0, intercept=0.0)
    assert values.tolist() == [[0, 10], [15, 30]]


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE", "MR_small_bigendian", "MR_small_expb", "MR_small_implicit", "MR_small_jp2klossless",
        "MR_small_jpeg_ls_lossless", "MR_small_padded",
    ],
)  # fmt: skip
def test_one_image_in_many_transfer_syntaxes(name: str) -> None:
    """pydicom's own samples: a real MR slice, stored in different ways by other software."""
    plain, other = (Path(str(get_testdata_file(f"{file}.dcm", download=False))) for file in ("MR_small", name))
    first, second = (read_one(path.read_bytes(), path.name, "", assumed_spacing_mm=1.0) for path in (plain, other))
    assert np.array_equal(first.pixels, second.pixels) and first.pixels.shape == (64, 64)


def test_reads_lossless_jpeg(tmp_path: Path) -> None:
    """The commonest compression of clinical archives, made here by GDCM."""
    import gdcm

    pixels = some_pixels(shape=(64, 48))
    plain, packed = tmp_path / "plain.dcm", tmp_path / "packed.dcm"
    plain.write_bytes(dicom_bytes(pixels))
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(packed))
    assert reader.Read()
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    assert pydicom.dcmread(packed).file_meta.TransferSyntaxUID == JPEGLosslessSV1
    assert np.array_equal(read_one(packed.read_bytes(), "a", "t2").pixels, pixels)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("CT_small.dcm", "not MR"),
        ("MR_truncated.dcm", "truncated file"),
        ("no_meta.dcm", "not DICOM"),
        ("DICOMDIR", "no image"),
        ("reportsi.dcm", "no image"),
    ],
)
def test_foreign_files(name: str, reason: str) -> None:
    data = Path(str(get_testdata_file(name, download=False))).read_bytes()
    with pytest.raises(UnusableError) as caught:
        read_one(data, name, "")
    assert caught.value.reason == reason


def test_broken_compressed_pixels_are_rejected() -> None:
    ds = dataset()
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    ds.PixelData = encapsulate([b"\xff\xd8no picture"])
    ds["PixelData"].is_undefined_length = True
    with pytest.raises(UnusableError) as caught:
        read_one(_bytes(ds), "a", "t2")
    assert caught.value.reason == "cannot be decompressed" and "JPEG-LS" in caught.value.detail


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PixelSpacing": None}, "missing pixel spacing"),
        ({"PixelSpacing": [0.0, 0.0]}, "missing pixel spacing"),
        ({"Modality": "CT"}, "not MR"),
        ({"ImageType": ["DERIVED", "SECONDARY", "POSDISP"]}, "position display"),
        ({"BodyPartExamined": "CSPINE"}, "not a lumbar study"),
        ({"NumberOfFrames": 3}, "multi-frame DICOM"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour image"),
        ({"Rows": None, "Columns": None}, "truncated file"),
        ({"Rows": None, "Columns": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "no image"),
        ({"PixelData": None}, "truncated file"),
        ({"Rows": 60000, "Columns": 60000}, "image too large"),
        ({"PixelData": bytes(24 * 20 * 2)}, "blank image"),
        ({"Rows": 30}, "truncated file"),
    ],
)
def test_unusable_files_say_why(attributes: dict[str, object], reason: str) -> None:
    with pytest.raises(UnusableError) as caught:
        read_one(dicom_bytes(**attributes), "a", "t2")
    assert caught.value.reason == reason and caught.value.remedy


def test_every_cut_of_a_file_is_rejected_or_read_whole() -> None:
    """Whatever byte a copy stopped at, no slice of fewer pixels and no foreign exception comes out."""
    data = dicom_bytes()
    for length in range(0, len(data), 37):
        with pytest.raises(UnusableError) as caught:
            read_one(data[:length], "a", "t2")
        assert caught.value.reason in ("truncated file", "not DICOM", "broken DICOM", "no image")


@pytest.mark.parametrize("short", [8, 100, 900])
def test_compressed_pixels_that_end_too_soon_are_no_foreign_file(short: int) -> None:
    """pydicom gives no attribute of such a file; "remove it, it is no image" would be the wrong remedy."""
    file = dataset(smooth_pixels(0))
    file.compress(RLELossless, generate_instance_uid=False)
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    with pytest.raises(UnusableError, match="truncated file: ends inside the pixels"):
        read_one(buffer.getvalue()[:-short])


def test_a_transfer_syntax_of_one_maker_is_named() -> None:
    data = dicom_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0")
    with pytest.raises(UnusableError, match=r"cannot be decompressed: a transfer syntax of one maker"):
        read_one(data)


def test_noise_in_the_header_never_raises_another_error() -> None:
    data = bytearray(dicom_bytes())
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = data.copy()
        for position in rng.integers(132, 900, 3):
            damaged[position] = rng.integers(256)
        try:
            read_one(bytes(damaged), "a", "t2")
        except UnusableError as error:
            assert error.remedy


def test_assumed_spacing_is_stated() -> None:
    item = read_one(dicom_bytes(PixelSpacing=None), "a", "t2", assumed_spacing_mm=0.7)
    assert item.row_spacing_mm == 0.7 and "assumed" in item.spacing_reason


def test_missing_or_odd_orientation_is_unknown_not_an_error() -> None:
    assert read_one(dicom_bytes(ImageOrientationPatient=None), "a", "t2").plane == "unknown"
    skewed = read_one(dicom_bytes(ImageOrientationPatient=[1.0, 0, 0, 1.0, 0, 0]), "a", "t2")
    assert skewed.plane == "unknown" and skewed.position_mm is None
    assert read_one(dicom_bytes(ImagePositionPatient=None), "a", "t2").geometry is None


def test_plane_comes_from_the_header_not_the_name() -> None:
    item = read_one(dicom_bytes(ImageOrientationPatient=tilted_axial(40.0)), "a", "T2_TSE_SAG")
    assert item.plane == "axial" and "40 degrees" in item.plane_reason


def test_only_whitelisted_attributes_are_parsed() -> None:
    from lss.cohorts.dicom_header import parse_dicom
    from lss.cohorts.privacy import PEOPLE, WHITELIST

    parsed = {element.keyword for element in parse_dicom(dicom_bytes(ImageOrientationPatient=AXIAL))}
    assert not parsed & {"PatientBirthDate", "StudyDate", "PatientSex", "PatientComments"}
    assert parsed <= {*WHITELIST, *PEOPLE}  # people's names only to blank them in notes
    assert read_patient_id(io.BytesIO(dicom_bytes())) == "RAW-PATIENT-7"
    assert read_patient_id(io.BytesIO(b"text")) == ""


def _bytes(ds: pydicom.FileDataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("decoder", "seconds"),
    [(lambda *_, **__: os.abort(), 60), (lambda *_, **__: time.sleep(60), 1)],
    ids=["ends", "hangs"],
)
def test_a_decoder_that_ends_or_halts_its_process(decoder: Any, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by fuzzing: GDCM does, at a damaged JPEG 2000 frame (see tests/hostile)."""
    file = dataset()
    file.compress(RLELossless)
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    assert read_one(buffer.getvalue()).pixels.any()
    monkeypatch.setattr(decoding_apart, "pixel_array", decoder)
    monkeypatch.setattr(decoding_apart, "MAX_SECONDS", seconds)
    with pytest.raises(UnusableError, match="cannot be decompressed"):
        read_one(buffer.getvalue())


def test_no_process_to_decode_in_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    file = dataset()
    file.compress(RLELossless)
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    monkeypatch.setattr(os, "fork", lambda: (_ for _ in ()).throw(BlockingIOError(11, "no more processes")))
    with pytest.raises(LssError, match=r"no process to decode .* \(no more processes\)"):
        read_one(buffer.getvalue())


def test_numbers_with_commas_for_points_are_read() -> None:
    """Some programs write all numbers of a header as their system's language does."""
    text = {
        "ImageOrientationPatient": b"1,0\\0,0\\0,0\\0,0\\0,8\\0,6 ", "ImagePositionPatient": b"-5,5\\-6,0\\7,25",
        "EchoTime": b"98,5", "PixelSpacing": b"0,5\\0,5 ",
    }  # fmt: skip
    ds = dataset()
    for keyword, value in text.items():
        tag = Tag(keyword)
        ds._dict[tag] = RawDataElement(tag, "DS", len(value), value, 0, False, True)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    item = read_one(buffer.getvalue())
    assert item.geometry is not None and item.plane == "axial" and "TE 98.5 ms" in item.weighting_reason
    assert np.allclose(item.geometry.normal_3, [0, -0.6, 0.8]) and item.row_spacing_mm == 0.5
    assert item.position_mm == pytest.approx(-6.0 * -0.6 + 7.25 * 0.8)


@pytest.mark.parametrize(("name", "plane", "doubt"), [("t2_tra", "axial", False), ("t2", "coronal", True)])
def test_a_steep_slice_without_a_position_goes_by_its_name(name: str, plane: str, doubt: bool) -> None:
    data = dicom_bytes(ImageOrientationPatient=tilted_axial(52), ImagePositionPatient=None, SeriesDescription=name)
    item = read_one(data, "a", "")
    assert (item.plane, "doubtful" in item.plane_reason) == (plane, doubt)
