"""Figure 5: grades stated by the generated reports."""

from __future__ import annotations

from lss.reporting.figure_record import FigureRecord
from lss.reporting.grade_figures import draw_grades

FIGURE = FigureRecord(
    "Grades stated by the generated reports.",
    "Read back out of the text. A text states one grade and no probability, so each ROC curve has one corner.",
    lambda drawn: draw_grades(drawn.results.statistics, ("text",)),
)
