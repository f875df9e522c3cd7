"""Open a cohort whose settings may be wrong: each wrong one is a problem, and is replaced, so that all is checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lss.checking.problems import Problem, Weight
from lss.checking.tables import stop, usable_slices, usable_table
from lss.cohorts import open_cohort
from lss.cohorts.base import Cohort
from lss.cohorts.lss_dataset import IMAGES as LSS_IMAGES
from lss.cohorts.needed_files import all_missing_files
from lss.cohorts.rsna import IMAGES as RSNA_IMAGES
from lss.cohorts.settings import CohortParams, IngestParams
from lss.cohorts.several import Part, SeveralCohorts
from lss.errors import LssError
from lss.fetch.sources import COHORT_REMEDY


def open_for_check(
    folder: Path | None, cohort: CohortParams, ingest: IngestParams
) -> tuple[Cohort | None, CohortParams, list[Problem]]:
    """Return the reader, the settings it was opened with, and what was wrong with those of params.yaml.

    Of several archives that are one cohort those are read that can be opened.

    Args:
        folder: where the files lie; None where the settings say.
        cohort: settings of params.yaml. The kind of another folder follows from its content.
        ingest: settings of params.yaml.

    Returns:
        The reader is None where none can be opened.
    """
    if folder is not None:
        known = [archive for archive in cohort.archives.values() if archive.root.resolve() == folder.resolve()]
        cohort = known[0] if known else cohort.model_copy(update={"name": _kind(folder), "root": folder})
    if not cohort.labels:
        return _open_archive(cohort, ingest)
    problems: list[Problem] = []
    readers: dict[str, Part] = {}
    for part in cohort.parts:
        reader, used, wrong = _open_archive(part.as_cohort(cohort.batches), ingest)
        cohort = _with(cohort, part.label, used)
        problems += [
            replace(
                one,
                detail=f"archive {part.label} of cohort.parts: {one.detail}",
                mend=f"{part.label}: {one.mend}" if one.mend else "",
            )
            for one in wrong
        ]
        if reader:
            readers[part.label] = Part(reader, None)
    return SeveralCohorts(readers) if readers else None, cohort, problems


def _with(cohort: CohortParams, label: str, used: CohortParams) -> CohortParams:
    """Return the settings of several archives, of which one is read by those of `used`."""
    parts = [
        part.model_copy(update={"name": used.name, "folder": used.folder}) if part.label == label else part
        for part in cohort.parts
    ]
    return cohort.model_copy(update={"parts": parts})


def _open_archive(cohort: CohortParams, ingest: IngestParams) -> tuple[Cohort | None, CohortParams, list[Problem]]:
    """Do what `open_for_check` does for one archive."""
    problems: list[Problem] = []
    if cohort.name == "folder" and cohort.root.is_dir():
        settings, wrong = usable_table(cohort.root, cohort.folder)
        problems += wrong
        settings, wrong = usable_slices(cohort.root, settings)
        problems += wrong
        cohort = cohort.model_copy(update={"folder": settings})
    lacks = all_missing_files(cohort)
    if lacks:
        remedy = COHORT_REMEDY.get(cohort.name, "Run the stage cohort: `lss cohort`.")
        root = str(cohort.root)
        mend = "cohort.root" if not cohort.root.is_dir() else ""
        problems += [Problem(Weight.STOPS, "files missing", lack, mend, remedy, root) for lack in lacks]
        if cohort.name not in ("lss", "rsna") or not _has_images(cohort.root):
            return None, cohort, problems
    unread: list[LssError] = []
    try:
        reader = open_cohort(cohort, ingest, unread)
        messages = [str(error) for error in unread if not _is_named(str(error), lacks)]
        problems += [
            stop("table cannot be used", text, "", "See the detail; the rest was checked.") for text in messages
        ]
        return reader, cohort, problems
    except LssError as error:
        unopened = Problem(
            Weight.STOPS, "cannot be opened", str(error), remedy="See the detail.", file=str(cohort.root)
        )
        return None, cohort, [*problems, unopened]


def _is_named(error: str, lacks: list[str]) -> bool:
    """Return whether what a reader says of a table is that it is missing, which `lacks` says already."""
    absent = "there is no such file" in error or any(lack.removesuffix(" in it") in error for lack in lacks)
    return absent and bool(lacks)


def _has_images(root: Path) -> bool:
    """Return whether images of the archives lss or rsna lie there, with or without their tables."""
    return root.is_dir() and (_kind(root) != "folder" or any(root.glob("*.[zZ][iI][pP]")))


def _kind(folder: Path) -> str:
    """Return the name of the cohort that lies in a folder."""
    if (folder / RSNA_IMAGES).is_dir():
        return "rsna"
    return "lss" if any(folder.glob(LSS_IMAGES)) or any(folder.glob(f"*/{LSS_IMAGES}")) else "folder"
