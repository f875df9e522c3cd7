"""Which files a cohort's reader needs, by their names: one list for the reader, the stage `cohort` and the plan."""

from __future__ import annotations

from pathlib import Path

from lss.cohorts.settings import CohortParams

DEPTHS = ("", "*/", "*/*/")
"""How deep below the root tables are looked for: the images' own folders are deeper."""

NOTES_PATTERNS = tuple(f"{depth}*[rR][aA][dD][iI][oO][lL][oO][gG][iI][sS][tT]*.[xX][lL][sS][xX]" for depth in DEPTHS)
"""Where the workbook of notes may lie below the root."""

_RSNA_FILES = ("train_images", "train.csv", "train_series_descriptions.csv", "train_label_coordinates.csv")


def files_elsewhere(cohort: CohortParams) -> list[Path]:
    """Return files of a cohort that do not lie below its root: the tables of a folder to which nothing may be added."""
    tables = [Path(name) for name in _tables(cohort).values()]
    return [cohort.root / table for table in tables if table.is_absolute() or ".." in table.parts]


def _tables(cohort: CohortParams) -> dict[str, str]:
    """Return the tables that the settings of a folder name, by setting."""
    named = {"cohort.folder.table": cohort.folder.table, "cohort.folder.slices": cohort.folder.slices}
    return {setting: table for setting, table in named.items() if table and cohort.name == "folder"}


def missing_files(cohort: CohortParams) -> str | None:
    """Return what a real cohort's folder lacks first of the files that its reader needs, in words;
    None where nothing.
    """
    return next(iter(all_missing_files(cohort)), None)


def all_missing_files(cohort: CohortParams) -> list[str]:
    """Return all that a real cohort's folder lacks of the files that its reader needs, in words.

    Checks names only: the reader finds out whether images and tables can be read.
    """
    root = cohort.root
    if not root.is_dir():
        return ["no such folder"]
    lacks = [f"no {table} ({setting})" for setting, table in _tables(cohort).items() if not (root / table).is_file()]
    needed: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {  # what, and patterns of which one must match
        "lss": (
            ("folder 01_MRI_Data and no zip archive", ("01_MRI_Data", "*/01_MRI_Data", "*.[zZ][iI][pP]")),
            ("'Radiologists Report.xlsx'", NOTES_PATTERNS),
        ),
        "rsna": tuple((name, (name,)) for name in _RSNA_FILES),
        "folder": (("file", ("*",)),),
    }
    return lacks + [
        f"no {what} in it"
        for what, patterns in needed.get(cohort.name, ())
        if not any(next(iter(root.glob(pattern)), None) for pattern in patterns)
    ]
