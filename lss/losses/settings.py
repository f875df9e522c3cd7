"""Settings of the losses."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from lss.losses.registry import loss_names
from lss.project.section import Positive, Section, named

MaskLoss = Annotated[str, named(partial(loss_names, "segmentation"))]


class PidParams(Section):
    """Controller of the Tversky weights, eq. 5-7."""

    kp: float
    ki: float
    kd: float
    beta_0: Annotated[float, Field(ge=0.65, le=0.85)]
    integral_limit: Positive
    count: Literal["epoch_end", "running"]
