"""A table that gives plane, weighting and disc level of single files, where headers lack them or are wrong.

Columns: `file` (a file or a folder, relative to the cohort's root), and of `slice` (number in a volume or multi-frame
file, from 1), `plane`, `weighting` and `level` those that are needed. An empty cell, "unknown" and a localizer as plane
are ignored. The more specific row counts: the slice's before its file's, that before its folder's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from lss.cohorts.base import RawSlice, Reject
from lss.cohorts.planes import set_plane, sure_plane
from lss.cohorts.series_names import plane_from_name, weighting_from_name
from lss.cohorts.spreadsheets import Row, numbered_rows, plain
from lss.domain.grades import LEVELS
from lss.errors import LssError
from lss.notes.level_names import LEVEL, read_level

FILE = "file"
COLUMNS = ("slice", "plane", "weighting", "level")
_LEFT_3 = np.array([1.0, 0.0, 0.0])


class SliceTable:
    """The entries of a table on the files of a cohort.

    Args:
        path: CSV or Excel file.
        files: all files of the cohort, relative to its root: a row about another one is an error of the table.

    Attributes:
        rejects: rows and cells that cannot be used.

    Raises LssError when the table cannot be read, or has no column `file` or none of the others.
    """

    def __init__(self, path: Path, files: Iterable[str]) -> None:
        self._name = path.name
        self.rejects: list[Reject] = []
        known = set(files)
        known |= {str(folder) for file in known for folder in PurePosixPath(file).parents}
        self._cells: dict[tuple[str, str], dict[str, str]] = {}  # by file or folder, and number of a slice or ""
        self._rows: dict[tuple[str, str], str] = {}
        for number, row in numbered_rows(path, [FILE]):
            named = {plain(name): cell for name, cell in row.items()}
            if not set(COLUMNS[1:]) & named.keys():
                raise LssError(f"{path}: none of the columns {', '.join(COLUMNS[1:])}. Add the one that is needed.")
            self._add(f"{path.name}#row{number}", named, known)

    def _add(self, where: str, row: Row, known: set[str]) -> None:
        file = str(PurePosixPath(row[FILE].replace("\\", "/"))) if row[FILE] else ""
        if file not in known and file.removeprefix("/") not in known:
            self._reject(where, "unusable row", "no such file or folder in the cohort", "Correct its name.", row[FILE])
            return
        number = row.get("slice", "").removesuffix(".0")
        if number and not number.isdecimal():
            remedy = "Write the number of the slice in its file, from 1, or leave the cell empty."
            self._reject(where, "unusable row", "its slice is no number", remedy, number)
            return
        place = file.removeprefix("/"), number.lstrip("0")
        self._rows.setdefault(place, where)
        cells = self._cells.setdefault(place, {})
        for column, read in _READERS.items():
            cell = row.get(column, "")
            if cell.lower() in _NOTHING or (column == "plane" and _weighting(cell) == "localizer"):
                continue
            value = read(cell)
            if value is None:
                remedy = f"Write {_ALLOWED[column]}, or leave the cell empty."
                self._reject(where, "unusable row", f"its {column} is none", remedy, cell)
            elif cells.setdefault(column, value) != value:
                detail = f"a second row of this file, of another {column}"
                self._reject(where, "duplicate row", detail, "Keep one; the first was used.", row[FILE])

    def _reject(self, where: str, reason: str, detail: str, remedy: str, private: str) -> None:
        self.rejects.append(Reject(where, reason, detail, remedy, private))

    def apply(self, slices: Sequence[RawSlice]) -> tuple[dict[str, tuple[str, str]], list[Reject]]:
        """Set plane and weighting of the slices of a patient, in place.

        A plane that the slice's own position contradicts is set too, and doubtful.

        Returns:
            known levels, as `slice_levels.assign_levels` takes them; and the rows of slices that the patient's
            files do not hold.
        """
        levels: dict[str, tuple[str, str]] = {}
        for item in slices:
            if weighting := self._of(item, "weighting"):
                item.weighting, item.weighting_reason = weighting, f"the table of files says {weighting}"
            if plane := self._of(item, "plane"):
                sure = sure_plane(item, _LEFT_3)
                doubt = f"; doubtful: {item.plane_reason}" if sure not in (None, plane) else ""
                set_plane(item, plane, f"the table of files says {plane}{doubt}")
            if level := self._of(item, "level"):
                levels[f"{item.file}#{item.instance}"] = level, f"the table of files says {level}"
        present = {(item.file, str(item.instance)) for item in slices}
        files = {item.file for item in slices}
        remedy = "Correct its number; the contact sheet of `lss check` shows them."
        absent = [
            Reject(where, "unusable row", f"slice {place[1]} is not in its file, or is blank", remedy, place[0])
            for place, where in self._rows.items()
            if place[1] and place[0] in files and place not in present
        ]
        return levels, absent

    def _of(self, item: RawSlice, column: str) -> str | None:
        """Return the most specific entry for a slice."""
        folders = map(str, PurePosixPath(item.file).parents)
        for place in ((item.file, str(item.instance)), *((name, "") for name in (item.file, *folders))):
            if value := self._cells.get(place, {}).get(column):
                return value
        return None


def _plane(cell: str) -> str | None:
    plane = plane_from_name(cell)[0]
    return None if plane == "unknown" else plane


def _weighting(cell: str) -> str | None:
    """Read a weighting as in names of series, or as one of the kinds themselves."""
    kind = weighting_from_name(cell)[0]
    if kind == "unknown":
        return cell.lower() if cell.lower() in ("localizer", "derived", "other") else None
    return kind


def _level(cell: str) -> str | None:
    match = LEVEL.fullmatch(cell)
    levels = read_level(match[0]) if match else ()
    return levels[0] if len(levels) == 1 and levels[0] in LEVELS else None


_NOTHING = ("", "-", "none", "unknown", "n/a", "na")
_READERS: dict[str, Callable[[str], str | None]] = {"plane": _plane, "weighting": _weighting, "level": _level}
_ALLOWED = {
    "plane": "axial, sagittal or coronal",
    "weighting": "T1, T2, localizer, derived or other",
    "level": f"one of {', '.join(LEVELS)}",
}
