"""Figure 8: decision curve for severe stenosis."""

from __future__ import annotations

from lss.reporting.calibration_figures import draw_decision
from lss.reporting.figure_record import FigureRecord

FIGURE = FigureRecord(
    "Decision curve for severe stenosis.",
    "Net benefit of acting on the head's probability of grade D, against calling all or none severe: at threshold "
    "t, of all images, the share that is severe and called so, less t / (1 - t) times the share that is called "
    "severe and is not. The band is the interval over patients at each threshold by itself, not of the curve as a "
    "whole. Beyond the last threshold shown the net benefit of every model is 0.",
    lambda drawn: draw_decision(drawn.results.statistics),
)
