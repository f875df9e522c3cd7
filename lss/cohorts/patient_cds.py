"""Patients' discs: which of their files are parts of a viewer, and which folders are discs (DICOM PS3.10, PS3.12)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import PurePosixPath

from lss.cohorts.base import Reject, UnusableError
from lss.cohorts.dicom_header import begins_like_dicom

_ENDINGS = (
    ".exe", ".dll", ".ocx", ".so", ".dylib", ".jar", ".class", ".msi", ".cab", ".bat", ".cmd", ".sh", ".inf", ".ini",
    ".cfg", ".config", ".manifest", ".plist", ".strings", ".nib", ".icns", ".htm", ".css", ".js", ".xsl", ".xslt",
    ".swf", ".ico", ".chm", ".hlp", ".lnk", ".url", ".rtf", ".doc", ".log", ".sys", ".ttf", ".pak", ".db", ".lic",
)  # fmt: skip
"""Endings of viewer programs, their settings and pages."""

PAPERS = (".csv", ".tsv", ".xlsx", ".xls", ".xlsm", ".ods", ".txt", ".md", ".json", ".yaml", ".yml", ".pdf", ".docx",
          ".odt", ".pptx", ".ppt", ".eml", ".msg", ".xml", ".html", ".svg", ".md5", ".sha256", ".bval", ".bvec",
          ".mp4", ".avi", ".mov", ".mpg", ".wmv", ".wav", ".mp3")  # fmt: skip
"""Endings of tables, texts and films, which lie beside images and on discs."""

_NOTHING = "Nothing to do."
_STARTS = (
    b"MZ",
    b"\x7fELF",
    b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe",
    b"%PDF",
    b"<!doctype",
    b"<html",
    b"<?xml",
    b"[autorun",
)
"""First bytes of programs and pages, lower case where they are letters of a page."""

_PROGRAMS = (".exe", ".dll", ".jar", ".so", ".dylib")
_VIEWERS = re.compile(r"\.app$|^ihe_pdi$", re.IGNORECASE)
_READ = (".png", ".tif", ".tiff", ".nii", ".nii.gz")
_PACKED_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
_PACKED = (".zip", ".rar", ".7z", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".iso")
_VOLUMES = (".mha", ".mhd", ".raw", ".zraw", ".nrrd", ".nhdr", ".hdr", ".img", ".mgz", ".mgh", ".mnc", ".par", ".rec",
            ".npy", ".npz", ".mat", ".h5", ".vtk", ".vti", ".nii.bz2", ".nii.xz")  # fmt: skip
"""Endings of volumes that are never read."""

_PICTURE_STARTS = {b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP", b"RIFF": "WebP", b"\0\0\0\x0cjP": "JPEG 2000"}
_MISNAMED = {b"\x89PNG": ".png", b"II*\0": ".tif", b"MM\0*": ".tif", b"\\\1\0\0": ".nii"}
"""First bytes of pictures and volumes that are read where they have their ending."""


def disc_folders(files: Collection[str]) -> set[str]:
    """Return folders that are discs or a viewer's: "" is the root.

    In a disc's lies a DICOMDIR or an autorun.inf. A viewer's is a macOS program, is called IHE_PDI, or holds a program
    and nothing below it that is read as a picture or volume.

    >>> files = ["1/DICOMDIR", "2/Horos.app/Contents/PkgInfo", "3/view/v.exe", "3/IM1", "4/a.exe", "4/a.png"]
    >>> sorted(disc_folders(files))
    ['1', '2/Horos.app', '3/view']
    """
    discs = {
        _folder(file) for file in files if _is_directory(file) or PurePosixPath(file).name.lower() == "autorun.inf"
    }
    for file in files:
        folders = file.split("/")[:-1]
        discs |= {"/".join(folders[: depth + 1]) for depth, name in enumerate(folders) if _VIEWERS.search(name)}
    programs = {_folder(file) for file in files if file.lower().endswith(".exe")} - {""}
    read = [file for file in files if file.lower().endswith(_READ)]
    return discs | {folder for folder in programs if not any(file.startswith(f"{folder}/") for file in read)}


def viewer_folders(files: Collection[str], is_dicom: Callable[[str], bool]) -> set[str]:
    """Return folders of viewers on a disc without a directory: the largest around a program in which no file is DICOM.

    Its pictures and volumes are the viewer's only where the patient's outermost folder holds DICOM files.

    >>> files = ["1/IM/a", "1/jre/bin/java.exe", "1/jre/lib/certs", "2/x.exe", "2/a.png"]
    >>> viewer_folders(files, lambda file: file == "1/IM/a")
    {'1/jre'}
    """
    programs = {_folder(file) for file in files if file.lower().endswith(_PROGRAMS)} - {""}
    tops = {folder.split("/")[0] for folder in programs}
    images = {
        _plain(folder)
        for file in files
        if file.split("/")[0] in tops and is_dicom(file)
        for folder in PurePosixPath(file).parents
    }
    largest = set()
    for folder in programs - images:
        while (above := _folder(folder)) and above not in images:
            folder = above
        read = any(file.startswith(f"{folder}/") and file.lower().endswith(_READ) for file in files)
        if not read or folder.split("/")[0] in images:
            largest.add(folder)
    return largest


def is_on_disc(file: str, discs: set[str]) -> bool:
    """Return whether a file lies in or below one of `discs`.

    >>> is_on_disc("7/cd/DICOM/1", {"7/cd"}), is_on_disc("8/1", {"7/cd"}), is_on_disc("8/1", {""})
    (True, False, True)
    """
    return any(_plain(parent) in discs for parent in PurePosixPath(file).parents)


def is_viewer_file(file: str) -> bool:
    """Return whether a file is part of a viewer, or a disc's directory, by its name."""
    return file.lower().endswith(_ENDINGS) or _is_directory(file)


def is_program(data: bytes) -> bool:
    """Return whether a file is a program or a page, by its first bytes."""
    return data[:16].lower().startswith(tuple(start.lower() for start in _STARTS))


def kind_of_picture(data: bytes) -> str | None:
    """Return kind of a picture that is never read, since it keeps no grey levels (JPEG, GIF, BMP), by
    its first bytes.
    """
    return next((kind for start, kind in _PICTURE_STARTS.items() if data.startswith(start)), None)


def is_no_image(file: str) -> bool:
    """Return whether a file is a table, a text, part of a viewer or a disc's directory, by its name."""
    return file.lower().endswith(PAPERS) or is_viewer_file(file)


def refuse_no_image(file: str, data: bytes, discs: set[str]) -> None:
    """Raise UnusableError for a file that need not be DICOM, though it lies among images that are.

    Args:
        file: its path relative to the cohort's root.
        data: its bytes.
        discs: `disc_folders` of the files around it: whatever lies on a disc and is not DICOM belongs to its viewer.
    """
    if is_no_image(file):
        raise UnusableError("no image file", "a table, a text or a part of a viewer, by its name", _NOTHING)
    if is_program(data):
        raise UnusableError("no image file", "a program or a page, by its first bytes", _NOTHING)
    if is_on_disc(file, discs) and not begins_like_dicom(data[:132]):
        raise UnusableError("no image file", "on a patient's disc, and not DICOM", _NOTHING)
    if begins_like_dicom(data[:132]):
        return
    if file.lower().endswith(_VOLUMES):
        detail = f"a volume of the format {PurePosixPath(file).suffix.lower()}"
        raise UnusableError("unsupported volume", detail, "Convert it to NIfTI (.nii.gz), or bring the DICOM files.")
    if data.startswith(_PACKED_STARTS) or file.lower().endswith(_PACKED):
        raise UnusableError(
            "packed archive", "archives in a folder are not opened", "Unpack it beside it, then remove it."
        )
    if ending := next((ending for start, ending in _MISNAMED.items() if data.startswith(start)), None):
        raise UnusableError(
            "ending missing", f"a picture or volume that is no {ending}", f"Let its name end in {ending}."
        )
    if kind := kind_of_picture(data):
        remedy = "Bring the DICOM files, or PNG or TIFF made from them without loss."
        raise UnusableError("unsupported picture", f"a {kind} picture keeps no grey levels of a scan", remedy)


def outside_folders(file: str) -> Reject:
    """Return the line of a file that lies beside the patients' folders."""
    if is_no_image(file):
        return Reject(file, "no image file", "a table, a text or a part of a viewer, by its name", _NOTHING)
    remedy = "Put it into its patient's or study's folder, or remove it."
    return Reject(file, "outside a patient's folder", "no folder of a patient above it", remedy)


def _is_directory(file: str) -> bool:
    return PurePosixPath(file).name.lower().split(";")[0].rstrip(".") == "dicomdir"


def _folder(file: str) -> str:
    return _plain(PurePosixPath(file).parent)


def _plain(folder: PurePosixPath) -> str:
    return "" if folder.as_posix() == "." else folder.as_posix()
