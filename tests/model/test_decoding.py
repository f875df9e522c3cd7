"""Decoding against transformers' own `generate` on the same model."""

from __future__ import annotations

from types import SimpleNamespace

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lss.model import decoding
from lss.model.report_decoder import ReportDecoder
from lss.model.report_writer import DecoderWriter, PrefixWriter, Writer

BEGIN, END, PAD, VOCABULARY, WIDTH, LENGTH = 1, 2, 0, 24, 32, 12


class Llama:
    """The part of a generative backbone that a writer uses, on a small random Llama."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, initializer_range=0.3,
            bos_token_id=BEGIN, eos_token_id=END, pad_token_id=PAD,
        )  # fmt: skip
        self.model = LlamaForCausalLM(config).eval()
        self.text_tower = self.model.model
        self.tokenizer = SimpleNamespace(bos_token_id=BEGIN, eos_token_id=END, pad_token_id=PAD)

    def embed_tokens(self, ids: torch.Tensor) -> torch.Tensor:
        return self.model.get_input_embeddings()(ids)


def _context(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, 5, WIDTH, generator=torch.Generator().manual_seed(seed))


def _decoder(seed: int = 0) -> DecoderWriter:
    torch.manual_seed(seed)
    decoder = ReportDecoder(VOCABULARY, WIDTH, LENGTH).eval()
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return DecoderWriter(decoder, BEGIN, END)


def _writers() -> list[Writer]:
    return [_decoder(), PrefixWriter(Llama(0)).eval()]


def _generate(llama: Llama, writer: PrefixWriter, context: torch.Tensor, **options: object) -> list[list[int]]:
    begin = llama.embed_tokens(torch.full((len(context), 1), BEGIN))
    ids = llama.model.generate(
        inputs_embeds=torch.cat([context, begin], dim=1),
        attention_mask=torch.ones(len(context), context.shape[1] + 1, dtype=torch.long),
        max_new_tokens=LENGTH, do_sample=False, **options,
    )  # fmt: skip
    return [row[: row.index(END)] if END in row else row for row in ids.tolist()]


@pytest.mark.parametrize("seed", range(4))
def test_greedy_equals_generate(seed):
    llama = Llama(seed)
    writer = PrefixWriter(llama)
    context = _context(6, seed)
    result = decoding.greedy(writer, context, LENGTH)
    # after END transformers pads; a report that ends early must not stop the others
    expected = _generate(llama, writer, context)
    assert result == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("beams", [2, 4])
def test_beam_equals_generate(seed, beams):
    llama = Llama(seed)
    writer = PrefixWriter(llama)
    context = _context(5, seed)
    assert decoding.beam(writer, context, LENGTH, beams) == _generate(llama, writer, context, num_beams=beams)


@pytest.mark.parametrize("reports", [1, 5])
def test_beam_asks_the_writer_once_per_token_for_all_reports(reports):
    asked: list[int] = []

    class Counting(PrefixWriter):
        def step(self, ids_B, cache):
            asked.append(len(ids_B))
            return super().step(ids_B, cache)

    decoding.beam(Counting(Llama(0)).eval(), _context(reports), LENGTH, 3)
    assert 0 < len(asked) < LENGTH
    assert asked[0] == 3 * reports  # all beams of all reports
    assert asked == sorted(asked, reverse=True)  # ended reports leave


@pytest.mark.parametrize("writer", _writers())
def test_one_beam_is_greedy(writer):
    context = _context(6)
    assert decoding.beam(writer, context, LENGTH, 1) == decoding.greedy(writer, context, LENGTH)


@pytest.mark.parametrize("writer", _writers())
@torch.no_grad()
def test_cache_equals_full_recomputation(writer):
    context = _context(3)
    ids = torch.randint(3, VOCABULARY, (3, LENGTH - 1), generator=torch.Generator().manual_seed(1))
    begin = torch.full((3, 1), BEGIN)
    whole = writer.teacher_forced(context, torch.cat([begin, ids], dim=1))
    first, cache = writer.open(context)
    torch.testing.assert_close(first, whole[:, 0])
    for place in range(ids.shape[1]):
        torch.testing.assert_close(writer.step(ids[:, place], cache), whole[:, place + 1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("writer", _writers())
def test_a_report_does_not_depend_on_its_batch(writer):
    context = _context(7)
    for decode in (
        lambda part, _: decoding.greedy(writer, part, LENGTH),
        lambda part, _: decoding.beam(writer, part, LENGTH, 3),
        lambda part, draws: decoding.sample(writer, part, LENGTH, 1.3, draws),
    ):
        together = decode(context, [np.random.default_rng(row) for row in range(7)])
        alone = [decode(context[row : row + 1], [np.random.default_rng(row)])[0] for row in range(7)]
        assert together == alone
        assert len(set(map(tuple, together))) > 1
        assert all(END not in ids for ids in together)


def test_draws_follow_the_softmax():
    class Fixed:
        begin_id, end_id = BEGIN, END

        def open(self, context):
            return torch.log(torch.tensor([[0.0, 0.0, 0.0, 0.1, 0.2, 0.7]])).expand(len(context), -1), None

    generators = [np.random.default_rng(seed) for seed in range(2000)]
    drawn = [ids[0] for ids in decoding.sample(Fixed(), torch.zeros(2000, 1, 1), 1, 1.0, generators)]
    shares = np.bincount(drawn, minlength=6) / 2000
    np.testing.assert_allclose(shares, [0, 0, 0, 0.1, 0.2, 0.7], atol=0.04)
    cold = decoding.sample(Fixed(), torch.zeros(50, 1, 1), 1, 0.01, generators[:50])
    assert cold == [[5]] * 50
