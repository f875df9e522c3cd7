"""Degrees and levels that a sentence pairs by its order or by an exception.

"Moderate and severe stenosis at L3-L4 and L4-L5, respectively" and "no stenosis except at L4-L5, where it is severe".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from lss.notes.lexicon import EXCEPTIONS, Word
from lss.notes.tokens import BREAK, EFFECTS, Token

_DEGREES = (Word.MILD, Word.STRONG)


@dataclass(frozen=True)
class Pair:
    """Levels with the indices of the degrees that are theirs; no degree where none is stated."""

    levels: tuple[str, ...]
    degrees: tuple[int, ...]


def exception_at(tokens: list[Token]) -> int | None:
    """Return the index of the first "except", "other than" ... of a statement; None for none."""
    return next((index for index, token in enumerate(tokens) if token.known in EXCEPTIONS), None)


def excepted(tokens: list[Token]) -> list[Pair]:
    """Return the levels that the statement's exception names with their degrees, where it names no effect of its own.

    One degree is of all levels, several are paired in their order; [] where they do not go together.
    """
    start = exception_at(tokens)
    if start is None:
        return []
    end = next((index for index in range(start, len(tokens)) if tokens[index].text == BREAK), len(tokens))
    if any(token.role in EFFECTS for token in tokens[start:end]):
        return []
    levels, degrees = _runs(tokens, start, end)
    if len(degrees) <= 1:
        return [Pair(names, tuple(index for run in degrees for index in run)) for names in levels]
    return [Pair(*pair) for pair in zip(levels, degrees, strict=True)] if len(levels) == len(degrees) else []


def respective(tokens: list[Token]) -> tuple[list[Pair], tuple[int, ...]]:
    """Return the pairs of a sentence with "respectively", and the degrees that it leaves without a level of their own.

    Degrees of two sides at one level are no pairs.
    """
    at = next((index for index, token in enumerate(tokens) if token.known == "respectively"), None)
    if at is None:
        return [], ()
    start, end = at, at
    while start > 0 and tokens[start - 1].text != BREAK:
        start -= 1
    while end < len(tokens) and tokens[end].text != BREAK:
        end += 1
    _, degrees = _runs(tokens, start, end)
    degrees = [part for run in degrees for part in _parts(tokens, run)]
    if len(degrees) < 2 or sum(token.role is Word.SIDE for token in tokens[start:end]) > 1:
        return [], ()
    named = [token.levels for token in tokens[start:end] if token.levels]
    if len(named) != len(degrees):
        named = [(level,) for levels in named for level in levels]
    if len(named) != len(degrees):
        return [], tuple(index for run in degrees for index in run)
    return [Pair(levels, run) for levels, run in zip(named, degrees, strict=True)], ()


def _runs(tokens: list[Token], start: int, end: int) -> tuple[list[tuple[str, ...]], list[tuple[int, ...]]]:
    """Return the levels and the degrees of a stretch, those together between which none of the other kind stands."""
    levels: list[tuple[str, ...]] = []
    degrees: list[tuple[int, ...]] = []
    last = ""
    for index in range(start, end):
        token = tokens[index]
        if token.levels:
            levels = [*levels[:-1], levels[-1] + token.levels] if last == "level" else [*levels, token.levels]
            last = "level"
        elif token.role in _DEGREES:
            degrees = [*degrees[:-1], (*degrees[-1], index)] if last == "degree" else [*degrees, (index,)]
            last = "degree"
    return levels, degrees


def _parts(tokens: list[Token], run: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return a run of degrees cut at "and" and commas: "mild to moderate and severe" are two."""
    parts: list[tuple[int, ...]] = [(run[0],)]
    for before, index in pairwise(run):
        between = tokens[before + 1 : index]
        if any(token.known == "and" or token.text in (",", "&") for token in between):
            parts.append((index,))
        else:
            parts[-1] = (*parts[-1], index)
    return parts
