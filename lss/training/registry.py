"""All tasks, one record each. Light: settings, rules and messages read it, and a task itself imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lss.errors import LssError


@dataclass(frozen=True)
class TaskRecord:
    """One task that models are trained for.

    Attributes:
        name: in params.yaml, where it has a sub-section of `train`, and in paths.
        label: as it is printed.
        description: of what its models predict, in their cards.
        score: label of the validation score by which the best epoch is chosen (`Task.validate`).
        builder: `module:build` that makes the `lss.training.task.Task` from a `Setup`; the module also has
            `build_network`, which makes its network alone.
        predicts: kind of its predictions: it decides network, columns of the predictions, and their schema.
        builds_on: task of the model that its models are trained upon, the first of the backbone; empty for none.
        unread: settings of the train section, apart from those of other tasks and losses, that it does not read.
        evaluated: whether the stage evaluate makes a table of cases of it.
    """

    name: str
    label: str
    description: str
    score: str
    builder: str
    predicts: Literal["grade", "mask", "report"]
    builds_on: str = ""
    unread: tuple[str, ...] = ()
    evaluated: bool = False


TASKS = (
    TaskRecord(
        "classification",
        "grades of images",
        "grade of stenosis (A, B&C, D) of a slice",
        "validation: probability\nof the true grade,\nmean of grades",
        "lss.training.classification_task:build",
        "grade",
        evaluated=True,
    ),
    TaskRecord(
        "segmentation",
        "masks",
        "mask of the compressed region on a slice",
        "validation: Dice,\npooled over all pixels",
        "lss.training.segmentation_task:build",
        "mask",
        evaluated=True,
    ),
    TaskRecord(
        "report",
        "reports of images",
        "written report on a slice, from the image and a predicted mask",
        "validation: mean of\nright reports\nand likelihood",
        "lss.training.report_task:build",
        "report",
        builds_on="segmentation",
        unread=("augment", "grade_weight"),  # its images are the shards' own, its grade head has a weight of its own
        evaluated=True,
    ),
)
"""In the order in which they are trained."""


def task_names() -> list[str]:
    """Return names of all tasks."""
    return [record.name for record in TASKS]


def task_record(name: str) -> TaskRecord:
    """Return the record of a task. Raises LssError for an unknown name."""
    for record in TASKS:
        if record.name == name:
            return record
    raise LssError(f"no task '{name}'. There are: {', '.join(task_names())}.")
