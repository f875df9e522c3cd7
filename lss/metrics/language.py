"""All text metrics of generated reports against their references, scorer by scorer.

The COCO metrics come from pycocoevalcap's own scorers (never its `COCOEvalCap.evaluate`, which starts SPICE, and
SPICE downloads). One reference per report. Everything is computed on PTB tokens, lower case, no punctuation.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge
from scipy.sparse import csr_array

from lss.metrics import language_ngrams as text
from lss.metrics.language_meteor import MeteorProcess, meteor_from_statistics
from lss.metrics.language_tokens import ptb_tokenise

Name = TypeVar("Name")
"""Of a system: any value that can be a key."""


@dataclass(frozen=True)
class LanguageMetric:
    """How a metric is printed: its label, the upper end of its scale (all start at 0), and its convention."""

    label: str
    maximum: float
    convention: str


METRICS: dict[str, LanguageMetric] = {
    **{
        f"bleu_{n}": LanguageMetric(f"BLEU-{n}", 1.0, "pycocoevalcap, of the corpus, closest reference length")
        for n in range(1, 5)
    },
    "rouge_1": LanguageMetric("ROUGE-1", 1.0, "F1 of words, mean over reports"),
    "rouge_2": LanguageMetric("ROUGE-2", 1.0, "F1 of word pairs, mean over reports"),
    "rouge_l": LanguageMetric("ROUGE-L", 1.0, "pycocoevalcap, F with beta 1.2, mean over reports"),
    "meteor_1_5": LanguageMetric("METEOR 1.5", 1.0, "the Java program, of the corpus"),
    "cider_d": LanguageMetric("CIDEr-D", 10.0, "pycocoevalcap's CIDEr, IDF from the evaluated references, 0 to 10"),
    "jaccard": LanguageMetric("Jaccard", 1.0, "of word sets, mean over reports"),
    "tfidf_cosine": LanguageMetric("TF-IDF cosine", 1.0, "IDF from the evaluated references, mean over reports"),
    "distinct_1": LanguageMetric("Distinct-1", 1.0, "different words over all words of all reports"),
    "distinct_2": LanguageMetric("Distinct-2", 1.0, "different word pairs over all word pairs of all reports"),
    "distinct_reports": LanguageMetric("Distinct reports", 1.0, "different reports over all reports"),
}
"""Every metric, in the order of the tables."""


_CHUNK = 500
"""Draws whose words are counted at a time; bounds the memory to so many rows of the vocabulary."""


@dataclass(frozen=True)
class LanguageScores:
    """Scores of one system over N reports.

    Attributes:
        per_case: metric name to (N,) float64, for metrics that a single report has (not Distinct).
        corpus: metric name to its value over all reports; the names of `METRICS`, in their order.
        caveats: sentences a reader of these numbers needs (CIDEr of a degenerate set, empty reports).
    """

    per_case: dict[str, np.ndarray]
    corpus: dict[str, float]
    caveats: list[str]
    _bleu: np.ndarray = field(repr=False)  # (N, 10)
    _meteor: np.ndarray = field(repr=False)  # (N, 23)
    _presence: dict[str, tuple[csr_array, np.ndarray]] = field(repr=False)  # metric -> (N, V), (N,)

    def resample(self, weights_DG: np.ndarray, group_N: np.ndarray) -> dict[str, np.ndarray]:
        """Return corpus values of D resamples of groups of cases, vectorised: metric name to (D,) float64.

        Args:
            weights_DG: how often each group (patient) is in each draw, (D, G), whole numbers >= 0, no empty draw.
            group_N: group of each case, 0 to G - 1.

        BLEU and METEOR are computed anew from the drawn cases' summed statistics. CIDEr and TF-IDF keep the IDF of
        all references. Drawing a case twice adds no new word, so Distinct is lower in every draw than in the
        sample: its draws are shifted to have the sample's value as their mean (the bootstrap's bias correction).
        """
        weights_DG = np.asarray(weights_DG, dtype=np.float64)
        count = len(group_N)
        # (G, N): its product with values of the cases is their sum over each group
        members_GN = csr_array((np.ones(count), (group_N, np.arange(count))), shape=(weights_DG.shape[1], count))
        cases_D = weights_DG @ members_GN.sum(axis=1)
        draws = {name: weights_DG @ (members_GN @ values) / cases_D for name, values in self.per_case.items()}
        bleu_D4 = text.bleu_from_statistics(weights_DG @ (members_GN @ self._bleu))
        draws |= {f"bleu_{order + 1}": bleu_D4[:, order] for order in range(text.BLEU_ORDERS)}
        draws["meteor_1_5"] = meteor_from_statistics(weights_DG @ (members_GN @ self._meteor))
        for name, (presence_NV, totals_N) in self._presence.items():
            presence_GV = ((members_GN @ presence_NV).toarray() > 0).astype(np.float32)
            different_D = np.concatenate(
                [
                    np.count_nonzero((weights_DG[start : start + _CHUNK] > 0).astype(np.float32) @ presence_GV, axis=1)
                    for start in range(0, len(weights_DG), _CHUNK)
                ]
            )
            values_D = different_D / np.maximum(weights_DG @ (members_GN @ totals_N), 1.0)
            draws[name] = values_D - values_D.mean() + self.corpus[name]
        return {name: draws[name] for name in METRICS}


def score_systems(
    systems: dict[Name, tuple[list[str], list[str]]], meteor: MeteorProcess | None = None
) -> dict[Name, LanguageScores]:
    """Score several systems with one start of the tokeniser and of METEOR.

    Args:
        systems: name to (candidates, references), equally many, at least one. Line separators and other control
            characters in them count as spaces (`lss.metrics.language_tokens.clean_text`).
        meteor: a running METEOR, where there is one: its start takes seven seconds; it knows the pairs it has aligned.

    Raises ValueError on unequal or empty lists, LssError when Java cannot be run.
    """
    for name, (candidates, references) in systems.items():
        if not candidates or len(candidates) != len(references):
            raise ValueError(f"{name}: {len(candidates)} reports and {len(references)} references; need as many, > 0")
    raw = [report for pair in systems.values() for reports in pair for report in reports]
    # first, as it loads its tables on another core while the rest is computed
    with MeteorProcess() if meteor is None else nullcontext(meteor) as meteor:
        tokens = iter(ptb_tokenise(raw))
        tokenised = {
            name: ([next(tokens) for _ in candidates], [next(tokens) for _ in references])
            for name, (candidates, references) in systems.items()
        }
        return {name: _score(*pair, meteor) for name, pair in tokenised.items()}


def _score(candidates: list[str], references: list[str], meteor: MeteorProcess) -> LanguageScores:
    """Return scores on token strings."""
    bleu_4, bleu_N4, bleu_statistics = text.bleu(candidates, references)
    per_case = {f"bleu_{order + 1}": bleu_N4[:, order] for order in range(text.BLEU_ORDERS)}
    per_case |= {
        "rouge_1": text.rouge_n(candidates, references, 1),
        "rouge_2": text.rouge_n(candidates, references, 2),
        "rouge_l": rouge_l(candidates, references),
        "cider_d": cider_d(candidates, references),
        "jaccard": text.jaccard(candidates, references),
        "tfidf_cosine": text.tfidf_cosine(candidates, references),
    }
    meteor_corpus, per_case["meteor_1_5"], meteor_statistics = meteor.score(candidates, references)
    corpus = {name: float(values.mean()) for name, values in per_case.items()}
    corpus |= {f"bleu_{order + 1}": float(bleu_4[order]) for order in range(text.BLEU_ORDERS)}
    corpus["meteor_1_5"] = meteor_corpus

    presence = {f"distinct_{order}": text.ngram_presence(candidates, order) for order in (1, 2)}
    presence["distinct_reports"] = _report_presence(candidates)
    corpus |= {name: present.shape[1] / max(totals.sum(), 1.0) for name, (present, totals) in presence.items()}
    return LanguageScores(
        per_case=per_case,
        corpus={name: corpus[name] for name in METRICS},
        caveats=_caveats(candidates, references),
        _bleu=bleu_statistics,
        _meteor=meteor_statistics,
        _presence=presence,
    )


def rouge_l(candidates: list[str], references: list[str]) -> np.ndarray:
    """Return ROUGE-L F (beta 1.2) of each pair of token strings by pycocoevalcap, (N,) in [0, 1]."""
    scorer = Rouge()
    return np.array(
        [scorer.calc_score([c], [r]) for c, r in zip(candidates, references, strict=True)], dtype=np.float64
    )


def cider_d(candidates: list[str], references: list[str]) -> np.ndarray:
    """Return CIDEr-D of each pair of token strings by pycocoevalcap, (N,) in [0, 10]; IDF from all `references`."""
    if not any(references):
        return np.zeros(len(references))  # the scorer would fail: there is no n-gram to count
    scorer = CiderScorer()
    for candidate, reference in zip(candidates, references, strict=True):
        scorer += (candidate, [reference])
    return np.asarray(scorer.compute_score()[1], dtype=np.float64)


def _report_presence(candidates: list[str]) -> tuple[csr_array, np.ndarray]:
    """Return the same as `ngram_presence`, each report being one word."""
    _, column_N = np.unique(candidates, return_inverse=True)
    count = len(candidates)
    presence = csr_array((np.ones(count), (np.arange(count), column_N)), shape=(count, column_N.max() + 1))
    return presence, np.ones(count)


def _caveats(candidates: list[str], references: list[str]) -> list[str]:
    caveats = []
    if len(references) == 1:
        caveats.append("One report only: CIDEr-D takes its word weights from the references, and is 0.")
    elif len(set(references)) == 1:
        caveats.append("All references are equal: CIDEr-D takes its word weights from them, and is 0.")
    for what, texts in (("reports", candidates), ("references", references)):
        if empty := texts.count(""):
            caveats.append(f"{empty} of {len(texts)} {what} hold no word.")
    return caveats
