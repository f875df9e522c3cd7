"""Figure 7: reliability of the grade head."""

from __future__ import annotations

from lss.reporting.calibration_figures import draw_reliability
from lss.reporting.figure_record import FigureRecord

FIGURE = FigureRecord(
    "Reliability of the grade head.",
    "How often an answer is right at its stated probability, in bins of a tenth; the number of cases stands beside "
    "each point, the calibration error with its interval in each panel.",
    lambda drawn: draw_reliability(drawn.results.statistics),
)
