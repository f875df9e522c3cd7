"""Figure 3: grades by the predicted mask's area."""

from __future__ import annotations

from lss.reporting.figure_record import FigureRecord
from lss.reporting.grade_figures import draw_grades

FIGURE = FigureRecord(
    "Grades by the predicted mask's area.",
    "Above with the paper's thresholds (10 % and 25 %), below with thresholds calibrated on the validation part; "
    "ROC curves per grade, with the area under each curve and its interval over patients. "
    "The score of B&C is the nearness to the middle between the thresholds, so its curve depends on them.",
    lambda drawn: draw_grades(drawn.results.statistics, ("area_paper", "area_calibrated")),
)
