"""Random weights under which a vision tower still passes on the content of an image.

A ViT at its usual random initialisation mixes its patches until little of the place and the contrast of a patch is
left. Here, with nothing learnt from any image:

- the patch embedding is a random rotation of the patch's cosine transform, which loses nothing of a grey patch;
- the position embedding is a constant (so that a LayerNorm keeps the contrast) plus rotated sines and cosines;
- query and key see that position part alone, so a head averages over a neighbourhood, each head over another;
- what a block adds is small beside the residual.

Trained heads and adapters can then segment and classify. It remains a random network without learnt content.
"""

from __future__ import annotations

import math

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from torch import Tensor, nn

_FREQUENCIES = 4  # per axis: 4 cosines and 4 sines for rows, as many for columns
_POSITION_WIDTH = 4 * _FREQUENCIES


def random_rotation(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return random (rows, columns) matrix with orthonormal columns (rows when there are fewer of them)."""
    square = torch.linalg.qr(torch.randn(max(rows, columns), max(rows, columns), generator=generator)).Q
    return square[:rows, :columns].contiguous()


def cosine_basis(patch: int) -> Tensor:
    """Return orthonormal two-dimensional DCT-II basis of a patch: (patch^2 frequencies, patch^2
    pixels), lowest first.
    """
    position = torch.arange(patch, dtype=torch.float64)
    basis = torch.cos(math.pi * (position + 0.5)[None] * position[:, None] / patch) * math.sqrt(2 / patch)
    basis[0] /= math.sqrt(2)
    return torch.einsum("ux,vy->uvxy", basis, basis).reshape(patch**2, patch**2).float()


def patch_filters(width: int, patch: int, std: float, generator: torch.Generator) -> Tensor:
    """Return filters of the patch embedding: (width, 3, patch, patch).

    A grey patch's frequencies are raised in proportion to their number of cycles, as images hold less of the
    higher ones, then rotated at random into `width` channels. Invertible where width >= patch^2. `std` is that of
    the backbone's normalisation, so that the same grey step weighs the same in every backbone.
    """
    cycles = torch.arange(patch, dtype=torch.float32)
    gain = (1 + torch.hypot(cycles[:, None], cycles[None])).reshape(-1, 1) / patch * (std / 0.25)
    filters = random_rotation(width, patch**2, generator) @ (gain * cosine_basis(patch))
    return (filters / 3).reshape(width, 1, patch, patch).expand(-1, 3, -1, -1).contiguous()


def positions(side: int) -> Tensor:
    """Return sines and cosines of row and column of a square grid: (side^2, 16), values in [-1, 1]."""
    angle = torch.arange(side)[:, None] / side * math.pi * (1 + torch.arange(_FREQUENCIES))
    waves = torch.cat([angle.cos(), angle.sin()], dim=1)
    rows, columns = waves[:, None].expand(-1, side, -1), waves[None].expand(side, -1, -1)
    return torch.cat([rows, columns], dim=-1).reshape(side**2, _POSITION_WIDTH)


@torch.no_grad()
def init_embeddings(
    patch_weight: Tensor, position: Tensor, side: int, std: float, generator: torch.Generator
) -> Tensor:
    """Fill the patch embedding (D, 3, p, p) and the position embedding (..., [1 +] side^2, D) in place.

    Returns the directions (D, 16) in which positions are written, for `init_block`.
    """
    width, _, patch, _ = patch_weight.shape
    patch_weight.copy_(patch_filters(width, patch, std, generator))
    directions = random_rotation(width, _POSITION_WIDTH, generator)
    constant = torch.randn(width, generator=generator)
    table = 0.3 * constant + 0.7 * positions(side) @ directions.T
    flat = position.view(-1, width)
    flat.zero_()
    flat[-(side**2) :] = table  # a first row, where there is one, is [CLS]'s
    return directions


@torch.no_grad()
def init_block(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    mlp: tuple[nn.Linear, nn.Linear],
    heads: int,
    directions: Tensor,
    generator: torch.Generator,
) -> None:
    """Fill the (D, D) weights of one attention and its MLP in place; those of the MLP's biases become zero."""
    width = query.shape[0]
    head_width = width // heads
    for head in range(heads):
        rows = slice(head * head_width, (head + 1) * head_width)
        sharpness = 0.6 * 1.6**head  # from a wide to a narrow neighbourhood
        projection = torch.zeros(head_width, width)
        projection[:_POSITION_WIDTH] = directions.T
        query[rows] = sharpness * projection
        key[rows] = projection * math.sqrt(head_width) / math.sqrt(_POSITION_WIDTH)
    value.copy_(random_rotation(width, width, generator))
    output.copy_(0.5 * random_rotation(width, width, generator))
    first, second = mlp
    first.weight.copy_(random_rotation(first.out_features, first.in_features, generator) * 1.5)
    second.weight.copy_(random_rotation(second.out_features, second.in_features, generator) * 0.5)
    for linear in mlp:
        nn.init.zeros_(linear.bias)
