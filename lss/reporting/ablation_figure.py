"""Figure 10: errors and the weight of misses over the epochs, for the losses and for the fusions of the ablation."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lss.reporting.names import FUSIONS, LOSSES, model_name
from lss.reporting.style import MODEL_COLOURS, MODEL_LINES

_STYLES = [
    (colour, MODEL_LINES[(place + turn) % len(MODEL_LINES)])
    for turn in range(len(MODEL_LINES))
    for place, colour in enumerate(MODEL_COLOURS)
]
"""Colour and line style, so that colour alone distinguishes nothing."""
_PANELS = {"beta": "β, weight of misses", "fp": "false positives, pixels", "fn": "false negatives, pixels"}


def draw_ablation(comparison: dict[str, Any]) -> Figure:
    """Draw rows (a backbone's losses with its first fusion, its fusions with the first loss) by columns (beta, FP, FN).

    A line is the mean over the repeats, its band reaches from the least to the greatest of them.

    Args:
        comparison: results/ablation/comparison.json.
    """
    rows = comparison["courses"]
    groups = _groups(rows)
    if not groups:
        figure = Figure(figsize=(7.2, 3.2))
        panel = figure.subplots()
        panel.set(xticks=[], yticks=[])
        panel.text(0.5, 0.5, "The ablation was not run (ablation.repeats is 0)", ha="center", va="center")
        return figure
    figure = Figure(figsize=(11.0, 2.6 * len(groups) + 0.3), layout="constrained")
    grid = figure.subplots(len(groups), len(_PANELS), squeeze=False, sharex=True, sharey="col")
    for axes, (title, systems) in zip(grid, groups.items(), strict=True):
        for panel, (column, label) in zip(axes, _PANELS.items(), strict=True):
            for (name, system), (colour, line) in zip(systems.items(), _STYLES, strict=False):
                course = [row for row in rows if row["column"] == column and _system(row) == system]
                if course:
                    _draw(panel, course, colour, line, name)
            panel.set_ylabel(label)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            if column != "beta":
                panel.set_yscale("log")
                panel.yaxis.set_major_formatter("{x:g}")  # not as a formula: figures print those as they stand
        axes[0].set_title(title, loc="left")
        axes[-1].legend(*axes[1].get_legend_handles_labels(), loc="center left", bbox_to_anchor=(1.02, 0.5),
                        frameon=False, handlelength=3)  # fmt: skip
    for panel in grid[-1]:
        panel.set_xlabel("epoch")
    return figure


def _system(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["backbone"], row["fusion"], row["loss"]


def _groups(rows: list[dict[str, Any]]) -> dict[str, dict[str, tuple[str, str, str]]]:
    """Return the title of each row of panels to its systems by the name in the legend."""
    systems = list(dict.fromkeys(map(_system, rows)))
    groups: dict[str, dict[str, tuple[str, str, str]]] = {}
    for backbone in dict.fromkeys(backbone for backbone, _, _ in systems):
        own = [system for system in systems if system[0] == backbone]
        _, fusion, loss = own[0]
        losses = {LOSSES[system[2]]: system for system in own if system[1] == fusion}
        fusions = {FUSIONS[system[1]]: system for system in own if system[2] == loss}
        groups[f"{model_name(backbone)}, losses with {FUSIONS[fusion]}"] = losses
        if len(fusions) > 1:
            groups[f"{model_name(backbone)}, fusions with {LOSSES[loss]}"] = fusions
    return groups


def _draw(panel: Axes, course: list[dict[str, Any]], colour: str, line: Any, label: str) -> None:
    epochs = [row["epoch"] for row in course]
    panel.plot(epochs, [row["mean"] for row in course], color=colour, linestyle=line, linewidth=1.4, label=label)
    panel.fill_between(
        epochs, [row["low"] for row in course], [row["high"] for row in course], color=colour, alpha=0.18, linewidth=0
    )
