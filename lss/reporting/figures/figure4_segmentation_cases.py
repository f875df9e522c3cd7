"""Figure 4: predicted masks."""

from __future__ import annotations

from matplotlib.figure import Figure

from lss.reporting.figure_record import Drawn, FigureRecord
from lss.reporting.mask_figure import MaskCase, draw_masks
from lss.reporting.names import LOSSES, model_name
from lss.reporting.selection import typical_cases


def draw(drawn: Drawn) -> Figure:
    """Return masks of the first backbone, as in the paper."""
    data, per_grade = drawn.data, drawn.params.cases_per_grade
    backbone = data.backbones[0]
    loss = data.first_loss(backbone, "segmentation")
    shown = []
    for row in typical_cases(data.of_model("segmentation", backbone, loss), "dice", per_grade):
        key = row["slice_key"]
        prediction = data.segmentation(backbone, key)
        predicted = data.predicted_mask(backbone, key)
        reference = data.reference_mask(key, predicted.shape)
        confidence = prediction["mean_confidence"], prediction["max_confidence"]
        areas = data.reference_area(key), prediction["area_percent"]
        shown.append(MaskCase(data.image(key), data.view(key), reference, predicted, *areas, row, *confidence))
    name = LOSSES.get(loss or "", loss)
    return draw_masks(shown, f"{model_name(backbone)}, {name}: cases nearest to their grade's median Dice")


FIGURE = FigureRecord(
    "Predicted masks.",
    "Input, reference (pseudo-mask) with its area (eq. 10), prediction with area and confidence, comparison with "
    "pixel counts. Of each grade the case nearest to the median Dice over all its cases, complete misses included.",
    draw,
)
