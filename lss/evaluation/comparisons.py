"""Tests between models on the same cases, each family corrected by Holm's method."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from lss.evaluation.measures import rounded
from lss.metrics.paired_tests import PairedTest, holm, mcnemar, wilcoxon


def compare_all(
    family: str, columns: dict[str, np.ndarray], pairs: list[tuple[str, str]] | None = None
) -> list[dict[str, Any]]:
    """Test pairs of systems on the same cases.

    Args:
        family: what is compared, e.g. "grades by head"; the correction is for the tests of one family.
        columns: system to its column (N,): bool (right or not, McNemar) or float (a score, Wilcoxon).
        pairs: which; all by default.

    Returns:
        one row per pair: family, first, second, test, first_better, second_better, ties, p, p_holm.
    """
    chosen = list(combinations(columns, 2)) if pairs is None else pairs
    results = [_test(columns[first])(columns[first], columns[second]) for first, second in chosen]
    corrected = holm([result.p for result in results])
    return [
        {"family": family, "first": first, "second": second}
        | result._asdict()
        | {"p": rounded(result.p), "p_holm": rounded(p)}
        for (first, second), result, p in zip(chosen, results, corrected, strict=True)
    ]


def _test(column: np.ndarray) -> Callable[[Any, Any], PairedTest]:
    return mcnemar if column.dtype == np.bool_ else wilcoxon
