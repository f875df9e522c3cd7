"""Figure 9, training curves: losses and validation scores per epoch, and the controller of PID-Tversky at work."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lss.reporting.names import LOSSES, model_name
from lss.reporting.plot_data import Course
from lss.reporting.style import MODEL_COLOURS, MODEL_LINES
from lss.training.registry import task_record


def draw_training(courses: dict[tuple[str, str, str], Course]) -> Figure:
    """Draw columns: training loss, validation score, beta, share of false negatives; rows: task and loss.

    Args:
        courses: (backbone, task, loss) to its epochs.
    """
    kinds = list(dict.fromkeys(model[1:] for model in courses))
    looks = dict(
        zip(dict.fromkeys(model[0] for model in courses), zip(MODEL_COLOURS, MODEL_LINES, strict=True), strict=False)
    )
    figure = Figure(figsize=(10.5, 2.4 * max(len(kinds), 1) + 0.6), layout="constrained")
    if not kinds:
        figure.text(0.5, 0.5, "No model was trained", ha="center")
        return figure
    grid = figure.subplots(len(kinds), 4, squeeze=False)
    for axes, (task, loss) in zip(grid, kinds, strict=True):
        name = f"{task}\n{LOSSES.get(loss, loss)}"
        for model, course in courses.items():
            if model[1:] == (task, loss):
                _draw_course(axes, course, looks[model[0]], model_name(model[0]))
        for panel, label in zip(axes, ("training loss", task_record(task).score, "β, weight of misses",
                                       "FN / (FN + FP)"), strict=True):  # fmt: skip
            panel.set(xlabel="epoch", ylabel=label)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            if not panel.lines:
                panel.set_axis_off()
        axes[0].set_title(name, loc="left")
    named = {line.get_label(): line for panel in grid.flat for line in panel.lines}
    figure.legend(
        named.values(), named, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=len(named), frameon=False
    )  # fmt: skip  (as in Figure 4)
    return figure


def _draw_course(axes: Any, course: Course, look: tuple[str, Any], label: str) -> None:
    colour, dashes = look
    epochs = [row["epoch"] for row in course]

    def plot(panel: Axes, values: list[float]) -> None:
        panel.plot(epochs, values, color=colour, linestyle=dashes, label=label, linewidth=1.4, marker=".", markersize=5)

    plot(axes[0], [row["train_loss"] for row in course])
    plot(axes[1], [row["val_score"] for row in course])
    if "beta" in course[0]:
        plot(axes[2], [row["beta"] for row in course])
    if "fn" in course[0]:
        plot(axes[3], [row["fn"] / max(row["fn"] + row["fp"], 1) for row in course])
