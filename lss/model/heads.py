"""Heads that read the grade from patches, or from how well the prompts fit them."""

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
        """Return logits (B, classes), float32."""
        hidden_BNS = self.per_patch(patches_BND)
        pooled = torch.cat([hidden_BNS.mean(dim=1), hidden_BNS.amax(dim=1)], dim=-1)
        return self.to_logits(pooled).float()


class SimilarityHead(nn.Module):
    """Logits of the grades from the prompts' similarity to the patches: only the text distinguishes the grades.

    A prompt fits an image as it does its patches in the mean and at best; a grade, as its prompts do in the mean.
    """

    share_GK: Tensor

    def __init__(self, prompt_grades: tuple[int, ...], classes: int) -> None:
        """Build the head; `prompt_grades` holds the grade of each prompt, from 0."""
        super().__init__()
        shares = [
            [float(grade == own) / prompt_grades.count(grade) for own in prompt_grades] for grade in range(classes)
        ]
        self.register_buffer("share_GK", torch.tensor(shares), persistent=False)
        self.scale = nn.Parameter(torch.ones(2))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, similarity_BKN: Tensor) -> Tensor:
        """Return logits (B, classes), float32."""
        fit_BK = self.scale[0] * similarity_BKN.mean(dim=-1) + self.scale[1] * similarity_BKN.amax(dim=-1)
        return fit_BK.float() @ self.share_GK.T + self.bias
