"""Figures 2, 3 and 5: confusion matrices per model, and ROC curves, for one way of grading."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lss.evaluation.measures import find
from lss.grades import GRADE_LABELS, GRADES
from lss.reporting.names import SOURCES, model_name
from lss.reporting.style import GRADE_LINES, MODEL_COLOURS

_LETTERS = "abcdefghij"
_TINY = 1e-9


def draw_grades(statistics: dict[str, Any], sources: tuple[str, ...]) -> Figure:
    """One row of panels per source (head, area_paper, ...): a confusion matrix per model, then their ROC curves."""
    backbones = list(dict.fromkeys(model[0] for model in statistics["models"]))
    figure = Figure(figsize=(3.1 * (len(backbones) + 1) + 1.3, 3.3 * len(sources)), layout="constrained")
    grid = figure.subplots(len(sources), len(backbones) + 1, squeeze=False)
    letters = iter(_LETTERS)
    for axes, source in zip(grid, sources, strict=True):
        for panel, backbone in zip(axes, backbones, strict=False):
            title = f"({next(letters)}) {model_name(backbone)}\n{SOURCES[source]}"
            curves = statistics["curves"].get(f"{backbone}/{source}")
            if curves is None:
                panel.set_axis_off()
                panel.set_title(f"{title}\nnot run")
                continue
            draw_confusion(panel, np.array(curves["confusion"]), title)
        draw_roc(axes[-1], statistics, backbones, source, f"({next(letters)}) ROC, one grade against the rest")
    return figure


def draw_confusion(axes: Axes, confusion: np.ndarray, title: str) -> None:
    """Counts, shaded by the share of the row; answers "none" are shown where there are any.

    Args:
        confusion: (3, 4) true grade by stated grade, the last column without a grade.
    """
    labels = [GRADE_LABELS[grade] for grade in GRADES]
    columns = [*labels, "none"] if confusion[:, -1].any() else labels
    counts = confusion[:, : len(columns)]
    shares = counts / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=colormaps["Blues"], vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        axes.text(column, row, f"{count}\n{share:.0%}", ha="center", va="center",
                  color="white" if share > 0.55 else "black")  # fmt: skip
    axes.set(title=title, xlabel="predicted grade", ylabel="grade of the note")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_roc(axes: Axes, statistics: dict[str, Any], backbones: list[str], source: str, title: str) -> None:
    """ROC curves of every model and grade, the area under each in the legend; colour is the model, line the grade."""
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=0.8)
    for colour, backbone in zip(MODEL_COLOURS, backbones, strict=False):
        curves = statistics["curves"].get(f"{backbone}/{source}")
        for grade in GRADES if curves else ():
            roc = curves["roc"][grade]
            area = find(statistics["measures"], backbone=backbone, source=source, reference="note_grade",
                        metric="auc", stratum=grade)  # fmt: skip
            value = "–" if area is None or area["value"] is None else f"{area['value']:.3f}"
            label = f"{model_name(backbone)} {GRADE_LABELS[grade]}: {value}"
            axes.plot(roc["fpr"], roc["tpr"], color=colour, linestyle=GRADE_LINES[grade], label=label, linewidth=1.4)
    axes.set(title=title, xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_aspect("equal")
    axes.legend(title="AUC", loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, handlelength=2.6)
