"""Readers of the cohorts that users bring: all fill one slice table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # settings are read without any reader
    from lss.cohorts.base import Cohort
    from lss.cohorts.settings import CohortParams, IngestParams
    from lss.errors import LssError


def open_cohort(cohort: CohortParams, ingest: IngestParams, unread: list[LssError] | None = None) -> Cohort:
    """Return the reader of `cohort.name` on `cohort.root`.

    Args:
        cohort, ingest: settings.
        unread: collects errors of the tables of the archives lss and rsna, which are then skipped; None raises
            them.

    Raises LssError that says what is missing and how to get it.
    """
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
