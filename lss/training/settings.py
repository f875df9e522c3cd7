"""Settings of the stage train."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lss.backbones.settings import Backbone, QloraParams
from lss.imaging.settings import AugmentParams
from lss.losses.settings import GradeLoss, MaskLoss, PidParams, ReportLoss
from lss.model.settings import UNET_SMALLEST, Fusion, PromptMode, Queries
from lss.project.section import Count, Names, Positive, Section


class ClassificationParams(Section):
    """Training of the grade head."""

    losses: Names[GradeLoss]
    epochs: Count
    patience: Count
    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]


class SegmentationParams(Section):
    """Training of the mask decoder."""

    losses: Names[MaskLoss]
    epochs: Count
    patience: Count
    encoder_learning_rate: Positive
    decoder_learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]


class ReportParams(Section):
    """Training of the report generator."""

    losses: Names[ReportLoss]
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


class TrainParams(Section):
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
    classification: ClassificationParams
    segmentation: SegmentationParams
    report: ReportParams

    @model_validator(mode="after")
    def _fits_together(self) -> TrainParams:
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
