"""The Excel of notes, with the same bytes every time."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import openpyxl

_TIMES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_notes(path: Path, notes: dict[int, str | None]) -> None:
    """Write `Radiologists Report.xlsx`: sheet Sheet1, columns `Patient ID` (int) and `Clinician's Notes`."""
    book = openpyxl.Workbook()
    sheet = book.active
    if sheet is None:
        raise RuntimeError("openpyxl made a workbook without a sheet")
    sheet.title = "Sheet1"
    sheet.append(["Patient ID", "Clinician's Notes"])
    for number in sorted(notes):
        sheet.append([number, notes[number]])
    stream = io.BytesIO()
    book.save(stream)
    path.write_bytes(_timeless(stream.getvalue()))


def _timeless(data: bytes) -> bytes:
    """Return the same zip archive with all times of writing set to a fixed one."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            content = _TIMES.sub(rb"\g<1>2018-01-01T00:00:00Z\g<2>", source.read(name))
            target.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
