"""Embeddings of the grade prompts by the text tower, for every prompt, wording and level.

Shapes: B images, V wordings, L levels (unknown first), K prompts, W width of the text.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lss.backbones.base import Backbone
from lss.domain.grades import LEVELS
from lss.model.settings import Queries
from lss.notes.prompts import (
    GRADE_PROMPTS,
    PROMPT_CONTENTS,
    PROMPT_GRADES,
    TEST_WORDING,
    TRAINING_WORDINGS,
    UNKNOWN_LEVEL,
    level_index,
    prompt_text,
)


def prompt_queries(levels: list[str | None], wordings: list[int] | None = None, content: str = "own") -> Tensor:
    """Return each image's prompt query, int64 (B, 3): index of level, wording and content.

    Args:
        levels: disc level of each image, or None where it is not known.
        wordings: index of each image's wording; None: the held-out one.
        content: a name of `lss.notes.prompts.PROMPT_CONTENTS`, the same for all; all but `own` are for controls.
    """
    content_index = list(PROMPT_CONTENTS).index(content)
    queries = [
        [level_index(level), wording, content_index]
        for level, wording in zip(levels, wordings or [TEST_WORDING] * len(levels), strict=True)
    ]
    return torch.tensor(queries, dtype=torch.int64).reshape(len(levels), 3)


class PromptBank(nn.Module):
    """Prompts of a batch of images, by level and wording.

    The embeddings of a text tower are nearly alike (those of sentences on one subject share most of what they are),
    so the mean over the bank is subtracted. The tower is frozen, so the embeddings are computed once and are no part of
    the state. `learned` queries are vectors in their place, of the same number and size,
    which know no text and no level.
    """

    embeddings_VLKW: Tensor
    empty_W: Tensor
    content_SK: Tensor
    grade_K: Tensor

    def __init__(self, backbone: Backbone, queries: Queries) -> None:
        """Embed all prompts with the text tower.

        Args:
            backbone: with its text tower.
            queries: `text`; or a control: `learned` vectors; `shuffled`, the prompts of each grade hold the words of
                the next; `empty`, all hold the empty text.
        """
        super().__init__()
        levels, count = len(LEVELS) + 1, len(GRADE_PROMPTS)
        texts = [
            "" if queries == "empty" else prompt_text(prompt, wording, level)
            for wording in range(TRAINING_WORDINGS + 1)
            for level in range(levels)
            for prompt in GRADE_PROMPTS
        ]
        with torch.no_grad():
            flat = backbone.prompt_embeddings(texts).float()
            (empty_W,) = backbone.prompt_embeddings([""]).float()
        embeddings_VLKW = flat.unflatten(0, (TRAINING_WORDINGS + 1, levels, count))
        if queries != "empty":  # less its mean nothing would be left of one text
            mean_W = embeddings_VLKW[:TRAINING_WORDINGS].mean(dim=(0, 1, 2))
            embeddings_VLKW, empty_W = embeddings_VLKW - mean_W, empty_W - mean_W
        if queries == "shuffled":
            embeddings_VLKW = embeddings_VLKW.roll(2, dims=2)
        self.register_buffer("embeddings_VLKW", embeddings_VLKW, persistent=False)
        self.register_buffer("empty_W", empty_W, persistent=False)
        content_SK = torch.tensor(list(PROMPT_CONTENTS.values()), device=flat.device)
        self.register_buffer("content_SK", content_SK, persistent=False)
        self.register_buffer("grade_K", torch.tensor(PROMPT_GRADES, device=flat.device), persistent=False)
        drawn_KW = torch.randn(count, flat.shape[1])  # in any case: what is drawn after it is then the same for all
        self.learned_KW = nn.Parameter(drawn_KW) if queries == "learned" else None

    def forward(self, query_B3: Tensor) -> Tensor:
        """Return embeddings (B, K, W) of the queries of `prompt_queries`."""
        level_B, wording_B, content_B = query_B3.unbind(dim=1)
        prompts_BKW = self.embeddings_VLKW[wording_B, level_B]
        if self.learned_KW is not None:
            prompts_BKW = self.learned_KW.expand_as(prompts_BKW)
        words_BKW = torch.cat([prompts_BKW, self.empty_W.expand(len(query_B3), 1, -1)], dim=1)  # K + 1: the empty text
        return words_BKW.gather(1, self.content_SK[content_B][..., None].expand_as(prompts_BKW))

    def unknown(self, count: int, device: torch.device) -> Tensor:
        """Return queries for images of unknown level, in the held-out wording: (count, 3)."""
        own = list(PROMPT_CONTENTS).index("own")
        return torch.tensor([[UNKNOWN_LEVEL, TEST_WORDING, own]], device=device).expand(count, 3)
