"""The whole networks: backbone, Spatial Patch Cross-Attention, and a decoder or a head.

Shapes: B images, K prompts, N patches, H heads, D width of the patches, W width of the text, Y and X pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from lss.backbones.base import Backbone, resample_tokens
from lss.domain.grades import GRADES
from lss.model.decoder import MaskDecoder
from lss.model.familiarity import Familiarity
from lss.model.heads import ClassificationHead, SimilarityHead
from lss.model.patch_attention import Attended, Fusion, SpatialPatchCrossAttention
from lss.model.prompt_bank import PromptBank
from lss.model.settings import PromptMode, Queries
from lss.notes.prompts import GRADE_PROMPTS, PROMPT_GRADES
from lss.training.settings import TrainParams


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes and choices of a network; stored in model.json, so that `predict` builds the same one."""

    d_shared: int
    heads: int
    fusion: Fusion
    prompt: PromptMode
    queries: Queries
    resample_grid: int | None
    mask_size: int


def network_config(params: TrainParams) -> NetworkConfig:
    """Return the part of the train section that shapes a network."""
    return NetworkConfig(
        d_shared=params.d_shared,
        heads=params.heads,
        fusion=params.fusion,
        prompt=params.prompt,
        queries=params.queries,
        resample_grid=params.resample_grid,
        mask_size=params.mask_size,
    )


@dataclass(frozen=True)
class Output:
    """The output of a network on a batch.

    Attributes:
        logits: (B, 1, Y, X) of the mask, or (B, classes) of the grades; float32.
        attention_BHKN: attention of each head and prompt over the patches, summing to 1; None without prompts.
        grid: rows and columns of the patches; N = rows * columns.
        grade_logits: (B, 3) of the grades, float32, by the encoder's own reading, which has its own term in the loss;
            None where it reads none.
        unfamiliarity_B: (B,) distance from the images of the training, beyond the threshold above 1; None where the
            network does not judge it. See `lss.model.familiarity`.
    """

    logits: Tensor
    attention_BHKN: Tensor | None
    grid: tuple[int, int] = (0, 0)
    grade_logits: Tensor | None = None
    unfamiliarity_B: Tensor | None = None


class Encoded(NamedTuple):
    """Attended patches, and the grade logits of the encoder; see `Attended` and `Output`."""

    attended: Attended
    grade_logits: Tensor | None


class PromptedEncoder(nn.Module):
    """Image -> attended patches, queried by the grade prompts.

    - `bank`: every prompt is a query with its own map; the grade is read from how well the prompts of each grade fit
      the image.
    - `predicted`: the encoder's own grade head weighs the prompts by its probabilities, so that the queries follow the
      likely grade. The true grade enters only the loss of that head.
    - `oracle`: the prompts of the true grade; leaks the answer.
    """

    def __init__(self, backbone: Backbone, config: NetworkConfig) -> None:
        super().__init__()
        self.backbone = backbone
        self.mode = config.prompt
        side = config.resample_grid
        self.grid = (side, side) if side else backbone.grid
        self.attention = SpatialPatchCrossAttention(
            backbone.width, backbone.text_width, config.d_shared, config.heads, config.fusion
        )
        self.bank = PromptBank(backbone, config.queries)
        self.prompts = len(GRADE_PROMPTS) if config.prompt == "bank" else 1  # kept apart
        self.grade_head: ClassificationHead | SimilarityHead | None = None
        if config.prompt == "predicted":
            self.grade_head = ClassificationHead(backbone.width, config.d_shared, len(GRADES))
        elif config.prompt == "bank" and config.fusion != "none":
            self.grade_head = SimilarityHead(PROMPT_GRADES, len(GRADES))

    def forward(self, image_B1YX: Tensor, grade_B: Tensor, query_B3: Tensor | None = None) -> Encoded:
        """Encode a batch.

        Args:
            image_B1YX: in [0, 1], float32.
            grade_B: index into GRADES; looked at only with the oracle prompt.
            query_B3: `lss.model.prompt_bank.prompt_queries`; None: level unknown, held-out wording.
        """
        return self.attend(self.patches(image_B1YX), grade_B, query_B3)

    def patches(self, image_B1YX: Tensor) -> Tensor:
        """Return patch tokens of the backbone on its own grid."""
        return self.backbone.patch_tokens(self.backbone.normalise(image_B1YX[:, 0]))

    def attend(self, patches_BND: Tensor, grade_B: Tensor, query_B3: Tensor | None = None) -> Encoded:
        """Run `forward` from the `patches` of the images."""
        patches_BND = resample_tokens(patches_BND, self.backbone.grid, self.grid)
        if query_B3 is None:
            query_B3 = self.bank.unknown(len(patches_BND), patches_BND.device)
        prompts_BKW = self.bank(query_B3)
        if self.mode == "oracle":
            return Encoded(self.attention(patches_BND, prompts_BKW, self._weigh(_one_hot(grade_B))), None)
        if isinstance(self.grade_head, ClassificationHead):
            grade_logits = self.grade_head(patches_BND)
            # detached: the head learns from the grade, not from what is easier to draw
            weight_BK = self._weigh(grade_logits.detach().softmax(dim=-1))
            return Encoded(self.attention(patches_BND, prompts_BKW, weight_BK), grade_logits)
        attended = self.attention(patches_BND, prompts_BKW)
        if self.grade_head is None or attended.similarity_BKN is None:
            return Encoded(attended, None)
        return Encoded(attended, self.grade_head(attended.similarity_BKN))

    def _weigh(self, probability_BG: Tensor) -> Tensor:
        """Return weights (B, K) of the prompts: each grade's probability shared among its prompts."""
        grade_K = self.bank.grade_K
        prompts_of_grade_K = (grade_K[:, None] == grade_K).sum(dim=1)  # unlike bincount of a shape known beforehand
        return probability_BG[:, grade_K] / prompts_of_grade_K


def _one_hot(grade_B: Tensor) -> Tensor:
    return nn.functional.one_hot(grade_B, len(GRADES)).float()


class SegmentationNetwork(nn.Module):
    """Mask of the stenotic region from an image."""

    def __init__(self, backbone: Backbone, config: NetworkConfig) -> None:
        super().__init__()
        self.encoder = PromptedEncoder(backbone, config)
        self.decoder = MaskDecoder(
            backbone.width, self.encoder.grid, config.mask_size, config.d_shared, self.encoder.prompts
        )

    def forward(self, image_B1YX: Tensor, grade_B: Tensor, query_B3: Tensor | None = None) -> Output:
        """Return mask logits (B, 1, mask_size, mask_size), attention and grade; arguments of
        `PromptedEncoder.forward`.
        """
        return self.draw(self.encoder.patches(image_B1YX), grade_B, query_B3)

    def draw(self, patches_BND: Tensor, grade_B: Tensor, query_B3: Tensor | None = None) -> Output:
        """Run `forward` from the encoder's `patches` of the images, which do not depend on the prompts."""
        attended = self.encoder.attend(patches_BND, grade_B, query_B3)
        logits = self.decoder(attended.attended.patches_BND, attended.attended.similarity_BKN)
        return Output(logits, attended.attended.attention_BHKN, self.encoder.grid, attended.grade_logits)


class ClassificationNetwork(nn.Module):
    """Grade from an image."""

    def __init__(self, backbone: Backbone, config: NetworkConfig) -> None:
        super().__init__()
        self.encoder = PromptedEncoder(backbone, config)
        self.head = ClassificationHead(backbone.width, config.d_shared, len(GRADES))
        self.familiarity = Familiarity(backbone.width)

    def forward(self, image_B1YX: Tensor, grade_B: Tensor, query_B3: Tensor | None = None) -> Output:
        """Return grade logits (B, 3) in the order of GRADES, and attention; arguments of `PromptedEncoder.forward`."""
        patches_BND = self.encoder.patches(image_B1YX)
        encoded = self.encoder.attend(patches_BND, grade_B, query_B3)
        judged = not self.training and self.familiarity.fitted
        return Output(
            self.head(encoded.attended.patches_BND),
            encoded.attended.attention_BHKN,
            self.encoder.grid,
            encoded.grade_logits,
            self.familiarity(patches_BND) if judged else None,
        )
