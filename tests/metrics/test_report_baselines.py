"""Baselines of report generation and the shuffled-image control."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from lss.metrics.report_baselines import (
    central_by,
    central_report,
    most_frequent_by,
    most_frequent_report,
    nearest_reports,
    partners_within,
    shuffled_partners,
    template_reports,
    thumbnail_features,
)
from lss.model.severity import Thresholds
from lss.notes.grading import grade_report


def test_most_frequent_report_and_its_tie():
    assert most_frequent_report(["b", "a", "b"]) == "b"
    assert most_frequent_report(["b", "a"]) == "a"
    with pytest.raises(ValueError, match="no training report"):
        most_frequent_report([])


def test_central_report_agrees_most_with_the_others_of_its_kind():
    bulge, spasm, slip = "Disc bulge at L4-L5.", "Features of muscle spasm.", "Spondylolisthesis at L4-L5."
    reports = [f"{bulge} {spasm}", f"{bulge} {slip}", bulge, slip, slip]
    # mean F1 by hand, in this order: (1 + 1/2 + 2/3) / 5, (1/2 + 1 + 2/3 + 2 * 2/3) / 5, (2/3 + 2/3 + 1) / 5, ...
    assert central_report(reports, "L4-L5") == reports[1]
    assert central_report([spasm, "Feature of muscle spasm.", spasm, "No disc bulge."], None) == spasm
    groups = [("L4-L5", "A")] * 5 + [("L5-S1", "D")]
    wanted = [("L5-S1", "A"), ("L4-L5", "A"), (None, "A"), ("L5-S1", "D")]
    expected = ["Disc bulge at L5-S1.", reports[1], slip, "Disc bulge at L5-S1."]
    assert central_by([*reports, "Disc bulge at L5-S1."], groups, wanted) == expected


def test_template_states_grade_and_area_of_the_mask():
    reports = template_reports([0.0, 1.0, 3.0], Thresholds(0.5, 2.0))
    assert [grade_report(report) for report in reports] == ["A", "BC", "D"]
    assert "1.0 %" in reports[1]


def test_nearest_reports_equal_scikit_learn():
    random = np.random.default_rng(0)
    train, test = random.normal(size=(40, 9)), random.normal(size=(15, 9))
    nearest = NearestNeighbors(n_neighbors=1).fit(train).kneighbors(test, return_distance=False)[:, 0]
    assert nearest_reports(train, [str(row) for row in range(40)], test) == [str(row) for row in nearest]


def test_thumbnail_does_not_depend_on_brightness_and_contrast():
    image = np.random.default_rng(0).integers(0, 4000, (48, 64)).astype(np.uint16)
    features = thumbnail_features(image)
    assert features.shape == (256,)
    np.testing.assert_allclose(features, thumbnail_features(image * 3.0 + 100.0), atol=1e-5)
    np.testing.assert_array_equal(thumbnail_features(np.full((48, 64), 7)), 0)


@pytest.mark.parametrize("counts", [[1, 1], [3, 1, 1, 1], [5, 4, 3], [2] * 9, [6, 6]])
@pytest.mark.parametrize("seed", [0, 1])
def test_partners_are_a_permutation_across_patients(counts, seed):
    patients = [f"P{number}" for number, count in enumerate(counts) for _ in range(count)]
    np.random.default_rng(seed).shuffle(patients)
    partner = shuffled_partners(patients, seed)
    assert sorted(partner) == list(range(len(patients)))
    assert all(patients[case] != patients[other] for case, other in enumerate(partner))
    np.testing.assert_array_equal(partner, shuffled_partners(patients, seed))


def test_a_patient_is_paired_with_many_others():
    patients = np.repeat(np.arange(9), 12)
    partner = shuffled_partners(list(map(str, patients)), 0)
    for patient in range(9):
        others = np.unique(patients[partner[patients == patient]], return_counts=True)[1]
        assert len(others) >= 5 and others.max() <= 5


def test_partners_need_other_patients():
    with pytest.raises(ValueError, match="more than half"):
        shuffled_partners(["P1", "P1", "P2"], 0)


def test_commonest_of_a_group_and_of_all_where_the_group_is_new():
    reports, groups = ["a", "b", "b", "c", "c", "c"], [1, 1, 1, 2, 2, 2]
    assert most_frequent_by(reports, groups, [1, 2, 3]) == ["b", "c", "c"]


def test_nearest_image_is_sought_within_the_level():
    train = np.array([[0.0], [1.0], [5.0]])
    result = nearest_reports(train, ["zero", "one", "five"], np.array([[0.9], [0.9]]), ["L1", "L2", "L1"], ["L1", "L9"])
    assert result == ["zero", "one"]  # no L9 in training: among all


def test_partners_within_a_group_are_other_patients_of_it():
    patients = [f"P{number % 6}" for number in range(60)]
    levels = [f"L{number % 4}" for number in range(60)]
    partner, left = partners_within(patients, [levels], seed=3)
    assert left == 0 and len(set(partner)) > 20
    assert all(levels[case] == levels[other] for case, other in enumerate(partner))
    assert all(patients[case] != patients[other] for case, other in enumerate(partner))
    np.testing.assert_array_equal(partner, partners_within(patients, [levels], seed=3)[0])
    assert partners_within(patients, [levels], seed=4)[0].tolist() != partner.tolist()


def test_a_case_alone_in_its_group_takes_its_partner_from_the_next():
    patients, fine = ["P1", "P2", "P3", "P3"], ["x", "x", "y", "y"]
    partner, left = partners_within(patients, [fine, [None] * 4], seed=0)
    assert partner[:2].tolist() == [1, 0] and set(partner[2:]) <= {0, 1} and left == 2
    with pytest.raises(ValueError, match="no other patient"):
        partners_within(patients, [fine], seed=0)
