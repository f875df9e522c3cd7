"""The one table of what can be fetched: ids, versions, file names, licences; and how to get what cannot.

Looks at nothing and imports nothing heavy, since every start of Snakemake reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lss.backbones.registry import BACKBONES


@dataclass(frozen=True)
class Source:
    """A dataset on Mendeley Data.

    Attributes:
        what: its name after `lss fetch`.
        title: in words.
        dataset, version: its identifier there.
        patterns: which of its files are taken, without regard to case.
        size: of the download, in words.
        licence: under which it is published.
        member: where set, this one file is taken, out of a zip archive if need be; nothing else is kept.
    """

    what: str
    title: str
    dataset: str
    version: int
    patterns: tuple[str, ...]
    size: str
    licence: str = "CC BY 4.0"
    member: str | None = None

    @property
    def page(self) -> str:
        """The dataset's page, for a person."""
        return f"https://data.mendeley.com/datasets/{self.dataset}/{self.version}"

    @property
    def recipe(self) -> str:
        """How a person gets it without `lss fetch`."""
        action = f"take '{self.member}' out of it" if self.member else f"download {' or '.join(self.patterns)}"
        return f"open {self.page} in a browser, {action}"


SLICE_NUMBERS = "Slices Numbers.csv"

MENDELEY = {
    source.what: source
    for source in (
        Source("images", "Lumbar Spine MRI Dataset", "k57fr854j2", 2, ("*.zip",), "6.27 GB"),
        Source("notes", "radiologists' notes", "s6bgczr8s2", 2, ("*radiologist*.xlsx",), "0.1 MB"),
        Source("labels", "expert label images", "zbf6b4pttk", 2, ("*.zip",), "1.04 GB"),
        Source(
            "slice-numbers", "which slice shows which disc, of the dataset's source code", "8cp2cp7km8", 2,
            (SLICE_NUMBERS, "*.zip"), "some MB", "GPL-3.0", SLICE_NUMBERS,
        ),
    )
}  # fmt: skip
"""Names, ids and sizes as public pages and repositories state them."""

WEIGHT_LICENCES = {hub_id: licence for record in BACKBONES for hub_id, licence in record.licences.items()}
"""By id on the hub; for others see their card."""

COHORT_REMEDY = {
    "lss": "Run `lss fetch images notes`. Without a network: "
    + "; ".join(f"{MENDELEY[what].recipe} ({MENDELEY[what].size})" for what in ("images", "notes"))
    + "; put both there, the archive packed or unpacked (01_MRI_Data/).",
    "rsna": "Download the files of the RSNA 2024 Lumbar Spine Degenerative Classification challenge from its page (its "
    "terms apply) and put train_images/, train.csv, train_series_descriptions.csv and train_label_coordinates.csv "
    "there.",
    "folder": "Put your DICOM, NIfTI, PNG or TIFF files there, and the table named in cohort.folder.table.",
}
"""How to get the files of a cohort, by `cohort.name`."""

EXPERTS_REMEDY = (
    f"Run `lss fetch labels`. Without a network: {MENDELEY['labels'].recipe} ({MENDELEY['labels'].size}) and put it "
    "there, packed or unpacked (05_Final_Ground_Truth_Data/)."
)


def weights_remedy(hub_id: str, revision: str, folder: Path) -> str:
    """Say how to get a published checkpoint that `folder` lacks."""
    return (
        f"Run `lss fetch weights`. Without a network copy the files of {hub_id} at revision {revision} into {folder}/, "
        "those of its companion into a folder there called like it, or name another folder in weights.BACKBONE.folder."
    )
