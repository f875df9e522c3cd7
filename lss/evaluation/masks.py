"""Segmentation: predicted masks against the pseudo-masks, and against the true masks of the phantom."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.evaluation.cases import TestCases
from lss.evaluation.measures import Measure, measures
from lss.grades import GRADES, LEVELS
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.consistency import check_counts, check_overlap
from lss.metrics.segmentation import OVERLAP_METRICS, PixelCounts, emptiness, overlap, pixel_counts
from lss.metrics.surface_distance import BorderDistances, border_distances

Masks = list[NDArray[np.bool_]]
DISTANCES = ("hausdorff_mm", "hd95_mm", "hausdorff_px", "hd95_px")


def score_masks(
    predicted: Masks, reference: Masks, cases: TestCases, identity: tuple[str, str, str]
) -> list[dict[str, Any]]:
    """Rows of the segmentation case table.

    Args:
        predicted, reference: one mask per case, equal shapes.
        identity: backbone, loss, and the name of the reference.
    """
    backbone, loss, name = identity
    rows = []
    for index, (mask, other) in enumerate(zip(predicted, reference, strict=True)):
        counts = pixel_counts(mask, other)
        in_mm, in_px = _distances(mask, other, cases.spacings[index])
        rows.append(
            cases.identity(index, backbone, loss)
            | {"reference": name}
            | {field: int(count) for field, count in counts._asdict().items()}
            | {metric: float(value) for metric, value in overlap(counts).items()}
            | dict(zip(DISTANCES, (*in_mm, *in_px), strict=True))
            | {"empty": str(emptiness(counts))}
        )
    return rows


def _distances(
    mask: NDArray[np.bool_], other: NDArray[np.bool_], spacing: tuple[float, float]
) -> tuple[BorderDistances, BorderDistances]:
    """Border distances in mm and in pixels; with square pixels one is the other scaled."""
    in_mm = border_distances(mask, other, spacing)
    if spacing[0] != spacing[1]:
        return in_mm, border_distances(mask, other)
    return in_mm, BorderDistances(in_mm.hausdorff / spacing[0], in_mm.hd95 / spacing[0])


def evaluate_masks(
    key: dict[str, str], rows: list[dict[str, Any]], bootstrap: PatientBootstrap
) -> tuple[list[Measure], dict[str, int]]:
    """Measures of one model against one reference, from its case rows; and how many masks were empty, by kind.

    Strata: all; non_empty (the reference has pixels); pooled over all pixels; each grade; each level.

    Raises ImpossibleMetricsError where the numbers contradict each other.
    """
    where = "/".join(key.values())
    columns = {name: np.array([row[name] for row in rows]) for name in (*OVERLAP_METRICS, *DISTANCES)}
    filled = np.array([row["empty"] not in ("both", "reference") for row in rows])
    strata = {"all": np.ones(len(rows), dtype=bool), "non_empty": filled}
    strata |= {grade: np.array([row["grade"] == grade for row in rows]) for grade in GRADES}
    strata |= {level: np.array([row["level"] == level for row in rows]) for level in LEVELS}
    found: list[Measure] = []
    for stratum, among in strata.items():
        if stratum in LEVELS and not among.any():
            continue
        estimates = bootstrap.means(columns, among)
        if among.any():
            check_overlap(f"{where}/{stratum}", estimates["dice"].value, estimates["iou"].value)
        found += measures(key, stratum, estimates)
    found += measures(key, "pooled", _pooled(rows, bootstrap))
    empty = {kind: sum(row["empty"] == kind for row in rows) for kind in ("none", "both", "prediction", "reference")}
    check_counts(f"{where}/empty masks", empty, len(rows))
    return found, empty


def _pooled(rows: list[dict[str, Any]], bootstrap: PatientBootstrap) -> dict[str, Any]:
    """Overlap of all images' pixels taken together."""
    counts_N4 = np.array([[row[name] for name in PixelCounts._fields] for row in rows], dtype=np.float64)
    counts_P4 = bootstrap.per_patient(counts_N4)
    return bootstrap.estimates(lambda weights_DP: overlap(PixelCounts(*(weights_DP @ counts_P4).T)))
