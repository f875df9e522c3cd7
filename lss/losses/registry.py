"""All losses, one record each. Light: settings and tables read it too, and a loss itself imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from lss.errors import LssError


@dataclass(frozen=True)
class LossRecord:
    """One loss of one task.

    Attributes:
        task: classification, segmentation or report.
        name: in params.yaml, in paths and in tables of results.
        label: as it is printed.
        factory: `module:function` that makes it from the train section (`lss.losses.mask_losses`); empty where the
            task computes it itself.
        reads: settings of the train section, or of its task's, that only this loss reads.
    """

    task: str
    name: str
    label: str
    factory: str = ""
    reads: tuple[str, ...] = ()


LOSSES = (
    LossRecord("classification", "cross_entropy", "cross-entropy"),
    LossRecord("segmentation", "pid_tversky", "PID-Tversky", "lss.losses.pid_tversky:make", ("gamma", "pid")),
    LossRecord("segmentation", "cross_entropy", "cross-entropy", "lss.losses.cross_entropy:make"),
    LossRecord("segmentation", "dice_cross_entropy", "Dice + cross-entropy", "lss.losses.dice_cross_entropy:make"),
    LossRecord("segmentation", "tversky", "Tversky", "lss.losses.tversky:make"),
    LossRecord("segmentation", "focal_tversky", "focal Tversky", "lss.losses.focal_tversky:make"),
    LossRecord("segmentation", "pid_tversky_wide", "PID-Tversky, beta 0.05 to 0.95", "lss.losses.pid_tversky:make_wide",
               ("gamma", "pid")),
    LossRecord("segmentation", "pid_tversky_low", "PID-Tversky, beta fixed at 0.65",
               "lss.losses.pid_tversky:make_low", ("gamma",)),
    LossRecord("segmentation", "pid_tversky_high", "PID-Tversky, beta fixed at 0.85",
               "lss.losses.pid_tversky:make_high", ("gamma",)),
    LossRecord("report", "focal", "focal", reads=("focal_gamma",)),
    LossRecord("report", "nll", "NLL"),
)  # fmt: skip
"""In the order in which messages list them."""


def loss_names(task: str) -> list[str]:
    """Return names of a task's losses."""
    return [record.name for record in LOSSES if record.task == task]


def loss_labels() -> dict[str, str]:
    """Return how losses are printed, by name; a name means the same in every task."""
    return {record.name: record.label for record in LOSSES}


def loss_record(task: str, name: str) -> LossRecord:
    """Return the record of a task's loss. Raises LssError for an unknown name."""
    for record in LOSSES:
        if (record.task, record.name) == (task, name):
            return record
    raise LssError(f"params.yaml: train.{task}.losses: no loss '{name}'. Choose from {', '.join(loss_names(task))}.")


def unread_settings(task: str, name: str) -> set[str]:
    """Return settings that some loss reads, but not this one."""
    return {setting for record in LOSSES for setting in record.reads} - set(loss_record(task, name).reads)
