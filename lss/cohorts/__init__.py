"""Readers of the cohorts that users bring: all fill one slice table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lss.errors import LssError

if TYPE_CHECKING:  # settings are read without any reader
    from lss.cohorts.base import Cohort
    from lss.cohorts.settings import CohortParams, IngestParams


def open_cohort(cohort: CohortParams, ingest: IngestParams, unread: list[LssError] | None = None) -> Cohort:
    """Return the reader of `cohort.name` on `cohort.root`, or of all archives of `cohort.parts`.

    Args:
        cohort, ingest: settings.
        unread: collects errors of the tables of the archives lss and rsna, which are then skipped; None raises
            them.

    Raises LssError that says what is missing and how to get it.
    """
    if cohort.labels:
        from lss.cohorts.several import Part, SeveralCohorts

        return SeveralCohorts(
            {
                label: Part(
                    _open_part(label, archive, ingest, unread),
                    archive.model_dump(mode="json", include={"name", "folder"}),
                )
                for label, archive in cohort.archives.items()
            }
        )
    spacing = ingest.assumed_spacing_mm
    if cohort.name == "rsna":
        from lss.cohorts.rsna import RsnaDataset

        return RsnaDataset(cohort.root, spacing, unread)
    if cohort.name == "folder":
        from lss.cohorts.folder import FolderDataset

        return FolderDataset(cohort.root, cohort.folder, spacing)
    # the phantom is written in the archive's own layout, so that it goes through the archive's reader
    from lss.cohorts.lss_dataset import LssDataset

    return LssDataset(cohort.root, spacing, unread)


def _open_part(label: str, archive: CohortParams, ingest: IngestParams, unread: list[LssError] | None) -> Cohort:
    """Return the reader of one of several archives; an error names the archive by its label."""
    own: list[LssError] | None = None if unread is None else []
    try:
        reader = open_cohort(archive, ingest, own)
    except LssError as error:
        raise _of_part(label, error) from error
    if unread is not None:
        unread += [_of_part(label, error) for error in own or ()]
    return reader


def _of_part(label: str, error: LssError) -> LssError:
    return LssError(f"{error} (archive {label} of cohort.parts, where its settings stand)")
