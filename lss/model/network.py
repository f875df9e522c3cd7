"""The whole networks: backbone, Spatial Patch Cross-Attention, and a decoder or a head.

Shapes: B images, K prompts, N patches, H heads, D width of the patches, W width of the text, Y and X pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lss.backbones.base import Backbone, resample_tokens
from lss.grades import GRADES
from lss.model.decoder import MaskDecoder
from lss.model.heads import ClassificationHead
from lss.model.patch_attention import Fusion, SpatialPatchCrossAttention
from lss.notes.prompts import GRADE_PROMPTS
from lss.params import TrainParams


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes and choices of a network; stored in model.json, so that `predict` builds the same one."""

    d_shared: int
    heads: int
    fusion: Fusion
    prompt: Literal["bank", "oracle"]
    resample_grid: int | None
    mask_size: int


def network_config(params: TrainParams) -> NetworkConfig:
    """The part of the train section that shapes a network."""
    return NetworkConfig(
        d_shared=params.d_shared,
        heads=params.heads,
        fusion=params.fusion,
        prompt=params.prompt,
        resample_grid=params.resample_grid,
        mask_size=params.mask_size,
    )


@dataclass(frozen=True)
class Output:
    """What a network says about a batch.

    Attributes:
        logits: (B, 1, Y, X) of the mask, or (B, classes) of the grades; float32.
        attention_BHKN: attention of each head and prompt over the patches, summing to 1; None without prompts.
        grid: rows and columns of the patches; N = rows * columns.
    """

    logits: Tensor
    attention_BHKN: Tensor | None
    grid: tuple[int, int] = (0, 0)


class PromptedEncoder(nn.Module):
    """Image -> attended patches, queried by the bank of grade prompts."""

    prompts_KW: Tensor

    def __init__(self, backbone: Backbone, config: NetworkConfig) -> None:
        super().__init__()
        self.backbone = backbone
        self.oracle = config.prompt == "oracle"
        side = config.resample_grid
        self.grid = (side, side) if side else backbone.grid
        self.attention = SpatialPatchCrossAttention(
            backbone.width, backbone.text_width, config.d_shared, config.heads, config.fusion
        )
        # The text tower is frozen here, so its answer never changes: asked once, and not part of the state.
        with torch.no_grad():
            embeddings_KW = backbone.prompt_embeddings([prompt.text for prompt in GRADE_PROMPTS]).float()
        self.register_buffer("prompts_KW", embeddings_KW, persistent=False)
        self._prompts_of_grade = [
            [index for index, prompt in enumerate(GRADE_PROMPTS) if prompt.grade == grade] for grade in GRADES
        ]

    def forward(self, image_B1YX: Tensor, grade_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """Attended patches (B, N, D) and attention (B, H, K, N), or None.

        `grade_B` (index into GRADES) is looked at only with the oracle prompt, which leaks the answer.
        """
        patches_BND = self.backbone.patch_tokens(self.backbone.normalise(image_B1YX[:, 0]))
        patches_BND = resample_tokens(patches_BND, self.backbone.grid, self.grid)
        prompts_BKW = self.prompts_KW[None]
        if self.oracle:
            of_grade = torch.stack([self.prompts_KW[chosen].mean(dim=0) for chosen in self._prompts_of_grade])
            prompts_BKW = of_grade[grade_B][:, None]
        return self.attention(patches_BND, prompts_BKW)


class SegmentationNetwork(nn.Module):
    """Mask of the stenotic region from an image."""

    def __init__(self, backbone: Backbone, config: NetworkConfig) -> None:
        super().__init__()
        self.encoder = PromptedEncoder(backbone, config)
        self.decoder = MaskDecoder(backbone.width, self.encoder.grid, config.mask_size, config.d_shared)

    def forward(self, image_B1YX: Tensor, grade_B: Tensor) -> Output:
        """Mask logits (B, 1, mask_size, mask_size) and attention; image in [0, 1], float32."""
        attended_BND, attention_BHKN = self.encoder(image_B1YX, grade_B)
        return Output(self.decoder(attended_BND), attention_BHKN, self.encoder.grid)


class ClassificationNetwork(nn.Module):
    """Grade from an image."""

    def __init__(self, backbone: Backbone, config: NetworkConfig) -> None:
        super().__init__()
        self.encoder = PromptedEncoder(backbone, config)
        self.head = ClassificationHead(backbone.width, config.d_shared, len(GRADES))

    def forward(self, image_B1YX: Tensor, grade_B: Tensor) -> Output:
        """Grade logits (B, 3) in the order of GRADES and attention; image in [0, 1], float32."""
        attended_BND, attention_BHKN = self.encoder(image_B1YX, grade_B)
        return Output(self.head(attended_BND), attention_BHKN, self.encoder.grid)
