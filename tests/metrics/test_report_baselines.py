"""Baselines of report generation and the shuffled-image control."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from lss.metrics.report_baselines import (
    central_by,
    central_report,
    most_frequent_report,
    nearest_reports,
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
