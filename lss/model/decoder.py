"""CNN decoder: attended patches to a mask of any size (section 3.4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

PRIOR = 0.05
"""Probability of the mask in a pixel before training."""


class MaskDecoder(nn.Module):
    """(B, N, D) -> (B, D, g, g), then transposed convolutions with batch norm and ReLU that double the grid.

    As many doublings as fit into the mask; a bilinear resize makes up the rest, so any grid reaches any size.
    Channels halve with every doubling, from `channels` down to 8: fine levels are where the pixels are,
    and need few channels. What each prompt says of a patch comes beside the patch, one channel per prompt.
    """

    def __init__(
        self, patch_width: int, grid: tuple[int, int], mask_size: int, channels: int, prompts: int = 0
    ) -> None:
        """Build the decoder; `prompts` is the number of similarity channels, 0 without prompts."""
        super().__init__()
        self.grid = grid
        self.mask_size = mask_size
        self.prompts = prompts
        layers: list[nn.Module] = [
            nn.Conv2d(patch_width + prompts, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        size = max(grid)
        while size * 2 <= mask_size:
            narrower = max(channels // 2, 8)
            # kernel 4, stride 2, padding 1 doubles exactly; twice the stride leaves no checkerboard
            layers += [
                nn.ConvTranspose2d(channels, narrower, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(narrower),
                nn.ReLU(inplace=True),
            ]
            channels, size = narrower, size * 2
        self.layers = nn.Sequential(*layers)
        self.to_logit = nn.Conv2d(channels, 1, 3, padding=1)
        # Start from "almost everything is background" (Lin et al. 2017, section 4.1). From 0.5 everywhere the
        # false positives drown the masks, a few percent of the pixels, and the first epochs go into unlearning them.
        if self.to_logit.bias is not None:
            nn.init.constant_(self.to_logit.bias, -math.log((1 - PRIOR) / PRIOR))

    def forward(self, patches_BND: Tensor, similarity_BKN: Tensor | None = None) -> Tensor:
        """Return logits (B, 1, mask_size, mask_size), float32; `similarity_BKN`: None counts as zeros
        (fusion `none`).
        """
        if self.prompts:
            if similarity_BKN is None:
                similarity_BKN = patches_BND.new_zeros(len(patches_BND), self.prompts, patches_BND.shape[1])
            patches_BND = torch.cat([patches_BND, similarity_BKN.transpose(1, 2).to(patches_BND.dtype)], dim=-1)
        map_BDGG = patches_BND.transpose(1, 2).unflatten(-1, self.grid)
        logits_B1YX = self.to_logit(self.layers(map_BDGG)).float()
        if logits_B1YX.shape[-2:] == (self.mask_size, self.mask_size):
            return logits_B1YX
        return torch.nn.functional.interpolate(
            logits_B1YX, (self.mask_size, self.mask_size), mode="bilinear", align_corners=False
        )
