"""Tests between systems on the same cases, each family corrected by Holm's method."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from lss.evaluation.measures import rounded, significant
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.paired_tests import PairedTest, holm, mcnemar, patient_sign_flip, wilcoxon


def compare_all(
    family: str,
    columns: dict[str, np.ndarray],
    bootstrap: PatientBootstrap,
    pairs: list[tuple[str, str]] | None = None,
) -> list[dict[str, Any]]:
    """Test pairs of systems on the same cases.

    Args:
        family: what is compared, e.g. "grades by head"; the correction is for the tests of one family.
        columns: system to its column (N,): bool (right or not, McNemar) or float (a score, Wilcoxon).
        bootstrap: of the N cases; gives the interval of the mean difference, and the patients to flip.
        pairs: which; all by default.

    Returns:
        one row per pair: family, first, second; difference (mean, first minus second), low, high, interval;
        test, first_better, second_better, ties, p, p_holm (images taken as independent);
        p_patients, p_patients_holm (sign flips of whole patients); n, patients.
    """
    chosen = list(combinations(columns, 2)) if pairs is None else pairs
    rows = []
    by_image, by_patient = [], []
    for first, second in chosen:
        difference = columns[first].astype(np.float64) - columns[second].astype(np.float64)
        mean = bootstrap.mean(difference)
        result = _test(columns[first])(columns[first], columns[second])
        by_image.append(result.p)
        by_patient.append(patient_sign_flip(difference, bootstrap.patient_of_case, bootstrap.seed))
        rows.append(
            {"family": family, "first": first, "second": second}
            | {"difference": rounded(mean.value), "low": rounded(mean.low), "high": rounded(mean.high)}
            | {"interval": mean.interval}
            | result._asdict()
            | {"n": mean.n, "patients": mean.patients}
        )
    for name, p_values in (("p", by_image), ("p_patients", by_patient)):
        for row, p, corrected in zip(rows, p_values, holm(p_values), strict=True):
            row[name], row[f"{name}_holm"] = significant(p), significant(corrected)
    return rows


def _test(column: np.ndarray) -> Callable[[Any, Any], PairedTest]:
    return mcnemar if column.dtype == np.bool_ else wilcoxon
