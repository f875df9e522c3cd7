"""Downloads from a server on loopback: broken off, expired, changed, wrong; and what `fetched.json` says of them."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from mendeley_server import Publisher

from lss.errors import LssError
from lss.fetch.datasets import fetch_dataset
from lss.fetch.mendeley import USER_AGENT
from lss.fetch.sources import MENDELEY

IMAGES = MENDELEY["images"]
DATA = bytes(range(256)) * 4000  # 1 MB
DIGEST = hashlib.sha256(DATA).hexdigest()


def fetch(publisher: Publisher, folder: Path, what: str = "images") -> list[Path]:
    return fetch_dataset(MENDELEY[what], folder, publisher.base)


def record(folder: Path) -> dict:
    return json.loads((folder / "fetched.json").read_text())["files"]


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return stream.getvalue()


def test_a_file_is_brought_checked_and_written_down(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA, "read me.txt": b"not asked for"}
    (path,) = fetch(publisher, tmp_path / "lss")
    assert path == tmp_path / "lss/01_MRI_Data.zip" and path.read_bytes() == DATA
    assert sorted(p.name for p in path.parent.iterdir()) == ["01_MRI_Data.zip", "fetched.json"]
    assert record(path.parent) == {
        "01_MRI_Data.zip": {
            "page": "https://data.mendeley.com/datasets/k57fr854j2/2",
            "url": f"{publisher.base}/download/0",  # without the part that expires
            "bytes": len(DATA),
            "sha256": DIGEST,
            "hash": "known",
        }
    }
    listed, headers = publisher.requests[0]
    assert listed == "/datasets/k57fr854j2/files?folder_id=root&version=2"
    assert headers["user-agent"] == USER_AGENT


def test_what_is_there_is_not_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    (path,) = fetch(publisher, tmp_path)
    before = path.stat().st_mtime_ns
    fetch(publisher, tmp_path)
    assert path.stat().st_mtime_ns == before
    assert len(publisher.ranges()) == 1


def test_a_broken_download_goes_on_where_it_ended(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    publisher.drop_after = [300_000, 200_000]
    (path,) = fetch(publisher, tmp_path)
    assert path.read_bytes() == DATA
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in publisher.ranges() if r]
    # not sooner than the bytes that had arrived, and never from the beginning
    assert len(starts) == 2 and 0 < starts[0] <= 300_000 < starts[1] <= 500_000


def test_a_later_run_goes_on_with_what_an_earlier_one_left(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    (tmp_path / "01_MRI_Data.zip.part").write_bytes(DATA[:777])
    (path,) = fetch(publisher, tmp_path)
    assert path.read_bytes() == DATA and publisher.ranges() == ["bytes=777-"]


def test_a_server_that_ignores_ranges_starts_over(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    publisher.honours_range = False
    (tmp_path / "01_MRI_Data.zip.part").write_bytes(b"x" * 777)
    (path,) = fetch(publisher, tmp_path)
    assert path.read_bytes() == DATA


def test_a_server_that_only_breaks_leaves_the_part_and_says_so(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    publisher.drop_after = [100_000] + [0] * 50
    with pytest.raises(LssError, match=r"broke after [\d,]+ bytes.*goes on from there"):
        fetch(publisher, tmp_path)
    part = tmp_path / "01_MRI_Data.zip.part"
    assert 0 < part.stat().st_size <= 100_000 and DATA.startswith(part.read_bytes())
    assert not (tmp_path / "01_MRI_Data.zip").exists()
    publisher.drop_after = []
    assert fetch(publisher, tmp_path)[0].read_bytes() == DATA


def test_another_hash_than_stated_is_not_kept(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    publisher.hashes = {"01_MRI_Data.zip": "f" * 64}
    with pytest.raises(LssError, match=rf"01_MRI_Data\.zip: what arrived has the hash {DIGEST[:12]}.*should be ffff"):
        fetch(publisher, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_hash_is_recorded_and_held_against_later_files(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    publisher.hashes = {"01_MRI_Data.zip": None}
    (path,) = fetch(publisher, tmp_path)
    assert record(tmp_path)["01_MRI_Data.zip"] | {"hash": "recorded", "sha256": DIGEST} == record(tmp_path)[path.name]
    path.unlink()
    publisher.files = {"01_MRI_Data.zip": DATA[::-1]}
    with pytest.raises(LssError, match="what arrived has the hash"):
        fetch(publisher, tmp_path)


def test_a_published_file_that_changed_is_reported(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    fetch(publisher, tmp_path)
    publisher.files = {"01_MRI_Data.zip": DATA[::-1]}
    with pytest.raises(LssError, match="the published file has changed"):
        fetch(publisher, tmp_path)
    assert (tmp_path / "01_MRI_Data.zip").read_bytes() == DATA


def test_a_file_put_there_by_hand_is_taken_if_it_is_the_published_one(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    (tmp_path / "01_MRI_Data.zip").write_bytes(DATA)
    fetch(publisher, tmp_path)
    assert publisher.ranges() == [] and record(tmp_path)["01_MRI_Data.zip"]["hash"] == "known"
    (tmp_path / "01_MRI_Data.zip").write_bytes(b"something else")
    with pytest.raises(LssError, match="is another file than the published one"):
        fetch(publisher, tmp_path)
    assert (tmp_path / "01_MRI_Data.zip").read_bytes() == b"something else"


def test_an_expired_address_is_asked_for_anew(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    publisher.good_token = 5

    listing = publisher.listing
    listings = []

    def first_two_are_old() -> list[dict]:
        listings.append(1)
        publisher.hands_out = 4 if len(listings) <= 2 else None
        return listing()

    publisher.listing = first_two_are_old  # type: ignore[method-assign]
    assert fetch(publisher, tmp_path)[0].read_bytes() == DATA
    assert len(listings) == 3


def test_addresses_that_stay_expired_end_with_a_message(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    publisher.listing = lambda: [  # type: ignore[method-assign]
        {"filename": "a.zip", "content_details": {"download_url": f"{publisher.base}/download/0?token=old"}}
    ]
    with pytest.raises(LssError, match="the server answers 403"):
        fetch(publisher, tmp_path)


@pytest.mark.parametrize("name", ["../evil.zip", "a/b.zip", "..", "C:\\evil.zip", ".bashrc.zip", ""])
def test_a_name_that_leaves_the_folder_is_refused(publisher: Publisher, tmp_path: Path, name: str) -> None:
    publisher.files = {name: DATA, "good.zip": DATA}
    with pytest.raises(LssError, match="would not stay in its folder"):
        fetch(publisher, tmp_path / "lss")
    assert list(tmp_path.iterdir()) == []


def test_answers_in_another_form(publisher: Publisher, tmp_path: Path) -> None:
    publisher.listing = lambda: {"message": "moved"}  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(LssError, match=r"another form than expected.*datasets/k57fr854j2/2"):
        fetch(publisher, tmp_path)
    publisher.listing = lambda: []  # type: ignore[method-assign]
    with pytest.raises(LssError, match=r"none of its files is called \*\.zip; it holds nothing"):
        fetch(publisher, tmp_path)
    base = publisher.base.rsplit(":", 1)[0] + ":9"  # nobody listens there
    with pytest.raises(LssError, match=r"cannot be listed.*Check the network.*in a browser"):
        fetch_dataset(IMAGES, tmp_path, base)


def test_too_small_a_disk_is_reported_before(publisher: Publisher, tmp_path: Path, monkeypatch) -> None:
    publisher.files = {"01_MRI_Data.zip": DATA}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10, 10))
    with pytest.raises(LssError, match="still to come"):
        fetch(publisher, tmp_path)
    assert publisher.ranges() == []


TABLE = b"1,4,8,12\n2,5,9,13\n"


def test_the_slice_numbers_are_taken_out_of_the_source_code(publisher: Publisher, tmp_path: Path) -> None:
    archive = zipped(**{"09_Source_Code__03_Extract__Slices Numbers.csv": TABLE, "09_Source_Code__other.m": b"%"})
    publisher.files = {"Source_Code.zip": archive}
    for _ in range(2):
        (path,) = fetch(publisher, tmp_path / "lss", "slice-numbers")
        assert path == tmp_path / "lss/Slices Numbers.csv" and path.read_bytes() == TABLE
    assert len(publisher.ranges()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["lss"]
    entry = record(tmp_path / "lss")["Slices Numbers.csv"]
    assert entry["sha256"] == hashlib.sha256(TABLE).hexdigest() and entry["hash"] == "recorded"
    assert entry["archive"] == {
        "name": "Source_Code.zip",
        "sha256": hashlib.sha256(archive).hexdigest(),
        "hash": "known",
    }
    path.write_bytes(b"mended by hand")
    with pytest.raises(LssError, match="another file than"):
        fetch(publisher, tmp_path / "lss", "slice-numbers")


def test_the_slice_numbers_listed_by_themselves(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"Code.zip": DATA, "Slices Numbers.csv": TABLE}
    (path,) = fetch(publisher, tmp_path, "slice-numbers")
    assert path.read_bytes() == TABLE and not (tmp_path / "Code.zip").exists()


def test_source_code_without_the_table(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"Source_Code.zip": zipped(**{"a__b.m": b"%"})}
    with pytest.raises(LssError, match=r"holds no file called Slices Numbers\.csv"):
        fetch(publisher, tmp_path / "lss", "slice-numbers")


def test_the_reader_of_the_archive_finds_what_was_fetched(publisher: Publisher, tmp_path: Path) -> None:
    from lss.cohorts.lss_dataset import LssDataset
    from lss.phantom.workbook import write_notes

    write_notes(tmp_path / "book.xlsx", {1: "Normal.", 7: "L4-L5: disc bulge."})
    for what, files in (
        ("images", {"01_MRI_Data.zip": zipped(**{"01_MRI_Data__0001__S__T__x.ima": b"no image"})}),
        ("notes", {"Radiologists Report.xlsx": (tmp_path / "book.xlsx").read_bytes()}),
        ("slice-numbers", {"Source_Code.zip": zipped(**{"09__Slices Numbers.csv": TABLE})}),
    ):
        publisher.files = files
        fetch(publisher, tmp_path / "lss", what)
    assert LssDataset(tmp_path / "lss").patients() == ["1", "7"]
