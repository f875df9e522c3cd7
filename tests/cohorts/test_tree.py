"""Folders and zip archives as users bring them, and as nobody should."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lss.cohorts.base import UnusableError, natural_key, patient_number
from lss.cohorts.file_tree import MAX_ZIP_RATIO, FolderTree, ZipTree, check_zip_entry
from lss.errors import LssError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/s10.ima", "a/s2.ima", "b/deep/x.ima", "loose.txt", ".DS_Store", "a/._s2.ima",
                 "a/@eaDir/s2.ima/THUMB.jpg", ".Trashes/501/x.ima", "b/THUMBS.DB", "~$notes.xlsx",
                 "System Volume Information/x"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_folder_lists_in_natural_order(folder: Path) -> None:
    tree = FolderTree(folder)
    assert tree.files() == ["a/s2.ima", "a/s10.ima", "b/deep/x.ima", "loose.txt"]
    assert tree.folders() == ["a", "b"] and tree.files("b") == ["b/deep/x.ima"] and tree.loose_files() == ["loose.txt"]
    assert tree.read("a/s2.ima") == b"a/s2.ima"


def test_zip_and_folder_agree(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    archive = tmp_path_factory.mktemp("zip") / "all.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*"), reverse=True):
            file.write(path, path.relative_to(folder).as_posix())
    packed, plain = ZipTree(archive), FolderTree(folder)
    assert packed.files() == plain.files() and packed.folders() == plain.folders()
    assert packed.loose_files() == plain.loose_files() and packed.loose_files("a") == plain.loose_files("a")
    assert [packed.read(name) for name in packed.files()] == [plain.read(name) for name in plain.files()]


@pytest.mark.parametrize(
    ("offset", "value"), [(6, 174), (9, 8), (2, 9)], ids=["unknown version", "name not in UTF-8", "no such record"]
)
def test_a_zip_with_a_damaged_list_of_entries_is_named(tmp_path: Path, offset: int, value: int) -> None:
    """zipfile raises NotImplementedError, UnicodeDecodeError and BadZipFile for them."""
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a/1.ima", b"x")
    data = bytearray(archive.read_bytes()).replace(b"a/1.ima", b"a/\xd6.ima")
    data[data.index(b"PK\1\2") + offset] = value
    archive.write_bytes(data)
    with pytest.raises(LssError, match=r"all\.zip: is no readable zip archive \(.*Fetch it again"):
        ZipTree(archive)


def test_unreadable_files_say_why(folder: Path) -> None:
    (folder / "gone.ima").symlink_to(folder / "nowhere")
    with pytest.raises(UnusableError) as caught:
        FolderTree(folder).read("gone.ima")
    assert caught.value.reason == "cannot be read"
    assert caught.value.detail == "a link to a file that is not there" and "dvc checkout" in caught.value.remedy


def test_an_accent_stored_in_two_ways_is_one_name() -> None:
    """macOS parts "ü" into "u" and its dots in names of folders; spreadsheets do not."""
    assert patient_number("Mu\u0308ller") == patient_number("M\u00fcller") != patient_number("Muller")


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A world-readable folder, and root's rights laid down for the length of a test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "p" / "open").mkdir(parents=True)
        (folder / "p" / "closed").mkdir()
        for file in ("p/open/a.ima", "p/open/b.ima", "p/closed/c.ima"):
            (folder / file).write_bytes(b"x")
        (folder / "p/open/b.ima").chmod(0)
        (folder / "p/closed").chmod(0)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(before)
            (folder / "p/closed").chmod(0o755)


def test_files_and_folders_without_rights_are_rejected(ordinary_user: Path) -> None:
    tree = FolderTree(ordinary_user)
    assert tree.files("p") == ["p/closed", "p/open/a.ima", "p/open/b.ima"]
    assert tree.read("p/open/a.ima") == b"x"
    for name, detail in (("p/open/b.ima", "Permission denied"), ("p/closed", "may not be listed")):
        with pytest.raises(UnusableError, match=detail) as caught:
            tree.read(name)
        assert caught.value.reason == "cannot be read" and "chmod" in caught.value.remedy
    with pytest.raises(LssError, match="p/closed: cannot be listed"):
        tree.folders("p/closed")


def test_links_in_a_circle_end(folder: Path) -> None:
    (folder / "a" / "back").symlink_to(folder, target_is_directory=True)
    assert len(FolderTree(folder).files()) == 4


def test_a_missing_folder_or_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(LssError, match=r"nothere: cohort.root: no such folder"):
        FolderTree(tmp_path / "nothere")
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(LssError, match=r"bad.zip: is no readable zip"):
        ZipTree(tmp_path / "bad.zip")


@pytest.mark.parametrize("name", ["../evil.ima", "a/../../evil.ima", "/etc/passwd", "C:/evil.ima", "..\\evil.ima"])
def test_entries_that_leave_the_archive_are_rejected(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo(name), b"evil")
        file.writestr("good.ima", b"good")
    tree = ZipTree(archive)
    assert tree.files() == ["good.ima"]
    assert [reject.reason for reject in tree.rejects()] == ["unsafe zip entry"]


@given(st.text(st.sampled_from("ab./\\:"), min_size=1, max_size=12))
def test_no_accepted_name_leaves_a_folder(name: str) -> None:
    """Independent check: what is accepted resolves to a place below any base folder."""
    try:
        check_zip_entry(zipfile.ZipInfo(name))
    except UnusableError:
        return
    base = Path("/base/folder")
    assert (base / name.replace("\\", "/")).resolve().is_relative_to(base)


def test_names_written_by_windows_are_read(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("01_MRI_Data\\0001\\a.ima", b"image")
        file.writestr("01_MRI_Data/0001/a.ima", b"again")
    tree = ZipTree(archive)
    assert tree.folders() == ["01_MRI_Data"] and tree.read("01_MRI_Data/0001/a.ima") == b"image"
    assert [reject.reason for reject in tree.rejects()] == ["duplicate zip entry"]


def test_a_compression_that_python_lacks_is_named_with_the_remedy(tmp_path: Path) -> None:
    """Deflate64 is method 9; the number stands in the entry's header and in the archive's directory."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.ima", b"image" * 99)
        file.writestr("b.ima", b"image" * 99, zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        where = data.index(signature) + offset
        assert data[where] == zipfile.ZIP_DEFLATED
        data[where] = 9
    archive.write_bytes(data)
    tree = ZipTree(archive)
    assert tree.files() == ["b.ima"]
    assert [(r.reason, r.remedy) for r in tree.rejects()] == [
        ("unsupported zip entry", "Unpack the archive and bring the folder.")
    ]


def test_listing_one_patient_does_not_go_through_all_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(50):
            file.writestr(f"p{number}/s/a.ima", b"x")
    tree = ZipTree(archive)
    seen: list[str] = []

    def count(name: str) -> list[tuple[int, int, str]]:
        seen.append(name)
        return natural_key(name)

    monkeypatch.setattr("lss.cohorts.file_tree.natural_key", count)
    assert [tree.files(f"p{number}") for number in range(50)] == [[f"p{number}/s/a.ima"] for number in range(50)]
    assert len(seen) == 50


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.ima", bytes(8 * 2**20))  # deflates about 1,000 to 1
        file.writestr("good.ima", b"good")
    tree = ZipTree(archive)
    assert tree.files() == ["good.ima"] and [r.reason for r in tree.rejects()] == ["zip bomb"]
    huge = zipfile.ZipInfo("huge.ima")
    huge.file_size, huge.compress_size = 2**40, 2**39
    with pytest.raises(UnusableError, match="file too large"):
        check_zip_entry(huge)
    assert MAX_ZIP_RATIO < 1000


def test_damaged_entries_are_rejected_one_by_one(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("bad.ima", b"0123456789")
        file.writestr("good.ima", b"good")
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"0123456789", b"0123456780"))
    tree = ZipTree(archive)
    assert tree.read("good.ima") == b"good"
    with pytest.raises(UnusableError, match="damaged zip entry"):
        tree.read("bad.ima")


def test_links_and_encrypted_entries_are_rejected() -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    secret = zipfile.ZipInfo("secret")
    secret.flag_bits = 1
    for info, reason in ((link, "unsafe zip entry"), (secret, "encrypted zip entry")):
        with pytest.raises(UnusableError) as caught:
            check_zip_entry(info)
        assert caught.value.reason == reason


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_natural_order_is_numeric_order(numbers: list[int]) -> None:
    names = [f"T2_{number}.ima" for number in numbers]
    assert sorted(names, key=natural_key) == [f"T2_{number}.ima" for number in sorted(numbers)]


@given(st.lists(st.text(max_size=8), max_size=8))
def test_natural_order_takes_any_names(names: list[str]) -> None:
    assert sorted(sorted(names, key=natural_key)) == sorted(names)


@given(st.integers(0, 10**9), st.integers(0, 6))
def test_patient_numbers_survive_spreadsheets(number: int, zeros: int) -> None:
    assert patient_number("0" * zeros + str(number)) == patient_number(float(number)) == str(number)
