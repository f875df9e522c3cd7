"""Seconds (elapsed, and of CPU) per text metric on 1,000 pairs: `python benchmarks/language.py [pairs]`.

The reports are made from templates, about 35 words each; the candidates differ from the references in some words.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np

from lss.metrics import language, language_ngrams
from lss.metrics.language_meteor import MeteorProcess
from lss.metrics.language_tokens import ptb_tokenise
from lss.notes.reference import reference_report

PATIENTS = 50
_NOTE = (
    "L4-L5: {size} disc {kind} {effect} the thecal sac, {side} exit canal narrowed at {place} mm. "
    "Loss of lumbar lordosis. Facet joint arthropathy."
)


def reports(count: int, random: np.random.Generator) -> list[str]:
    def note() -> str:
        return _NOTE.format(
            size=random.choice(["mild", "large", "broad based"]),
            kind=random.choice(["bulge", "protrusion", "extrusion"]),
            effect=random.choice(["compressing", "indenting", "abutting"]),
            side=random.choice(["left", "right"]),
            place=random.integers(1, 20),
        )

    return [
        reference_report(str(random.choice(["A", "BC", "D"])), float(random.uniform(0, 40)), note(), "L4-L5")
        for _ in range(count)
    ]


def timed(what: str, work: Callable[[], object]) -> object:
    started, used = time.perf_counter(), sum(os.times()[:4])
    result = work()
    print(f"{what:32} {time.perf_counter() - started:7.2f} s {sum(os.times()[:4]) - used:7.2f} s", flush=True)
    return result


def main(count: int) -> None:
    random = np.random.default_rng(0)
    candidates, references = reports(count, random), reports(count, random)
    print(f"{count} pairs, {sum(len(text.split()) for text in references) / count:.0f} words per reference")
    print(f"{'':32} {'elapsed':>9} {'CPU':>9}")
    tokens = ptb_tokenise(candidates + references)
    timed("PTB tokens", lambda: ptb_tokenise(candidates + references))
    pair = tokens[:count], tokens[count:]
    timed("BLEU-1..4", lambda: language_ngrams.bleu(*pair))
    timed("ROUGE-1, ROUGE-2", lambda: [language_ngrams.rouge_n(*pair, order) for order in (1, 2)])
    timed("ROUGE-L", lambda: language.rouge_l(*pair))
    timed("CIDEr-D", lambda: language.cider_d(*pair))
    timed("Jaccard", lambda: language_ngrams.jaccard(*pair))
    timed("TF-IDF cosine", lambda: language_ngrams.tfidf_cosine(*pair))
    timed("Distinct-1, Distinct-2", lambda: [language_ngrams.distinct(pair[0], order) for order in (1, 2)])

    def meteor() -> None:
        with MeteorProcess() as process:
            process.score(*pair)

    timed("METEOR 1.5, start included", meteor)
    scores = timed("all metrics in one call", lambda: language.score_systems({"": (candidates, references)})[""])
    assert isinstance(scores, language.LanguageScores)  # noqa: S101
    patient = np.arange(count) % PATIENTS
    weights = random.multinomial(PATIENTS, np.full(PATIENTS, 1 / PATIENTS), size=10_000)
    timed(f"10,000 draws over {PATIENTS} patients", lambda: scores.resample(weights, patient))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
