"""Settings of the stages denoise, pseudo_mask and shards, and of the changes of training images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lss.project.section import Count, Odd, Positive, Section, odd


class DenoiseParams(Section):
    """Non-local means."""

    method: Literal["nlm", "skimage", "skimage_slow", "none"]
    patch_size: Annotated[int, Field(ge=1, le=31), AfterValidator(odd)]
    search_radius: Annotated[int, Field(ge=1, le=50)]
    h_factor: Positive
    rician: bool


class PseudoMaskParams(Section):
    """Algorithm 1."""

    roi: Literal["canal", "centre", "none"]
    roi_margin_mm: Positive
    roi_size_mm: Positive
    canny_sigma: Positive
    kernel_severe: Odd
    kernel_small: Odd
    grade_a: Literal["empty", "refine"]


class ShardParams(Section):
    """Field of view, augmentation, balance, Parquet."""

    crop: Literal["canal", "centre", "none"]
    crop_mm: Positive
    area_of: Literal["region", "view"]
    balance: bool
    rotation_deg: Annotated[float, Field(ge=0, le=45)]
    zoom: Annotated[float, Field(ge=0, lt=1)]
    contrast: Annotated[float, Field(ge=0, lt=1)]
    flip: bool
    row_group_size: Count


class AugmentParams(Section):
    """A change of every training image in every epoch."""

    rotation_deg: Annotated[float, Field(ge=0, le=45)]
    zoom: Annotated[float, Field(ge=0, lt=1)]
    contrast: Annotated[float, Field(ge=0, lt=1)]
