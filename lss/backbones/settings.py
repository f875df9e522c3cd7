"""Settings of the stage weights, with a sub-section for every backbone, and of the quantised adapters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, create_model

from lss.backbones.registry import BACKBONES, backbone_names
from lss.project.section import Count, Positive, Section, named

Backbone = Annotated[str, named(backbone_names)]


class HubParams(Section):
    """A repository on the hub, at a commit, branch or tag."""

    hub_id: str
    revision: str


class CheckpointParams(HubParams):
    """Where a backbone's published weights come from; `companion` is what they need beside."""

    folder: Path | None
    companion: HubParams | None


class TowerParams(CheckpointParams):
    """And which vision tower it gets: the one within its own files, or the companion's."""

    vision_tower: Literal["checkpoint", "clip"]


class WeightSource(Section):
    """Where the backbones' checkpoints come from."""

    source: Literal["tiny", "published"]

    def of(self, backbone: str) -> CheckpointParams:
        """Return the sub-section of a backbone."""
        settings: CheckpointParams = getattr(self, backbone)
        return settings


if TYPE_CHECKING:
    WeightParams = WeightSource
else:  # and a sub-section for every backbone
    WeightParams = create_model(
        "WeightParams",
        __base__=WeightSource,
        **{
            record.name: (TowerParams if record.chooses_vision_tower else CheckpointParams, ...) for record in BACKBONES
        },
    )


class QloraParams(Section):
    """4-bit base, low-rank adapters."""

    quantise: bool
    rank: Count
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
