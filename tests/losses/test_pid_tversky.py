"""The controller against a course computed by hand, and the loss that follows it."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lss.losses.pid_tversky import PidController, PidTverskyLoss


def controller(**changes):
    return PidController(**({"kp": 0.05, "ki": 0.01, "kd": 0.02, "beta": 0.7, "integral_limit": 1.0} | changes))


def test_course_by_hand():
    pid = controller()
    # e = 200/1000 = 0.2; sum 0.2; no change yet: u = 0.01 + 0.002
    assert pid.update(400, 600) == pytest.approx(0.712)
    # e = -0.5; sum -0.3; change -0.7: u = -0.025 - 0.003 - 0.014 = -0.042
    assert pid.update(750, 250) == pytest.approx(0.670)
    # e = 0; sum -0.3; change 0.5: u = -0.003 + 0.01
    assert pid.update(10, 10) == pytest.approx(0.677)
    assert pid.alpha == pytest.approx(0.323)
    # e = -1; sum -1.3 is kept at -1; change -1: u = -0.05 - 0.01 - 0.02 = -0.08, then the lower bound
    assert pid.update(5, 0) == 0.65


@pytest.mark.parametrize(("outwards", "bound"), [((100, 60), 0.65), ((60, 100), 0.85), ((100, 1), 0.65)])
def test_a_bound_is_left_in_the_epoch_whose_error_turns_however_long_beta_was_there(outwards, bound):
    pid = controller(integral_limit=5.0)
    while pid.beta != bound:
        pid.update(*outwards)
    at_rest = pid.integral
    for _ in range(18):
        pid.update(*outwards)
    assert (pid.beta, pid.integral) == (bound, at_rest)  # 18 epochs at the bound leave no trace
    back = (95, 105) if bound == 0.65 else (105, 95)  # e = +-0.05: far less than led to the bound
    course = [pid.update(*back) for _ in range(6)]
    assert course[0] != bound
    away = [abs(beta - bound) for beta in course]
    assert away == sorted(away)  # and it does not fall back


def test_the_integral_is_limited_between_the_bounds_too():
    pid = controller(kp=0.0, ki=0.001, kd=0.0, beta=0.75, integral_limit=1.0)
    for _ in range(10):
        pid.update(0, 100)  # beta rises by 0.001 an epoch: far from its bound
    assert pid.beta < 0.85 and pid.integral == 1.0


def test_epochs_at_a_bound_are_counted_by_the_weight_they_were_trained_with():
    loss = PidTverskyLoss(controller(kp=0.5), gamma=0.75)
    columns = []
    for errors in [(100, 0), (100, 0), (0, 100), (0, 100)]:
        columns.append(loss.columns())
        loss.end_epoch(*errors)
    assert [(row["beta"], row["at_bound"]) for row in columns] == [(0.7, 0), (0.65, 1), (0.65, 1), (0.85, 1)]


def test_wide_bounds_let_beta_go_on():
    narrow, wide = controller(), controller(bounds=(0.05, 0.95))
    for _ in range(30):
        narrow.update(100, 60), wide.update(100, 60)
    assert narrow.beta == 0.65 and wide.beta == 0.05


def test_no_errors_at_all_is_balance():
    pid = controller()
    assert pid.update(0, 0) == pytest.approx(0.7)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=30))
def test_beta_stays_within_its_bounds_and_the_integral_within_its_limit(course):
    pid = controller(kp=0.5, ki=0.2, kd=0.3)
    for false_positives, false_negatives in course:
        pid.update(false_positives, false_negatives)
        assert 0.65 <= pid.beta <= 0.85 and abs(pid.integral) <= 1.0


def test_state_survives_json():
    first, second = controller(), controller()
    first.update(3, 11)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert first == second and first.update(5, 4) == second.update(5, 4)


def test_missed_pixels_cost_more_after_an_epoch_of_misses():
    loss = PidTverskyLoss(controller(), gamma=0.75)
    target = torch.zeros(1, 1, 8, 8)
    target[..., :4] = 1
    missed = torch.full((1, 1, 8, 8), -20.0)
    missed[..., :2] = 20
    before = loss(missed, target).item()
    loss.end_epoch(false_positives=0, false_negatives=16)
    assert loss(missed, target).item() > before
    assert loss.columns() == {"alpha": pytest.approx(0.24), "beta": pytest.approx(0.76), "at_bound": 0.0}
