"""Spatial Patch Cross-Attention (section 3.4, eq. 3-4): grade prompts query the patches of an image.

Shapes: B images, K prompts, N patches, H heads, E width per head, S shared width, D width of the patches,
W width of the text.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from lss.model.settings import Fusion


class Attended(NamedTuple):
    """What comes out of the attention.

    Attributes:
        patches_BND: normalised patches plus text-weighted features.
        attention_BHKN: of each head and prompt, summing to 1 over the patches; None with the fusion `none`.
        similarity_BKN: mean over heads of the scores before the softmax, float32: how well each patch fits what each
            prompt says. Unlike attention it can be low everywhere: a prompt may fit nowhere. None likewise.
    """

    patches_BND: Tensor
    attention_BHKN: Tensor | None
    similarity_BKN: Tensor | None


class SpatialPatchCrossAttention(nn.Module):
    """Multi-head cross-attention with text queries and patch keys and values, added to the patches.

    Eq. 4 with text queries yields one vector per prompt, not one per patch. What is added to patch n is

    - `broadcast` (eq. 4 to the letter): the mean over prompts of `sum_n A_kn V_n`, the same for every patch;
    - `spatial`: `N mean_k(A_kn) V_n`, the patch's own value weighted by the attention it got, "text-weighted
      visual features". The factor N makes an even attention (1/N each) a weight of one;
    - `none`: nothing. The patches go on without the prompts: the control for the language part.

    Heads are then joined by the output projection and added to the patches (residual).
    """

    def __init__(
        self,
        patch_width: int,
        text_width: int,
        shared_width: int,
        heads: int,
        fusion: Fusion,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.fusion = fusion
        # Frozen towers hand over features of any scale; without the norms the softmax starts saturated.
        self.norm_patches = nn.LayerNorm(patch_width)
        self.norm_text = nn.LayerNorm(text_width)
        self.query = nn.Linear(text_width, shared_width, bias=False)
        self.key = nn.Linear(patch_width, shared_width, bias=False)
        self.value = nn.Linear(patch_width, shared_width, bias=False)
        self.output = nn.Linear(shared_width, patch_width)
        if fusion == "none":  # drawn all the same, so that what is drawn after it is the same for every fusion
            self.requires_grad_(False)
            self.norm_patches.requires_grad_(True)

    def forward(self, patches_BND: Tensor, prompts_BKW: Tensor, weight_BK: Tensor | None = None) -> Attended:
        """Attend.

        Args:
            patches_BND: patch tokens without [CLS].
            prompts_BKW: prompt embeddings; B may be 1 for prompts shared by all images.
            weight_BK: how much each prompt is meant, summing to 1; the queries are then joined to one, and K is 1 in
                what is returned. None keeps the prompts apart.
        """
        patches_BND = self.norm_patches(patches_BND)
        if self.fusion == "none":
            return Attended(patches_BND, None, None)
        query_BHKE = self._split(self.query(self.norm_text(prompts_BKW)))  # eq. 3
        if weight_BK is not None:
            query_BHKE = (weight_BK[:, None, :, None] * query_BHKE).sum(dim=2, keepdim=True)
        key_BHNE = self._split(self.key(patches_BND))
        value_BHNE = self._split(self.value(patches_BND))
        scores_BHKN = query_BHKE @ key_BHNE.transpose(-1, -2) / key_BHNE.shape[-1] ** 0.5
        attention_BHKN = scores_BHKN.float().softmax(dim=-1).to(scores_BHKN.dtype)  # eq. 4
        if self.fusion == "broadcast":
            guided_BHNE = (attention_BHKN @ value_BHNE).mean(dim=2, keepdim=True).expand_as(value_BHNE)
        else:
            weight_BHN = attention_BHKN.mean(dim=2) * value_BHNE.shape[2]
            guided_BHNE = weight_BHN[..., None] * value_BHNE
        guided_BNS = guided_BHNE.transpose(1, 2).flatten(2)
        return Attended(patches_BND + self.output(guided_BNS), attention_BHKN, scores_BHKN.float().mean(dim=1))

    def _split(self, x_BLS: Tensor) -> Tensor:
        """Split heads: (B, L, S) -> (B, H, L, E) for L prompts or patches."""
        return x_BLS.unflatten(-1, (self.heads, -1)).transpose(1, 2)
