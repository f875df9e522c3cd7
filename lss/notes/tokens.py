"""A note as tokens: words read through their misspellings, levels, numbers and marks, phrases as one token."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lss.notes.level_names import LEVEL, read_level
from lss.notes.lexicon import PHRASES, Word, read_word, word_class

EFFECTS = (Word.PRESS, Word.NARROW, Word.STENOSIS, Word.FILL)
"""Words that name an effect on the canal or what it holds."""

BREAK = "\n"
"""Text of the mark that stands where two sentences were joined."""

REACH = 40
"""Tokens up to which one word looks for another it belongs to; keeps the time linear on senseless text."""

_TOKEN = re.compile(
    rf"(?P<level>{LEVEL.pattern})|(?P<word>[ab][1-4]\b|[^\W\d_]+)|(?P<number>\d+(?:[.,*]\d+)*)|(?P<mark>\n|/{{2,}}|\S)",
    re.IGNORECASE,
)


_PHRASES: dict[str, list[tuple[tuple[str, ...], Word]]] = {}
for _phrase, _role in PHRASES.items():
    _PHRASES.setdefault(_phrase.split()[0], []).append((tuple(_phrase.split()), _role))
_SCHIZAS = {"A": Word.NORMAL, "B": Word.MILD, "C": Word.MILD, "D": Word.STRONG}


@dataclass(frozen=True)
class Token:
    """A word, level or mark with its role, and where it stands in the text (character offsets)."""

    text: str
    role: Word
    known: str  # the word it is read as; "" for levels, marks and unknown words
    start: int
    end: int
    levels: tuple[str, ...] | None = None  # None: no level; (): a single lumbar vertebra, which is no disc


def tokenise(text: str) -> list[Token]:
    """Return words, levels, numbers and marks of `text`; line breaks are marks."""
    tokens = []
    for match in _TOKEN.finditer(text):
        word, start, end = match[0], match.start(), match.end()
        if match["level"]:
            tokens.append(Token(word, Word.PLAIN, "", start, end, read_level(word)))
        elif match["word"]:
            tokens.append(Token(word, word_class(word), read_word(word), start, end))
        else:
            tokens.append(Token(word, Word.MARK if match["mark"] else Word.PLAIN, "", start, end))
    return _read_schizas(_join_phrases(tokens, text))


def _join_phrases(tokens: list[Token], text: str) -> list[Token]:
    """Return one token for each of `PHRASES`, known by its words; "from" followed by no level names a cause."""
    joined: list[Token] = []
    index = 0
    while index < len(tokens):
        token, last = tokens[index], index
        for words, role in _PHRASES.get(token.text.lower(), ()):
            positions = [p for p in range(index, min(len(tokens), index + 2 * len(words))) if tokens[p].text != "-"]
            positions = positions[: len(words)]
            if tuple(tokens[p].text.lower() for p in positions) == words:
                last = positions[-1]
                token = Token(
                    text[token.start : tokens[last].end], role, " ".join(words), token.start, tokens[last].end
                )
                break
        following = tokens[last + 1] if last + 1 < len(tokens) else None
        if token.known == "from" and following is not None and following.levels is None:
            token = replace(token, role=Word.WITH)
        joined.append(token)
        index = last + 1
    return joined


def _read_schizas(tokens: list[Token]) -> list[Token]:
    """Read Schizas' letters, where a note names them, as degrees (rubric)."""
    since = REACH
    for index, token in enumerate(tokens):
        since = 0 if token.known == "schizas" else since + 1
        letter = token.text.upper()
        if since < REACH and token.levels is None and letter[0] in _SCHIZAS and letter[1:] in ("", "1", "2", "3", "4"):
            tokens[index] = replace(token, role=_SCHIZAS[letter[0]], known=f"schizas {letter[0]}")
    return tokens
