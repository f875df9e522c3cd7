"""Identifiers planted in every place of a cohort are searched for in everything that the whole chain leaves behind.

Headers, notes, tables, names of files and folders, archives, metadata of pictures and volumes hold them; the chain runs
under Snakemake and DVC, fails twice before, and every verb that prints or writes something of it is run.
"""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
import zlib
from pathlib import Path

import pydicom
import pytest
import yaml
from canaries import CANARIES, REMAINS, ROOT, SETTINGS, SLICES, STUDY, TABLE, folder_of, plant
from killed_stages import small_settings
from PIL import Image, PngImagePlugin
from project_copy import make_copy, run
from searching import found, needles, search

from lss.dicom_out.source import TYPE_2

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

WORDS = [word for kind in CANARIES.values() for word in kind]
OWNERS = ("data/raw/", "data/private/", "reading/")
"""Where the owner's own names stand; `reading` is looked at by itself."""

HOLDS_SETTINGS = ("params.yaml", ".snakemake/metadata/", ".lss-state/settings/")
"""What holds the names of the owner's folder and tables, as params.yaml has them; neither of the folders is in git."""

NAMES_FILES = ("lss check", "lss why", "lss read")
"""Verbs that print names of raw files, and ids of patients, to the owner's terminal: that is what they are for."""

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ReferencedSOPInstanceUID")


@pytest.fixture(scope="module")
def project(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the planted cohort, made and failed and read; what was printed lies in `printed`."""
    copy = make_copy(project_root, tmp_path_factory.mktemp("canary") / "copy", small=False)
    plant(copy)
    settings = yaml.safe_load(small_settings(project_root))
    settings["cohort"] |= {"name": "folder", "root": ROOT, "batches": 2}
    settings["cohort"]["folder"] |= {"table": TABLE, "slices": SLICES}
    settings["ingest"] |= {"assumed_spacing_mm": 0.6875, "unknown_level": "note"}
    settings["split"] |= {"min_usable_share": 0.2, "fractions": {"train": 0.5, "val": 0.25, "test": 0.25}}
    settings["train"]["backbones"] = ["smolvlm"]
    printed = copy / "printed"
    printed.mkdir()

    def command(*words: str, check: bool = True) -> None:
        name = " ".join(words[:2]) + f" {len(list(printed.iterdir()))}"
        (printed / f"{name}.txt").write_text(run(copy, *words, check=check))

    def write(changed: dict[str, object]) -> None:
        (copy / "params.yaml").write_text(yaml.safe_dump(changed, sort_keys=False, allow_unicode=True))

    own = copy / "data/private/mine.csv"
    own.parent.mkdir(parents=True)
    own.write_text(f"patient_key,subset\n{folder_of(0)},train\nSplitmannig,test\n")
    write(settings | {"split": settings["split"] | {"file": "data/private/mine.csv"}})
    command("lss", "check", check=False)
    command("snakemake", "--cores", "2", "split", check=False)  # keys that nobody has
    table = copy / ROOT / TABLE
    whole = table.read_text()
    table.write_text(whole.replace("Tannhaeuserweg 5,", 'Tannhaeuserweg" 5,', 1))
    write(settings)
    command("snakemake", "--cores", "2", "split", check=False)  # a stray quotation mark
    table.write_text(whole)
    command("snakemake", "--cores", "2", "all")
    command("dvc", "status")
    command("dvc", "commit", "--force")
    command("snakemake", "--report", "report.html", "--", "all")
    command("lss", "check", check=False)
    for words in ("inspect", "changes", "verify", "results", "show-masks --output masks.png", "crate --output crate",
                  "keep",
                  "why --files results/tables/table2_segmentation.csv"):  # fmt: skip
        command("lss", *words.split())
    model = "results/models/smolvlm"
    command("lss", "read", str(copy.parent / STUDY), "--output", "reading", "--model", model)
    command("lss", "read", str(copy / ROOT), "--output", "refused", "--model", model, check=False)  # of several
    return copy


@pytest.fixture(scope="module")
def places(project: Path) -> dict[str, set[str]]:
    """Every file of the project that holds a planted word, but for this source, which plants them."""
    held = search(project, [*WORDS, *SETTINGS, REMAINS])
    return {name: words for name, words in held.items() if not name.startswith("tests/")}


def test_the_search_finds_what_is_there(project: Path, places: dict[str, set[str]]) -> None:
    """In the raw files every word, and in all kinds of later files the name that nothing can know."""
    planted = set().union(*(words for name, words in places.items() if name.startswith(OWNERS[:2])))
    unused = {"Groesswuenschel", "Joerglinde", "Grosswunschel"}
    spelt = {"KRZ8830417", "1913-06-11", "06/11/1913", "June 11, 1913", "1947-08-23", "08/23/1947"}
    elsewhere = {"Quorfink", "Bolsewin", "Kommentarius"}  # in the archive for `lss read`
    assert set(WORDS) - planted <= unused | spelt | elsewhere
    kept = {
        name.split("/")[0] + "/" + name.split("/")[1]
        for name, words in places.items()
        if REMAINS in words and "/" in name
    }
    assert {"data/interim", "data/shards", ".dvc/cache"} <= kept, kept


def test_nothing_identifies_a_patient_outside_the_owners_folders(places: dict[str, set[str]]) -> None:
    elsewhere = {
        name: words & set(WORDS)
        for name, words in places.items()
        if not name.startswith((*OWNERS, "printed/")) and words & set(WORDS)
    }
    assert elsewhere == {}


def test_names_of_tables_stand_where_the_settings_do(places: dict[str, set[str]]) -> None:
    elsewhere = {
        name: words & set(SETTINGS)
        for name, words in places.items()
        if not name.startswith((*OWNERS, "printed/", *HOLDS_SETTINGS)) and words & set(SETTINGS)
    }
    assert elsewhere == {}


def test_what_is_printed_names_no_patient_but_files_where_they_are_asked_for(
    project: Path, places: dict[str, set[str]]
) -> None:
    """Of a failed run only the path of the table that cannot be read."""
    files = "\n".join([STUDY, "Splitmannig", *(str(path) for path in (project / ROOT).rglob("*"))])
    named = found(files.encode(), needles(WORDS))
    for name, words in places.items():
        if name.startswith("printed/"):
            allowed = named if name.removeprefix("printed/").startswith(NAMES_FILES) else set()
            assert words <= allowed | set(SETTINGS), name


def test_dicom_objects_name_patient_and_study_by_what_archives_file_them_by(project: Path) -> None:
    forms, objects = needles(WORDS), sorted((project / "reading/dicom").iterdir())
    hits = set()
    for path in objects:
        for element in pydicom.dcmread(path).iterall():
            value = element.value if isinstance(element.value, bytes) else str(element.value).encode()
            if element.VR != "SQ" and found(value, forms):
                hits.add(element.keyword or str(element.tag))
    assert len(objects) >= 4 and hits <= {*TYPE_2, *UIDS} and {"PatientName", "PatientID"} <= hits
    assert {kind for kind in ("private tag", "birth date") if set(CANARIES[kind]) & _in_bytes(objects)} == {
        "birth date"
    }


def _in_bytes(objects: list[Path]) -> set[str]:
    """Words anywhere in files, PDF streams among it."""
    return set().union(*(found(path.read_bytes(), needles(WORDS)) for path in objects))


def test_a_reading_names_files_patient_id_and_study_and_nothing_else(project: Path) -> None:
    """Its folder says that it identifies a patient: a radiologist must see on the page whose study it is."""
    with zipfile.ZipFile(project.parent / STUDY) as archive:
        files = archive.namelist()
        header = pydicom.dcmread(io.BytesIO(archive.read(files[0])), stop_before_pixels=True)
    names = found("\n".join([*files, header.PatientID, header.StudyInstanceUID]).encode(), needles(WORDS))
    for path in (project / "reading").rglob("*"):
        if path.is_file() and path.suffix != ".dcm":
            assert found(path.read_bytes(), needles(WORDS)) <= names, path


def test_the_search_looks_into_everything(tmp_path: Path) -> None:
    """Words in UTF-16, Latin-1, capitals, escapes, base64, archives and pictures are found."""
    word = "Größwünschel"
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("a", word, zip=True)
    picture, archive = io.BytesIO(), io.BytesIO()
    Image.new("L", (4, 4)).save(picture, "PNG", pnginfo=texts)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", gzip.compress(word.encode()))
    contents = {
        "utf8": word.upper().encode(), "utf16": word.encode("utf-16"), "latin": word.encode("latin-1"),
        "json": ascii(word).encode(), "base64": b'"' + base64.b64encode(f"of {word}".encode()) + b'"',
        "url": b"data:image/png;base64," + base64.b64encode(picture.getvalue()), "png": picture.getvalue(),
        "zip": archive.getvalue(), "html": b"Gr&ouml;&szlig;w&#252;nschel", "percent": b"Gr%C3%B6%C3%9Fw%C3%BCnschel",
        "pdf": b"%PDF-1.4\nstream\n" + zlib.compress(word.encode()) + b"\nendstream",
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert set(search(tmp_path, [word])) == set(contents)
