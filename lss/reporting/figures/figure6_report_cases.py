"""Figure 6: generated reports."""

from __future__ import annotations

from matplotlib.figure import Figure

from lss.reporting.figure_record import Drawn, FigureRecord
from lss.reporting.names import model_name
from lss.reporting.report_figure import ReportCase, draw_reports
from lss.reporting.selection import typical_cases


def draw(drawn: Drawn) -> Figure:
    """Return reports of the second backbone (SmolVLM in the paper), or of the only one."""
    data, per_grade = drawn.data, drawn.params.reports_per_grade
    with_reports = [backbone for backbone in data.backbones if data.first_loss(backbone, "report")]
    if not with_reports:
        return draw_reports([], "No report generator was trained")
    backbone = with_reports[min(1, len(with_reports) - 1)]
    rows = data.of_model("report", backbone, data.first_loss(backbone, "report"))
    grades = data.grades(backbone)
    shown = [
        ReportCase(data.image(key), data.view(key), data.predicted_mask(backbone, key), row, grades[key])
        for row in typical_cases(rows, "cider_d", per_grade)
        for key in [row["slice_key"]]
    ]
    return draw_reports(shown, f"{model_name(backbone)}: cases nearest to their grade's median CIDEr-D")


FIGURE = FigureRecord(
    "Generated reports.",
    "Image with the outline of the predicted mask; generated text; the grades by text, mask area and head (a tick "
    "where it is the note's); what the text contradicts, in colour; the reference. Of each grade the cases nearest "
    "to the median CIDEr-D.",
    draw,
)
