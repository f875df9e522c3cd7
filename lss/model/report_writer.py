"""Report writers behind one interface: from f_r to next-token logits.

Shapes: B reports, T tokens, R tokens of f_r, L width of f_r, V vocabulary.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from lss.backbones.base import GenerativeBackbone
from lss.model.report_decoder import ReportDecoder


class Writer(Protocol):
    """Next-token logits, with what was computed before kept in a cache.

    Attributes:
        begin_id, end_id: ids of the tokens that open and close a report.
    """

    begin_id: int
    end_id: int

    def context(self, features_BRL: Tensor, projected_BML: Tensor) -> Tensor:
        """Return what the words are written from: f_r and the projected patches of `Evidence`, as the writer takes
        them.
        """

    def teacher_forced(self, context_BRL: Tensor, ids_BT: Tensor) -> Tensor:
        """Return logits (B, T, V) after each of `ids_BT` (the first is `begin_id`), all at once."""

    def open(self, context_BRL: Tensor, words_BT: Tensor | None = None) -> tuple[Tensor, Any]:
        """Return logits (B, V) of the first word, or of the one after `words_BT`, and a cache."""

    def step(self, ids_B: Tensor, cache: Any) -> Tensor:
        """Return logits (B, V) after one more token each; the cache is extended."""

    def select(self, cache: Any, rows: Tensor) -> None:
        """Keep these rows of the cache, in this order; a row may be taken several times."""


class DecoderWriter(nn.Module):
    """The small decoder with cross-attention on f_r."""

    def __init__(self, decoder: ReportDecoder, begin_id: int, end_id: int) -> None:
        super().__init__()
        self.decoder, self.begin_id, self.end_id = decoder, begin_id, end_id

    def context(self, features_BRL: Tensor, projected_BML: Tensor) -> Tensor:
        """Return f_r alone: the decoder knows no projector."""
        return features_BRL

    def teacher_forced(self, context_BRL: Tensor, ids_BT: Tensor) -> Tensor:
        """See `Writer`."""
        return self.decoder(ids_BT, self.decoder.start(context_BRL))

    def open(self, context_BRL: Tensor, words_BT: Tensor | None = None) -> tuple[Tensor, Any]:
        """See `Writer`."""
        caches = self.decoder.start(context_BRL)
        return self.decoder(_begun(self.begin_id, context_BRL, words_BT), caches)[:, -1], caches

    def step(self, ids_B: Tensor, cache: Any) -> Tensor:
        """See `Writer`."""
        return self.decoder(ids_B[:, None], cache)[:, -1]

    def select(self, cache: Any, rows: Tensor) -> None:
        """See `Writer`."""
        for block in cache:
            block.select(rows)


class PrefixWriter(nn.Module):
    """A backbone's own language model; prefix: the image tokens of its published projector, and f_r."""

    def __init__(self, backbone: GenerativeBackbone) -> None:
        super().__init__()
        # in a tuple, so that torch does not register the backbone a second time
        self._backbone = (backbone,)
        self.begin_id, self.end_id = backbone.tokenizer.bos_token_id, backbone.tokenizer.eos_token_id
        # scales f_r to the norm of the model's own token embeddings
        loudness = backbone.model.get_input_embeddings().weight.float().pow(2).mean().sqrt()
        self.scale = nn.Parameter(loudness.clone())

    @property
    def backbone(self) -> GenerativeBackbone:
        """The backbone of the language model."""
        return self._backbone[0]

    def _run(self, embeddings_BTL: Tensor, cache: DynamicCache | None, keep: int) -> Tensor:
        """Return logits at the last `keep` positions."""
        backbone = self.backbone
        hidden = backbone.text_tower(
            inputs_embeds=embeddings_BTL.to(backbone.model.dtype), past_key_values=cache, use_cache=cache is not None
        ).last_hidden_state
        return backbone.model.get_output_embeddings()(hidden[:, -keep:])

    def context(self, features_BRL: Tensor, projected_BML: Tensor) -> Tensor:
        """Return projected patches as the language model was trained on them, then f_r."""
        features_BRL = features_BRL * self.scale
        return torch.cat([projected_BML.to(features_BRL.dtype), features_BRL], dim=1)

    def teacher_forced(self, context_BRL: Tensor, ids_BT: Tensor) -> Tensor:
        """See `Writer`."""
        words_BTL = self.backbone.embed_tokens(ids_BT)
        return self._run(torch.cat([context_BRL, words_BTL], dim=1), None, ids_BT.shape[1])

    def open(self, context_BRL: Tensor, words_BT: Tensor | None = None) -> tuple[Tensor, Any]:
        """See `Writer`."""
        cache = DynamicCache()
        begun_BT = _begun(self.begin_id, context_BRL, words_BT)
        embeddings = torch.cat([context_BRL, self.backbone.embed_tokens(begun_BT)], dim=1)
        return self._run(embeddings, cache, 1)[:, 0], cache

    def step(self, ids_B: Tensor, cache: Any) -> Tensor:
        """See `Writer`."""
        return self._run(self.backbone.embed_tokens(ids_B[:, None]), cache, 1)[:, 0]

    def select(self, cache: Any, rows: Tensor) -> None:
        """See `Writer`."""
        cache.reorder_cache(rows)


def _begun(begin_id: int, context_BRL: Tensor, words_BT: Tensor | None) -> Tensor:
    """Return the token that opens a report, and the words after it, if there are any."""
    begin_B1 = torch.full((len(context_BRL), 1), begin_id, device=context_BRL.device)
    return begin_B1 if words_BT is None else torch.cat([begin_B1, words_BT], dim=1)
