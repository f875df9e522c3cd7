"""Studies that `lss read` must refuse or read around: in time, with the reason, and nothing outside touched."""

from __future__ import annotations

import io
import os
import re
import resource
import signal
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from dicom_files import dataset, dicom_bytes, smooth_pixels
from hostile_data import bomb_volume, codestream, deflated_bomb, link_entry, without_a_piece
from pydicom.uid import MediaStorageDirectoryStorage

from lss.errors import LssError
from lss.read.run import _refuse_output
from lss.read.study import RefusedError, Study, open_study

SECONDS, MIB = 30, 500


def axial(number: int, **attributes: object) -> bytes:
    return dicom_bytes(
        smooth_pixels(number), InstanceNumber=number, SOPInstanceUID=f"1.2.3.1.4.{number}",
        ImagePositionPatient=[-5.0, -6.0, 4.0 * number], **attributes,
    )  # fmt: skip


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def whole(folder: Path) -> Path:
    """A study of three axial slices, beside which each case puts something."""
    for number in (1, 2, 3):
        put(folder / f"t2_tra/{number}", axial(number))
    return folder


def packed(folder: Path, write: Callable[[zipfile.ZipFile], object]) -> Path:
    folder.mkdir(exist_ok=True)
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of names that stand twice
        for number in (1, 2, 3):
            archive.writestr(f"t2_tra/{number}", axial(number))
        write(archive)
    return folder / "study.zip"


def with_directory(folder: Path) -> Path:
    """A DICOMDIR whose only record refers to a file outside, which another patient's slice lies in."""
    put(folder.parent / "outside/9", axial(9, PatientID="another"))
    record = pydicom.Dataset()
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", ["..", "outside", "9"]
    directory = dataset(smooth_pixels(1), DirectoryRecordSequence=[record], SOPClassUID=MediaStorageDirectoryStorage)
    del directory.PixelData
    buffer = io.BytesIO()
    directory.save_as(buffer, enforce_file_format=True)
    return put(whole(folder) / "DICOMDIR", buffer.getvalue())


def fifo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


def link(path: Path, to: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)
    return path


def beside(add: Callable[[Path], object]) -> Callable[[Path], Path]:
    """The whole study with something put into its folder."""

    def write(folder: Path) -> Path:
        add(whole(folder))
        return folder

    return write


def many(folder: Path) -> Path:
    whole(folder)
    for number in range(10_000):
        put(folder / f"more/{number // 500}/{number}", b"%d" % number)
    return folder


def deep(folder: Path) -> Path:
    inner = whole(folder)
    for _ in range(400):
        inner = inner / "a"
    put(inner / "x", b"deep")
    return folder


READ: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a pipe among the files": (beside(lambda f: fifo(f / "t2_tra/pipe")), "not a regular file"),
    "a link to /dev/zero": (beside(lambda f: link(f / "t2_tra/zero", "/dev/zero")), "not a regular file"),
    "a link to a file outside": (beside(lambda f: link(f / "t2_tra/passwd", "/etc/passwd")), "not DICOM"),
    "a link to the folder above": (beside(lambda f: link(f / "t2_tra/up", "..")), "^$"),
    "a link to itself": (beside(lambda f: link(f / "t2_tra/me", "me")), "cannot be read"),
    "a DICOMDIR that points outside": (with_directory, "no image file"),
    "a name out of the archive": (lambda f: packed(f, lambda z: z.writestr("../../evil", b"x")), "unsafe zip entry"),
    "an absolute name": (lambda f: packed(f, lambda z: z.writestr("/tmp/evil", b"x")), "unsafe zip entry"),
    "a link in the archive": (lambda f: packed(f, link_entry), "unsafe zip entry"),
    "a bomb in the archive": (lambda f: packed(f, lambda z: z.writestr("t2/z", bytes(200 << 20))), "zip bomb"),
    "one name twice": (lambda f: packed(f, lambda z: z.writestr("t2_tra/1", b"x")), "duplicate zip entry"),
    "an archive in the archive": (lambda f: packed(f, lambda z: z.writestr("t2/a.zip", b"PK\3\4")), "packed archive"),
    "a deflated bomb": (beside(lambda f: put(f / "t2_tra/bomb", deflated_bomb())), "file too large"),
    "a volume that unpacks to gigabytes": (beside(lambda f: put(f / "v.nii.gz", bomb_volume())), "broken NIfTI"),
    "a frame at which a decoder ends": (beside(lambda f: put(f / "j", codestream(without_a_piece))), "decompressed"),
    "a slice at 1e300 mm": (
        beside(lambda f: put(f / "far", axial(4).replace(b"-5.0\\-6.0\\16.0", b"-5.0\\-6.0\\9e99"))),
        "value out of range",
    ),
    "10,000 small files": (many, "not DICOM"),
    "400 folders deep": (deep, "not DICOM|cannot be read"),
}  # fmt: skip
"""Read, with what is said of the rest."""

REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing": (lambda f: f, "no such folder or file"),
    "an empty folder": (lambda f: [f.mkdir(), f][1], "no axial T2 slices. There are: no image that can be read"),
    "an empty archive": (lambda f: packed_empty(f), "no axial T2 slices"),
    "two patients": (beside(lambda f: put(f / "other/1", axial(7, PatientID="Other"))), "images of 2 patients"),
    "a pipe": (lambda f: fifo(f / "study"), "neither a folder nor a file"),
    "a pipe called DICOMDIR": (lambda f: fifo(f / "DICOMDIR"), "neither a folder nor a file"),
    "a link to /dev/zero": (lambda f: link(f / "study", "/dev/zero"), "neither a folder nor a file"),
    "a link to itself": (lambda f: link(f / "study", "study"), "no such folder or file|cannot be read"),
    "text called an archive": (lambda f: put(f / "study.zip", b"no archive" * 99), "no axial T2 slices"),
    "an archive cut off": (lambda f: put(f / "s.zip", packed(f, lambda z: None).read_bytes()[:-30]), "no axial T2"),
    "a knee": (lambda f: put(f / "1", axial(1, BodyPartExamined="KNEE")), "not a lumbar study"),
    "a picture without a spacing": (lambda f: png(f), "missing pixel spacing"),
    "pipes alone": (lambda f: fifo(f / "1/2").parent.parent, "not a regular file"),
}  # fmt: skip


def packed_empty(folder: Path) -> Path:
    folder.mkdir()
    zipfile.ZipFile(folder / "study.zip", "w").close()
    return folder / "study.zip"


def png(folder: Path) -> Path:
    from hostile_data import grey, picture

    return put(folder / "t2_tra/1.png", picture(grey())).parent.parent


@pytest.fixture
def bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the study; beside it nothing may change, and it may take neither long nor much memory."""

    def late(*_: object) -> None:
        raise TimeoutError(f"takes over {SECONDS} s")

    for name in ("work", "at"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield tmp_path / "at/study"
    signal.alarm(0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MIB << 10
    assert not any((tmp_path / "work").iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"work", "at"}
    assert {path.name for path in (tmp_path / "at").iterdir()} <= {"study", "outside"}


@pytest.mark.parametrize("name", READ)
def test_a_study_with_something_hostile_in_it_is_read(name: str, bounded: Path) -> None:
    write, pattern = READ[name]
    study: Study = open_study(write(bounded))
    assert [item.instance for item in study.axial] == [3, 2, 1]
    reasons = sorted({f"{reject.reason}: {reject.detail}" for reject in study.rejects})
    assert re.search(pattern, "\n".join(reasons)), reasons


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_study_is_refused(name: str, bounded: Path) -> None:
    write, pattern = REFUSED[name]
    with pytest.raises(LssError, match=pattern):
        open_study(write(bounded))


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_study_itself_and_what_holds_it_are_never_replaced(overwrite: bool, bounded: Path) -> None:
    study = whole(bounded)
    for output in (study, study / "t2_tra", study.parent, study / "t2_tra/1"):
        with pytest.raises(LssError, match="is no reading of a study"):
            _refuse_output(output, overwrite)
    assert open_study(study).axial


def test_refusals_are_told_from_other_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RefusedError):
        open_study(tmp_path / "empty")
