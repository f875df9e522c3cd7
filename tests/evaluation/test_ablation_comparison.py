"""Comparison over repeats: against plain loops, pandas, and cases whose answer is known."""

import itertools

import numpy as np
import pandas as pd
import pytest

from lss.evaluation.ablation import CrossedBootstrap, System, arrange, at_bounds, compare, courses
from lss.metrics.bootstrap import NOT_SAMPLED, PatientBootstrap

PATIENTS = ["p", "p", "p", "q", "q", "r", "r", "t", "r", "s"]  # five: of fewer there is no interval
REFERENCE = System("biomedclip", "spatial", "pid_tversky")
OTHER = System("biomedclip", "none", "pid_tversky")


def make_rows(scores, repeats=3, attention=True):
    """Rows of systems whose Dice is given by `scores(system, repeat, case)`."""
    rows = []
    for system, repeat, case in itertools.product((REFERENCE, OTHER), range(1, repeats + 1), range(len(PATIENTS))):
        dice = scores(system, repeat, case)
        rows.append(
            system._asdict()
            | {"repeat": repeat, "slice_key": f"s{case}", "patient_key": PATIENTS[case], "level": None, "grade": "BC"}
            | {"dice_pseudo": dice, "iou_pseudo": dice / (2 - dice), "empty_pseudo": case % 3 == 0}
            | {"dice_true": None, "iou_true": None, "empty_true": None, "canal_share": 0.1}
            | {"attention_inside": 0.2 + 0.01 * case if attention and system.fusion == "spatial" else None}
        )
    return rows


def random_scores(system, repeat, case):
    return float(np.random.default_rng([len(system.fusion), repeat, case]).uniform(0.2, 1))


def value_of(measures, system, metric, stratum="all"):
    return next(
        (row for row in measures if (System(row["backbone"], row["fusion"], row["loss"]), row["metric"],
                                     row["stratum"]) == (system, metric, stratum)), None)  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    rows = make_rows(random_scores)
    return rows, compare(
        arrange(rows), CrossedBootstrap(PATIENTS, 3, 400, 0.95, 5), {REFERENCE: REFERENCE, OTHER: REFERENCE}
    )


def test_means_and_their_spread_are_those_of_pandas(measured):
    rows, measures = measured
    frame = pd.DataFrame(rows)
    for system in (REFERENCE, OTHER):
        own = frame[(frame["fusion"] == system.fusion)]
        for stratum, chosen in (("all", own), ("non_empty", own[~own["empty_pseudo"]])):
            of_repeats = chosen.groupby("repeat")["dice_pseudo"].mean()
            row = value_of(measures, system, "dice_pseudo", stratum)
            assert row["value"] == pytest.approx(of_repeats.mean(), abs=1e-6)
            assert row["sd"] == pytest.approx(of_repeats.std(), abs=1e-6)
            assert (row["n"], row["patients"]) == (chosen["slice_key"].nunique(), chosen["patient_key"].nunique())
    difference = value_of(measures, OTHER, "dice_pseudo_difference")
    wide = frame.pivot_table(index=["repeat", "slice_key"], columns="fusion", values="dice_pseudo")
    assert difference["value"] == pytest.approx((wide["none"] - wide["spatial"]).mean(), abs=1e-6)
    assert value_of(measures, REFERENCE, "dice_pseudo_difference") is None


def test_what_a_system_has_not_has_no_row(measured):
    _, measures = measured
    assert {row["metric"] for row in measures if "true" in row["metric"]} == set()
    ratio = value_of(measures, REFERENCE, "attention_ratio")
    assert (
        ratio["value"] == pytest.approx((0.2 + 0.01 * 4.5) / 0.1)
        and value_of(measures, OTHER, "attention_ratio") is None
    )


def test_draws_are_those_of_patients_crossed_with_repeats():
    """Against the data drawn out at length: every case as often as its patient was drawn, in each repeat drawn."""
    random = np.random.default_rng(3)
    values_RN, among_N = random.random((3, 10)), np.array([1, 0, 1, 1, 1, 0, 1, 1, 1, 1])
    bootstrap = CrossedBootstrap(PATIENTS, 3, 300, 0.9, 5)
    estimate, _ = bootstrap.quotient(values_RN * among_N, np.tile(among_N, (3, 1)))
    names = sorted(set(PATIENTS))
    drawn = []
    for patients, repeats in zip(bootstrap._patients.weights_DP, bootstrap._repeats_DR * 3, strict=True):
        times = [int(patients[names.index(patient)]) for patient in PATIENTS]
        means = []
        for repeat, count in enumerate(repeats.round().astype(int)):
            cases = np.repeat(values_RN[repeat], times * among_N)
            means += [cases.mean()] * count
        drawn.append(np.mean(means))
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))


def test_one_repeat_is_the_bootstrap_over_patients_and_repeats_that_differ_widen_it():
    values_N = np.random.default_rng(0).random(10)
    ones = np.ones((1, 10))
    single, spread = CrossedBootstrap(PATIENTS, 1, 500, 0.95, 5).quotient(values_N[None], ones)
    alone = PatientBootstrap(PATIENTS, 500, 0.95, 5, "percentile").mean(values_N)
    assert (single.value, single.low, single.high) == pytest.approx((alone.value, alone.low, alone.high))
    assert np.isnan(spread)
    shifted_RN = values_N + np.array([[-0.3], [0.0], [0.3]])
    wide, spread = CrossedBootstrap(PATIENTS, 3, 500, 0.95, 5).quotient(shifted_RN, np.ones((3, 10)))
    assert wide.value == pytest.approx(single.value) and spread == pytest.approx(0.3)
    assert wide.low < single.low - 0.05 and wide.high > single.high + 0.05


def test_the_interval_covers_patients_and_repeats():
    """Crossed effects of known spread: the draws' variance is that of the mean, but for (n - 1) / n of each factor."""
    random = np.random.default_rng(1)
    patients, repeats = 40, 30
    names = [f"p{index:02d}" for index in range(patients)]
    values_RN = random.normal(0, 1.0, (1, patients)) + random.normal(0, 0.5, (repeats, 1))
    estimate, _ = CrossedBootstrap(names, repeats, 4000, 0.95, 2).quotient(values_RN, np.ones((repeats, patients)))
    expected = np.sqrt(values_RN.mean(axis=0).var() / patients + values_RN.mean(axis=1).var() / repeats)
    assert (estimate.high - estimate.low) / (2 * 1.96) == pytest.approx(expected, rel=0.05)


def test_differences_are_paired():
    """Hard cases and bad repeats are so for both: what is left is the constant between them."""

    def scores(system, repeat, case):
        return 0.3 + 0.05 * repeat + 0.03 * case + (0.1 if system == OTHER else 0)

    measures = compare(
        arrange(make_rows(scores)),
        CrossedBootstrap(PATIENTS, 3, 300, 0.95, 5),
        {REFERENCE: REFERENCE, OTHER: REFERENCE},
    )
    row = value_of(measures, OTHER, "dice_pseudo_difference")
    assert (row["value"], row["sd"]) == pytest.approx((0.1, 0), abs=1e-6)
    assert (row["low"], row["high"], row["interval"]) == (None, None, "no spread")
    assert value_of(measures, OTHER, "dice_pseudo_difference", "non_empty")["interval"] == "too few patients"
    plain = value_of(measures, OTHER, "dice_pseudo")
    assert plain["high"] - plain["low"] > 0.05


def test_other_cases_and_missing_repeats_are_refused():
    rows = make_rows(random_scores)
    with pytest.raises(ValueError, match="different repeats"):
        arrange([row for row in rows if (row["fusion"], row["repeat"]) != ("none", 2)])
    with pytest.raises(ValueError, match="other cases"):
        arrange([row for row in rows if (row["fusion"], row["repeat"], row["slice_key"]) != ("none", 2, "s4")])


def test_epochs_at_a_bound_are_counted_over_all_repeats():
    epochs = [REFERENCE._asdict() | {"repeat": repeat, "epoch": epoch, "at_bound": float(epoch > 2)}
              for repeat in (1, 2) for epoch in (1, 2, 3)]  # fmt: skip
    fixed = [OTHER._asdict() | {"repeat": 1, "epoch": 1}]  # a loss of fixed weights has no such column
    (row,) = at_bounds(epochs + fixed)
    assert System(row["backbone"], row["fusion"], row["loss"]) == REFERENCE
    assert (row["value"], row["n"], row["patients"], row["interval"]) == (
        pytest.approx(1 / 3, abs=1e-6),
        6,
        None,
        NOT_SAMPLED,
    )


def test_courses_are_means_and_ranges_of_the_repeats_that_reached_an_epoch():
    epochs = [
        {**REFERENCE._asdict(), "repeat": repeat, "epoch": epoch, "beta": beta, "fp": 10.0 * repeat, "val_score": 1.0}
        for repeat, course in ((1, [0.7, 0.72, 0.8]), (2, [0.7, 0.76]))
        for epoch, beta in enumerate(course, start=1)
    ]
    rows = courses(epochs)
    assert {row["column"] for row in rows} == {"beta", "fp"}
    beta = [row for row in rows if row["column"] == "beta"]
    assert [(row["epoch"], row["low"], row["high"], row["repeats"]) for row in beta] == [
        (1, 0.7, 0.7, 2), (2, 0.72, 0.76, 2), (3, 0.8, 0.8, 1)]  # fmt: skip
    assert beta[1]["mean"] == pytest.approx(0.74)
