"""Data sheet (Gebru et al. 2021) of the cohort, from the manifests of the data stages."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lss.evaluation.summary import RESEARCH_ONLY
from lss.reporting.cards import NOT_STATED, Card, Facts, Manifest, entry, first, in_order, listed, printed
from lss.reporting.names import cohort_name

SOURCES = {
    "phantom": ("made by this program (lss/cohorts/phantom): drawn anatomy, invented notes; no person's data",
                "that of this program"),
    "lss": ("Lumbar Spine MRI Dataset, Mendeley Data k57fr854j2 version 2 (images) and s6bgczr8s2 version 2 (notes)",
            "CC BY 4.0"),
    "rsna": ("RSNA 2024 Lumbar Spine Degenerative Classification", "non-commercial, not to be passed on: the "
             "competition's terms"),
    "folder": ("files of the user", NOT_STATED),
}  # fmt: skip
"""Cohort to its source and licence."""


def data_sheet(manifests: list[Manifest], statistics: dict[str, Any]) -> Card:
    """Return sheet of the cohort; counts only: no name, id or path of a file gets in.

    Args:
        manifests: of all stages.
        statistics: of the stage evaluate.
    """
    cohort = first(manifests, "cohort")
    name = cohort["facts"].get("cohort") or statistics["about"]["cohort"]
    archives = {label: of["cohort"] for label, of in cohort["facts"].get("parts", {}).items()}
    source, licence = _source_and_licence(archives or {"": name})
    split = first(manifests, "split")
    parts = in_order(split["facts"].get("subsets", {}))
    return Card(
        f"Data sheet: {cohort_name(cohort['facts'], printed(name))}",
        [
            ("Motivation", [("Purpose here", "training and testing models of lumbar spinal stenosis on MRI"),
                            ("Created for, funded by", NOT_STATED)]),
            ("Source", [("From", source), ("Licence", licence),
                        ("Owner's caveat", entry(cohort["facts"], "caveat"))]),
            ("Composition", [*listed({key: value for key, value in cohort["facts"].items()
                                      if key not in ("cohort", "caveat", "parts")}),
                             *((f"Archive {label}", printed(of))
                               for label, of in cohort["facts"].get("parts", {}).items()),
                             ("Slices read", printed(split["facts"].get("slices"))),
                             ("Slices in use", printed(split["facts"].get("used"))),
                             ("Test images by grade", printed(statistics["about"]["images_by_grade"])),
                             ("Test images by level", printed(statistics["about"]["images_by_level"]))]),
            ("De-identification", _privacy(manifests)),
            ("Labels", _labels(manifests)),
            ("Pseudo-masks", _pseudo_masks(manifests)),
            ("Preparation", _preparation(manifests)),
            ("Parts", [*((f"Part {part}", printed(counts)) for part, counts in parts.items()),
                       ("Grades absent from a part", printed(split["facts"].get("absent_grades"))),
                       ("Given by a file", printed(split["params"].get("file") is not None)),
                       *listed({key: value for key, value in split["params"].items() if key != "file"})]),
            ("Left out", [("Files and notes that could not be used", printed(split["facts"].get("rejects"))),
                          ("Slices of another kind", printed(split["facts"].get("unused")))]),
            ("Use", [("For", "research"), ("Not for", RESEARCH_ONLY),
                     ("Distribution, maintenance, contact", NOT_STATED)]),
        ],
    )  # fmt: skip


def _source_and_licence(names: dict[str, str]) -> tuple[str, str]:
    """Return both in words, given the kind of each archive by its label; of one archive the label is ""."""
    known = {label: SOURCES.get(name, (NOT_STATED, NOT_STATED)) for label, name in names.items()}
    source, licence = (
        "; ".join(f"{label}: {of[place]}" if label else of[place] for label, of in known.items()) for place in (0, 1)
    )
    return source, licence


def _privacy(manifests: list[Manifest]) -> Facts:
    ingest = first(manifests, "ingest")["facts"]
    return [
        ("Identifiers", "dropped when the files are read: later stages hold pixels, geometry, pseudonyms, and notes "
         "whose dates are blanked"),
        ("Key of the pseudonyms", printed(ingest.get("pseudonym_key"))),
        ("Text burnt into images", "not looked for"),
    ]  # fmt: skip


def _labels(manifests: list[Manifest]) -> Facts:
    ingest = first(manifests, "ingest")
    settings = ingest["params"].get("ingest", {})
    return [
        ("Rubric", "lss/notes/grading.py: what compresses the sac, how strongly, what is denied, per disc level; the "
         "grade of a slice is its disc's"),
        ("Discs that a note does not name", printed(settings.get("unnamed_level"))),
        ("Slices of unknown disc", printed(settings.get("unknown_level"))),
    ]  # fmt: skip


def _pseudo_masks(manifests: list[Manifest]) -> Facts:
    batches = [manifest["facts"] for manifest in manifests if manifest["stage"] == "pseudo_mask"]
    regions: Counter[str] = Counter()
    for facts in batches:
        regions.update(facts.get("region_of_interest", {}))
    empty = sum(facts.get("empty_masks", 0) for facts in batches)
    return [
        ("Made by", "rules from image and grade (the paper's Algorithm 1), not by experts"),
        ("Region of interest", printed(dict(regions)) if batches else NOT_STATED),
        ("Empty masks", printed(empty) if batches else NOT_STATED),
        *listed(first(manifests, "pseudo_mask")["params"]),
    ]


def _preparation(manifests: list[Manifest]) -> Facts:
    shards = first(manifests, "shards")
    counts = ["train_slices_of_cohort", "train_copies_of_cohort"]
    if not shards["params"].get("balance", True):
        counts.pop()
    return [
        ("Denoising", printed(first(manifests, "denoise")["params"] or None)),
        *listed(first(manifests, "split")["facts"], counts),
        ("Field of view and augmentation", printed(shards["params"] or None)),
    ]
