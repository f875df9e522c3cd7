"""Figure 4: predicted masks of single cases, with pixel counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from lss.domain.grades import GRADE_LABELS
from lss.reporting.rgb_pictures import grey, outcome, tint
from lss.reporting.style import FALSE_NEGATIVE, FALSE_POSITIVE, PREDICTION, REFERENCE, TRUE_POSITIVE
from lss.reporting.view_marks import View, mark_view

_SIDE = 384


@dataclass(frozen=True)
class MaskCase:
    """What one row of the figure shows.

    Attributes:
        image: stored grey levels (Y, X), how it lies in `view`; reference, predicted: bool, equal shapes.
        reference_area, predicted_area: of these masks, percent (eq. 10).
        scores: the row of the segmentation case table.
        mean_confidence, max_confidence: inside the predicted mask; None where it is empty.
    """

    image: NDArray[np.uint16]
    view: View
    reference: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    reference_area: float
    predicted_area: float
    scores: dict[str, Any]
    mean_confidence: float | None
    max_confidence: float | None


def draw_masks(cases: list[MaskCase], title: str) -> Figure:
    """Draw per case: input, reference with its area, prediction with its area and confidence, overlay with counts."""
    figure = Figure(figsize=(9.6, 3.05 * max(len(cases), 1) + 0.6), layout="constrained")
    figure.suptitle(title, fontsize=10)
    if not cases:
        return figure
    grid = figure.subplots(len(cases), 4, squeeze=False)
    for axes, case in zip(grid, cases, strict=True):
        _draw_row(axes, case)
    figure.legend(
        handles=[
            Patch(color=TRUE_POSITIVE, label="true positive"),
            Patch(color=FALSE_POSITIVE, label="false positive"),
            Patch(color=FALSE_NEGATIVE, label="false negative"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=3,
        frameon=False,
    )  # fmt: skip  (an "outside" legend would move onto the line under the figure when its edges are trimmed)
    return figure


def _draw_row(axes: NDArray[Any], case: MaskCase) -> None:
    scores = case.scores
    picture = grey(case.image, _SIDE)
    place = f"grade {GRADE_LABELS[scores['grade']]}, {scores['level'] or 'level unknown'}"
    _show(axes[0], picture, "Input", f"{place}\npatient {scores['patient_key']}")
    reference = tint(picture, case.reference, REFERENCE)
    _show(axes[1], reference, "Reference mask", _area(case.reference_area, case.reference))
    confidence = "nothing drawn"
    if case.mean_confidence is not None:
        confidence = f"confidence: mean {case.mean_confidence:.2f}, max {case.max_confidence:.2f}"
    predicted = tint(picture, case.predicted, PREDICTION)
    _show(axes[2], predicted, "Predicted mask", f"{_area(case.predicted_area, case.predicted)}\n{confidence}")
    counts = f"TP {scores['tp']:,}   FP {scores['fp']:,}   FN {scores['fn']:,} px"
    overlap = f"Dice {scores['dice']:.3f}   IoU {scores['iou']:.3f}"
    if scores["empty"] == "both":
        overlap = "Dice 1, IoU 1: both masks empty"
    _show(axes[3], outcome(picture, case.predicted, case.reference), "Compared", f"{counts}\n{overlap}")
    for panel in axes:
        mark_view(panel, case.view, _SIDE)


def _show(axes: Axes, picture: NDArray[np.uint8], title: str, text: str) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set(title=title, xlabel=text, xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _area(percent: float, mask: NDArray[np.bool_]) -> str:
    return f"area {percent:.1f} % ({int(mask.sum()):,} px)"
