"""Greedy, sampled and beam decoding, batched, with a key-value cache. A report does not depend on its batch.

Shapes: B reports, W beams, V vocabulary, T tokens so far, R tokens of f_r, L width of f_r.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from lss.model.report_writer import Writer

Choice = Callable[[Tensor, int], Tensor]
"""From logits (B, V), float32 on the CPU, and the place in the text to the chosen ids (B,)."""


def greedy(writer: Writer, context_BRL: Tensor, max_tokens: int) -> list[list[int]]:
    """Return the likeliest token each time; ids of each report, without the tokens that open and close it."""
    return _one_by_one(writer, context_BRL, max_tokens, lambda logits_BV, _: logits_BV.argmax(dim=-1))


def sample(
    writer: Writer, context_BRL: Tensor, max_tokens: int, temperature: float, generators: list[np.random.Generator]
) -> list[list[int]]:
    """Return tokens drawn from softmax(logits / temperature), each report by its own generator;
    otherwise as `greedy`.
    """
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
    """Return the likeliest text found with `beams` beams, by its mean log-likelihood per token (the closing one
    counts).

    As transformers' beam search with its default length penalty: a report is done when no open beam, as it stands,
    is better than the worst of `beams` closed ones. One beam is greedy decoding. The open beams of all reports go
    through the writer together, so it is asked once per token, however many reports there are.
    """
    logits_NV, cache = writer.open(context_BRL)  # N: the open beams of all running reports, one after the other
    searches = [_Search(beams) for _ in context_BRL]
    running = searches
    for length in range(1, max_tokens + 1):
        log_NV = logits_NV.float().cpu().log_softmax(dim=-1).double()
        ends = accumulate((len(search.open) for search in running), initial=0)
        rows: list[int] = []  # of the cache, for the beams that go on
        still = []
        for search, (first, end) in zip(running, pairwise(ends), strict=True):
            beams_on = search.advance(log_NV[first:end], length, writer.end_id)
            if not search.done:
                rows += [first + row for row in beams_on]
                still.append(search)
        running = still
        if not running or length == max_tokens:
            break
        writer.select(cache, torch.tensor(rows, device=context_BRL.device))
        last_N = torch.tensor([ids[-1] for search in running for _, ids in search.open], device=context_BRL.device)
        logits_NV = writer.step(last_N, cache)
    return [search.best(max_tokens) for search in searches]


@dataclass
class _Search:
    """Beam search of one report.

    Attributes:
        beams: W, how many are kept.
        open: log-likelihood and ids of the beams that go on, best first, in the cache's order.
        closed: mean log-likelihood per token and ids of the best ended ones, best first.
        done: no open beam can beat the closed ones any more.
    """

    beams: int
    open: list[tuple[float, list[int]]] = field(default_factory=lambda: [(0.0, [])])
    closed: list[tuple[float, list[int]]] = field(default_factory=list)
    done: bool = False

    def advance(self, log_WV: Tensor, length: int, end_id: int) -> list[int]:
        """Take the `length`-th token, given its log-probabilities after each open beam.

        Returns the beam each of the new open beams goes on from.
        """
        log_WV = log_WV + torch.tensor([[score] for score, _ in self.open], dtype=torch.float64)
        scores, places = log_WV.flatten().topk(min(2 * self.beams, log_WV.numel()))
        rows: list[int] = []
        following: list[tuple[float, list[int]]] = []
        for rank, (score, place) in enumerate(zip(scores.tolist(), places.tolist(), strict=True)):
            row, token = divmod(place, log_WV.shape[1])
            ids = self.open[row][1]
            if token == end_id:
                if rank < self.beams:
                    self.closed.append((score / length, ids))
            elif len(following) < self.beams:
                following.append((score, [*ids, token]))
                rows.append(row)
        self.closed = sorted(self.closed, key=lambda item: -item[0])[: self.beams]
        self.open = following
        self.done = len(self.closed) == self.beams and self.open[0][0] / length <= self.closed[-1][0]
        return rows

    def best(self, max_tokens: int) -> list[int]:
        """Return ids of the best text; beams still open at `max_tokens` count as they stand."""
        if self.done:
            return self.closed[0][1]
        cut = [(score / max_tokens, ids) for score, ids in self.open]
        return max([*self.closed, *cut], key=lambda item: item[0])[1]
