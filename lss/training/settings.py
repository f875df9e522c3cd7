"""Settings of the stage train."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, create_model, model_validator

from lss.backbones.settings import Backbone, QloraParams
from lss.imaging.settings import AugmentParams
from lss.losses.registry import loss_names
from lss.losses.settings import PidParams
from lss.model.settings import UNET_SMALLEST, Fusion, PromptMode, Queries
from lss.project.section import Count, Names, Positive, Section, named
from lss.training.registry import TASKS


class PlainTaskParams(Section):
    """Training of a task with one learning rate, such as that of the grade head."""

    losses: Names[str]
    epochs: Count
    patience: Count
    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]


class SegmentationParams(Section):
    """Training of the mask decoder."""

    losses: Names[str]
    epochs: Count
    patience: Count
    encoder_learning_rate: Positive
    decoder_learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]


class ReportParams(Section):
    """Training of the report generator."""

    losses: Names[str]
    focal_gamma: Annotated[float, Field(ge=0)]
    epochs: Count
    patience: Count
    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    max_tokens: Count
    decoder_width: Annotated[int, Field(ge=8, multiple_of=4)]
    grade_weight: Annotated[float, Field(ge=0)]
    thresholds: Literal["paper", "calibrated"]
    train_token_embeddings: bool


TaskParams = PlainTaskParams | SegmentationParams | ReportParams


class TrainSection(Section):
    """One training per backbone, task and loss."""

    backbones: Names[Backbone]
    baselines: Names[Literal["unet"]]
    seeds: Count
    batch_size: Count
    micro_batch_size: Count
    bf16: bool
    gradient_clip: Positive
    schedule: Literal["cosine", "constant"]
    mask_size: Annotated[int, Field(ge=16)]
    resample_grid: Count | None
    prompt: PromptMode
    queries: Queries
    grade_weight: Annotated[float, Field(ge=0)]
    fusion: Fusion
    heads: Count
    d_shared: Count
    augment: AugmentParams
    qlora: QloraParams
    gamma: Positive
    pid: PidParams
    if TYPE_CHECKING:  # a sub-section of every task is added below
        classification: PlainTaskParams
        segmentation: SegmentationParams
        report: ReportParams

    def of(self, task: str) -> TaskParams:
        """Return the sub-section of a task."""
        settings: TaskParams = getattr(self, task)
        return settings

    @model_validator(mode="after")
    def _fits_together(self) -> TrainSection:
        if not self.backbones:
            raise ValueError("backbones must name at least one backbone")
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of micro_batch_size ({self.micro_batch_size})"
            )
        if self.d_shared % self.heads:
            raise ValueError(f"d_shared ({self.d_shared}) must be a multiple of heads ({self.heads})")
        if "unet" in self.baselines and self.mask_size < UNET_SMALLEST:
            raise ValueError(f"mask_size ({self.mask_size}) must be at least {UNET_SMALLEST} for the baseline unet")
        if not self.segmentation.losses:
            raise ValueError("segmentation.losses must name at least one loss: the report is written from its mask")
        return self


def _sub_section(task: str) -> type[TaskParams]:
    """Return the section of a task, whose losses are those of its records in `lss.losses.registry`."""
    sections: dict[str, type[TaskParams]] = {"segmentation": SegmentationParams, "report": ReportParams}
    losses = Names[Annotated[str, named(partial(loss_names, task))]]
    name = f"{task.title()}Section"
    section: type[TaskParams] = create_model(name, __base__=sections.get(task, PlainTaskParams), losses=(losses, ...))
    globals()[name] = section  # settings go to other processes, which look their class up by its name
    return section


if TYPE_CHECKING:
    TrainParams = TrainSection
else:  # and a sub-section for every task
    TrainParams = create_model(
        "TrainParams", __base__=TrainSection, **{record.name: (_sub_section(record.name), ...) for record in TASKS}
    )
