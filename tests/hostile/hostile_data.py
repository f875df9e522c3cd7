"""Bad input as a table: what is written into a cohort's folder, and the expected message.

Each case has a name, a function that writes it below a folder, and a regular expression: of the reasons and details in
the table of rejects where the cohort as a whole is read, of the message where it is refused. A whole patient lies beside
it ("good"), which has to be read.
"""

# ruff: noqa: E501  (a case is a line)
from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import pydicom
from dicom_files import dataset, dicom_bytes, nifti, smooth_pixels, some_pixels, write_dicom, write_notes
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless


class Case(NamedTuple):
    """One hostile input. `table`, `lss`: it is the cohort's table, or the cohort is of the archive's layout."""

    write: Callable[[Path], object]
    expected: str
    table: bool = False
    lss: bool = False


def file(name: str, data: bytes) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return write


def dicom(**attributes: object) -> bytes:
    return dicom_bytes(smooth_pixels(5), **attributes)


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1 and len(old) == len(new)
    return data.replace(old, new)


def volume(shape: tuple[int, ...] = (12, 10, 9), **fields: object) -> bytes:
    values = np.random.default_rng(1).integers(0, 900, shape).astype(np.int16)
    data = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
    header = nibabel.Nifti1Header(data[: nibabel.Nifti1Header.sizeof_hdr])
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + data[len(header.binaryblock) :]


def gzipped(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def bomb_volume() -> bytes:
    """A header of a small volume, its voxels said to begin at byte 2e9, and zeros packed a thousandfold."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [packer.compress(volume(vox_offset=2e9))]
    packed += [packer.compress(bytes(2**20)) for _ in range(600)]
    return b"".join([*packed, packer.flush()])


def deflated_bomb() -> bytes:
    file_ = dataset(smooth_pixels(5))
    file_.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    buffer = io.BytesIO()
    file_.save_as(buffer, enforce_file_format=True)
    head = buffer.getvalue()[: 144 + int.from_bytes(buffer.getvalue()[140:144], "little")]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = dicom_bytes(smooth_pixels(5))[400:]
    return head + packer.compress(body) + b"".join(packer.compress(bytes(2**20)) for _ in range(400)) + packer.flush()


def picture(image: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(image).convert(mode) if mode else Image.fromarray(image)).save(buffer, kind)
    return buffer.getvalue()


def png_of_size(columns: int, rows: int) -> bytes:
    """A PNG that says to be so large, of no pixels."""
    head = struct.pack(">IIBBBBB", columns, rows, 16, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def grey(seed: int = 3) -> np.ndarray:
    return (smooth_pixels(seed) >> 4).astype(np.uint8)


def compressed(uid: str, change: Callable[[bytes], bytes] = lambda data: data) -> bytes:
    """A compressed file whose frame was changed."""
    file_ = dataset(smooth_pixels(5))
    file_.compress(uid)
    buffer = io.BytesIO()
    file_.save_as(buffer, enforce_file_format=True)
    return change(buffer.getvalue())


def codestream(change: Callable[[bytes, int], bytes]) -> bytes:
    """JPEG 2000 whose bytes were changed; `change` gets the file and the place of the sizes in its SIZ marker."""
    buffer = io.BytesIO()
    Image.fromarray(smooth_pixels(5)).save(buffer, "JPEG2000", no_jp2=True, irreversible=False)
    file_ = dataset(smooth_pixels(5), PixelData=encapsulate([buffer.getvalue()]))
    file_["PixelData"].is_undefined_length = True
    file_.file_meta.TransferSyntaxUID = JPEG2000Lossless
    buffer = io.BytesIO()
    file_.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()
    return change(data, data.index(b"\xff\x51") + 6)


def larger(data: bytes, place: int) -> bytes:
    return data[:place] + struct.pack(">II", 60_000, 60_000) + data[place + 8 :]


def without_a_piece(data: bytes, place: int) -> bytes:
    return data[: place + 8] + data[place + 72 :]


def archive(write: Callable[[zipfile.ZipFile], object]) -> Callable[[Path], object]:
    """An archive of the Lumbar Spine MRI Dataset, with a whole patient, to which `write` adds."""

    def build(root: Path) -> None:
        with zipfile.ZipFile(root / "images.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("01_MRI_Data/0001/study/t2_tra/1.ima", dicom(PatientID="1"))
            write(packed)
        write_notes(root / "Radiologists Report.xlsx", {1: "L4-L5: disc bulge"})

    return build


def link_entry(packed: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("01_MRI_Data/0002/study/t2/1.ima")
    info.external_attr = 0o120777 << 16
    packed.writestr(info, "/etc/passwd")


def encrypted(root: Path) -> None:
    archive(lambda packed: packed.writestr("01_MRI_Data/0002/s/t2/1.ima", b"secret"))(root)
    data = bytearray((root / "images.zip").read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 8] |= 1
    (root / "images.zip").write_bytes(data)


def table(text: str | bytes, name: str = "notes.csv") -> Callable[[Path], object]:
    return file(name, text if isinstance(text, bytes) else text.encode())


def workbook_bomb(root: Path) -> None:
    write_notes(root / "notes.xlsx", {"good": "x"}, ("patient_id", "note"))
    with zipfile.ZipFile(root / "notes.xlsx", "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/media/zeros.bin", bytes(200 * 2**20))


def wide_workbook(root: Path) -> None:
    """Rows whose only cell stands in the last column that Excel has."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["patient_id", "note"])
    book.save(root / "notes.xlsx")
    rows = "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(2, 3000))
    with zipfile.ZipFile(root / "notes.xlsx") as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    sheet_name = next(name for name in parts if name.startswith("xl/worksheets/"))
    parts[sheet_name] = parts[sheet_name].replace(b"</sheetData>", rows.encode() + b"</sheetData>")
    with zipfile.ZipFile(root / "notes.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)


BAD = "bad/t2_tra/x"
DICOM = {
    "empty": (b"", "not DICOM"),
    "zeros": (bytes(4096), "not DICOM"),
    "text": (b"Mustermann" * 200, "not DICOM"),
    "pickle": (b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.", "not DICOM"),
    "joblib": (gzipped(b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR."), "packed archive"),
    "numpy object array": (b"\x93NUMPY\x01\x00F\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "not DICOM"),
    "cut in the header": (dicom()[:300], "truncated file|broken DICOM|no image|not DICOM"),
    "cut in the pixels": (dicom()[:-500], "truncated file"),
    "instance beyond 32 bits": (dicom(InstanceNumber=99999999999), "^$"),
    "thousands of digits in an id": (dicom(PatientID="7" * 60, SOPInstanceUID="1.2." + "9" * 58), "^$"),
    "palette": (dicom(PhotometricInterpretation="PALETTE COLOR"), "colour image"),
    "YBR": (dicom(PhotometricInterpretation="YBR_FULL"), "colour image"),
    "three samples": (dicom(SamplesPerPixel=3), "colour image"),
    "no bits": (dicom(BitsStored=0), "broken DICOM|unsupported depth"),
    "40 bits": (dicom(BitsStored=40, BitsAllocated=40), "unsupported depth|broken DICOM|truncated file"),
    "no rows": (dicom(Rows=0), "image too large"),
    "65,535 x 65,535": (dicom(Rows=65535, Columns=65535), "image too large"),
    "more rows than pixels": (dicom(Rows=4000), "truncated file|broken DICOM"),
    "a million frames": (dicom(NumberOfFrames=1_000_000), "multi-frame DICOM"),
    "spacing of 0.0101 mm": (dicom(PixelSpacing=[0.0101, 0.0101]), "^$"),
    "spacing of nothing": (dicom(PixelSpacing=[0.0, 0.0]), "^$"),
    "place at 1e300 mm": (dicom(ImagePositionPatient=[1e300, 0.0, 0.0]), "value out of range"),
    "text burnt into it": (dicom(BurnedInAnnotation="YES"), "burnt-in text: BurnedInAnnotation is YES"),
    "CT": (dicom(Modality="CT"), "not MR"),
    "deflated bomb": (deflated_bomb(), "file too large"),
    "JPEG 2000 of 60,000 x 60,000": (codestream(larger), "cannot be decompressed|broken DICOM"),
    "JPEG 2000 at which GDCM ends the process": (codestream(without_a_piece), "cannot be decompressed"),
    "RLE cut off": (compressed(RLELossless, lambda data: data[:-900]), "cannot be decompressed|truncated|broken|no image"),
    "sequence without an end": (patched(dicom(StudyID="ABCDEFGH"), b"SH\x08\x00ABCDEFGH", b"SQ\0\0\xff\xff\xff\xff\0\0\0\0"), "broken|truncated"),
}  # fmt: skip
VOLUME = {
    "empty": (b"", "broken NIfTI"),
    "text": (b"Mustermann" * 100, "broken NIfTI"),
    "cut": (volume()[:600], "broken NIfTI"),
    "gzip cut": (gzipped(volume())[:-300], "broken NIfTI"),
    "offset of 2 GB": (volume(vox_offset=2e9), "broken NIfTI"),
    "offset of 2 GB, packed": (bomb_volume(), "broken NIfTI"),
    "offset below zero": (volume(vox_offset=-5), "^$|broken NIfTI"),
    "no orientation": (volume(qform_code=0, sform_code=0), "missing orientation"),
    "a place that is no number": (volume(qform_code=0, sform_code=1, srow_y=[0, 1, 0, np.nan]), "missing orientation"),
    "scale against pixdim": (volume(pixdim=[1, 2, 2, 2, 1, 1, 1, 1]), "conflicting spacing"),
    "spacing of NaN": (volume(pixdim=[1, np.nan, 1, 1, 1, 1, 1, 1]), "NIfTI|spacing"),
    "32,767 voxels a side": (volume(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]), "image too large"),
    "negative side": (volume(dim=[3, -4, 10, 9, 1, 1, 1, 1]), "image too large|broken NIfTI"),
    "complex voxels": (volume(datatype=32, bitpix=64), "unsupported depth"),
    "slope of NaN": (volume(scl_slope=np.inf, scl_inter=np.nan), "^$|unsupported depth|broken NIfTI"),
    "four dimensions": (volume((6, 5, 4, 3)), "not a 3-D volume"),
    "labels": (nifti(np.random.default_rng(0).integers(0, 5, (9, 8, 7)).astype(np.int16), "RAS", (1, 1, 1)), "label mask"),
}  # fmt: skip
PICTURE = {
    "empty": (b"", "not an image"),
    "text": (b"<svg onload=alert(1)>", "not an image"),
    "cut": (picture(grey())[:-200], "truncated file"),
    "100,000 x 100,000": (png_of_size(100_000, 100_000), "image too large|truncated"),
    "4,000 x 4,000 of nothing": (png_of_size(4000, 4000), "truncated file|broken image"),
    "colours": (picture(np.random.default_rng(0).integers(0, 255, (40, 30, 3)).astype(np.uint8)), "colour image"),
    "CMYK": (picture(grey(), "TIFF", "CMYK"), "colour image"),
    "TIFF without dimensions": (b"II*\0\x08\0\0\0\x01\0\x06\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0", "not an image|broken image"),
    "TIFF that is its own next page": (b"II*\0\x08\0\0\0\x00\0\x08\0\0\0", "not an image|broken image|truncated"),
    "TIFF cut": (picture(grey(), "TIFF")[:300], "truncated file|not an image|broken image"),
    "floats": (picture(grey().astype(np.float32), "TIFF"), "unsupported depth"),
    "blank": (picture(np.full((40, 30), 9, np.uint8)), "blank image"),
    "GIF by another name": (picture(grey(), "GIF"), "not an image"),
}  # fmt: skip
FOLDER = {
    "a pipe": (lambda root: os.mkfifo(made(root / BAD)), "not a regular file"),
    "a link to /dev/zero": (lambda root: made(root / BAD).symlink_to("/dev/zero"), "not a regular file"),
    "a link to itself": (lambda root: made(root / BAD).symlink_to("x"), "cannot be read"),
    "a link to the folder above": (lambda root: made(root / BAD).symlink_to(root, target_is_directory=True), "^$"),
    "a link out of the folder": (lambda root: made(root / BAD).symlink_to("/etc/passwd"), "not DICOM"),
    "a name of blanks and signs": (file("bad/t2 tra/ \n'\"$(touch pwned)", b"x"), "not DICOM"),
    "a name that is no UTF-8": (lambda root: Path(os.fsdecode(os.fsencode(made(root / BAD)) + b"\xff")).write_bytes(b"x"), "not DICOM"),
}  # fmt: skip
ZIP = {
    "a name out of the archive": (lambda z: z.writestr("../../evil/01_MRI_Data/0002/s/t2/1.ima", b"x"), "unsafe zip entry"),
    "an absolute name": (lambda z: z.writestr("/tmp/evil/1.ima", b"x"), "unsafe zip entry"),
    "a symbolic link": (link_entry, "unsafe zip entry"),
    "a bomb": (lambda z: z.writestr("01_MRI_Data/0002/s/t2/1.ima", bytes(200 * 2**20)), "zip bomb"),
    "two entries of one name": (lambda z: [z.writestr("01_MRI_Data/0002/s/t2/1.ima", b"x") for _ in "ab"], "duplicate zip entry"),
    "an archive in the archive": (lambda z: z.writestr("01_MRI_Data/0002/s/t2/1.zip", b"PK\x03\x04"), "packed archive"),
}  # fmt: skip
TABLE = {
    "stray mark": ('patient_id,note\ngood,"a\nbad,b\n', "line 2: is no row of a CSV table"),
    "mark that closes later": ('patient_id,note\nP-1,"a\nP-2,b\nP-3,the end"\nP-4,b\n', "line 2: holds other rows"),
    "a cell too many": ("patient_id,note\ngood,a,b\n", "line 2: has 3 cells"),
    "two columns of one name": ("patient_id,note,Note\ngood,a,b\n", "several columns are called"),
    "no such column": ("id,text\ngood,a\n", "no column 'patient_id', 'note'"),
    "Latin-1": ("patient_id,note\ngood,ménisque\n".encode("latin-1"), "is not UTF-8"),
    "zeros": (bytes(4000), "holds bytes of value 0"),
    "a cell of a megabyte": ("patient_id,note\ngood," + "a" * 2**20 + "\n", "is no CSV table|is no row"),
    "a row twice": ("patient_id,note\ngood,a\ngood,b\n", "duplicate row"),
    "no patient": ("patient_id,note\n,a\ngood,b\n", "row without a patient"),
    "ids of thousands of digits": (f"patient_id,note\n{'9' * 5000},a\ngood,b\n", "note without images"),
}  # fmt: skip
WORKBOOK = {
    "text": (table("patient_id,note\ngood,a\n", "notes.xlsx"), "is no Excel workbook"),
    "cut": (table(b"PK\x03\x04" + bytes(90), "notes.xlsx"), "is no Excel workbook"),
    "a bomb beside the sheet": (workbook_bomb, "unpacks to over"),
    "cells in the last column": (wide_workbook, "has over 5000000 cells"),
}


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def good(root: Path) -> None:
    """A patient that has to be read, whatever lies beside him."""
    write_dicom(root / "good/t2_tra/1", some_pixels(1), PatientID="good")


CASES: dict[str, Case] = {
    **{f"DICOM: {name}": Case(file(BAD, data), expected) for name, (data, expected) in DICOM.items()},
    **{
        f"NIfTI: {name}": Case(file(f"bad/t2.nii{'.gz' if data[:2] == bytes((31, 139)) else ''}", data), expected)
        for name, (data, expected) in VOLUME.items()
    },
    **{
        f"picture: {name}": Case(
            file(f"bad/t2_tra/x.{'tif' if 'TIFF' in name or data[:2] == b'II' else 'png'}", data), expected
        )
        for name, (data, expected) in PICTURE.items()
    },
    **{f"folder: {name}": Case(write, expected) for name, (write, expected) in FOLDER.items()},
    **{f"zip: {name}": Case(archive(write), expected, lss=True) for name, (write, expected) in ZIP.items()},
    "zip: encrypted": Case(encrypted, "encrypted zip entry", lss=True),
    **{f"table: {name}": Case(table(text), expected, table=True) for name, (text, expected) in TABLE.items()},
    **{f"workbook: {name}": Case(write, expected, table=True) for name, (write, expected) in WORKBOOK.items()},
}
