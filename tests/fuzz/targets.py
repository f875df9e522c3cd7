"""What is fuzzed: the functions that read what a user, a disk or the network brings, each with whole inputs."""

# ruff: noqa: E501  (a list of cases)
from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
from dicom_files import SAGITTAL, dataset, dicom_bytes, nifti, smooth_pixels, some_pixels, volume_values, write_notes
from fuzzing import Target
from hostile_data import compressed, gzipped, picture, volume
from mutations import (
    dicom_element,
    png_chunk,
    regzipped,
    repacked_zip,
    safetensors_header,
    text_line,
)
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)
from safetensors.numpy import save

from lss.backbones.files import require_finite, require_safetensors, stored_count
from lss.cohorts.base import PatientRecord, RawSlice
from lss.cohorts.dicom import read_dicom
from lss.cohorts.dicom_header import read_patient_id
from lss.cohorts.file_tree import ZipTree
from lss.cohorts.folder import FolderDataset
from lss.cohorts.lss_tables import read_slice_numbers
from lss.cohorts.partition import read_split_file
from lss.cohorts.picture_files import read_picture
from lss.cohorts.series import settle_series
from lss.cohorts.slice_table import SliceTable
from lss.cohorts.spreadsheets import numbered_rows
from lss.cohorts.volumes import read_volume
from lss.imaging.codec import encode_png
from lss.model.saved import card_hash, read_card
from lss.notes.doubt import doubtful_words
from lss.notes.findings import read_findings
from lss.notes.grade_file import grade_file
from lss.notes.reference import reference_report
from lss.notes.report_consistency import check_report
from lss.project import manifest
from lss.project.params import load_params
from lss.read.study import open_study
from lss.stages import ingest
from lss.stages.ingest import grade_patient
from lss.storage.io import read_parquet, write_parquet
from lss.storage.schemas import SHARD, SPLIT
from lss.storage.shards import ShardReader, decode_image, decode_mask

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = load_params(ROOT / "params.yaml")
SMALL = smooth_pixels(5, (24, 20))
NAMED = ("mustermann", "erika", "raw-patient-7", "19610712", "acc99421", "jekyll")
"""What stands in the headers of the seeds (dicom_files) and must stand in no reject."""


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _right(slices: list[RawSlice]) -> None:
    """Raise AssertionError unless slices are what the later stages take for granted."""
    for item in slices:
        assert item.pixels.ndim == 2 and item.pixels.dtype == np.uint16 and item.pixels.size
        assert 1 <= item.bits <= 16 and int(item.pixels.max()) < 1 << item.bits
        assert 0.05 <= item.row_spacing_mm <= 20 and 0.05 <= item.column_spacing_mm <= 20
        if item.geometry is not None:
            assert abs(np.linalg.norm(item.geometry.normal_3) - 1) < 1e-3 and abs(item.geometry.centre_3).max() < 1e6
        json.dumps([item.plane_reason, item.weighting_reason, item.spacing_reason])


def _dicom(data: bytes, folder: Path) -> None:
    read_patient_id(io.BytesIO(data))
    result = read_dicom(data, "a", "t2_tra", assumed_spacing_mm=0.7)
    _right(settle_series(result.slices)[0])


def _encoded(syntax: str) -> bytes:
    file = dataset(SMALL)
    file.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        file.PixelData = SMALL.astype(">u2").tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer, file, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian,
        force_encoding=True,
    )  # fmt: skip
    return buffer.getvalue()


def _jpeg_2000() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(SMALL).save(buffer, "JPEG2000", no_jp2=True, irreversible=False)
    file = dataset(SMALL, PixelData=pydicom.encaps.encapsulate([buffer.getvalue()]))
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = JPEG2000Lossless
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _enhanced() -> bytes:
    """Two frames with functional groups."""

    def group(**sequences: dict[str, Any]) -> pydicom.Dataset:
        outer = pydicom.Dataset()
        for name, values in sequences.items():
            inner = pydicom.Dataset()
            for key, value in values.items():
                setattr(inner, key, value)
            setattr(outer, name, [inner])
        return outer

    frames = [group(PlanePositionSequence={"ImagePositionPatient": [0.0, 0.0, 4.0 * number]}) for number in (1, 2)]
    shared = group(
        PixelMeasuresSequence={"PixelSpacing": [0.6, 0.6]},
        PlaneOrientationSequence={"ImageOrientationPatient": [1.0, 0, 0, 0, 1, 0]},
    )
    pixels = np.stack([SMALL, smooth_pixels(6, (24, 20))])
    return dicom_bytes(
        SMALL, NumberOfFrames=2, PixelData=pixels.astype("<u2").tobytes(), SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )  # fmt: skip


def _volume(data: bytes, folder: Path) -> None:
    result = read_volume(data)
    for item in result.slices:
        assert item.pixels.ndim == 2 and item.pixels.dtype == np.uint16
        assert (
            0.05 < item.row_spacing_mm < 25 and np.isfinite(item.centre_3).all() and np.isfinite(result.normal_3).all()
        )
    assert 1 <= result.bits <= 16


def _picture(data: bytes, folder: Path) -> None:
    pixels, bits = read_picture(data)
    assert pixels.ndim == 2 and pixels.dtype == np.uint16 and bits in (8, 16) and int(pixels.max()) < 1 << bits


def _pictures() -> list[bytes]:
    grey = (SMALL >> 4).astype(np.uint8)
    colours = np.repeat(grey[..., None], 3, axis=2)
    tiff = [io.BytesIO() for _ in range(3)]
    for buffer, packing in zip(tiff, ("tiff_lzw", "tiff_adobe_deflate", "packbits"), strict=True):
        Image.fromarray(grey).save(buffer, "TIFF", compression=packing)
    palette = picture(grey, "PNG", "P")
    return [picture(grey), encode_png(SMALL), picture(colours), palette, picture(grey, "TIFF"), picture(SMALL, "TIFF"),
            *(buffer.getvalue() for buffer in tiff)]  # fmt: skip


def _note(data: bytes, folder: Path) -> str:
    text = data.decode("utf-8", "replace")
    record = PatientRecord(note=text, people=frozenset({"Mustermann^Erika", "7", "PID-5551234", text[:20]}))
    grading, note, _ = grade_patient("p", record)
    assert note is None or grade_patient("p", PatientRecord(note=note))[1] == note, "cleaning is not idempotent"
    doubtful_words(text), read_findings(text)
    written = reference_report("BC", 12.5, note, "L4-L5")
    check_report(text, area_percent=12.5, mask_grade="A", level="L4-L5")
    assert isinstance(written, str)
    return f"grade {grading.grade}"


def _notes() -> list[bytes]:
    return [
        text.encode()
        for text in (
            "L4-L5: diffuse disc bulge compressing the thecal sac and both exiting nerve roots. L5-S1: normal.",
            "MRI of 04/01/2016, compared with 3 March 2015.\nFINDINGS:\r\n1) L3/4 mild, L4/5 moderate-severe stenosis (AP 7 mm)",
            "No canal stenosis at any level; bilateral facet hypertrophy. MRN 55667, tel. 079-555-1234, e.m@web.org",
            "Dr. Utterson; Schizas B at L4-L5, 12 x 9 mm herniation, rt paracentral. Impression: see above",
            "Bandscheibenvorfall L5/S1, \u00d6dem \u2265 5 mm, \u5c71\u7530, \u200f\u0645\u0631\u064a\u0636",
        )
    ]  # fmt: skip


def _table(data: bytes, folder: Path, name: str = "notes.csv") -> str:
    """Every reader of tables that users write: notes, single files, a split, slice numbers, `lss grade-notes`."""
    path = _write(folder / name, data)
    columns = SETTINGS.cohort.folder.model_copy(
        update={"patient_column": "patient_id", "note_column": "note", "grade_column": None, "table": name}
    )

    def whole_folder() -> None:
        dataset = FolderDataset(folder, columns)
        for patient in dataset.patients():
            dataset.read_patient(patient)
        dataset.orphans()

    readers: dict[str, Callable[[], object]] = {
        "rows": lambda: numbered_rows(path, ["patient_id"], ("note",)),
        "folder": whole_folder,
        "slices": lambda: SliceTable(path, [name, "p/1"]),
        "split": lambda: read_split_file(path, {"a", "b"}),
        "numbers": lambda: read_slice_numbers(folder),
        "grades": lambda: grade_file(path, folder / "grades.csv"),
    }
    read = []
    for kind, reader in readers.items():
        if kind == "numbers" and path.suffix == ".csv":
            shutil.copy(path, folder / "Slices Numbers.csv")
        try:
            reader()
            read.append(kind)
        except Exception as error:
            if type(error).__name__ != "LssError":
                raise
    return f"read by {len(read)} of {len(readers)}"


TABLES = [
    b'patient_id,note,grade\n1,"L4-L5: bulge, ""mild""\nL5-S1: normal",A\n2,none,BC\n007,,D\n',
    b"patient_key;subset\r\na;train\r\nb;test\r\nc;unused\r\n",
    b"\xef\xbb\xbffile\tslice\tplane\tweighting\tlevel\np/1\t1\taxial\tT2\tL4-L5\nnotes.csv\t\tsagittal\tT1\t\n",
    "patient_id,note\n1,m\u00e9nisque\n".encode("utf-16"),
    b"sep=;\nPatient;a;b;c\n0001;1;2;3\n2;4;5;6\n",
]


@cache
def _workbooks() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = write_notes(Path(folder) / "a.xlsx", {1: "L4-L5: bulge", "P-2": None, 3.5: "x"}, ("patient_id", "note"))
        return [path.read_bytes()]


def _params(data: bytes, folder: Path) -> None:
    load_params(_write(folder / "params.yaml", data))


def _split_rows() -> list[dict[str, Any]]:
    return [dict.fromkeys(SPLIT.names) | {"slice_key": f"s{n}", "patient_key": "p", "subset": "test"} for n in range(9)]


def _parquet_files() -> list[bytes]:
    """Of the project's own writer, without its seal, and of other writers' packings."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        write_parquet(path, _split_rows(), SPLIT)
        result = [path.read_bytes()]
        for options in ({}, {"compression": "none"}, {"use_dictionary": False, "data_page_version": "2.0"}):
            pq.write_table(pa.Table.from_pylist(_split_rows(), SPLIT), path, **options)
            result.append(path.read_bytes())
        return result


def _parquet(data: bytes, folder: Path) -> None:
    table = read_parquet(_write(folder / "a.parquet", data), SPLIT)
    assert table.schema.names == SPLIT.names
    table.to_pylist()


def _shard(data: bytes, folder: Path) -> None:
    """A shard whose picture was changed before it was sealed."""
    row = dict.fromkeys(SHARD.names) | {
        "image": {"bytes": data, "path": None}, "mask": {"bytes": encode_png(SMALL > 900), "path": None},
        "sample_key": "s", "slice_key": "s", "patient_key": "p", "level": "L4-L5", "grade": "BC", "report": "Text.",
        "area_percent": 12.0, "region_share": 1.0, "row_spacing_mm": 0.5, "column_spacing_mm": 0.5, "copy": 0,
        "flipped": False, "canal_found": True,
    }  # fmt: skip
    path = folder / "s.parquet"
    write_parquet(path, [row], SHARD)
    read = ShardReader([path])[0]
    assert decode_image(read["image"]["bytes"]).ndim == 2 and decode_mask(read["mask"]["bytes"]).any()


def _checkpoint(data: bytes, folder: Path) -> None:
    _write(folder / "model.safetensors", data)
    stored_count(folder)
    require_safetensors(folder)
    require_finite(folder)


def _card(data: bytes, folder: Path) -> None:
    """model.json with a hash that fits: what is in it is looked at, not only that it was changed."""
    try:
        content = json.loads(data)
        content.pop("sha256", None)
        data = json.dumps({**content, "sha256": card_hash(content)}).encode()
    except (ValueError, AttributeError, RecursionError):
        pass
    read_card(_write(folder / "model.json", data).parent)


CARD = {
    "backbone": "smolvlm", "task": "segmentation", "loss": "dice", "quantise": False, "bf16": False, "image_size": 32,
    "grid": [4, 4], "leak": False, "best_epoch": 1, "best_score": 0.5, "train": {"epochs": 1}, "files": {"a": "b"},
    "network": {"d_shared": 8, "heads": 2, "fusion": "spatial", "prompt": "bank", "queries": "text",
                "resample_grid": None, "mask_size": 32},
}  # fmt: skip


def _archive(data: bytes, folder: Path) -> str:
    tree = ZipTree(_write(folder / "a.zip", data))
    read = refused = 0
    for file in tree.files():
        assert not file.startswith("/") and ".." not in file.split("/")
        try:
            tree.read(file)
            read += 1
        except Exception as error:
            if type(error).__name__ != "UnusableError":
                raise
            refused += 1
    tree.folders(), tree.loose_files()
    return "members refused" if refused or tree.rejects() else "all members read"


def _zips() -> list[bytes]:
    result = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as packed:
            packed.writestr("0001/t2/1.ima", _axial(1))
            packed.writestr("0001\\t2\\2.ima", _axial(2))
            packed.writestr("notes.csv", TABLES[0])
        result.append(buffer.getvalue())
    return result


@cache
def _axial(number: int) -> bytes:
    return dicom_bytes(
        smooth_pixels(number, (24, 20)), InstanceNumber=number, SOPInstanceUID=f"1.2.3.1.4.{number}",
        ImagePositionPatient=[-5.0, -6.0, 4.0 * number],
    )  # fmt: skip


def _study(data: bytes, folder: Path) -> str:
    """A study of `lss read` in which one of five files was changed: as a folder, and the archives as they are."""
    if data[:2] == b"PK":
        path = _write(folder / "study.zip", data)
    else:
        path = folder / "study"
        for number in range(3):
            _write(path / f"t2/{number}", _axial(number))
        _write(path / "sag/1", dicom_bytes(SMALL, ImageOrientationPatient=SAGITTAL, SeriesInstanceUID="1.2.3.1.5"))
        _write(path / "bad/1", data)
    study = open_study(path, 0.7)
    _right(study.slices)
    assert study.axial
    return "with rejects" if study.rejects else "whole"


def _ingest(data: bytes, folder: Path) -> str:
    """A whole cohort: what the readers give must fit into the tables, and name nobody."""
    raw, out = folder / "raw", folder / "out"
    _write(raw / "good/t2_tra/1", dicom_bytes(some_pixels(1), PatientID="good"))
    _write(raw / "bad/t2_tra/x", data)
    columns = {"patient_column": "patient_id", "note_column": None, "grade_column": None, "table": None}
    cohort = SETTINGS.cohort.model_copy(
        update={"name": "folder", "root": raw, "batches": 1,
                "folder": SETTINGS.cohort.folder.model_copy(update=columns)}
    )  # fmt: skip
    with mock.patch.object(manifest, "machine", dict):  # no program is to be started: git is asked for the version
        ingest.run(
            cohort, SETTINGS.ingest.model_copy(update={"assumed_spacing_mm": 0.7}), 1, batch="00",
            slices=out / "slices.parquet", rejects=out / "rejects.parquet", private=out / "private.csv",
            manifest=out / "manifest.json",
        )  # fmt: skip
    rows = pq.read_table(out / "slices.parquet").drop_columns(["pixels"]).to_pylist()
    lost = pq.read_table(out / "rejects.parquet").to_pylist()
    assert len({row["patient_key"] for row in rows}) >= 1
    text = (json.dumps([rows, lost]) + (out / "manifest.json").read_text()).lower()
    assert not [name for name in NAMED if name in text], text
    assert len(rows) >= 2 or [row for row in lost if "note" not in row["reason"]], "a file was dropped silently"
    return "read" if len(rows) >= 2 else "reject"


DICOM = [dicom_bytes(SMALL), *map(_encoded, (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)),
         compressed(RLELossless), _jpeg_2000(), _enhanced(), dicom_bytes(SMALL)[132:]]  # fmt: skip
VOLUMES = [volume(), gzipped(volume()), nifti(volume_values(), "LAS", (1, 1, 4)), nifti(volume_values() - 50.5, "RAS", (1, 2, 1))]  # fmt: skip
TENSORS = save({"a.weight": np.ones((3, 4), np.float32), "b": np.arange(5, dtype=np.int64)}, {"format": "pt"})

TARGETS: dict[str, Target] = {
    "DICOM": Target(_dicom, DICOM, (dicom_element,)),
    "NIfTI": Target(_volume, VOLUMES, (regzipped,), 300),
    "picture": Target(_picture, _pictures(), (png_chunk,), 300),
    "note": Target(_note, _notes(), (text_line,), 80),
    "CSV": Target(_table, TABLES, (text_line,), 150),
    "Excel": Target(lambda data, folder: _table(data, folder, "notes.xlsx"), _workbooks(), (repacked_zip,), 40),
    "params": Target(_params, [(ROOT / "params.yaml").read_bytes()], (text_line,), 25),
    "Parquet": Target(_parquet, _parquet_files(), (), 300),
    "shard": Target(_shard, [encode_png(SMALL), encode_png(SMALL.astype(np.uint8))], (png_chunk,), 60),
    "safetensors": Target(_checkpoint, [TENSORS], (safetensors_header,), 300),
    "model card": Target(_card, [json.dumps(CARD, indent=1).encode()], (text_line,), 300),
    "zip": Target(_archive, _zips(), (repacked_zip,), 200),
    "study": Target(_study, [_axial(7), *_zips()[:2], picture((SMALL >> 4).astype(np.uint8))], (dicom_element, repacked_zip), 30),
    "ingest": Target(_ingest, DICOM, (dicom_element,), 15),
}  # fmt: skip
