"""Figures 2, 3 and 5: confusion matrices per model, and ROC curves, for one source of grades."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lss.domain.grades import GRADE_LABELS, GRADES
from lss.evaluation.measures import Measure, curve_name, find
from lss.reporting.names import SOURCES, model_name
from lss.reporting.style import MODEL_COLOURS, MODEL_LINES

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def draw_grades(statistics: dict[str, Any], sources: tuple[str, ...]) -> Figure:
    """Draw two rows of panels per source (head, area_paper, ...): a confusion matrix per model, ROC
    curves per grade.
    """
    backbones = list(dict.fromkeys(model[0] for model in statistics["models"]))
    columns = max(len(backbones), len(GRADES))
    apart = ConstrainedLayoutEngine(h_pad=0.14)  # inches: a title keeps away from the panel above
    figure = Figure(figsize=(3.3 * columns, 7.4 * len(sources)), layout=apart)
    grid = figure.subplots(2 * len(sources), columns, squeeze=False)
    letters = iter(_LETTERS)
    for source, confusions, curves in zip(sources, grid[::2], grid[1::2], strict=True):
        for panel, backbone in zip(confusions, backbones, strict=False):
            title = f"({next(letters)}) {model_name(backbone)}\n{SOURCES[source]}"
            curve = statistics["curves"].get(curve_name(backbone, source))
            if curve is None:
                panel.set_axis_off()
                panel.set_title(f"{title}\nnot run")
                continue
            draw_confusion(panel, np.array(curve["confusion"]), title)
        for panel, grade in zip(curves, GRADES, strict=False):
            title = f"({next(letters)}) {GRADE_LABELS[grade]} against the rest\n{SOURCES[source]}"
            draw_roc(panel, statistics, backbones, source, grade, title)
        for panel in (*confusions[len(backbones) :], *curves[len(GRADES) :]):
            panel.set_axis_off()
    return figure


def letters_on(ground: tuple[float, float, float, float]) -> str:
    """Return black or white, whichever has more contrast on a colour (WCAG 2 relative luminance), RGBA in [0, 1]."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in ground[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "black"


def draw_confusion(axes: Axes, confusion: np.ndarray, title: str) -> None:
    """Draw counts, shaded by the share of the row; answers "none" are shown where there are any.

    Args:
        confusion: (3, 4) true grade by stated grade, the last column without a grade.
    """
    labels = [GRADE_LABELS[grade] for grade in GRADES]
    columns = [*labels, "none"] if confusion[:, -1].any() else labels
    counts = confusion[:, : len(columns)]
    shares = counts / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    blues = colormaps["Blues"]
    axes.imshow(shares, cmap=blues, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        axes.text(column, row, f"{count}\n{share:.0%}", ha="center", va="center",
                  color=letters_on(blues(share)))  # fmt: skip
    axes.set(title=title, xlabel="predicted grade", ylabel="grade of the note")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_roc(axes: Axes, statistics: dict[str, Any], backbones: list[str], source: str, grade: str, title: str) -> None:
    """Draw the ROC curves of every model for one grade; the legend gives the area under each with its interval."""
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    for colour, line, backbone in zip(MODEL_COLOURS, MODEL_LINES, backbones, strict=False):
        curves = statistics["curves"].get(curve_name(backbone, source))
        if curves is None:
            continue
        roc = curves["roc"][grade]
        area = find(statistics["measures"], backbone=backbone, source=source, reference="note_grade", metric="auc",
                    stratum=grade)  # fmt: skip
        label = f"{model_name(backbone)}: {_area(area)}"
        axes.plot(roc["fpr"], roc["tpr"], color=colour, linestyle=line, label=label, linewidth=1.6)
    axes.set(title=title, xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_aspect("equal")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            title="area under the curve (interval)", loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False,
            handlelength=2.6, title_fontsize=8,
        )  # fmt: skip


def _area(measure: Measure | None) -> str:
    """Return an area with its interval, or why it has none."""
    if measure is None or measure["value"] is None:
        return "–"
    if measure["low"] is None:
        return f"{measure['value']:.3f} ({measure['interval']})" if measure["interval"] else f"{measure['value']:.3f}"
    return f"{measure['value']:.3f} ({measure['low']:.3f}–{measure['high']:.3f})"
