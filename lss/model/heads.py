"""Classification head on the attended patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ClassificationHead(nn.Module):
    """Logits of the grades from attended patches.

    Each patch passes a small shared network; its responses are pooled by mean and by maximum, because a grade
    shows as much in how far a feature reaches (the canal's area) as in whether it occurs anywhere.
    """

    def __init__(self, patch_width: int, hidden_width: int, classes: int) -> None:
        super().__init__()
        self.per_patch = nn.Sequential(nn.LayerNorm(patch_width), nn.Linear(patch_width, hidden_width), nn.GELU())
        self.to_logits = nn.Linear(2 * hidden_width, classes)

    def forward(self, patches_BND: Tensor) -> Tensor:
        """Logits (B, classes), float32."""
        hidden_BNS = self.per_patch(patches_BND)
        pooled = torch.cat([hidden_BNS.mean(dim=1), hidden_BNS.amax(dim=1)], dim=-1)
        return self.to_logits(pooled).float()
