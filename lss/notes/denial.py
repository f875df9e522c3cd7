"""Which words of a statement a denial covers, and which stand in a question or in history."""

from __future__ import annotations

from lss.notes.clauses import BREAK, EFFECTS, REACH, Token
from lss.notes.lexicon import Word

_RESOLVED = (
    "resolved",
    "disappeared",
    "been decompressed",
    "now decompressed",
    "ruled out",
    "been removed",
    "been relieved",
    "was removed",
    "been resected",
)
_VALUES = ("none", "no", "nil", "absent", "negative")
_COPULAS = ("is", "are", "was", "were")
_OBSERVED = ("seen", "noted", "found", "evident", "present", "identified", "demonstrated", "detected")


def denied_by(tokens: list[Token]) -> list[int | None]:
    """Return for every token the index of the word that denies it, or None.

    Rubric: a denial covers its own clause only. It ends where the sentence ends, at "but" or "with", and at a
    comma unless the list goes on ("no herniation, sac compression or stenosis").
    """
    denied: list[int | None] = [None] * len(tokens)
    for index, token in enumerate(tokens):
        if token.role is not Word.DENIAL:
            continue
        first, last = _denial_scope(tokens, index)
        for position in range(first, last):
            denied[position] = index
    return denied


def questioned(tokens: list[Token]) -> set[int]:
    """Return tokens in questions and history: "?severe stenosis", "rule out ...", "... cannot be excluded"."""
    indices: set[int] = set()
    for index, token in enumerate(tokens):
        before = index > 0 and (
            (token.text == "?" and index + 1 == len(tokens))
            or token.known in ("excluded", "can not be excluded", "not excluded")
        )
        asks = token.text == "?" and index + 1 < len(tokens)
        asks = asks and (tokens[index + 1].start == token.end or index == 0 or tokens[index - 1].role is Word.MARK)
        if before and not asks:
            first = index
            while first > 0 and not _bounds_clause(tokens[first - 1]):
                first -= 1
            indices.update(range(first, index))
        elif asks or token.role is Word.QUESTION:
            last = index + 1
            while last < len(tokens) and not _bounds_clause(tokens[last]) and tokens[last].known != "with":
                last += 1
            indices.update(range(index, last))
    return indices


def _denial_scope(tokens: list[Token], index: int) -> tuple[int, int]:
    """Return the range of the tokens that the denial at `index` covers."""
    following = tokens[index + 1].known if index + 1 < len(tokens) else ""
    known = tokens[index].known
    if following in ("only", "contrast") or (known == "free" and following not in ("of", "from")):
        return index, index  # "without contrast", "free disc fragment"
    if known == "non":
        return index, min(index + 2, len(tokens))  # "non compressive"
    if known in _RESOLVED and tokens[index - 1].known in ("partially", "partly", "incompletely"):
        return index, index
    if (
        known in _VALUES
        and index
        and (tokens[index - 1].text in (":", "-", "=") or tokens[index - 1].known in _COPULAS)
    ):
        if following == "" or tokens[index + 1].role is Word.PREPOSITION:
            return index, index  # "canal stenosis: none, foraminal stenosis: mild"
    postponed = (known in ("not", "never", "no longer") and following in _OBSERVED) or known in _RESOLVED
    if postponed or (known in ("absent", "nil", "none") and index == len(tokens) - 1):
        first = index  # "... compression is not seen": everything since the clause began
        while first > max(0, index - REACH) and not _bounds_clause(tokens[first - 1]):
            first -= 1
        return first, index
    last = index + 1
    while last < min(len(tokens), index + REACH):
        token = tokens[last]
        if token.role is Word.CHANGE:
            return index, index  # "no change of the disc bulge" denies no bulge
        if token.text == BREAK or token.role in (Word.BUT, Word.NORMAL) or token.known == "with":
            break
        if token.text == "|" or (token.text == "," and not _list_goes_on(tokens, last + 1)):
            break
        if token.known == "and" and last + 1 < len(tokens) and tokens[last + 1].role in (Word.MILD, Word.STRONG):
            break  # "no fracture and severe stenosis"
        last += 1
    return index, last


def _bounds_clause(token: Token) -> bool:
    return token.text in (BREAK, ",", ":") or token.role is Word.BUT


def _list_goes_on(tokens: list[Token], index: int) -> bool:
    """Return whether "or" or "nor" follows before anything that only an affirmed finding has."""
    for token in tokens[index : index + REACH]:
        if token.known in ("or", "nor"):
            return True
        if token.text == BREAK or token.known in ("noted", "seen", "with") or token.levels:
            return False
        if token.role in EFFECTS and token.known.endswith("ing") and token.known != "narrowing":
            return False
    return False
