"""`lss score-masks`: pseudo-masks against the label images that experts drew, by grade and by ingredient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lss.cohorts.base import Reject, UnusableError
from lss.cohorts.expert_masks import ExpertMasks, Key
from lss.cohorts.privacy import pseudonyms
from lss.errors import LssError
from lss.fetch.sources import EXPERTS_REMEDY
from lss.imaging.codec import decode_png, pixels_from_bytes
from lss.imaging.mask_variants import VARIANTS, Mask, dice_table, variants
from lss.imaging.matching import best_match
from lss.imaging.settings import PseudoMaskParams
from lss.metrics.segmentation import overlap, pixel_counts
from lss.project import layout
from lss.project.params import Params
from lss.runtime.progress import progress
from lss.stages._slices import read_split, side_by_side, spacing_mm, used_slices
from lss.storage.io import write_csv

STORED = "pseudo-mask as stored"
MIN_CORRELATION = 0.9
"""A picture that correlates less with every slice is taken to show none of them. On the phantom slices of two patients
at one level correlate by 0.84 at the 99th percentile and by 0.89 at most."""

_SLICE_COLUMNS = ["slice_key", "patient_key", "weighting", "level", "level_reason", "grade", "rows", "columns",
                  "row_spacing_mm", "column_spacing_mm", "pixels"]  # fmt: skip
_DENOISED_COLUMNS = ["slice_key", "rows", "columns", "pixels"]
_MASK_COLUMNS = ["slice_key", "mask"]

Row = dict[str, Any]


class _Candidate(NamedTuple):
    slice: Row
    denoised: Row
    mask: Row


def score_masks(params: Params, output: Path, rejects_output: Path) -> str:
    """Compare every expert label with the pseudo-mask of its slice and with the variants of Algorithm 1.

    A label's slice is one of its patient and disc: that which the companion table names, where there is one; and of
    several that whose grey levels correlate best with the labelled picture, at least by `MIN_CORRELATION`.

    Args:
        params: all settings; read are `cohort`, `ingest.pseudonym_key_file`, `pseudo_mask` and `seed`.
        output: CSV, one row per label and weighting, with pseudonyms: how its slice was found, areas in mm2, Dice of
            the stored mask and of every variant.
        rejects_output: CSV of the labels that could not be scored, with reason and remedy.

    Returns:
        the table of mean Dice by grade, and what was left out, as text.

    Raises LssError when no labels are named, found, or belong to the cohort.
    """
    if params.cohort.experts is None:
        raise LssError(f"params.yaml: cohort.experts: is null. Name the label images' folder or zip. {EXPERTS_REMEDY}")
    labels = ExpertMasks(params.cohort.experts)
    # of several archives the labels are of the paper's
    own = [label for label, archive in params.cohort.archives.items() if archive.name == "lss" and label]
    names = pseudonyms(params.ingest.pseudonym_key_file, params.seed, own[0] if own else "")
    waiting: dict[str, list[Key]] = {}
    for key in labels.keys():
        waiting.setdefault(names.patient(key[0]), []).append(key)
    settings = params.pseudo_mask
    # raw names stay out of files; the owner sees them on the terminal
    rejects = [replace(reject, file=names.file(reject.file)) for reject in labels.rejects()]
    rows: list[Row] = []
    patients = _patients(params, waiting)
    for patient, candidates in progress(patients, "score-masks", total=len(waiting), unit="patient"):
        for key in waiting.pop(patient):
            for weighting in sorted({one.slice["weighting"] for one in candidates}):
                of_weighting = [one for one in candidates if one.slice["weighting"] == weighting]
                try:
                    rows.append(_score(labels, key, weighting, of_weighting, settings))
                except UnusableError as error:
                    rejects.append(Reject.of(f"{patient} {key[1]} {weighting}", error))
    for patient, keys in waiting.items():
        for _, level in keys:
            why = "this patient has no slice that is worked on"
            rejects.append(Reject(f"{patient} {level}", "no slice in use", why, "Check split.weighting and the notes."))
    counts = Counter(reject.reason for reject in rejects)
    if not rows:
        counted = "; ".join(f"{count} x {reason}" for reason, count in sorted(counts.items()))
        raise LssError(f"{params.cohort.experts}: none of its labels could be scored: {counted}.")
    write_csv(output, rows, list(rows[0]))
    write_csv(rejects_output, [vars(reject) for reject in rejects], ["file", "reason", "detail", "remedy"])
    left_out = [f"left out: {count} x {reason}" for reason, count in sorted(counts.items())]
    examples = [f"  such as {reject.file}" for reject in labels.rejects()[:3]]
    return "\n".join([_table(rows), "", *left_out, *examples])


def _patients(params: Params, wanted: Container[str]) -> Iterator[tuple[str, list[_Candidate]]]:
    """Yield the slices in use of every wanted patient, one patient in memory at a time."""
    subsets = read_split(Path(layout.SPLIT))
    for batch in layout.batch_names(params.cohort.batches):
        slices = Path(layout.SLICES.format(batch=batch))
        _, rows = used_slices(slices, subsets, _SLICE_COLUMNS)
        others = {
            Path(layout.DENOISED.format(batch=batch)): _DENOISED_COLUMNS,
            Path(layout.PSEUDO_MASKS.format(batch=batch)): _MASK_COLUMNS,
        }
        by_patient = groupby(side_by_side(slices, rows, others), key=lambda group: group[0]["patient_key"])
        for patient, groups in by_patient:
            if patient in wanted:
                yield patient, [_Candidate(*group) for group in groups]


def _score(
    labels: ExpertMasks, key: Key, weighting: str, candidates: list[_Candidate], settings: PseudoMaskParams
) -> Row:
    """Return one row of the output. Raises UnusableError where the label cannot be scored."""
    sac = labels.thecal_sac(key)
    match, how = _find(labels, key, weighting, candidates)
    row = match.candidate.slice
    if sac.shape != (row["rows"], row["columns"]):
        sizes = f"label {sac.shape}, slice {(row['rows'], row['columns'])}"
        raise UnusableError("label of another size", sizes, "Scale the label to the slice.")
    spacing = spacing_mm(row)
    stored = decode_png(match.candidate.mask["mask"]["bytes"]) > 0
    made, _ = variants(_pixels(match.candidate.denoised), spacing, weighting, row["grade"], settings)
    pixel = spacing[0] * spacing[1]
    return {
        **{name: row[name] for name in ("slice_key", "patient_key", "weighting", "level", "grade")},
        "found_by": how,
        "correlation": match.correlation,
        "next_best": match.next_best,
        "sac_mm2": round(float(sac.sum() * pixel), 1),
        "mask_mm2": round(float(stored.sum() * pixel), 1),
        **{name: round(_dice(mask, sac), 4) for name, mask in {STORED: stored, **made}.items()},
    }


def _find(labels: ExpertMasks, key: Key, weighting: str, candidates: list[_Candidate]) -> tuple[_Matched, str]:
    """Return the slice that a label was drawn on, and by what it was found."""
    named = [one for one in candidates if one.slice["level"] == key[1] and _is_named(one.slice["level_reason"])]
    possible = named or [one for one in candidates if one.slice["level"] in (key[1], None)]
    if not possible:
        raise UnusableError("no slice of this level", f"none at {key[1]} is in use", "Check the levels: lss inspect.")
    picture = labels.picture(key, weighting)
    if picture is None:
        if len(named) == 1:
            return _Matched(named[0], None, None), "companion table"
        raise UnusableError(
            "no picture of the label", f"{len(possible)} slices are possible", "Bring Composite_Images."
        )
    match = best_match(picture, [_pixels(one.slice) for one in possible])
    if match is None:
        raise UnusableError("label of another size", f"its picture is {picture.shape[:2]}", "Scale it to the slice.")
    if match.correlation < MIN_CORRELATION:
        detail = f"best correlation {match.correlation:.2f}, needed {MIN_CORRELATION:g}"
        raise UnusableError("no slice like the label's picture", detail, "Does the label belong to this patient?")
    how = "companion table and correlation" if named else "correlation"
    best = possible[match.place]
    return _Matched(best, round(match.correlation, 4), round(match.next_best, 4)), how


def _is_named(reason: str) -> bool:
    """Return whether the companion table names this very slice, not only its block."""
    return reason.startswith("companion table") and "mm away" not in reason


class _Matched(NamedTuple):
    candidate: _Candidate
    correlation: float | None
    next_best: float | None


def _pixels(row: Row) -> NDArray[np.uint16]:
    return pixels_from_bytes(row["pixels"], row["rows"], row["columns"])


def _dice(mask: Mask, sac: Mask) -> float:
    return float(overlap(pixel_counts(mask, sac))["dice"])


def _table(rows: list[Row]) -> str:
    scores: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for name in (STORED, *VARIANTS):
            scores.setdefault(name, {}).setdefault(row["grade"], []).append(row[name])
    return dice_table(scores, "the experts' thecal sac")
