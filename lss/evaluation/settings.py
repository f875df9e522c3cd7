"""Settings of the stages evaluate and ablation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lss.backbones.settings import Backbone
from lss.losses.settings import MaskLoss
from lss.model.settings import Guidance
from lss.project.section import Names, Section


class EvaluateParams(Section):
    """Metrics and intervals."""

    bootstrap_draws: Annotated[int, Field(ge=100)]
    interval: Literal["bca", "percentile"]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    compare_with: Annotated[str, Field(pattern=r"^run-[0-9a-f]{12}$")] | None


class AblationParams(Section):
    """Losses, fusions and controls of the texts compared on the same shards."""

    repeats: Annotated[int, Field(ge=0)]
    backbones: Annotated[Names[Backbone], Field(min_length=1)]
    losses: Annotated[Names[MaskLoss], Field(min_length=1)]
    fusions: Annotated[Names[Guidance], Field(min_length=1)]
    unet_losses: Names[MaskLoss]
