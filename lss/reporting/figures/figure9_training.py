"""Figure 9: training."""

from __future__ import annotations

from lss.reporting.figure_record import FigureRecord
from lss.reporting.training_figure import draw_training

FIGURE = FigureRecord(
    "Training.",
    "Loss and validation score per epoch; for PID-Tversky the weight of misses and the share of misses among "
    "errors, which steers it. The validation score chooses the epoch that is kept: of the grade head the "
    "probability given to the true grade, averaged within each grade and over the grades; of masks the Dice of all "
    "pixels together; of reports the mean of two numbers, the share that states the true grade and contradicts "
    "nothing, and the geometric mean of the probabilities of the reference's word pieces.",
    lambda drawn: draw_training(drawn.courses),
)
