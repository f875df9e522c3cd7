"""Settings of the stage predict."""

from __future__ import annotations

from typing import Literal

from lss.project.section import Count, Positive, Section


class PredictParams(Section):
    """Inference on the test part."""

    decoding: Literal["greedy", "beam", "sample"]
    beams: Count
    temperature: Positive
    unsupported: Literal["drop", "keep"]
    on_contradiction: Literal["keep", "regenerate", "template"]
    attempts: Count
