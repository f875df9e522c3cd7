"""Masks grouped by the grade their report states: the consistency gate watches them too."""

from __future__ import annotations

from typing import Any

import pytest

from lss.evaluation.measures import find
from lss.evaluation.report_checks import masks_by_stated_grade
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.plausibility import ImpossibleMetricsError


def rows(overlaps: list[tuple[float, float]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Report rows that all state D, and mask rows with these (Dice, IoU)."""
    key = {"backbone": "smolvlm", "loss": "pid_tversky"}
    masks = [key | {"reference": "pseudo_mask", "dice": dice, "iou": iou} for dice, iou in overlaps]
    return [{"backbone": "smolvlm", "loss": "focal", "text_grade": "D"} for _ in overlaps], masks


def test_means_over_the_images_that_state_the_grade() -> None:
    result = masks_by_stated_grade(*rows([(0.5, 1 / 3), (1.0, 1.0)]), PatientBootstrap(["a", "b"], 100, 0.95, 0))
    dice = find(result, metric="dice", stratum="D")
    assert dice is not None and (dice["value"], dice["n"]) == (0.75, 2)
    nobody = find(result, metric="dice", stratum="A")
    assert nobody is not None and (nobody["value"], nobody["n"]) == (None, 0)


def test_overlaps_that_cannot_be_stop_the_evaluation() -> None:
    with pytest.raises(ImpossibleMetricsError, match=r"smolvlm/focal.*/D: mean IoU 0.2 "):
        masks_by_stated_grade(*rows([(0.5, 0.2)]), PatientBootstrap(["a"], 100, 0.95, 0))
