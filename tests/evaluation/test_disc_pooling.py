"""Slices pooled to discs: grades by mean probability or vote, the report that its neighbours agree with."""

from __future__ import annotations

import numpy as np
import pytest

from lss.domain.discs import discs_of
from lss.evaluation.cases import TestCases
from lss.evaluation.disc_pooling import choose_reports, disc_part, pool_answers
from lss.evaluation.grades import answers_of_area, answers_of_head, answers_of_text
from lss.metrics.bootstrap import PatientBootstrap


def cases(rows):
    """`rows`: patient, level, grade, named."""
    patients, levels, grades, named = map(list, zip(*rows, strict=True))
    nothing = [None] * len(rows)
    return TestCases(
        keys=[str(number) for number in range(len(rows))], patients=patients, levels=levels, grades=grades,
        named=named, reports=nothing, pseudo_masks=nothing, spacings=nothing, true_grades=nothing, true_masks=nothing,
        canals=nothing,
    )  # fmt: skip


ROWS = [("P1", "L4-L5", "D", True), ("P2", "L4-L5", "A", False), ("P1", "L4-L5", "D", True), ("P1", None, "A", False),
        ("P1", "L5-S1", "A", False)]  # fmt: skip


def test_a_disc_is_a_patient_s_level_and_an_unknown_level_is_none():
    test = cases(ROWS)
    assert discs_of(test.patients, test.levels) == [[0, 2], [1], [4]]


def test_the_part_has_the_worst_grade_and_whether_any_slice_is_named():
    test = cases(ROWS)
    part = disc_part(test, PatientBootstrap(test.patients, 100, 0.95, 1))
    assert part is not None
    assert part.classes.tolist() == [2, 0, 0] and part.named == [True, False, False]
    assert (part.bootstrap.cases, part.bootstrap.patients, part.bootstrap.draws) == (3, 2, 100)
    without = cases([("P1", None, "A", False)])
    assert disc_part(without, PatientBootstrap(without.patients, 100, 0.95, 1)) is None


def test_probabilities_are_averaged_votes_counted_and_the_worse_of_equals_taken():
    head = answers_of_head(np.array([[0.6, 0.4, 0.0], [0.6, 0.4, 0.0], [0.0, 0.8, 0.2], [0.2, 0.3, 0.5]]))
    pooled = pool_answers(head, [[0, 1, 2], [3]])
    assert pooled.grades == ["BC", "D"]  # two of three slices say A, but not surely
    np.testing.assert_allclose(pooled.scores[0], [0.4, 1.6 / 3, 0.2 / 3])
    np.testing.assert_allclose(pooled.probabilities, pooled.scores)
    areas = pool_answers(answers_of_area(np.array([1.0, 2.0, 30.0, 15.0])), [[0, 1, 2], [0, 3]])
    assert areas.grades == ["A", "BC"] and areas.probabilities is None
    text = pool_answers(answers_of_text([None, "D", "A", None]), [[0, 1, 2], [0, 3]])
    assert text.grades == ["D", None]  # one vote each: the worse; no vote: none


def test_one_slice_per_disc_changes_nothing():
    head = answers_of_head(np.random.default_rng(0).dirichlet([1, 1, 1], size=20))
    pooled = pool_answers(head, [[place] for place in range(20)])
    assert pooled.grades == head.grades
    np.testing.assert_array_equal(pooled.scores, head.scores)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_report_that_stands_alone_is_not_chosen(place):
    reports = ["Diffuse disc bulge at L4-L5.", "Diffuse disc bulge at L4-L5.", "Diffuse disc bulge at L4-L5."]
    reports[place] = "Schmorl's nodule at L4-L5. Facet arthropathy at L4-L5."
    assert choose_reports(reports, ["L4-L5"] * 3, [[0, 1, 2]]) == [0 if place else 1]
