"""Location of the attention: its share inside the true canal, against the canal's share of the image.

Attention unrelated to the canal (spread evenly, or anywhere) has a ratio of one. The canal is the whole
dural sac, also at grade A, where the masks to be drawn are empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.domain.grades import GRADES
from lss.evaluation.cases import TestCases
from lss.evaluation.measures import Key, Measure, measures
from lss.imaging.geometry import coverage
from lss.metrics.bootstrap import Estimate, Floats, PatientBootstrap, divide

ATTENTION_METRICS = ("attention_inside", "canal_share", "attention_ratio")


def attention_inside(attention: Floats, canal: NDArray[np.bool_]) -> float:
    """Return share of the attention (rows, columns), of whatever sum, that lies inside the canal's
    mask of the image.
    """
    return float((attention * coverage(canal, (attention.shape[0], attention.shape[1]))).sum() / attention.sum())


def measure_attention(
    key: Key,
    rows: list[dict[str, Any]],
    canals: list[NDArray[np.bool_]],
    cases: TestCases,
    bootstrap: PatientBootstrap,
) -> list[Measure]:
    """Return measures of one model's predictions (lss.storage.schemas.SEGMENTATION, with attention) on
    the true canals.
    """
    inside = []
    for row, canal in zip(rows, canals, strict=True):
        grid = (row["grid_rows"], row["grid_columns"])
        attention = np.frombuffer(row["attention"], "<f2").astype(np.float64).reshape(grid)
        inside.append(attention_inside(attention, canal))
    shares = np.array([canal.mean() for canal in canals])
    estimates = estimate_attention(np.array(inside), shares, cases.grades, bootstrap)
    return [row for stratum, of_stratum in estimates.items() for row in measures(key, stratum, of_stratum)]


def estimate_attention(
    inside_N: Floats, canal_N: Floats, grades: list[str], bootstrap: PatientBootstrap
) -> dict[str, dict[str, Estimate]]:
    """Return the mean share of the attention inside the canal, mean share of the image that the canal is, and their
    quotient.

    Returns:
        stratum (all, each grade) to ATTENTION_METRICS.
    """
    strata = {"all": np.ones(len(grades), dtype=bool)}
    strata |= {grade: np.array([other == grade for other in grades]) for grade in GRADES}
    return {stratum: _estimate(inside_N, canal_N, among, bootstrap) for stratum, among in strata.items()}


def _estimate(
    inside_N: Floats, canal_N: Floats, among: NDArray[np.bool_], bootstrap: PatientBootstrap
) -> dict[str, Estimate]:
    sums_P2 = bootstrap.per_patient(np.stack([inside_N, canal_N], axis=1) * among[:, None])

    def quotient(weights_DP: Floats) -> Floats:
        inside_D, canal_D = (weights_DP @ sums_P2).T
        return divide(inside_D, canal_D)

    estimates = bootstrap.means({"attention_inside": inside_N, "canal_share": canal_N}, among)
    return estimates | {"attention_ratio": bootstrap.estimate(quotient, among)}
