"""Token-level negative log-likelihood (eq. 12) and its focal form (Lin et al. 2017), for reports."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

IGNORED = -100
"""Target of a token that does not count: padding and prompt."""


def focal_nll(logits_BTV: Tensor, target_BT: Tensor, gamma: float) -> Tensor:
    """Return the mean over the counted tokens of `-(1 - p)^gamma log p`, p the probability of the right token.

    gamma = 0 is the plain negative log-likelihood. Range [0, inf); 0 where no token counts.
    Computed in at least float32.

    Args:
        logits_BTV: scores before softmax; position t scores token t (shifting is the caller's).
        target_BT: token ids, int64; `IGNORED` where a token does not count.
        gamma: focusing exponent, >= 0.

    >>> logits, target = torch.zeros(1, 1, 2), torch.tensor([[0]])  # p = 0.5
    >>> round(focal_nll(logits, target, gamma=2.0).item(), 4)  # 0.25 * 0.6931
    0.1733
    """
    logits_NV = logits_BTV.flatten(0, 1)
    if logits_NV.itemsize < 4:
        logits_NV = logits_NV.float()
    target_N = target_BT.flatten()
    nll_N = cross_entropy(logits_NV, target_N, ignore_index=IGNORED, reduction="none")
    # 1 - p from log p: exact where p is close to one
    weight_N = (-torch.expm1(-nll_N)).clamp_min(1e-12) ** gamma
    counted = (target_N != IGNORED).sum().clamp_min(1)
    return (weight_N * nll_N).sum() / counted
