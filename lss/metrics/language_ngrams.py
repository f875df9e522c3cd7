"""Plain functions on token strings: n-gram overlap, set overlap, TF-IDF, diversity.

A token string is PTB tokens joined by single spaces (`lss.metrics.language_tokens.ptb_tokenise`); "" is a text
without words. N pairs of a candidate and a reference each.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from scipy.sparse import csr_array

BLEU_ORDERS = 4
# pycocoevalcap's guards against division by zero
_SMALL, _TINY = 1e-9, 1e-15


def ngrams(tokens: str, order: int) -> Counter[tuple[str, ...]]:
    """Return counts of the n-grams of a token string.

    >>> ngrams("a b a", 2)
    Counter({('a', 'b'): 1, ('b', 'a'): 1})
    """
    words = tokens.split()
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def bleu(candidates: list[str], references: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return BLEU-1..4 (Papineni et al. 2002) by pycocoevalcap, closest reference length.

    Returns:
        corpus values (4,); values of each pair (N, 4); statistics (N, 10): matched n-grams of orders 1-4,
        candidate n-grams of orders 1-4, candidate length, reference length.
    """
    scorer = BleuScorer(n=BLEU_ORDERS)
    for candidate, reference in zip(candidates, references, strict=True):
        scorer += (candidate, [reference])
    corpus, of_pairs = scorer.compute_score(option="closest", verbose=0)
    statistics = [[*case["correct"], *case["guess"], case["testlen"], *case["reflen"]] for case in scorer.ctest]
    return np.array(corpus), np.array(of_pairs).T, np.array(statistics, dtype=np.float64)


def bleu_from_statistics(statistics: np.ndarray) -> np.ndarray:
    """Return corpus BLEU-1..4 from summed statistics: (..., 10) to (..., 4). Equals `bleu` for the sum
    over all pairs.
    """
    matched, guessed = statistics[..., :4], statistics[..., 4:8]
    precision = np.cumprod((matched + _TINY) / (guessed + _SMALL), axis=-1)
    geometric_mean = precision ** (1.0 / np.arange(1, BLEU_ORDERS + 1))
    ratio = (statistics[..., 8] + _TINY) / (statistics[..., 9] + _SMALL)
    brevity = np.where(ratio < 1, np.exp(1 - 1 / np.minimum(ratio, 1)), 1.0)
    return geometric_mean * brevity[..., None]


def rouge_n(candidates: list[str], references: list[str], order: int) -> np.ndarray:
    """Return ROUGE-N F1 of each pair (Lin 2004), (N,) in [0, 1]; 0 where either has no n-gram."""
    return np.array([_rouge_n(*pair, order) for pair in zip(candidates, references, strict=True)])


def _rouge_n(candidate: str, reference: str, order: int) -> float:
    counts, expected = ngrams(candidate, order), ngrams(reference, order)
    overlap = (counts & expected).total()
    return 2.0 * overlap / (counts.total() + expected.total()) if overlap else 0.0


def jaccard(candidates: list[str], references: list[str]) -> np.ndarray:
    """Return the share of words in both among words in either, per pair, (N,) in [0, 1]; two empty texts count 1."""
    sets = [
        (set(candidate.split()), set(reference.split()))
        for candidate, reference in zip(candidates, references, strict=True)
    ]
    return np.array([len(a & b) / len(a | b) if a | b else 1.0 for a, b in sets])


def tfidf_cosine(candidates: list[str], references: list[str]) -> np.ndarray:
    """Return the cosine of TF-IDF word vectors per pair, (N,) in [0, 1]; 0 where a text has no known word.

    scikit-learn's smoothed IDF, from the evaluated references; words that no reference holds do not count.
    """
    if not any(references):
        return np.zeros(len(references))
    from sklearn.feature_extraction.text import TfidfVectorizer  # here: a training needs CIDEr alone, and no pandas

    vectoriser = TfidfVectorizer(analyzer=str.split)
    reference_vectors = vectoriser.fit_transform(references)  # rows have length 1
    return np.asarray(vectoriser.transform(candidates).multiply(reference_vectors).sum(axis=1)).ravel()


def ngram_presence(candidates: list[str], order: int) -> tuple[csr_array, np.ndarray]:
    """Return which n-gram occurs in which candidate, (N, distinct n-grams) of 0 and 1; number of
    n-grams of each, (N,).
    """
    counts = [ngrams(candidate, order) for candidate in candidates]
    column_of = {ngram: column for column, ngram in enumerate(dict.fromkeys(n for case in counts for n in case))}
    columns = [column_of[ngram] for case in counts for ngram in case]
    starts = np.cumsum([0, *(len(case) for case in counts)])
    presence = csr_array((np.ones(len(columns)), columns, starts), shape=(len(counts), len(column_of)))
    return presence, np.array([case.total() for case in counts], dtype=np.float64)


def distinct(candidates: list[str], order: int) -> float:
    """Return distinct-n (Li et al. 2016): different n-grams over all n-grams of all candidates, in [0,
    1]; 0 if none.
    """
    presence, totals = ngram_presence(candidates, order)
    return presence.shape[1] / float(totals.sum()) if totals.any() else 0.0
