"""Ingest: files of a cohort to the slice table; what was in the headers stays there."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
from dicom_files import smooth_pixels, write_dicom, write_notes, write_patient
from real_slices import link_real_slices

from lss.cohorts.batches import batch_of
from lss.cohorts.privacy import pseudonyms
from lss.cohorts.settings import CohortParams
from lss.domain.grades import worst
from lss.imaging.geometry import SlicePlane
from lss.project.params import load_params
from lss.stages import ingest, split
from lss.storage.schemas import REJECTS, SLICES
from lss.tools.inspect import fingerprint_table, inspect_cohort

SETTINGS = load_params(Path(__file__).resolve().parents[2] / "params.yaml")


def cohort(name: str, root: Path, batches: int = 1, **folder: str | None) -> CohortParams:
    """The project's settings but for what a test needs otherwise."""
    table = {"table": None, "patient_column": "patient_id", "note_column": "note", "grade_column": None} | folder
    changes = {
        "name": name,
        "root": root,
        "batches": batches,
        "folder": SETTINGS.cohort.folder.model_copy(update=table),
    }
    return SETTINGS.cohort.model_copy(update=changes)


def run(params: CohortParams, out: Path, batch: str = "00", seed: int = 1, **changes: Any) -> tuple[Path, Path, Path]:
    paths = (out / f"slices/batch-{batch}.parquet", out / f"rejects/batch-{batch}.parquet", out / f"m-{batch}.json")
    rules = {"unnamed_level": "A", "unknown_level": "note", "assumed_spacing_mm": None, "pseudonym_key_file": None}
    ingest.run(
        params, SETTINGS.ingest.model_copy(update=rules | changes), seed,
        batch=batch, slices=paths[0], rejects=paths[1], private=out / f"private-{batch}.csv", manifest=paths[2],
    )  # fmt: skip
    return paths


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    for number in (1, 2, 46):
        write_patient(root, f"{number:04d}", seed=number)
    notes: dict[object, str | None] = {
        1: "MRI of 04/01/2016.\nL4-L5: disc bulge compressing the thecal sac. L5-S1: no significant compression.",
        2: "No evidence of disc herniation.",
        46: None,
        300: "Severe spinal canal stenosis at L4-L5",
    }
    write_notes(root / "Radiologists Report.xlsx", notes)
    return root


def test_rows_carry_pixels_grades_and_reasons(archive: Path, tmp_path: Path) -> None:
    slices, rejects, manifest = run(cohort("lss", archive), tmp_path)
    table = pq.read_table(slices)
    assert table.schema.equals(SLICES) and pq.read_table(rejects).schema.equals(REJECTS)
    rows = table.to_pylist()
    assert len(rows) == 3 * 14 and len({row["slice_key"] for row in rows}) == len(rows)
    assert len({row["patient_key"] for row in rows}) == 3
    graded = {(row["level"], row["grade"]) for row in rows if row["note"] and "bulge" in row["note"] and row["level"]}
    assert graded == {("L5-S1", "A"), ("L4-L5", "BC"), ("L3-L4", "A")}
    assert all(row["grade"] is None for row in rows if not row["note"])
    assert all(row["grade_reason"] and row["plane_reason"] and row["weighting_reason"] for row in rows)
    result = json.loads(manifest.read_text())["facts"]
    assert result["slices"] == 42 and result["rejects"] == {"empty note": 1, "note without images": 1}


def test_pixels_are_those_that_pydicom_reads(archive: Path, tmp_path: Path) -> None:
    """Joined by the source file's hash, which is itself the phantom's alone: others' names no file."""
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in archive.rglob("*.ima")}
    truth = {digest: pydicom.dcmread(path) for digest, path in hashes.items()}
    kept = pq.read_table(run(cohort("lss", archive), tmp_path / "keyed")[0]).column("source_sha256").to_pylist()
    assert not set(kept) & set(hashes) and len(set(kept)) == 42 and all(len(digest) == 64 for digest in kept)
    slices, _, _ = run(cohort("phantom", archive), tmp_path)
    for row in pq.read_table(slices).to_pylist():
        ds = truth[row["source_sha256"]]
        image = np.frombuffer(row["pixels"], "<u2").reshape(row["rows"], row["columns"])
        assert np.array_equal(image, ds.pixel_array)
        assert [row["row_spacing_mm"], row["column_spacing_mm"]] == pytest.approx(list(ds.PixelSpacing))
        plane = SlicePlane.of_slice(row)
        assert plane is not None
        assert [*plane.row_direction, *plane.column_direction] == pytest.approx(list(ds.ImageOrientationPatient))
        np.testing.assert_allclose(plane.to_patient([[0, 0]]), [list(ds.ImagePositionPatient)], atol=1e-4)


def test_batches_hold_each_patient_once_and_repeat_to_the_byte(archive: Path, tmp_path: Path) -> None:
    whole = pq.read_table(run(cohort("lss", archive), tmp_path / "one")[0]).to_pylist()
    parts = [run(cohort("lss", archive, batches=3), tmp_path / "three", batch)[0] for batch in ("00", "01", "02")]
    rows = [row for path in parts for row in pq.read_table(path).to_pylist()]
    assert sorted(row["slice_key"] for row in rows) == sorted(row["slice_key"] for row in whole)
    again = run(cohort("lss", archive, batches=3), tmp_path / "again", "01")[0]
    assert again.read_bytes() == parts[1].read_bytes()


def test_the_order_of_rows_tells_nothing_of_the_ids(tmp_path: Path) -> None:
    """Dealt in the order of raw ids, the n-th patient of a batch would be known by counting."""
    root = tmp_path / "raw"
    for number in range(1, 13):
        write_dicom(root / f"01_MRI_Data/{number:04d}/S/T2_TRA/a.ima", smooth_pixels(number))
    write_notes(root / "Radiologists Report.xlsx", dict.fromkeys(range(1, 13), "No herniation"))
    dealt = []
    for batch in ("00", "01"):
        rows = pq.read_table(run(cohort("lss", root, batches=2), tmp_path, batch)[0]).to_pylist()
        dealt.append([row["patient_key"] for row in rows])
    assert all(dealt) and all(keys == sorted(keys) for keys in dealt)
    everyone = sorted(key for keys in dealt for key in keys)
    assert dealt == [[key for key in everyone if batch_of(key, 2) == batch] for batch in ("00", "01")]
    by_id = [pseudonyms(None, 1).patient(str(number)) for number in range(1, 13)]
    assert sorted(by_id) == everyone and by_id[0::2] != dealt[0]


def test_one_image_under_two_patients_has_two_slice_keys_and_one_image_key(archive: Path, tmp_path: Path) -> None:
    shutil.copytree(archive / "01_MRI_Data/0001", archive / "01_MRI_Data/0047")
    rows = pq.read_table(run(cohort("lss", archive), tmp_path)[0]).to_pylist()
    assert len(rows) == 4 * 14 == len({row["slice_key"] for row in rows})
    assert len({row["image_key"] for row in rows}) == 3 * 14
    assert len({row["person_key"] for row in rows}) == 3  # the copy's headers name the same person


def test_names_that_are_no_utf8_go_through(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_dicom(root / "M\udcfcller" / "IM1")
    (root / "M\udcfcller" / "br\udcf6ken").write_bytes(b"x")
    slices, rejects, _ = run(cohort("folder", root), tmp_path)
    assert pq.read_table(slices).num_rows == 1
    assert pq.read_table(rejects).column("reason").to_pylist() == ["not DICOM", "images without a note"]
    assert b"M\xfcller/br\xf6ken" in (tmp_path / "private-00.csv").read_bytes()


def test_the_owners_table_names_what_the_rejects_hide(archive: Path, tmp_path: Path) -> None:
    bad = archive / "01_MRI_Data/0002/broken.ima"
    bad.write_bytes(b"no image")
    _, rejects, _ = run(cohort("lss", archive), tmp_path)
    private = tmp_path / "private-00.csv"
    named = list(csv.DictReader(private.open()))
    rows = pq.read_table(rejects).to_pylist()
    assert [row["file_key"] for row in rows] == [row["file_key"] for row in named]
    result = {row["file"]: row["reason"] for row in named}
    assert result["01_MRI_Data/0002/broken.ima"] == "not DICOM" and result["patient 300"] == "note without images"
    assert private.stat().st_mode & 0o777 == 0o600


def test_bad_files_end_in_rejects_and_the_run_goes_on(archive: Path, tmp_path: Path) -> None:
    series = next(archive.glob("01_MRI_Data/0001/*/T2_TSE_TRA*"))
    good = sorted(series.iterdir())
    (series / "short.ima").write_bytes(good[0].read_bytes()[:-100])
    (series / "text.ima").write_text("nothing")
    write_dicom(series / "nospace.ima", smooth_pixels(77), PixelSpacing=None)
    shutil.copy(good[1], series / "twice.ima")
    shutil.rmtree(archive / "01_MRI_Data" / "0002")
    write_dicom(archive / "01_MRI_Data" / "0003" / "S" / "T2_TRA" / "a.ima", smooth_pixels(5))
    slices, rejects, _ = run(cohort("lss", archive), tmp_path)
    reasons = [row["reason"] for row in pq.read_table(rejects).to_pylist()]
    assert sorted(reasons) == [
        "duplicate file", "empty note", "images without a note", "missing pixel spacing", "not DICOM",
        "note without images", "note without images", "truncated file",
    ]  # fmt: skip
    assert pq.read_table(slices).num_rows == 14 + 14 + 1


def test_pseudonyms_depend_on_the_key_alone(archive: Path, tmp_path: Path) -> None:
    def keys(out: str, **changes: Any) -> set[str]:
        table = pq.read_table(run(cohort("lss", archive), tmp_path / out, **changes)[0], columns=["patient_key"])
        return set(table.column(0).to_pylist())

    secret = tmp_path / "key"
    secret.write_text("a secret of enough bytes")
    with_key = keys("a", pseudonym_key_file=secret)
    assert with_key == keys("b", pseudonym_key_file=secret, seed=2) and with_key.isdisjoint(keys("c"))
    assert all(re.fullmatch(r"P[0-9a-f]{12}", key) for key in with_key)


def test_a_short_key_is_refused(archive: Path, tmp_path: Path) -> None:
    from lss.errors import LssError

    (tmp_path / "key").write_text("short")
    with pytest.raises(LssError, match="pseudonym_key_file holds 5 bytes"):
        run(cohort("lss", archive), tmp_path, pseudonym_key_file=tmp_path / "key")


def test_inspection_counts_what_is_there(archive: Path, tmp_path: Path) -> None:
    slices, rejects, _ = run(cohort("lss", archive), tmp_path)
    result = inspect_cohort([slices], [rejects])
    json.dumps(result)
    assert (result["patients"], result["studies"], result["slices"]) == (3, 3, 42)
    assert {name: kind["slices"] for name, kind in result["kinds"].items()} == {
        "axial T2": 36, "coronal localizer": 3, "sagittal T2": 3,
    }  # fmt: skip
    assert result["kinds"]["axial T2"]["series"] == 3 and result["kinds"]["axial T2"]["matrices"] == {"48x40": 36}
    assert result["kinds"]["axial T2"]["grey_levels"]["lowest"] == 50
    assert result["levels"] == {"L3-L4": 12, "L4-L5": 12, "L5-S1": 12}
    assert result["notes"]["note without images"] == 1 and result["notes"]["empty note"] == 1
    text = fingerprint_table(result)
    assert "axial T2" in text and "0.6875 x 0.5" in text and "note without images" in text
    assert fingerprint_table(inspect_cohort([], [])).startswith("cohort (empty)")


def test_real_slices_and_real_notes(shared: Path, tmp_path: Path) -> None:
    """The pairing is arbitrary: this shows that real pixels and words go through, nothing of accuracy."""
    from PIL import Image

    root = tmp_path / "raw"
    graded = link_real_slices(shared, root)
    slices, rejects, _ = run(
        cohort("folder", root, table="notes.csv", grade_column="grade"), tmp_path, assumed_spacing_mm=0.6875
    )
    rows = pq.read_table(slices).to_pylist()
    assert len(rows) == 2 * len(graded) and pq.read_table(rejects).num_rows == 0
    assert {(row["plane"], row["weighting"]) for row in rows} == {("axial", "T2"), ("axial", "T1")}
    first = next(iter(sorted((shared / "data" / "mendeley-lss-png" / "axial_t1").glob("*.png"))))
    pictures = {row["pixels"] for row in rows}
    assert np.asarray(Image.open(first).convert("L")).astype("<u2").tobytes() in pictures
    by_hand = sorted(grade for grade in graded.values() for _ in range(2))
    assert sorted(row["grade"] for row in rows) == by_hand
    # the same without the column of hand grades: the notes are read
    parsed, _, _ = run(cohort("folder", root, table="notes.csv"), tmp_path / "notes", assumed_spacing_mm=0.6875)
    read = [row["grade"] for row in pq.read_table(parsed).to_pylist()]
    assert np.mean(np.array(sorted(map(str, read))) == np.array(by_hand)) > 0.9
    assert worst([grade for grade in read if grade]) == "D"
    # neighbouring slices of one real body, dealt to different patients, are told apart by the gate
    split.run(
        SETTINGS.split.model_copy(update={"weighting": ["T1", "T2"]}), 1, slices=[slices], rejects=[rejects],
        split=tmp_path / "split.parquet", parts=[tmp_path / "part.parquet"],
        used=[tmp_path / "used.parquet"], all_rejects=tmp_path / "all.parquet", manifest=tmp_path / "split.json",
    )  # fmt: skip
    subsets = pq.read_table(tmp_path / "split.parquet").column("subset").to_pylist()
    assert set(subsets) == {"train", "val", "test"}


def test_real_sagittal_pictures_are_known_as_such(shared: Path, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for image in sorted((shared / "data" / "spider-png-sagittal" / "images").glob("*.png")):
        target = root / image.stem.split("_")[0] / "sagittal_t2" / image.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(image)
    slices, rejects, _ = run(cohort("folder", root), tmp_path, assumed_spacing_mm=0.6)
    rows = pq.read_table(slices).to_pylist()
    assert len(rows) == 25 and {row["plane"] for row in rows} == {"sagittal"}
    assert {row["reason"] for row in pq.read_table(rejects).to_pylist()} == {"images without a note"}
    assert io.BytesIO(rows[0]["pixels"]).getbuffer().nbytes == 2 * rows[0]["rows"] * rows[0]["columns"]
