"""Figures 7 and 8: reliability of the grade head's probabilities, and the decision curve for severe stenosis."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from lss.evaluation.measures import curve_name, find
from lss.reporting.names import model_name
from lss.reporting.style import MODEL_COLOURS

_LETTERS = "abcdefghij"
ACTING = "acting on the head's probability"


def draw_reliability(statistics: dict[str, Any]) -> Figure:
    """Return a panel per model: share of right answers against the probability of the answered grade, in bins of a
    tenth.

    A marker's area is the number of cases in its bin; n is written beside it.
    """
    figure, panels = _panels(statistics)
    for panel, backbone, curves, colour in panels:
        panel.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
        points = curves["reliability"]
        cases = np.array(points["cases"])
        panel.plot(points["confidence"], points["accuracy"], color=colour, linewidth=1.2)
        panel.scatter(points["confidence"], points["accuracy"], s=12 + 120 * cases / cases.max(), color=colour,
                      clip_on=False, zorder=3)  # fmt: skip
        for x, y, n in zip(points["confidence"], points["accuracy"], cases, strict=True):
            above = y < 0.9
            panel.annotate(f"{n}", (x, y), (0, 9 if above else -9), textcoords="offset points", fontsize=8,
                           ha="center", va="bottom" if above else "top",
                           bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5})  # fmt: skip
        error = find(statistics["measures"], backbone=backbone, source="head", reference="note_grade", metric="ece")
        if error and error["value"] is not None:
            between = f"\n({error['low']:.3f}–{error['high']:.3f})" if error["low"] is not None else ""
            panel.text(0.03, 0.97, f"calibration error {error['value']:.3f}{between}", va="top", fontsize=8,
                       transform=panel.transAxes)  # fmt: skip
        panel.set(xlabel="probability of the answered grade", xlim=(0, 1.02), ylim=(0, 1.06))
        panel.set_aspect("equal")
    if panels:
        panels[0][0].set_ylabel("share of right answers")
    return figure


def draw_decision(statistics: dict[str, Any]) -> Figure:
    """Return a panel per model: net benefit of acting on its probability of grade D, with interval, against all and
    none.

    Shown up to the threshold beyond which no model calls anything severe. What falls below the panel ("all called
    severe" at high thresholds) is worse than calling none.
    """
    figure, panels = _panels(statistics)
    decisions = [curves["decision"] for _, _, curves, _ in panels]
    acting = [t for curve in decisions for t, value in zip(curve["threshold"], curve["model"], strict=True) if value]
    last = min(max(acting, default=1.0) + 0.02, 1.0)
    bounds = [value for curve in decisions for value in (*curve["low"], *curve["high"], *curve["model"]) if value]
    low, high = min([*bounds, -0.01]), max([*bounds, 0.01])
    for panel, _, curves, colour in panels:
        curve = {name: np.array(values, dtype=float) for name, values in curves["decision"].items()}
        panel.fill_between(curve["threshold"], curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0)
        for name in ("low", "high"):
            panel.plot(curve["threshold"], curve[name], color=colour, linewidth=0.7)
        panel.plot(curve["threshold"], curve["treat_all"], color="0.5", linestyle="--", linewidth=1.4)
        panel.axhline(0, color="0.5", linewidth=1.2, linestyle=":")
        panel.plot(curve["threshold"], curve["model"], color=colour, linewidth=2.0, label=ACTING)
        panel.set(xlabel="threshold: probability of D", xlim=(0, last), ylim=(1.15 * low, 1.05 * high))
        panel.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        panel.grid(axis="y", color="0.5", alpha=0.25, linewidth=0.6)
    if panels:
        panels[0][0].set_ylabel("net benefit, per image")
        figure.legend(
            handles=[
                Line2D([], [], color="0.5", linewidth=2.0, label=ACTING),
                Patch(facecolor="0.5", alpha=0.3, label="its interval, at each threshold"),
                Line2D([], [], color="0.5", linestyle="--", label="all called severe"),
                Line2D([], [], color="0.5", linestyle=":", label="none called severe"),
            ],
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=4,
            frameon=False,
        )  # fmt: skip
    return figure


def _panels(statistics: dict[str, Any]) -> tuple[Figure, list[tuple[Axes, str, dict[str, Any], str]]]:
    """Return a figure with a titled panel per backbone whose grade head was run: axes, backbone, its curves, its
    colour.
    """
    backbones = list(dict.fromkeys(model[0] for model in statistics["models"]))
    shown = [
        (backbone, statistics["curves"][curve_name(backbone, "head")], colour)
        for backbone, colour in zip(backbones, MODEL_COLOURS, strict=False)
        if curve_name(backbone, "head") in statistics["curves"]
    ]
    figure = Figure(figsize=(3.2 * max(len(shown), 1) + 0.4, 3.4), layout="constrained")
    if not shown:
        figure.text(0.5, 0.5, "No grade head was trained", ha="center")
        return figure, []
    axes = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    for panel, letter, (backbone, _, _) in zip(axes, _LETTERS, shown, strict=False):
        panel.set_title(f"({letter}) {model_name(backbone)}")
    return figure, [(panel, *entry) for panel, entry in zip(axes, shown, strict=True)]
