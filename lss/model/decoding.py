"""Greedy, sampled and beam decoding, batched, with a key-value cache. A report does not depend on its batch.

Shapes: B reports, W beams, V vocabulary, T tokens so far, R tokens of f_r, L width of f_r.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lss.model.report_writer import Writer

Choice = Callable[[Tensor, int], Tensor]
"""From logits (B, V), float32 on the CPU, and the place in the text to the chosen ids (B,)."""


def greedy(writer: Writer, context_BRL: Tensor, max_tokens: int) -> list[list[int]]:
    """The likeliest token each time; ids of each report, without the tokens that open and close it."""
    return _one_by_one(writer, context_BRL, max_tokens, lambda logits_BV, _: logits_BV.argmax(dim=-1))


def sample(
    writer: Writer, context_BRL: Tensor, max_tokens: int, temperature: float, generators: list[np.random.Generator]
) -> list[list[int]]:
    """Tokens drawn from softmax(logits / temperature), each report by its own generator; otherwise as `greedy`."""
    draws_BT = torch.from_numpy(np.stack([generator.random(max_tokens) for generator in generators]))

    def draw(logits_BV: Tensor, place: int) -> Tensor:
        cumulated_BV = (logits_BV.double() / temperature).softmax(dim=-1).cumsum(dim=-1)
        # times the last value, which may fall short of 1 by rounding
        return torch.searchsorted(cumulated_BV, draws_BT[:, place, None] * cumulated_BV[:, -1:], right=True)[:, 0]

    return _one_by_one(writer, context_BRL, max_tokens, draw)


@torch.no_grad()
def _one_by_one(writer: Writer, context_BRL: Tensor, max_tokens: int, choose: Choice) -> list[list[int]]:
    logits_BV, cache = writer.open(context_BRL)
    reports: list[list[int]] = [[] for _ in range(len(context_BRL))]
    running = list(range(len(context_BRL)))  # reports still in the cache, in its order
    chosen_B = torch.zeros(len(context_BRL), dtype=torch.long)
    for place in range(max_tokens):
        # `choose` sees all reports, so that each one's draws stay its own when others have ended
        all_BV = logits_BV.new_zeros(len(reports), logits_BV.shape[-1]).float().cpu()
        all_BV[running] = logits_BV.float().cpu()
        chosen_B = choose(all_BV, place)
        stay = [row for row, report in enumerate(running) if chosen_B[report] != writer.end_id]
        for row in stay:
            reports[running[row]].append(int(chosen_B[running[row]]))
        if not stay or place + 1 == max_tokens:
            break
        if len(stay) < len(running):
            writer.select(cache, torch.tensor(stay, device=context_BRL.device))
            running = [running[row] for row in stay]
        logits_BV = writer.step(chosen_B[running].to(context_BRL.device), cache)
    return reports


@torch.no_grad()
def beam(writer: Writer, context_BRL: Tensor, max_tokens: int, beams: int) -> list[list[int]]:
    """The likeliest text found with `beams` beams, by its mean log-likelihood per token (the closing one counts).

    As transformers' beam search with its default length penalty: a report is done when no open beam, as it stands,
    is better than the worst of `beams` closed ones. One beam is greedy decoding.
    """
    return [_beam_of_one(writer, context_BRL[row : row + 1], max_tokens, beams) for row in range(len(context_BRL))]


def _beam_of_one(writer: Writer, context_1RL: Tensor, max_tokens: int, beams: int) -> list[int]:
    """Beams of one report are the batch."""
    logits_WV, cache = writer.open(context_1RL)
    open_beams: list[tuple[float, list[int]]] = [(0.0, [])]  # log-likelihood, ids; in the cache's order
    closed: list[tuple[float, list[int]]] = []  # mean log-likelihood per token, ids
    for length in range(1, max_tokens + 1):
        log_WV = logits_WV.float().cpu().log_softmax(dim=-1).double()
        log_WV += torch.tensor([[score] for score, _ in open_beams], dtype=torch.float64)
        scores, places = log_WV.flatten().topk(min(2 * beams, log_WV.numel()))
        rows: list[int] = []
        following: list[tuple[float, list[int]]] = []
        for rank, (score, place) in enumerate(zip(scores.tolist(), places.tolist(), strict=True)):
            row, token = divmod(place, log_WV.shape[1])
            ids = open_beams[row][1]
            if token == writer.end_id:
                if rank < beams:
                    closed.append((score / length, ids))
            elif len(following) < beams:
                following.append((score, [*ids, token]))
                rows.append(row)
        closed = sorted(closed, key=lambda item: -item[0])[:beams]
        open_beams = following
        if len(closed) == beams and open_beams[0][0] / length <= closed[-1][0]:
            return closed[0][1]
        if length < max_tokens:
            writer.select(cache, torch.tensor(rows, device=context_1RL.device))
            last_W = torch.tensor([ids[-1] for _, ids in open_beams], device=context_1RL.device)
            logits_WV = writer.step(last_W, cache)
    closed += [(score / max_tokens, ids) for score, ids in open_beams]
    return max(closed, key=lambda item: item[0])[1]
