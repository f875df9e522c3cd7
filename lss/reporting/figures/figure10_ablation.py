"""Figure 10: losses and fusions over the epochs."""

from __future__ import annotations

from lss.reporting.ablation_figure import draw_ablation
from lss.reporting.figure_record import FigureRecord

FIGURE = FigureRecord(
    "Losses and fusions over the epochs.",
    "Weight of misses and pixel errors over the training part, log scale; mean over the repeats, the band from the "
    "least to the greatest of them. Only PID-Tversky moves its weight. The U-Net starts without anything learnt.",
    lambda drawn: draw_ablation(drawn.results.comparison or {}),
    shown=lambda results: results.was_compared,
)
