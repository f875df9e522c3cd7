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
        """Logits (B, classes), float32."""
        hidden_BNS = self.per_patch(patches_BND)
        pooled = torch.cat([hidden_BNS.mean(dim=1), hidden_BNS.amax(dim=1)], dim=-1)
        return self.to_logits(pooled).float()


class SimilarityHead(nn.Module):
    """Logits of the grades from the prompts' similarity to the patches: the text is all that tells the grades apart.

    A prompt fits an image as it does its patches in the mean and at best; a grade, as its prompts do in the mean.
    """

    grade_K: Tensor

    def __init__(self, prompt_grades: tuple[int, ...], classes: int) -> None:
        """`prompt_grades`: the grade of each prompt, from 0."""
        super().__init__()
        self.classes = classes
        self.register_buffer("grade_K", torch.tensor(prompt_grades), persistent=False)
        self.scale = nn.Parameter(torch.ones(2))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, similarity_BKN: Tensor) -> Tensor:
        """Logits (B, classes), float32."""
        fit_BK = self.scale[0] * similarity_BKN.mean(dim=-1) + self.scale[1] * similarity_BKN.amax(dim=-1)
        of_grade_GK = nn.functional.one_hot(self.grade_K, self.classes).T.float()
        return (fit_BK.float() @ (of_grade_GK / of_grade_GK.sum(dim=1, keepdim=True)).T) + self.bias
