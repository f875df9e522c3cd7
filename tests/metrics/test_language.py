"""Text metrics against pycocoevalcap called directly, rouge-score, nltk, scikit-learn and hand numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import nltk.translate.bleu_score
import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from rouge_score import rouge_scorer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from lss.metrics.language import METRICS, LanguageScores, score_systems
from lss.metrics.language_meteor import MeteorProcess, meteor_from_statistics
from lss.metrics.language_ngrams import bleu, bleu_from_statistics, distinct, jaccard, rouge_n, tfidf_cosine
from lss.metrics.language_tokens import clean_text, ptb_tokenise
from lss.runtime.java import java_executable

LONG = "L4-L5: broad based disc bulge compressing the thecal sac and both exit canals. " * 30
PAIRS = [
    ("Severe spinal canal stenosis, 31.2 % of the region is affected.", "Severe canal stenosis, 29.8 % of the region."),
    ("", "No significant spinal canal stenosis."),
    ("No significant spinal canal stenosis.", "No significant spinal canal stenosis."),
    ("Sac.", "Mildly compressing the thecal sac (L4-L5), both exit canals; adequate canal otherwise!"),
    ("Sténose sévère — canal étroit, 12 µm × ½ 日本語", "Sténose modérée du canal, 日本語"),
    (LONG, LONG + "Loss of lumbar lordosis."),
    ("the the the the the", "the sac"),
    ("disc bulge at L5-S1", ""),
]  # fmt: skip
SYSTEMS = {
    "mixed": PAIRS,
    "one": PAIRS[:1],
    "one empty": [("", "Severe stenosis.")],
    "equal references": [("severe stenosis", "severe canal stenosis"), ("no stenosis at all", "severe canal stenosis")],
    "all empty": [("", ""), ("", "")],
}


@pytest.fixture(scope="module")
def running() -> Iterator[MeteorProcess]:
    """One METEOR program for all tests here: its start takes a core for twelve seconds."""
    with MeteorProcess() as process:
        yield process


@pytest.fixture(scope="module")
def scores(running: MeteorProcess) -> dict[str, LanguageScores]:
    return score_systems({name: ([c for c, _ in p], [r for _, r in p]) for name, p in SYSTEMS.items()}, running)


@contextmanager
def patched_path() -> Iterator[None]:
    """pycocoevalcap asks the PATH for Java."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{java_executable().parent}:{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def meteor() -> Iterator[Meteor]:
    with patched_path():
        yield Meteor()


def _tokens(pairs: list[tuple[str, str]]) -> tuple[dict, dict]:
    with patched_path():
        result, truth = (
            PTBTokenizer().tokenize({i: [{"caption": pair[side]}] for i, pair in enumerate(pairs)}) for side in (0, 1)
        )
    return truth, result


@pytest.mark.parametrize("name", ["mixed", "one", "one empty", "equal references"])
def test_equals_pycocoevalcap_called_directly(scores, meteor, name):
    truth, result = _tokens(SYSTEMS[name])
    expected = {"cider_d": Cider(), "rouge_l": Rouge(), "meteor_1_5": meteor}
    for metric, scorer in expected.items():
        corpus, of_cases = scorer.compute_score(truth, result)
        assert scores[name].corpus[metric] == pytest.approx(corpus, abs=1e-12)
        np.testing.assert_allclose(scores[name].per_case[metric], of_cases, atol=1e-12)
    corpus, of_cases = Bleu(4).compute_score(truth, result, verbose=0)
    for order in range(4):
        assert scores[name].corpus[f"bleu_{order + 1}"] == pytest.approx(corpus[order], abs=1e-12)
        np.testing.assert_allclose(scores[name].per_case[f"bleu_{order + 1}"], of_cases[order], atol=1e-12)


def test_every_metric_has_a_finite_value_within_its_scale(scores):
    for system in scores.values():
        assert list(system.corpus) == list(METRICS)
        for name, value in system.corpus.items():
            assert 0 <= value <= METRICS[name].maximum + 1e-9


def test_degenerate_sets_are_zero_in_cider_and_say_so(scores):
    assert scores["one"].corpus["cider_d"] == 0
    assert any("One report only" in caveat for caveat in scores["one"].caveats)
    assert scores["equal references"].corpus["cider_d"] == 0
    assert any("All references are equal" in caveat for caveat in scores["equal references"].caveats)
    assert scores["mixed"].caveats == ["1 of 8 reports hold no word.", "1 of 8 references hold no word."]


def test_corpus_bleu_equals_nltk_on_texts_of_four_words_and_more():
    filled = [pair for pair in PAIRS if all(len(text.split()) > 4 for text in pair)]  # shorter: nltk counts one 4-gram
    truth, result = _tokens(filled)
    candidates, references = [result[i][0] for i in result], [truth[i][0] for i in truth]
    expected = nltk.translate.bleu_score.corpus_bleu(
        [[reference.split()] for reference in references], [candidate.split() for candidate in candidates]
    )
    assert bleu(candidates, references)[0][3] == pytest.approx(expected, abs=1e-6)


def test_rouge_equals_rouge_score():
    class Words:
        def tokenize(self, text: str) -> list[str]:
            return text.split()

    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2"], tokenizer=Words())
    candidates = ["severe canal stenosis at l4-l5 l4-l5", "no stenosis", "", "a"]
    references = ["canal stenosis severe at l4-l5 and l5-s1", "no stenosis", "a b", "a"]
    for order in (1, 2):
        expected = [scorer.score(r, c)[f"rouge{order}"].fmeasure for c, r in zip(candidates, references, strict=True)]
        np.testing.assert_allclose(rouge_n(candidates, references, order), expected)


def test_jaccard_and_distinct_by_hand():
    np.testing.assert_allclose(jaccard(["a b c", "", "a", ""], ["b c d", "", "b", "a"]), [0.5, 1, 0, 0])
    assert distinct(["a b a", "a b"], 1) == pytest.approx(2 / 5)
    assert distinct(["a b a", "a b"], 2) == pytest.approx(2 / 3)  # ab, ba of ab, ba, ab
    assert distinct(["", "a"], 2) == 0


def test_tfidf_cosine_equals_scikit_learn():
    candidates, references = ["a b", "b b c", "x", ""], ["a c", "b c", "a b c", "d"]
    vectoriser = TfidfVectorizer(token_pattern=r"\S+").fit(references)
    expected = np.diag(cosine_similarity(vectoriser.transform(candidates), vectoriser.transform(references)))
    np.testing.assert_allclose(tfidf_cosine(candidates, references), expected)


@pytest.mark.parametrize(
    "separator", ["\r", "\n", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
)
def test_no_separator_shifts_the_pairs(separator):
    texts = [f"first{separator}text", "second", f"{separator}third", "fourth ||| fifth"]
    assert [clean_text(text) for text in texts] == ["first text", "second", "third", "fourth   fifth"]


def test_tokens_keep_their_places():
    texts = ["a\u2028sac.", "", "c\rd", "Café (L4-L5)", "", "\ud800e"]
    assert ptb_tokenise(texts) == ["a sac", "", "c d", "café -lrb- l4-l5 -rrb-", "", "e"]


def test_sums_of_statistics_give_the_corpus_scores(scores):
    system = scores["mixed"]
    ones = system.resample(np.ones((1, len(PAIRS))), np.arange(len(PAIRS)))
    for name, value in system.corpus.items():
        assert ones[name][0] == pytest.approx(value, abs=1e-9), name


def test_resampling_equals_scoring_the_repeated_cases(scores, running):
    weights = np.array([[2, 0, 1, 0, 1, 0, 3, 1], [0, 1, 0, 2, 0, 1, 1, 1]])
    draws = scores["mixed"].resample(weights, np.arange(len(PAIRS)))
    repeated = {
        str(draw): tuple(
            [pair[side] for pair, count in zip(PAIRS, row, strict=True) for _ in range(count)] for side in (0, 1)
        )
        for draw, row in enumerate(weights)
    }
    again = score_systems(repeated, running)
    exact = [name for name in METRICS if name.startswith(("bleu", "meteor", "rouge", "jaccard"))]
    for draw in range(len(weights)):
        for name in exact:
            assert draws[name][draw] == pytest.approx(again[str(draw)].corpus[name], abs=1e-9), name
    for name in ("distinct_1", "distinct_2", "distinct_reports"):
        assert draws[name].mean() == pytest.approx(scores["mixed"].corpus[name])
        shift = draws[name][0] - again["0"].corpus[name]
        assert draws[name][1] - again["1"].corpus[name] == pytest.approx(shift)


def test_groups_are_drawn_as_their_cases(scores):
    group = np.array([2, 0, 1, 1, 0, 2, 2, 0])
    weights = np.random.default_rng(0).multinomial(3, np.full(3, 1 / 3), size=1200)  # more than one chunk
    by_group = scores["mixed"].resample(weights, group)
    by_case = scores["mixed"].resample(weights[:, group], np.arange(len(PAIRS)))
    for name in METRICS:
        np.testing.assert_allclose(by_group[name], by_case[name], atol=1e-9, err_msg=name)


def test_bleu_from_statistics_by_hand():
    # 2 of 3 words, 1 of 2 pairs, brevity exp(1 - 4 / 3)
    statistics = np.array([2, 1, 0, 0, 3, 2, 1, 0, 3, 4.0])
    one, two, *_ = bleu_from_statistics(statistics)
    assert one == pytest.approx(2 / 3 * np.exp(-1 / 3))
    assert two == pytest.approx((2 / 3 * 1 / 2) ** 0.5 * np.exp(-1 / 3))


def test_meteor_formula_equals_the_java_program(running):
    candidates = ["a b", "the sac is severe", "severe stenoses in canals", "disc", "", "a b"]
    references = ["a b", "severe is a sac now", "severe stenosis of the canal", "bulge", "a", ""]
    corpus, of_cases, statistics = running.score(candidates, references)
    same, _, same_statistics = running.score(["a b", "c d"], ["a b", "c d"])
    np.testing.assert_allclose(meteor_from_statistics(statistics), of_cases, atol=1e-12)
    assert meteor_from_statistics(statistics.sum(axis=0)) == pytest.approx(corpus, abs=1e-12)
    assert meteor_from_statistics(same_statistics.sum(axis=0)) == pytest.approx(same, abs=1e-12)


@pytest.mark.parametrize("lists", [([], []), (["a"], [])])
def test_unequal_or_empty_lists_are_refused(lists):
    with pytest.raises(ValueError, match="reports and"):
        score_systems({"x": lists})
