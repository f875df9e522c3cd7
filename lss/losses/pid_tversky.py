"""Adaptive PID-Tversky loss (eq. 5-9): a Tversky loss whose weights a controller moves after every epoch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lss.losses.base import MaskLoss
from lss.losses.focal_tversky import FocalTverskyLoss
from lss.losses.tversky import focal_tversky
from lss.training.settings import TrainParams

BETA_BOUNDS = (0.65, 0.85)
"""Range of beta (eq. 7)."""

WIDE_BOUNDS = (0.05, 0.95)
"""Range of the ablation's `pid_tversky_wide`: wide enough that the controller is not stopped before balance."""


@dataclass
class PidController:
    """Discrete PID controller of beta, the weight of false negatives.

    The set point is as many false positives as false negatives. `e > 0` means that pixels are missed, and
    beta rises. The equations leave open: e_prev of the first epoch (taken as e, so that nothing is
    differentiated there), eps (1e-8), and what keeps the integral from winding up: while beta is at a bound and
    the error pushes outwards, the sum of errors stays as it is (conditional integration); once the error turns, what
    is left of that sum is dropped; and the sum never leaves `integral_limit`.

    Attributes:
        kp, ki, kd: gains (eq. 5).
        beta: current weight, within `bounds`; alpha is 1 - beta.
        integral_limit: bound of |sum of errors|, > 0.
        bounds: least and greatest beta, in [0, 1].
        integral: sum of errors so far, within the limit.
        previous_error: error of the last epoch; None before the first.
    """

    kp: float
    ki: float
    kd: float
    beta: float
    integral_limit: float
    bounds: tuple[float, float] = BETA_BOUNDS
    integral: float = 0.0
    previous_error: float | None = None

    @property
    def alpha(self) -> float:
        """Weight of false positives (eq. 7)."""
        return 1.0 - self.beta

    def update(self, false_positives: int, false_negatives: int) -> float:
        """Take one step at an epoch's end; return the new beta.

        Args:
            false_positives, false_negatives: pixels over the training set, predictions thresholded at 0.5.

        >>> controller = PidController(kp=0.1, ki=0.0, kd=0.0, beta=0.7, integral_limit=1.0)
        >>> round(controller.update(false_positives=100, false_negatives=300), 4)  # e = 0.5
        0.75
        """
        error = (false_negatives - false_positives) / (false_negatives + false_positives + 1e-8)  # eq. 6
        low, high = self.bounds
        outwards = -1 if self.beta <= low else 1 if self.beta >= high else 0  # sign of what beta cannot follow
        if outwards * error <= 0:
            if outwards * self.integral > 0:
                self.integral = 0.0  # else what led to the bound would hold beta there
            self.integral = min(max(self.integral + error, -self.integral_limit), self.integral_limit)
        change = error - (error if self.previous_error is None else self.previous_error)
        correction = self.kp * error + self.ki * self.integral + self.kd * change  # eq. 5
        self.previous_error = error
        self.beta = min(max(self.beta + correction, low), high)  # eq. 7
        return self.beta

    def state_dict(self) -> dict[str, float | None]:
        """Return what changes over the epochs."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Restore what `state_dict` gave."""
        for name in _STATE:
            setattr(self, name, state[name])


_STATE = ("beta", "integral", "previous_error")


class PidTverskyLoss(MaskLoss):
    """`(1 - TI)^gamma` (eq. 8-9) with the weights of a `PidController`."""

    adaptive = True

    def __init__(self, controller: PidController, gamma: float) -> None:
        self.controller = controller
        self.gamma = gamma

    def __call__(self, logits_B1YX: Tensor, target_B1YX: Tensor) -> Tensor:
        """See `lss.losses.tversky.focal_tversky`."""
        return focal_tversky(logits_B1YX, target_B1YX, self.controller.alpha, self.controller.beta, self.gamma)

    def end_epoch(self, false_positives: int, false_negatives: int) -> None:
        """Let the controller move the weights for the next epoch."""
        self.controller.update(false_positives, false_negatives)

    def columns(self) -> dict[str, float]:
        """Return the weights in use, and whether beta is at a bound (1 or 0): there the loss is a fixed one."""
        pid = self.controller
        return {"alpha": pid.alpha, "beta": pid.beta, "at_bound": float(pid.beta in pid.bounds)}

    def state_dict(self) -> dict[str, float | None]:
        """Return the controller's state."""
        return self.controller.state_dict()

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Restore the controller's state."""
        self.controller.load_state_dict(state)


def make(params: TrainParams, bounds: tuple[float, float] = BETA_BOUNDS) -> PidTverskyLoss:
    """Make the loss with the paper's bounds of beta."""
    pid = params.pid
    return PidTverskyLoss(PidController(pid.kp, pid.ki, pid.kd, pid.beta_0, pid.integral_limit, bounds), params.gamma)


def make_wide(params: TrainParams) -> PidTverskyLoss:
    """Make the loss with wide bounds of beta."""
    return make(params, WIDE_BOUNDS)


def make_low(params: TrainParams) -> FocalTverskyLoss:
    """Make the fixed loss that remains where the controller rests at the lower bound of beta."""
    return FocalTverskyLoss(1 - BETA_BOUNDS[0], BETA_BOUNDS[0], params.gamma)


def make_high(params: TrainParams) -> FocalTverskyLoss:
    """Make the fixed loss that remains where it rests at the upper bound."""
    return FocalTverskyLoss(1 - BETA_BOUNDS[1], BETA_BOUNDS[1], params.gamma)
