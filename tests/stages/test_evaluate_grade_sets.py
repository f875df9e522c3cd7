"""Coverage and size of the sets of grades as the stage evaluate states them, counted again from its case table."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sk
from synthetic_results import Evaluated

from lss.domain.grades import GRADES
from lss.evaluation.grade_sets import level_shares
from lss.evaluation.measures import find

THRESHOLDS = {"80": 0.6, "90": 0.8, "95": np.inf}  # those that `synthetic_results` states, without a temperature


def grown(probabilities: np.ndarray, threshold: float) -> list[int]:
    """A set as in words: from the surest grade on, the more probable neighbour, until more than the threshold is in."""
    inside = [int(probabilities.argmax())]
    while len(inside) < 3 and sum(probabilities[i] for i in inside) <= threshold:
        beside = [i for i in (min(inside) - 1, max(inside) + 1) if 0 <= i < 3]
        inside.append(max(beside, key=lambda i: probabilities[i]))
    return inside


@pytest.mark.parametrize("percent", list(THRESHOLDS))
def test_coverage_and_size_by_level_and_grade(evaluated: Evaluated, percent: str) -> None:
    cases = pq.read_table(evaluated.cases["classification"]).to_pandas()
    for backbone, rows in cases.groupby("backbone"):
        discs = rows.groupby(["patient_key", "level"])
        grade = discs["grade"].agg(lambda of: max(of, key=GRADES.index))
        chances = discs[["p_A", "p_BC", "p_D"]].mean().to_numpy(dtype=float)
        sets = [grown(own, THRESHOLDS[percent]) for own in chances]
        covered = np.array([GRADES.index(own) in inside for own, inside in zip(grade, sets, strict=True)])
        sizes = np.array([len(inside) for inside in sets])
        level = grade.index.get_level_values("level").to_numpy()
        for stratum, among in {
            "all": np.ones(len(grade), bool), "BC": (grade == "BC").to_numpy(), "L4-L5": level == "L4-L5",
        }.items():  # fmt: skip
            for metric, values in (("covered", covered), ("set_size", sizes)):
                row = find(evaluated.statistics["measures"], task="sets", backbone=backbone, source="grade_sets",
                             metric=f"{metric}_{percent}", stratum=stratum)  # fmt: skip
                assert row is not None and row["n"] == among.sum()
                assert row["value"] == pytest.approx(values[among].mean(), abs=1e-6)


def test_rivals_are_measured_beside_them(evaluated: Evaluated) -> None:
    cases = pq.read_table(evaluated.cases["classification"]).to_pandas()

    def value(backbone: str, source: str, metric: str) -> float:
        row = find(evaluated.statistics["measures"], task="sets", backbone=backbone, source=source, metric=metric,
                     stratum="all")  # fmt: skip
        assert row is not None
        return row["value"]

    for backbone, rows in cases.groupby("backbone"):
        discs = rows.groupby(["patient_key", "level"])
        grade = discs["grade"].agg(lambda of: max(of, key=GRADES.index))
        chances = discs[["p_A", "p_BC", "p_D"]].mean().to_numpy(dtype=float)
        right = np.array(GRADES)[chances.argmax(axis=1)] == grade.to_numpy()
        assert value(backbone, "top_grade", "covered") == pytest.approx(right.mean(), abs=1e-6)
        assert (value(backbone, "all_grades", "covered"), value(backbone, "all_grades", "set_size")) == (1, 3)
        handed = value(backbone, "grade_sets", "handed_over")
        kept, given = (value(backbone, "grade_sets", name) for name in ("right_kept", "right_handed_over"))
        assert handed * given + (1 - handed) * kept == pytest.approx(right.mean(), abs=1e-5)
        gain = value(backbone, "above_share_sets", "set_size_90")
        both = [value(backbone, source, "set_size_90") for source in ("grade_sets", "share_sets")]
        assert gain == pytest.approx(both[0] - both[1], abs=1e-5)
        loss = sk.log_loss([GRADES.index(own) for own in grade], chances / chances.sum(axis=1, keepdims=True))
        assert value(backbone, "head_calibrated", "log_loss") == pytest.approx(loss, rel=1e-4)


def test_shares_are_counted_over_discs_and_an_unknown_level_has_none() -> None:
    patients = ["P1", "P1", "P1", "P2", "P3", "P3"]
    levels = ["L4-L5", "L4-L5", "L5-S1", "L4-L5", "L4-L5", None]
    train = (patients, levels, np.array([0, 1, 2, 0, 2, 2]))
    shares = level_shares(train, (patients, levels, train[2]))
    # discs at L4-L5: B&C (the worse of two slices), A, D; one is added to each
    np.testing.assert_allclose(shares.shares["L4-L5"], [2 / 6, 2 / 6, 2 / 6])
    np.testing.assert_allclose(shares.shares["L5-S1"], [1 / 4, 1 / 4, 2 / 4])
    assert shares.thresholds[0.9] == np.inf  # three patients
    nothing = level_shares(train, (["P1"], [None], np.array([0])))
    assert set(nothing.thresholds.values()) == {np.inf}
