"""What stood in the headers, the paths and the dates of notes stands in no table that any later stage writes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pydicom
import pytest
from dicom_files import smooth_pixels, write_dicom, write_notes

from lss.cohorts.privacy import MATCHED, PEOPLE, PLAIN, REPLACED, Pseudonyms, pseudonyms
from lss.errors import LssError
from lss.project.params import load_params
from lss.stages import denoise, ingest, pseudo_mask, shards, split

HEADER = {
    "PatientName": "Mustermann^Erika", "PatientID": "PID-5551234", "PatientBirthDate": "19610712",
    "OtherPatientIDs": "OPI-77", "PatientAddress": "Hauptstr. 5", "AccessionNumber": "ACC99421",
    "InstitutionName": "Irbid Hospital", "ReferringPhysicianName": "Jekyll^Henry", "OperatorsName": "Hyde^Edward",
    "StudyDate": "20160309", "AcquisitionTime": "091629.240000", "DeviceSerialNumber": "SN-31415",
    "StudyDescription": "Frau Mustermann LWS", "SeriesDescription": "t2_tse_tra Mustermann",
    "ProtocolName": "t2 for Jekyll", "ImageComments": "seen by Hyde", "StudyID": "SID-8",
}  # fmt: skip
WORDS = ("Mustermann", "Erika", "PID-5551234", "19610712", "OPI-77", "Hauptstr", "ACC99421", "Irbid", "Jekyll", "Hyde",
         "20160309", "091629", "SN-31415", "SID-8", "1.2.826.99", "L-SPINE", "04/01/2016", "3 March 2015",
         "5551234", "MUSTERMANN", "a_0.ima", "patient 7", "Radiologist",
         "55667", "079-555", "web.org", "Utterson", "Henry")  # fmt: skip


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six patients with talkative headers, and one of every kind of reject, in talkative files."""
    root = tmp_path_factory.mktemp("raw")
    study = "L-SPINE_LSS_20160309_091629_240000"
    for number in range(1, 7):
        for index in range(2):
            write_dicom(
                root / f"01_MRI_Data/{number:04d}/{study}/T2_TSE_TRA_4/a_{index}.ima",
                smooth_pixels(10 * number + index, (128, 128)),
                StudyInstanceUID=f"1.2.826.99.{number}", SeriesInstanceUID=f"1.2.826.99.{number}.1",
                SOPInstanceUID=f"1.2.826.99.{number}.1.{index}", FrameOfReferenceUID=f"1.2.826.99.{number}.9",
                PixelSpacing=[0.7, 0.7], **{**HEADER, "PatientID": f"PID-5551234-{number}"},
            )  # fmt: skip
    folder = root / f"01_MRI_Data/0001/{study}/Mustermann_20160309"
    folder.mkdir()
    first = root / f"01_MRI_Data/0001/{study}/T2_TSE_TRA_4/a_0.ima"
    shutil.copy(first, folder / "Mustermann_same.ima")
    write_dicom(
        folder / "Mustermann_uid.ima", SOPInstanceUID="1.2.826.99.1.1.0", SeriesInstanceUID="1.2.826.99.1.1", **HEADER
    )
    write_dicom(folder / "Mustermann_modality.ima", Modality="MUSTERMANN", **HEADER)
    write_dicom(folder / "Mustermann_spacing.ima", PixelSpacing=None, **HEADER)
    (folder / "Mustermann.txt").write_text("Erika Mustermann")
    (folder / "gone.ima").symlink_to("Mustermann")
    (root / "01_MRI_Data/Mustermann_stray.ima").write_bytes(b"x")
    # the folder of one patient under another number: its images and its person stand in two places
    shutil.copytree(root / "01_MRI_Data/0002", root / "01_MRI_Data/5551234")
    note = (
        "MRI of 04/01/2016, compared with 3 March 2015, of E. Mustermann (MRN 55667, tel. 079-555-1234, e.m@web.org) "
        "for Henry Jekyll at Irbid Hospital. L4-L5: disc bulge compressing the thecal sac. Read by Dr Utterson"
    )
    others = {"Mustermann": "Erika", None: "nobody's", 7: None, 5551234: note}
    write_notes(root / "Radiologists Report.xlsx", dict.fromkeys(range(1, 7), note) | others)
    write_notes(root / "code/Radiologist Mustermann.xlsx", {1: "x"})
    (root / "Slices Numbers.csv").write_text("Patient,a,b,c\nMustermann,Erika,1,1\n0003,1,99,1\n")
    return root


def values_of(path: Path) -> Iterator[bytes]:
    """Every value of a table, unpacked; every byte of another file."""
    if path.suffix != ".parquet":
        yield path.read_bytes()
        return
    for row in pq.read_table(path).to_pylist():
        for value in row.values():
            parts = list(value.values()) if isinstance(value, dict) else [value]
            yield from (part if isinstance(part, bytes) else str(part).encode() for part in parts)


def test_no_identifier_leaves_ingest(
    raw: Path, project_root: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    params = load_params(project_root / "params.yaml")
    cohort = params.cohort.model_copy(update={"name": "lss", "root": raw, "batches": 1})
    table, rejects, where = (
        tmp_path / "slices/batch-00.parquet",
        tmp_path / "rejects.parquet",
        tmp_path / "split.parquet",
    )
    clean, masks, facts = tmp_path / "denoised.parquet", tmp_path / "masks.parquet", tmp_path / "facts.json"
    private = tmp_path_factory.mktemp("owner") / "private.csv"
    rules = params.ingest.model_copy(update={"unknown_level": "note"})  # its slices have no blocks
    ingest.run(cohort, rules, 1, batch="00", slices=table, rejects=rejects, private=private, manifest=facts)
    lost = pq.read_table(rejects).to_pylist()
    assert {row["reason"] for row in lost} == {
        "duplicate file", "duplicate UID", "not MR", "missing pixel spacing", "no image file", "cannot be read",
        "outside a patient's folder", "note without a patient", "second table", "unusable row", "empty note",
        "note without images",
    }  # fmt: skip
    split.run(
        params.split, 1, slices=[table], rejects=[rejects], split=where, parts=[tmp_path / "part.parquet"],
        used=[tmp_path / "used.parquet"], all_rejects=tmp_path / "all.parquet",
        manifest=tmp_path / "s.json",
    )  # fmt: skip
    denoise.run(
        params.denoise, 1, execution=params.execution, slices=table, split=tmp_path / "used.parquet", denoised=clean,
        manifest=tmp_path / "d.json",
    )  # fmt: skip
    pseudo_mask.run(
        params.pseudo_mask,
        1,
        slices=table,
        split=tmp_path / "used.parquet",
        denoised=clean,
        masks=masks,
        manifest=tmp_path / "p.json",
    )
    parts = {subset: tmp_path / f"{subset}-00.parquet" for subset in ("train", "val", "test")}
    shards.run(
        params.shards, 1, batch="00", slices=table, split=tmp_path / "part.parquet", denoised=clean, masks=masks,
        shards=parts,
        manifest=tmp_path / "h.json",
    )  # fmt: skip
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 12 and pq.read_table(parts["train"]).num_rows > 0
    for path in written:
        for value in values_of(path):
            assert not [word for word in WORDS if word.encode() in value], path
    source = next(raw.rglob("a_0.ima")).read_bytes()
    assert all(word.encode() in source for word in WORDS[:14])  # the search finds what is there
    named = private.read_text()
    assert all(word in named for word in ("Mustermann", "20160309", "L-SPINE", "a_0.ima", "patient 7"))
    aside = [row for row in pq.read_table(tmp_path / "all.parquet").to_pylist() if row["stage"] == "split"]
    assert [row["reason"] for row in aside] == ["image under two patients"] * 2
    assert "[date]" in pq.read_table(table).column("note")[0].as_py()


def test_the_profile_lists_nothing_that_is_kept() -> None:
    """Against Table E.1-1 of PS3.15 as another project keeps it."""
    from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as profile

    listed = {tag[:2] for name in dir(profile) if name.endswith("_TAGS") for tag in getattr(profile, name)}
    assert len(listed) > 400

    def in_profile(keyword: str) -> bool:
        tag = pydicom.tag.Tag(keyword)
        return (tag.group, tag.element) in listed

    assert [keyword for keyword in PLAIN if in_profile(keyword)] == []
    assert [keyword for keyword in REPLACED + MATCHED + PEOPLE if not in_profile(keyword)] == []


def test_pseudonyms_are_the_standard_hmac() -> None:
    """Value made by `printf 'patient\\037' ...` and openssl's HMAC over the same bytes."""
    import subprocess

    expected = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "0123456789abcdef"], input=b"patient\x1f42", capture_output=True
    )
    if expected.returncode:
        pytest.skip("needs openssl")
    digest = expected.stdout.decode().split()[-1]
    assert Pseudonyms(b"0123456789abcdef").patient("42") == "P" + digest[:12]


def test_kinds_of_ids_do_not_collide_and_keys_matter(tmp_path: Path) -> None:
    names: dict[str, Any] = {"a": Pseudonyms(b"0" * 16), "b": Pseudonyms(b"1" * 16)}
    digests = {getattr(names[key], kind)("1")[2:10] for key in names for kind in ("study", "series", "image")}
    assert len(digests) == 6
    assert pseudonyms(None, 1).patient("7") == pseudonyms(None, 1).patient("7") != pseudonyms(None, 2).patient("7")
    with pytest.raises(LssError, match=r"none: ingest\.pseudonym_key_file cannot be read"):
        pseudonyms(tmp_path / "none", 1)
    json.dumps(names["a"].patient("ä"))
