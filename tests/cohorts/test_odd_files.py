"""Odd files of real archives: read as they are meant, or refused with the reason."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_files import dataset, dicom_bytes, read_one, some_pixels, write_dicom, write_notes
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGExtended12Bit, RLELossless

from lss.cohorts.base import NO_FAULT_OF_A_FILE, UnusableError, natural_key
from lss.cohorts.folder import FolderDataset
from lss.cohorts.label_masks import label_mask
from lss.cohorts.lss_dataset import LssDataset
from lss.cohorts.picture_files import read_picture
from lss.cohorts.settings import FolderParams
from lss.cohorts.volumes import read_volume
from lss.errors import LssError

FOLDER = FolderParams.model_validate(
    {"table": None, "patient_column": "patient_id", "note_column": None, "grade_column": None, "plane_column": None,
     "weighting_column": None}
)  # fmt: skip


def read(data: bytes, **options: float):
    return read_one(data, "a", "t2", **options)


def test_high_bits_are_shifted_or_refused() -> None:
    clean = some_pixels()
    assert np.array_equal(read(dicom_bytes(clean << 4, HighBit=15)).pixels, clean)
    assert np.array_equal(read(dicom_bytes(clean, HighBit=15)).pixels, clean)
    with pytest.raises(UnusableError, match="HighBit 15"):
        read(dicom_bytes((clean << 4) | 1, HighBit=15))


@pytest.mark.parametrize("codec", ["RLE", "JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless"])
@pytest.mark.parametrize("shift", [0, 4])
def test_high_bits_in_compressed_files(codec: str, shift: int, tmp_path: Path) -> None:
    """HighBit 15 with 12 bits stored: the stream holds the values 4 bits higher, or HighBit alone is wrong."""
    clean = some_pixels(shape=(64, 48))
    file = dataset(clean << shift, BitsStored=12 + shift, HighBit=11 + shift)
    if codec == "RLE":
        file.compress(RLELossless, generate_instance_uid=False)
    file.save_as(tmp_path / "plain", enforce_file_format=True)
    packed = pydicom.dcmread(tmp_path / "plain" if codec == "RLE" else packed_by_gdcm(tmp_path / "plain", codec))
    assert packed.file_meta.TransferSyntaxUID.is_compressed
    packed.BitsStored, packed.HighBit = 12, 15
    packed.save_as(tmp_path / "odd", enforce_file_format=True)
    assert np.array_equal(read((tmp_path / "odd").read_bytes()).pixels, clean)


def packed_by_gdcm(plain: Path, codec: str) -> Path:
    import gdcm

    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(plain))
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, codec)))
    assert reader.Read()
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(plain.with_name("packed")))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return plain.with_name("packed")


@pytest.mark.parametrize("count", [2, 60, 200])
def test_a_mask_of_many_labels_is_no_image(count: int) -> None:
    """Areas of one number each, as programs of segmentation write them; noise of as many numbers is an image."""
    areas = np.kron(np.random.default_rng(0).integers(0, count, (16, 16)), np.ones((8, 8), int))
    assert label_mask([areas]) is not None
    noise = np.random.default_rng(0).integers(0, max(count, 40), (128, 128))
    assert label_mask([noise, noise]) is None


def test_a_picture_of_labels_is_left_out(tmp_path: Path) -> None:
    labels = np.kron(np.random.default_rng(0).integers(0, 5, (6, 6)), np.ones((8, 8), int)).astype(np.uint8)
    (tmp_path / "P1").mkdir()
    Image.fromarray(labels).save(tmp_path / "P1/mask.png")
    (reject,) = FolderDataset(tmp_path, FOLDER, 1.0).read_patient("P1").rejects
    assert reject.reason == "label mask" and reject.reason in NO_FAULT_OF_A_FILE


def test_real_slices_are_no_masks(shared: Path) -> None:
    data = (shared / "data/dicom/axial_t2_siemens_sempra.dcm").read_bytes()
    pixels = read(data).pixels
    assert label_mask([pixels]) is None and label_mask([pixels // 16]) is None  # 12 bits and about 8


def test_a_file_without_preamble_is_read() -> None:
    whole = pydicom.dcmread(io.BytesIO(dicom_bytes()))
    buffer = io.BytesIO()
    bare = pydicom.Dataset({tag: whole[tag] for tag in whole.keys()})
    pydicom.dcmwrite(buffer, bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert buffer.getvalue()[128:132] != b"DICM"
    assert np.array_equal(read(buffer.getvalue()).pixels, some_pixels())


@pytest.mark.parametrize("case", ["07-high-bits/data/highbit15_shifted", "09-no-preamble/data/p1/s"])
def test_shared_cases(shared: Path, case: str) -> None:
    files = sorted(path for path in (shared / "cases" / case).iterdir() if path.is_file())
    images = [read(file.read_bytes(), assumed_spacing_mm=1.0) for file in files]
    if case.startswith("07"):
        clean = read((shared / "cases/07-high-bits/data/clean/1.dcm").read_bytes(), assumed_spacing_mm=1.0)
        assert np.array_equal(images[0].pixels, clean.pixels)
    assert len(images) == len(files) > 0


def test_a_jpeg_without_its_closing_mark(shared: Path) -> None:
    data = (shared / "data/dicom/axial_t2_siemens_sempra.dcm").read_bytes()
    assert read(data).pixels.shape == (320, 320)
    with pytest.raises(UnusableError):
        read(data[:-2000])


@pytest.mark.parametrize("text", [b"0.625, 0.5 ", b"[0.625 0.5]", b"0,6250\\0,5"])
def test_spacing_spelt_oddly(text: bytes) -> None:
    data = dicom_bytes(PixelSpacing=[0.5555, 0.555])
    result = read(data.replace(b"0.5555\\0.555", text.ljust(12)))
    assert (result.row_spacing_mm, result.column_spacing_mm) == (0.625, 0.5)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour image"),
        ({"PhotometricInterpretation": "palette color "}, "colour image"),
        ({"PhotometricInterpretation": "YBR_FULL"}, "colour image"),
        ({"PixelSpacing": [0.0101, 0.0101]}, "missing pixel spacing"),
        ({"SeriesDescription": "t2_tse_tra_knee"}, "not a lumbar study"),
        ({"SeriesDescription": "t2 tra", "ProtocolName": "SHOULDER left"}, "not a lumbar study"),
    ],
)
def test_refused(attributes: dict[str, object], reason: str) -> None:
    with pytest.raises(UnusableError) as error:
        read(dicom_bytes(**attributes))
    assert error.value.reason == reason


def test_a_lumbar_series_beside_another_region_is_kept() -> None:
    assert read(dicom_bytes(SeriesDescription="t2 HWS LWS")).weighting == "T2"


@pytest.mark.parametrize(
    ("stated", "taken"), [(99_999, 99_999), (19_610_712, 0), (-123_456, 0), (12_345_678_901, 0), (None, 0)]
)
def test_an_instance_number_that_counts_no_images_is_missing(stated: int | None, taken: int) -> None:
    """It would pass ingest as it is, a birth date or an id in it too."""
    assert read(dicom_bytes(InstanceNumber=stated)).instance == taken


def test_a_deflated_bomb_is_refused() -> None:
    plain = dicom_bytes()
    meta = 144 + int.from_bytes(plain[140:144], "little")
    header = pydicom.dcmread(io.BytesIO(plain))
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    buffer = io.BytesIO()
    header.save_as(buffer, enforce_file_format=True)
    assert np.array_equal(read(buffer.getvalue()).pixels, some_pixels())
    start = 144 + int.from_bytes(buffer.getvalue()[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(plain[meta:]) + packer.compress(bytes(80 * 2**20)) + packer.flush()
    with pytest.raises(UnusableError, match="file too large"):
        read(buffer.getvalue()[:start] + bomb)


def test_folders_that_differ_by_zeros_alone_are_no_one_patient(tmp_path: Path) -> None:
    """Nothing says if they are one person; to put two persons together would give one the other's grade."""
    for name in ("7", "007", "70"):
        write_dicom(tmp_path / name / "t2/1")
        write_dicom(tmp_path / "archive/01_MRI_Data" / name / "study/t2/1.ima")
    write_notes(tmp_path / "archive/Radiologists Report.xlsx", {7: "normal"})
    with pytest.raises(LssError, match=r"two folders of [13] and [13] characters would be one patient"):
        FolderDataset(tmp_path, FOLDER)
    with pytest.raises(LssError, match=r"01_MRI_Data: two folders of . and . characters would be one patient"):
        LssDataset(tmp_path / "archive")
    (tmp_path / "t.csv").write_text("patient_id\na\n")
    for name in ("1", "01"):
        write_dicom(tmp_path / "series" / name / "a" / "im")
    FolderDataset(tmp_path / "series", FOLDER.model_copy(update={"table": "../t.csv"}))  # folders of a patient's series


def test_numbers_of_thousands_of_digits_are_ordered() -> None:
    long = "9" * 5000
    assert sorted([long, "10", "2", "1" + "0" * 5000], key=natural_key) == ["2", "10", long, "1" + "0" * 5000]


def volume(**changes: object) -> nibabel.Nifti1Image:
    values = np.random.default_rng(1).integers(0, 900, (12, 10, 9)).astype(np.int16)
    return nibabel.Nifti1Image(changes.get("values", values), changes.get("affine", np.eye(4)))


def patched(**fields: object) -> bytes:
    """A volume's bytes with fields of the header written over: nibabel would set them right when it saves."""
    data = volume().to_bytes()
    header = nibabel.Nifti1Header(data[: nibabel.Nifti1Header.sizeof_hdr])
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + data[len(header.binaryblock) :]


def refused_volume(data: bytes) -> str:
    with pytest.raises(UnusableError) as error:
        read_volume(data)
    return error.value.reason


def test_volumes_whose_header_cannot_be_right() -> None:
    assert len(read_volume(volume().to_bytes()).slices) == 9
    assert refused_volume(volume(affine=np.diag([700.0, 1, 1, 1])).to_bytes()) == "spacing out of range"
    labels = np.random.default_rng(1).integers(0, 8, (12, 10, 9)).astype(np.int16)
    assert refused_volume(volume(values=labels).to_bytes()) == "label mask"
    assert refused_volume(patched(qform_code=0, sform_code=0)) == "missing orientation"
    turned = volume()
    turned.header.set_qform(np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1.0]]), code=1)
    assert refused_volume(turned.to_bytes()) == "conflicting orientation"
    assert refused_volume(patched(pixdim=[1, 2, 2, 2, 1, 1, 1, 1])) == "conflicting spacing"
    with pytest.raises(UnusableError, match="begin at byte"):
        read_volume(patched(vox_offset=2e9))


def test_a_damaged_tiff_directory_is_refused() -> None:
    with pytest.raises(UnusableError):
        read_picture(b"II*\0\x08\0\0\0\x01\0\x06\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0")


def test_numbers_of_a_palette_are_no_grey_levels() -> None:
    numbers = np.random.default_rng(2).integers(0, 256, (40, 30)).astype(np.uint8)
    for colours, fault in ((np.repeat(np.arange(256)[::-1], 3), None), (np.arange(768) % 256, "colour image")):
        picture, buffer = Image.fromarray(numbers, "P"), io.BytesIO()
        picture.putpalette(colours.astype(np.uint8).tobytes())
        picture.save(buffer, "PNG")
        if fault is None:
            assert np.array_equal(read_picture(buffer.getvalue())[0], 255 - numbers)
        else:
            with pytest.raises(UnusableError, match=fault):
                read_picture(buffer.getvalue())
    buffer = io.BytesIO()
    Image.fromarray(numbers).convert("CMYK").save(buffer, "TIFF")
    with pytest.raises(UnusableError, match="its mode is CMYK"):
        read_picture(buffer.getvalue())


@pytest.mark.parametrize("attributes", [{"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}, {"tiles": 36}])
def test_a_mosaic_is_named_and_left_out(attributes: dict[str, object]) -> None:
    tiles = attributes.pop("tiles", None)
    file = dataset(**attributes)
    if tiles:
        file.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
        file.add_new(0x0019100A, "US", tiles)
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    with pytest.raises(UnusableError, match="mosaic") as error:
        read(buffer.getvalue())
    assert error.value.reason in NO_FAULT_OF_A_FILE


@pytest.mark.parametrize(
    ("unit", "weighting"), [("US", "T2"), ("normalized", "T2"), ("ms", "derived"), ("10^-6 mm2/s", "derived")]
)
def test_values_with_a_unit_are_a_map(unit: str, weighting: str) -> None:
    assert read(dicom_bytes(RescaleType=unit, RescaleSlope=1.0, RescaleIntercept=0.0)).weighting == weighting


def test_slopes_of_their_own(shared: Path) -> None:
    """Each slice by its own slope: values keep their order and their number, whatever the slope."""
    files = sorted((shared / "cases/11-slopes/data/p/s").iterdir())
    assert len(files) == 5
    for path in files:
        stored = pydicom.dcmread(path).pixel_array
        result = read(path.read_bytes()).pixels
        assert len(np.unique(result)) == len(np.unique(stored))
        order = [np.argsort(image, axis=None, kind="stable") for image in (result, stored)]
        assert np.array_equal(*order)


def jpeg_extended(cut: int | None = None) -> bytes:
    """A slice stored as JPEG Extended with 12 bits: the stream of another program, from pydicom's own samples."""
    sample = pydicom.dcmread(str(get_testdata_file("JPEG-lossy.dcm", download=False)))
    file = dataset(np.zeros((sample.Rows, sample.Columns), np.uint16), LossyImageCompression="01")
    file.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    file.PixelData = encapsulate([next(generate_frames(sample.PixelData, number_of_frames=1))[:cut]])
    file["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_jpeg_extended_of_twelve_bits() -> None:
    """Values of two pixels as pydicom's tests give them, by other decoders."""
    result = read(jpeg_extended())
    assert result.pixels.shape == (1024, 256) and (result.pixels[420, 140], result.pixels[230, 120]) == (244, 95)
    with pytest.raises(UnusableError, match="cannot be decompressed: transfer syntax JPEG Extended"):
        read(jpeg_extended(cut=100))


@pytest.mark.parametrize(
    ("attributes", "region"),
    [
        ({"StudyDescription": "MRT Knie rechts"}, "knie"),
        ({"StudyDescription": "MRI CERVICAL SPINE"}, "cervical"),
        ({"SeriesDescription": "t2_tse_tra_C-Spine", "BodyPartExamined": "SPINE"}, "c-spine"),
        ({"StudyDescription": "IRM épaule G", "SpecificCharacterSet": "ISO_IR 100"}, "epaule"),
        ({"StudyDescription": "RM RODILLA"}, "rodilla"),
        ({"StudyDescription": "Servikal MR"}, "servikal"),
        ({"StudyDescription": "RM encéfalo", "SpecificCharacterSet": "ISO_IR 100"}, "encefalo"),
        ({"StudyDescription": "МРТ шейного отдела", "SpecificCharacterSet": "ISO_IR 192"}, "шеиного"),
        ({"StudyDescription": "颈椎MRI", "SpecificCharacterSet": "ISO_IR 192"}, "颈椎"),
        ({"StudyDescription": "MRI HIP LEFT"}, "hip"),
        ({"StudyDescription": "MRI cervical + 腰椎", "SpecificCharacterSet": "ISO_IR 192"}, ""),
        ({"StudyDescription": "Lomber MR, servikal"}, ""),
        ({"SeriesDescription": "t2 ship"}, ""),
        ({"PerformedProcedureStepDescription": "Knee^Routine"}, "knee"),
        ({"ReceiveCoilName": "Shoulder Small"}, "shoulder"),
        ({"ReceiveCoilName": "Head_20;Spine_32"}, ""),
        ({"ReceiveCoilName": "Head_32", "StudyDescription": "LWS"}, ""),
        ({"BodyPartExamined": "EXTREMITY"}, None),
        ({"StudyDescription": "MRI head and lumbar spine"}, ""),
        ({"StudyDescription": "Head first supine"}, ""),
        ({"StudyDescription": "cervical and more", "BodyPartExamined": "LSPINE"}, ""),
    ],
)
def test_other_regions_by_header_or_name(attributes: dict[str, object], region: str | None) -> None:
    if region == "":
        assert read(dicom_bytes(**attributes)).weighting == "T2"
        return
    with pytest.raises(UnusableError, match=f"says '{region}'" if region else "BodyPartExamined") as error:
        read(dicom_bytes(**attributes))
    assert error.value.reason == "not a lumbar study"
