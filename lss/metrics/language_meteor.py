"""METEOR 1.5 (Denkowski and Lavie 2014), the Java program that pycocoevalcap ships; English defaults, `-norm`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType

import numpy as np
import pycocoevalcap.meteor.meteor as published

from lss.errors import LssError
from lss.runtime.java import java_command, killed_after

ANSWER_SECONDS = 300.0
"""So long one answer may take: it takes milliseconds, the first some ten seconds, that on a whole set a minute."""

STATISTICS = 23
"""Numbers METEOR counts per pair; they add up over pairs."""

# Columns of the statistics; a pair of numbers is of candidate and reference.
_LENGTHS, _FUNCTION_WORDS, _MATCHES, _CHUNKS, _MATCHED = slice(0, 2), slice(2, 4), slice(4, 20), 20, slice(21, 23)

# Defaults of METEOR 1.5 for English: weights of precision and recall, of the fragmentation penalty, of content
# against function words, and of the matchers exact, stem, synonym, paraphrase.
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.20, 0.60, 0.75
_MATCHERS = np.array([1.0, 0.6, 0.8, 0.6])


class MeteorProcess:
    """One METEOR process for any number of pairs; `with MeteorProcess() as meteor: ...` ends it properly.

    Starting takes some seconds (it loads a table of paraphrases), a pair takes about a millisecond. Each pair
    is aligned once, however often it is asked for. One thread collects its garbage: half the memory, less CPU.
    """

    def __enter__(self) -> MeteorProcess:
        self._process = subprocess.Popen(
            [
                *java_command(),
                "-XX:+UseSerialGC",
                "-jar",
                "-Xmx2G",
                published.METEOR_JAR,
                "-",
                "-",
                "-stdio",
                "-l",
                "en",
                "-norm",
            ],
            cwd=Path(published.__file__).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # nobody reads it, and a full pipe would halt the program
        )
        self._lines: dict[tuple[str, str], str] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        process.kill()
        for pipe in filter(None, (process.stdin, process.stdout)):
            try:
                pipe.close()
            except BrokenPipeError:  # it died with something unsent; closed nevertheless
                pass
        process.wait()

    def score(self, candidates: list[str], references: list[str]) -> tuple[float, np.ndarray, np.ndarray]:
        """Return corpus score, score of each pair (N,), and statistics of each pair (N, 23), float64.

        Args:
            candidates, references: PTB tokens of each pair, joined by spaces; equally many, at least one.

        The corpus score is METEOR's own: from the summed statistics, not the mean over pairs.

        Raises LssError when the process hangs or dies (texts of a thousand and more repeated words exhaust it).
        """
        lines = [self._align(*pair) for pair in zip(candidates, references, strict=True)]
        answer = self._ask(" ||| ".join(["EVAL", *lines]), len(lines) + 1, "the whole set")
        statistics = np.array([line.split() for line in lines], dtype=np.float64)
        # METEOR does not count the one chunk of a pair that is matched from end to end, also within a sum.
        whole = (statistics[:, _MATCHED] == statistics[:, _LENGTHS]).all(axis=1) & (statistics[:, _CHUNKS] == 1)
        statistics[whole, _CHUNKS] = 0
        return float(answer[-1]), np.array(answer[:-1], dtype=np.float64), statistics

    def _align(self, candidate: str, reference: str) -> str:
        pair = (candidate, reference)
        if pair not in self._lines:
            words = f"{len(candidate.split())} and {len(reference.split())} words"
            self._lines[pair] = self._ask(f"SCORE ||| {reference} ||| {candidate}", 1, f"a pair of {words}")[0]
        return self._lines[pair]

    def _ask(self, question: str, answers: int, what: str) -> list[str]:
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise ValueError("METEOR was started without pipes")
        with killed_after(self._process, ANSWER_SECONDS) as hung:
            try:
                to.write(f"{question}\n".encode())
                to.flush()
                lines = [back.readline().decode().strip() for _ in range(answers)]
            except BrokenPipeError:
                lines = [""]
        if hung:
            raise LssError(
                f"METEOR: its Java process gave no answer for {ANSWER_SECONDS:g} s at {what}, and was ended. Is the "
                "machine short of memory or overloaded? `lss doctor` says more; then run evaluate again."
            )
        if not all(lines):
            raise LssError(
                f"METEOR: its Java process ended at {what}. Very long, repetitive reports exhaust it: lower "
                "train.report.max_tokens; see also what `lss doctor` says about Java and memory."
            )
        return lines


def meteor_from_statistics(statistics: np.ndarray) -> np.ndarray:
    """Return METEOR from (summed) statistics: (..., 23) to (...), in [0, 1].

    The formula of the Java program (Denkowski and Lavie 2014, section 2), here so that a bootstrap can weigh
    cases without asking it again. Columns: length of candidate and reference, function words of both; for each
    of the four matchers content words matched in candidate and reference, function words likewise; chunks;
    words matched in candidate and reference.
    """
    lengths, function_words = statistics[..., _LENGTHS], statistics[..., _FUNCTION_WORDS]
    matches = statistics[..., _MATCHES].reshape(*statistics.shape[:-1], 4, 2, 2)  # matcher, content/function, side
    by_kind = np.einsum("...mks,m->...ks", matches, _MATCHERS)
    weighted_matches = _DELTA * by_kind[..., 0, :] + (1 - _DELTA) * by_kind[..., 1, :]
    weighted_lengths = _DELTA * (lengths - function_words) + (1 - _DELTA) * function_words
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = np.moveaxis(weighted_matches / weighted_lengths, -1, 0)
        f_mean = 1.0 / ((1 - _ALPHA) / precision + _ALPHA / recall)
        fragmentation = statistics[..., _CHUNKS] / statistics[..., _MATCHED].mean(axis=-1)
        penalty = _GAMMA * fragmentation**_BETA
        return np.nan_to_num(f_mean * (1.0 - penalty), nan=0.0)
