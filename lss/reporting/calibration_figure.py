"""Reliability of the grade head's probabilities, and the decision curve for severe stenosis."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from lss.evaluation.measures import find
from lss.reporting.names import model_name
from lss.reporting.style import MODEL_COLOURS


def draw_calibration(statistics: dict[str, Any]) -> Figure:
    """Left: share right against stated probability; right: net benefit over thresholds of the severe probability."""
    figure = Figure(figsize=(8.6, 3.6), layout="constrained")
    reliability, decision = figure.subplots(1, 2)
    reliability.plot([0, 1], [0, 1], color="0.75", linewidth=0.8)
    backbones = list(dict.fromkeys(model[0] for model in statistics["models"]))
    highest = 0.0
    treat_all: dict[str, list[float]] | None = None
    for colour, backbone in zip(MODEL_COLOURS, backbones, strict=False):
        curves = statistics["curves"].get(f"{backbone}/head")
        if curves is None:
            continue
        error = find(statistics["measures"], backbone=backbone, source="head", reference="note_grade", metric="ece")
        label = model_name(backbone) + (f", ECE {error['value']:.3f}" if error else "")
        points = curves["reliability"]
        reliability.plot(points["confidence"], points["accuracy"], color=colour, marker="o", markersize=4, label=label)
        curve = curves["decision"]
        decision.plot(curve["threshold"], curve["model"], color=colour, label=model_name(backbone))
        highest = max(highest, *curve["model"])
        treat_all = curve
    if treat_all is not None:
        decision.plot(treat_all["threshold"], treat_all["treat_all"], color="0.5", linestyle="--", label="all severe")
        decision.axhline(0, color="0.5", linewidth=0.8, label="none severe")
    reliability.set(title="Reliability of the grade head", xlabel="probability of the answered grade",
                    ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1))  # fmt: skip
    decision.set(title="Decision curve, grade D", xlabel="threshold of the probability of D", ylabel="net benefit",
                 ylim=(-0.1, highest * 1.15 + 0.02))  # fmt: skip
    for panel in (reliability, decision):
        if panel.get_legend_handles_labels()[0]:
            panel.legend(frameon=False)
    return figure
