"""Wording near a relevant noun that no rule knows: the grade of such a note may miss something, a person should look.

Four kinds: an unknown word where a degree stands ("humongous canal stenosis"), a statement on a canal, sac, root or
foramen without a known finding ("the canal is hourglass-shaped"), figures that look like a level but are not one
("L4.5"), and an effect whose degree is open: of the past only, of no named scale, or denied while a milder one is not
("was severe in 2019", "grade 2 stenosis", "no severe stenosis").
"""

from __future__ import annotations

import re

from lss.notes.clauses import Statement, statements
from lss.notes.cleaning import clean_note
from lss.notes.denial import denied_by, denies_degree, questioned
from lss.notes.effects import degree_aside, mentions
from lss.notes.lexicon import Word
from lss.notes.objects import object_kind
from lss.notes.spelling import write_out
from lss.notes.tokens import EFFECTS, Token, tokenise

_LEVEL_LIKE = re.compile(
    r"(?<![\w.,/*-])(?:L\s?\d\s?[.~'|]\s?[LS]?\d|L\d{3,}|(?:lumbar|level|disc)\s\d\s?[-/]\s?\d)(?![\w/]|[.,]\d|\s?mm)",
    re.IGNORECASE,
)
_RELEVANT = (*EFFECTS, Word.BULGE, Word.CANAL, Word.SAC, Word.FORAMEN, Word.ROOT)


def doubtful_words(note: str | None) -> list[str]:
    """Return the words of a note that the grading does not know how to read, each once, in the order of the text."""
    text = write_out(clean_note(note or ""))
    words: list[str] = []
    cut = statements(text)
    for statement in cut:
        if statement.elsewhere or not any(token.role in _RELEVANT for token in statement.tokens):
            continue
        words += _unknown_degrees(statement.tokens)
        words += _unread(statement, text)
        words += _open_degrees(statement, cut, text)
    for line in text.split("\n"):
        if any(token.role in _RELEVANT for token in tokenise(line)):
            words += [match[0] for match in _LEVEL_LIKE.finditer(line)]
    return list(dict.fromkeys(words))


def _unknown_degrees(tokens: list[Token]) -> list[str]:
    """Return unknown words right before an affirmed effect or the object it acts on."""
    denied, asked = denied_by(tokens), questioned(tokens)
    words = []
    for index, token in enumerate(tokens):
        affirmed = denied[index] is None and index not in asked
        if not affirmed or token.role not in EFFECTS:
            continue
        first = index
        while first > 0 and (object_kind(tokens, first - 1) or tokens[first - 1].known in ("spinal", "lumbar")):
            first -= 1
        if first > 0 and _is_unknown(tokens[first - 1]):
            words.append(f"{tokens[first - 1].text} {token.text}")
    return words


def _open_degrees(statement: Statement, others: list[Statement], text: str) -> list[str]:
    """Return effects whose degree is open, unless the note states an effect on the same levels elsewhere."""
    tokens = statement.tokens
    denied, asked = denied_by(tokens), questioned(tokens)
    words = []
    for index, token in enumerate(tokens):
        if token.role not in EFFECTS or index in asked:
            continue
        denial = denied[index]
        if denial is not None:
            first, last = (denial, index) if denies_degree(tokens, denial, index) else (0, -1)
        else:
            span = [index, *degree_aside(tokens, index)]
            live = any(mention.first <= index <= mention.last for mention in mentions(tokens))
            first, last = (min(span), max(span)) if len(span) > 1 and not live else (0, -1)
        if last >= 0:
            words.append(" ".join(text[tokens[first].start : tokens[last].end].split()))
    beside = [other for other in others if other.levels == statement.levels] if words else []
    return [] if any(mention.kind == "effect" for other in beside for mention in mentions(other.tokens)) else words


def _unread(statement: Statement, text: str) -> list[str]:
    """Return a statement on the canal or its content with an unknown word, from which nothing was read."""
    tokens = statement.tokens
    kinds = [index for index in range(len(tokens)) if object_kind(tokens, index) is not None]
    if not kinds or mentions(tokens) or questioned(tokens):
        return []
    if not any(_is_unknown(token) for token in tokens[max(0, kinds[0] - 4) : kinds[-1] + 5]):
        return []
    first, last = max(0, kinds[0] - 2), min(len(tokens) - 1, kinds[-1] + 3)
    return [" ".join(text[tokens[first].start : tokens[last].end].split())]


def _is_unknown(token: Token) -> bool:
    return not token.known and token.levels is None and token.text.isalpha() and len(token.text) > 3
