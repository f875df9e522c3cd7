"""Segmentation: predicted masks against the pseudo-masks, and against the true masks of the phantom."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.domain.grades import GRADES, LEVELS
from lss.evaluation.cases import TestCases
from lss.evaluation.measures import Key, Measure, measures, names_of
from lss.metrics.bootstrap import Floats, PatientBootstrap, divide
from lss.metrics.plausibility import check_counts, check_overlap, check_pixels
from lss.metrics.segmentation import OVERLAP_METRICS, PixelCounts, emptiness, overlap, pixel_counts
from lss.metrics.surface_distance import border_distances

Masks = list[NDArray[np.bool_]]
DISTANCES = ("hausdorff_mm", "hd95_mm", "hausdorff_px", "hd95_px")


def score_masks(
    predicted: Masks, reference: Masks, cases: TestCases, identity: tuple[str, str, str]
) -> list[dict[str, Any]]:
    """Return rows of the segmentation case table.

    Args:
        predicted, reference: one mask per case, equal shapes.
        identity: backbone, loss, and the name of the reference.
    """
    backbone, loss, name = identity
    pairs = list(zip(predicted, reference, strict=True))
    counts_N4 = np.array([pixel_counts(*pair) for pair in pairs], dtype=np.int64)
    check_pixels("/".join(identity), counts_N4, predicted[0].size)
    counts = PixelCounts(*counts_N4.T)
    columns = {**counts._asdict(), **overlap(counts), "empty": emptiness(counts)}
    scores = [
        dict(zip(columns, values, strict=True))
        for values in zip(*map(np.ndarray.tolist, columns.values()), strict=True)
    ]
    return [
        cases.identity(index, backbone, loss)
        | {"reference": name}
        | scores[index]
        | dict(zip(DISTANCES, _distances(*pair, cases.spacings[index]), strict=True))
        for index, pair in enumerate(pairs)
    ]


def _distances(
    mask: NDArray[np.bool_], other: NDArray[np.bool_], spacing: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return border distances in mm, then in pixels; with square pixels one is the other scaled."""
    in_mm = border_distances(mask, other, spacing)
    if spacing[0] != spacing[1]:
        return (*in_mm, *border_distances(mask, other))
    return (*in_mm, in_mm.hausdorff / spacing[0], in_mm.hd95 / spacing[0])


def evaluate_masks(
    key: Key, rows: list[dict[str, Any]], named: list[bool], bootstrap: PatientBootstrap
) -> tuple[list[Measure], dict[str, int]]:
    """Return measures of one model against one reference, from its case rows; and how many masks were empty, by kind.

    Strata: all; named (images whose disc the note names); empty (the reference has no pixel: only `false_masks`, the
    share on which one is drawn); non_empty (the reference has pixels); balanced (mean over the grades of their means);
    pooled over all pixels; each grade; each level.

    Raises ImpossibleMetricsError where the numbers contradict each other.
    """
    where = "/".join(names_of(key))
    columns = {name: np.array([row[name] for row in rows]) for name in (*OVERLAP_METRICS, *DISTANCES)}
    filled = np.array([row["empty"] not in ("both", "reference") for row in rows])
    strata = {"all": np.ones(len(rows), dtype=bool), "non_empty": filled, "named": np.array(named)}
    strata |= {grade: np.array([row["grade"] == grade for row in rows]) for grade in GRADES}
    strata |= {level: np.array([row["level"] == level for row in rows]) for level in LEVELS}
    collected: list[Measure] = []
    for stratum, among in strata.items():
        if stratum in LEVELS and not among.any():
            continue
        estimates = bootstrap.means(columns, among)
        if among.any():
            check_overlap(f"{where}/{stratum}", estimates["dice"].value, estimates["iou"].value)
        collected += measures(key, stratum, estimates)
    drawn = np.array([float(row["empty"] == "reference") for row in rows])  # where the reference is empty
    collected += measures(key, "empty", bootstrap.means({"false_masks": drawn}, ~filled))
    balanced = _balanced(columns, np.array([GRADES.index(row["grade"]) for row in rows]), bootstrap)
    if not np.isnan(balanced["dice"].value):
        check_overlap(f"{where}/balanced", balanced["dice"].value, balanced["iou"].value)
    collected += measures(key, "balanced", balanced)
    collected += measures(key, "pooled", _pooled(rows, bootstrap))
    empty = {kind: sum(row["empty"] == kind for row in rows) for kind in ("none", "both", "prediction", "reference")}
    check_counts(f"{where}/empty masks", empty, len(rows))
    return collected, empty


def _balanced(columns: dict[str, Any], grade_N: NDArray[np.intp], bootstrap: PatientBootstrap) -> dict[str, Any]:
    """Return the mean over the grades of each grade's mean, as on a test set with as many images of each.

    NaN where a grade does not occur; draws without one are left out of the interval.
    """
    values_NM = np.stack([*columns.values(), np.ones(len(grade_N))], axis=1)
    one_hot_NG = grade_N[:, None] == np.arange(len(GRADES))
    sums_PGM = bootstrap.per_patient(one_hot_NG[:, :, None] * values_NM[:, None, :])

    def statistics(weights_DP: Floats) -> dict[str, Floats]:
        sums_DGM = np.tensordot(weights_DP, sums_PGM, axes=1)
        means_DM = divide(sums_DGM[..., :-1], sums_DGM[..., -1:]).mean(axis=1)
        return {name: means_DM[:, m] for m, name in enumerate(columns)}

    return bootstrap.estimates(statistics)


def _pooled(rows: list[dict[str, Any]], bootstrap: PatientBootstrap) -> dict[str, Any]:
    """Return overlap of all images' pixels taken together."""
    counts_N4 = np.array([[row[name] for name in PixelCounts._fields] for row in rows], dtype=np.float64)
    counts_P4 = bootstrap.per_patient(counts_N4)
    return bootstrap.estimates(lambda weights_DP: overlap(PixelCounts(*(weights_DP @ counts_P4).T)))
