"""A small autoregressive decoder with cross-attention on f_r, for backbones without a language model (BiomedCLIP).

Shapes: B reports, T tokens, R tokens of f_r, L width, H heads, E width of a head, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

LAYERS, HEADS = 2, 4


class Cache:
    """Keys and values of one block: those of f_r, and those of the tokens so far."""

    def __init__(self, memory: tuple[Tensor, Tensor]) -> None:
        self.memory = memory
        self.past: tuple[Tensor, Tensor] | None = None

    def extend(self, key_BHTE: Tensor, value_BHTE: Tensor) -> tuple[Tensor, Tensor]:
        """Add new tokens; return all."""
        if self.past is not None:
            key_BHTE = torch.cat([self.past[0], key_BHTE], dim=2)
            value_BHTE = torch.cat([self.past[1], value_BHTE], dim=2)
        self.past = (key_BHTE, value_BHTE)
        return self.past

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order; a row may be taken several times."""
        self.memory = (self.memory[0][rows], self.memory[1][rows])
        if self.past is not None:
            self.past = (self.past[0][rows], self.past[1][rows])


class Block(nn.Module):
    """Causal self-attention, cross-attention on f_r, MLP; each after a norm and beside a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.self_in, self.self_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.cross_query, self.cross_out = nn.Linear(width, width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x_BTL: Tensor, cache: Cache) -> Tensor:
        """Return tokens that follow those in `cache`, which is extended."""
        query, key, value = (_heads(part) for part in self.self_in(self.norms[0](x_BTL)).chunk(3, dim=-1))
        first = cache.past is None
        key, value = cache.extend(key, value)
        if not first and query.shape[2] > 1:
            raise ValueError("after the first call the decoder takes one token at a time")
        x_BTL = x_BTL + self.self_out(_join(scaled_dot_product_attention(query, key, value, is_causal=first)))
        query = _heads(self.cross_query(self.norms[1](x_BTL)))
        x_BTL = x_BTL + self.cross_out(_join(scaled_dot_product_attention(query, *cache.memory)))
        return x_BTL + self.mlp(self.norms[2](x_BTL))


class ReportDecoder(nn.Module):
    """Next-token logits from f_r and the tokens so far; learned positions, output tied to the token embeddings."""

    def __init__(self, vocabulary: int, width: int, max_tokens: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(max_tokens + 1, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(LAYERS)])
        self.memories = nn.ModuleList([nn.Linear(width, 2 * width) for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(width)
        for embedding in (self.tokens, self.positions):
            nn.init.normal_(embedding.weight, std=width**-0.5)  # tied: logits of order one at first

    def start(self, memory_BRL: Tensor) -> list[Cache]:
        """Return caches before the first token."""
        keys_and_values = [memory(memory_BRL).chunk(2, dim=-1) for memory in self.memories]
        return [Cache((_heads(key), _heads(value))) for key, value in keys_and_values]

    def forward(self, ids_BT: Tensor, caches: list[Cache]) -> Tensor:
        """Return logits (B, T, V) of the token after each of `ids_BT`, which follow those in the caches.

        Many tokens at the start (teacher forcing), one at a time later.
        """
        past = caches[0].past
        begin = 0 if past is None else past[0].shape[2]
        x_BTL = self.tokens(ids_BT) + self.positions.weight[begin : begin + ids_BT.shape[1]]
        for block, cache in zip(self.blocks, caches, strict=True):
            x_BTL = block(x_BTL, cache)
        return self.norm(x_BTL) @ self.tokens.weight.T


def _heads(x_BTL: Tensor) -> Tensor:
    """Split heads: (B, T, L) to (B, H, T, E)."""
    return x_BTL.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def _join(x_BHTE: Tensor) -> Tensor:
    """Join heads: (B, H, T, E) to (B, T, L)."""
    return x_BHTE.transpose(1, 2).flatten(2)
