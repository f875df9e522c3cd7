"""Figure 2: grades by the head."""

from __future__ import annotations

from lss.reporting.figure_record import FigureRecord
from lss.reporting.grade_figures import draw_grades

FIGURE = FigureRecord(
    "Grades by the head.",
    "Confusion matrices per model (counts, and share of the grade); ROC curves per grade, with the area under each "
    "curve and its interval over patients.",
    lambda drawn: draw_grades(drawn.results.statistics, ("head",)),
)
