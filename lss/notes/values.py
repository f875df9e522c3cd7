"""Degrees apart from their noun: "canal stenosis: none", "stenosis is mild", "severe at L4-L5, mild at L3".

Forms and dictation state a finding once and its values after it, often one per level. `direct_value` reads the one
that follows its noun; `spread_values` reads clauses of nothing but a degree and levels, whose noun came before.
"""

from __future__ import annotations

from dataclasses import dataclass

from lss.notes.lexicon import BOUNDS, CHANGES, Word
from lss.notes.tokens import BREAK, EFFECTS, Token

DEGREES = (Word.MILD, Word.STRONG, Word.NORMAL, Word.DENIAL)
_MARKS = (":", "-", "–", "=", ",", "(", "|")
_COPULAS = ("is", "are", "was", "were", "appears", "remains", "graded", "now", "as", "today", "currently",
            "presently", "became", "become")  # fmt: skip
_WITHIN = ("to", "or", "and", "grade", "degree", "very", "most", "at", "now")
_SCALES = ("grade", "grading", "severity", "type", "class")
_SEPARATORS = (",", ";", BREAK, "|", "&")


@dataclass(frozen=True)
class Value:
    """A degree with the tokens it spans; `levels` only where it stands in a clause of its own."""

    first: int
    last: int
    roles: frozenset[Word]
    topic: int = -1  # index of the effect it is a value of
    levels: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether it says that there is nothing: "none", "normal", and RSNA's "Normal/Mild"."""
        return bool(self.roles & {Word.NORMAL, Word.DENIAL})


def is_degree(token: Token) -> bool:
    """Return whether a token says how much, or that there is nothing."""
    return token.role in DEGREES and token.known not in ("free", "without", "not")


def direct_value(tokens: list[Token], position: int) -> Value | None:
    """Return the degree behind the noun phrase that ends at `position`, over marks, a form of "to be" and levels."""
    index, parted, named, listed = position + 1, tokens[position].known == "schizas", False, False
    while index < len(tokens) and index <= position + 16:
        token = tokens[index]
        if token.role in (Word.PAST, Word.ASIDE):  # "previously mild, now moderate"
            parted = True
        elif token.levels is not None:
            named, parted = True, parted or not listed
        elif _between_levels(tokens, index):  # "at L3-L4 and L4-L5, both moderate"; not "at L3-L4, L4-L5 moderate"
            listed, parted = True, False
        elif token.text == "," and named and _names_level(tokens, index + 1):
            return None  # "stenosis at L4-L5, mild at L3-L4"
        elif token.text in _MARKS or token.known in _COPULAS or token.text.lower() in _SCALES:
            parted = True
        elif token.text == ")" or token.known in ("only", "both", "each"):
            pass
        elif token.known in ("which", "that") and index + 1 < len(tokens) and tokens[index + 1].known in _COPULAS:
            parted = True
        elif token.text == BREAK:
            if tokens[index - 1].text not in (":", "-"):
                return None
        elif token.text.lower().startswith((*CHANGES, "level")) or (
            token.known == "and" and index + 1 < len(tokens) and tokens[index + 1].known in _COPULAS
        ):
            parted = True
        elif is_degree(token):
            return _degree(tokens, index) if parted else None
        elif token.role not in (Word.LINK, Word.PREPOSITION) or token.known in ("and", "or", "with"):
            return None
        index += 1
    return None


def _between_levels(tokens: list[Token], index: int) -> bool:
    """Return whether an "and" or a comma joins two levels."""
    joins = tokens[index].known == "and" or tokens[index].text == ","
    return joins and bool(tokens[index - 1].levels) and any(token.levels for token in tokens[index + 1 : index + 2])


def spread_values(tokens: list[Token]) -> list[Value]:
    """Return clauses that only give a degree and levels ("L3-L4 mild", "none at L5-S1"), with the effect they belong
    to.
    """
    values: list[Value] = []
    start = 0
    for end in range(len(tokens) + 1):
        if end < len(tokens) and not _separates(tokens, end):
            continue
        value = _clause_value(tokens, start, end)
        if value is not None:
            values.append(value)
        elif values and values[-1].last == start - 2 and _only_levels(tokens[start:end]):
            last = values.pop()
            levels = last.levels + _levels(tokens[start:end])
            values.append(Value(last.first, end - 1, last.roles, last.topic, levels))
        start = end + 1
    return values


def only_values(tokens: list[Token]) -> bool:
    """Return whether a sentence names levels and gives their degrees, and holds no noun of its own."""
    return (
        any(is_degree(token) for token in tokens)
        and any(token.levels for token in tokens)
        and all(_may_stand(token) for token in tokens)
    )


def _clause_value(tokens: list[Token], start: int, end: int) -> Value | None:
    clause = tokens[start:end]
    if not only_values(clause):
        return None
    topic = next((index for index in range(start - 1, -1, -1) if tokens[index].role in EFFECTS), -1)
    if topic < 0:
        topic = _next_effect(tokens, end + 1)
    if topic < 0:
        return None
    roles = frozenset(token.role for token in clause if is_degree(token))
    return Value(start, end - 1, roles, topic, _levels(clause))


def _next_effect(tokens: list[Token], start: int) -> int:
    """Return the effect that the clause after the value ends in: "mild L3-L4 and severe L4-L5 canal stenosis"; -1:
    none.
    """
    graded = False
    for index in range(start, len(tokens)):
        token = tokens[index]
        if token.role in EFFECTS:
            return index if graded else -1
        graded |= is_degree(token)
        noun = (Word.CANAL, Word.SAC, Word.FORAMEN, Word.FORAMINAL, Word.EXIT, Word.ROOT, Word.NERVE)
        if not (
            token.levels
            or token.role in (*noun, *DEGREES, Word.LINK, Word.SIDE)
            or token.text in ("-", ",", "(", ")")
            or token.known in ("at", "in")
        ):
            return -1
    return -1


def _separates(tokens: list[Token], index: int) -> bool:
    token = tokens[index]
    if token.text in _SEPARATORS or token.role is Word.BUT:
        return True
    return token.known == "and" and not (
        0 < index < len(tokens) - 1 and all(map(is_degree, tokens[index - 1 : index + 2 : 2]))
    )


def _may_stand(token: Token) -> bool:
    if token.text in (BREAK, "?"):
        return False
    plain = token.known in ("degree", "grade", "that") or token.known.startswith("schizas")
    return token.levels is not None or plain or token.role in (*DEGREES, Word.LINK, Word.PREPOSITION, Word.MARK)


def _only_levels(tokens: list[Token]) -> bool:
    return any(token.levels for token in tokens) and all(
        token.levels or token.role in (Word.LINK, Word.PREPOSITION) for token in tokens
    )


def _levels(tokens: list[Token]) -> tuple[str, ...]:
    return tuple(level for token in tokens for level in token.levels or ())


def _names_level(tokens: list[Token], index: int) -> bool:
    for token in tokens[index:]:
        if token.text in _SEPARATORS:
            return False
        if token.levels:
            return True
    return False


def _degree(tokens: list[Token], first: int) -> Value | None:
    """Return the degree that begins at `first`, if no other noun follows it ("stenosis, mild facet disease")."""
    last = first
    index = first
    while index < len(tokens) and (
        is_degree(tokens[index]) or tokens[index].text in ("-", "/") or tokens[index].known in _WITHIN
    ):
        if is_degree(tokens[index]):
            last = index
        index += 1
    following = tokens[last + 1] if last + 1 < len(tokens) else None
    if (
        tokens[first].known == "no"
        and tokens[first - 1].text == ","
        and following is not None
        and (last > first or following.known == "stenosis")
    ):
        return None  # "compressing the sac, no severe stenosis" denies another noun
    if following is not None and following.role is Word.PREPOSITION and tokens[last].known.endswith("ly"):
        return None  # "compressing the sac, largely at the left side"
    closes = (
        following is None
        or following.levels is not None
        or following.role in (Word.MARK, Word.WITH, Word.BUT, Word.SIDE)
        or following.role is Word.PREPOSITION
        or following.text.lower() in ("after", "following", "compared", "than")
        or following.known in BOUNDS
        or following.known in ("and", "degree", "grade", "bilateral", "bilaterally", "stenosis")
    )
    if not closes:
        return None
    return Value(first, last, frozenset(token.role for token in tokens[first : last + 1] if is_degree(token)))
