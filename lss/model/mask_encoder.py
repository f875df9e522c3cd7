"""Mask encoder: the predicted mask as tokens f_m (section 3.6).

Shapes: B masks, S side of the mask's small form, G tokens per side, M = G * G tokens, C their width.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

COVERAGE_SIZE = 64
"""Side to which a mask of any size is brought: a pixel holds the share of it that is covered."""

TOKENS_PER_SIDE = 4
"""G: the mask is described by G x G tokens."""


def mask_coverage(mask_B1YX: Tensor) -> Tensor:
    """Return share of each of 64 x 64 cells that a 0/1 mask of any size covers: (B, 1, 64, 64), float32 in [0, 1]."""
    return nn.functional.interpolate(mask_B1YX.float(), (COVERAGE_SIZE, COVERAGE_SIZE), mode="area")


class MaskEncoder(nn.Module):
    """Strided convolutions from the mask's coverage to a grid of tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = (1, 8, 16, 32, width)  # 64 -> 32 -> 16 -> 8 -> 4
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(channels):
            layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.GELU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, coverage_B1SS: Tensor) -> Tensor:
        """Return f_m (B, M, C), row by row, from `mask_coverage`."""
        # centred: an empty mask is an input like any other, not a vanishing one
        map_BCGG = self.layers(coverage_B1SS - 0.5)
        return torch.flatten(map_BCGG, 2).transpose(1, 2)
