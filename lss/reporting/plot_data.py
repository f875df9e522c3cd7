"""Training curves as tables for `dvc plots`: one file per kind, whatever models were trained."""

from __future__ import annotations

import csv
import io

from lss.reporting.names import LOSSES, model_name

Course = list[dict[str, float]]
"""Rows of a training's epochs.csv; a field that was empty is missing."""

_COLUMNS = {
    "segmentation": ("train_loss", "val_score", "fp", "fn"),
    "pid_controller": ("beta",),
    "classification": ("train_loss", "val_score"),
    "report": ("train_loss", "val_score"),
}
"""File to its columns beside epoch and model."""


def read_course(text: str) -> Course:
    """Return the epochs of a training from the text of its epochs.csv."""
    return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(text.splitlines())]


def plot_tables(courses: dict[tuple[str, str, str], Course]) -> dict[str, str]:
    """Return the name of each file to its CSV text: epoch, model, then numbers. Without such a model only the heading.

    The PID controller's table holds the models that have one; the others are named after their task.
    """
    tables = {}
    for name, columns in _COLUMNS.items():
        text = io.StringIO()
        writer = csv.DictWriter(text, ("epoch", "model", *columns), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for (backbone, task, loss), course in courses.items():
            if name in (task, "pid_controller"):
                label = {"model": f"{model_name(backbone)}, {LOSSES.get(loss, loss)}"}
                shown = [row for row in course if row.keys() >= set(columns)]
                writer.writerows(row | label | {"epoch": int(row["epoch"])} for row in shown)
        tables[name] = text.getvalue()
    return tables
