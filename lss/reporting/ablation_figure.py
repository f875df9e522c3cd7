"""Figure 10: errors and the weight of misses over the epochs, for every loss and fusion of the ablation."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lss.reporting.names import FUSIONS, LOSSES, model_name
from lss.reporting.style import MODEL_COLOURS, MODEL_LINES

_PANELS = {"beta": "β, weight of misses", "fp": "false positives, pixels", "fn": "false negatives, pixels"}


def draw_ablation(comparison: dict[str, Any]) -> Figure:
    """Rows: backbone and fusion; columns: beta, FP, FN over the training part; lines: losses.

    A line is the mean over the repeats, its band reaches from the least to the greatest of them.

    Args:
        comparison: results/ablation/comparison.json.
    """
    rows = comparison["courses"]
    kinds = list(dict.fromkeys((row["backbone"], row["fusion"]) for row in rows))
    if not kinds:
        figure = Figure(figsize=(7.2, 3.2))
        panel = figure.subplots()
        panel.set(xticks=[], yticks=[])
        panel.text(0.5, 0.5, "The ablation was not run (ablation.repeats is 0)", ha="center", va="center")
        return figure
    losses = list(dict.fromkeys(row["loss"] for row in rows))
    figure = Figure(figsize=(9.6, 2.3 * len(kinds) + 0.6), layout="constrained")
    grid = figure.subplots(len(kinds), len(_PANELS), squeeze=False, sharex=True, sharey="col")
    for axes, (backbone, fusion) in zip(grid, kinds, strict=True):
        for panel, (column, label) in zip(axes, _PANELS.items(), strict=True):
            for place, loss in enumerate(losses):
                wanted = {"backbone": backbone, "fusion": fusion, "loss": loss, "column": column}
                course = [row for row in rows if wanted.items() <= row.items()]
                if course:
                    _draw(panel, course, MODEL_COLOURS[place], MODEL_LINES[place], LOSSES[loss])
            panel.set_ylabel(label)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            if column != "beta":
                panel.set_yscale("log")
        axes[0].set_title(f"{model_name(backbone)}, {FUSIONS[fusion]}", loc="left")
    for panel in grid[-1]:
        panel.set_xlabel("epoch")
    lines = {line.get_label(): line for panel in grid.flat for line in panel.lines}
    named = {LOSSES[loss]: lines[LOSSES[loss]] for loss in losses}
    figure.legend(named.values(), named, loc="outside upper center", ncols=len(named), frameon=False, handlelength=3)
    return figure


def _draw(panel: Axes, course: list[dict[str, Any]], colour: str, line: Any, label: str) -> None:
    epochs = [row["epoch"] for row in course]
    panel.plot(epochs, [row["mean"] for row in course], color=colour, linestyle=line, linewidth=1.4, label=label)
    panel.fill_between(
        epochs, [row["low"] for row in course], [row["high"] for row in course], color=colour, alpha=0.18, linewidth=0
    )
