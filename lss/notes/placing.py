"""Which levels a mention belongs to: the ones named in its clause, before it, after it, or in the heading above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lss.domain.grades import LEVELS
from lss.notes.clauses import Statement
from lss.notes.effects import Mention
from lss.notes.lexicon import Word
from lss.notes.pairing import exception_at
from lss.notes.tokens import EFFECTS, Token
from lss.notes.values import Value

_JOINS = ("and", "at", "also", "as", "well", "the", "level", "levels", "or")
_CLAUSE_ENDS = (",", "\n", ":", ".")
_BESIDE = ("above", "below", "adjacent", "just", "immediately", "directly", "next", "one", "caudal", "cranial")
"""Where a level stands to the one named before: "laminectomy L4-L5, stenosis above at L3-L4"."""
_FINDINGS = ("facet", "ligament", "flavum", "arthr", "hypertroph", "spondyl", "listhesis", "fusion")
_BRIDGE = (Word.LINK, Word.PREPOSITION, Word.SIDE, Word.FOCUS, Word.PAST, Word.ASIDE)


@dataclass(frozen=True)
class LevelGroup:
    """Levels named together, e.g. "L4/L5 & L5/S1 levels"; `clause`, `first` and `last` are token indices."""

    clause: int  # where the clause begins that names them
    first: int
    last: int
    levels: tuple[str, ...]
    focus: bool  # "noticeably at ...": the worst of several levels
    bare: bool  # nothing else in its clause: "..., also at L3-L4"
    lesser: bool  # "to lesser degree at ..."
    of_other: bool  # belongs to a finding that is no stenosis: "annular tear at ..."


def level_groups(tokens: list[Token], values: Sequence[Value] = ()) -> list[LevelGroup]:
    """Return groups of levels of a statement; "L2-L3 to L4-L5" holds the levels between.

    The levels of `values` are not among them.
    """
    own = {index for value in values for index in range(value.first, value.last + 1)}
    groups = []
    index = 0
    while index < len(tokens):
        if not tokens[index].levels or index in own:
            index += 1
            continue
        first = last = index
        levels = list(tokens[index].levels or ())
        position = index + 1
        while position < len(tokens) and position not in own and (tokens[position].levels or _joins(tokens, position)):
            if tokens[position].levels:
                levels += _range_between(tokens[last + 1 : position], levels[-1], tokens[position].levels or ())
                last = position
            position += 1
        groups.append(_describe(tokens, first, last, tuple(dict.fromkeys(levels))))
        index = last + 1
    return groups


def place(mention: Mention, statement: Statement, groups: list[LevelGroup]) -> list[tuple[str, bool]]:
    """Return levels of a mention, each with whether it has it "to a lesser degree"; [] for the whole note only.

    Rubric: a finding belongs to the levels named in its clause; "multilevel ..., noticeably at X" belongs to X,
    "at X and Y, noticeably at Y" to both.
    """
    if mention.levels is not None:
        return [(level, False) for level in mention.levels]
    chosen, heading = _choose(mention, statement, _beside_exception(mention, statement.tokens, groups))
    levels = {level: False for level in (statement.heading if heading else ())}
    for group in chosen:
        levels.update(dict.fromkeys(group.levels, group.lesser))
    return list(levels.items())


def _beside_exception(mention: Mention, tokens: list[Token], groups: list[LevelGroup]) -> list[LevelGroup]:
    """Return the groups without those on the other side of an "except": what is denied is not denied there."""
    cut = exception_at(tokens)
    if not cut:
        return groups
    own = [group for group in groups if (group.first > cut) == (mention.first > cut)]
    return own or ([] if mention.first < cut else groups)


def _choose(mention: Mention, statement: Statement, groups: list[LevelGroup]) -> tuple[list[LevelGroup], bool]:
    """Return groups a mention belongs to, and whether it belongs to the heading's levels too."""
    tokens = statement.tokens
    before = [group for group in groups if group.last < mention.first]
    after = [group for group in groups if group.first > mention.first]
    following = [group for group in after if group.bare and group.first > mention.last]
    beside_other = mention.kind == "finding" and bool(after) and after[0].of_other and bool(before or statement.heading)
    if after and not (after[0].focus or beside_other) and _attached(tokens, mention, after[0]):
        return [after[0], *[group for group in following if group is not after[0]]], False
    own = [group for group in before if not group.of_other] or before
    if own and tokens[max(0, mention.first - 1)].known in ("both", "all", "each"):
        return own + following, False  # "bulge at X and protrusion at Y, both compressing ..."
    if own and any(token.known == "where" for token in tokens[own[-1].last : mention.first]):
        return [own[-1]], False  # "largest at X, where it compresses ..."
    if own:
        chosen = [own[-1]]
        for group in own[-2::-1]:
            if not chosen[-1].focus:
                break
            chosen.append(group)
        return chosen + following, chosen[-1].focus
    if statement.heading and not (following and not following[0].focus):
        return following, True
    return [*(following or [group for group in after if not group.of_other][:1] or after[:1])], False


def _attached(tokens: list[Token], mention: Mention, group: LevelGroup) -> bool:
    """Return whether a group after the mention is its place: "stenosis at L4-L5", "bulge, more to the
    left, at L4-L5".
    """
    between = tokens[mention.last + 1 : group.first]
    if mention.kind == "finding":
        return not any(token.role in (*EFFECTS, Word.DENIAL, Word.BUT) or token.text == "\n" for token in between)
    return all(token.role in _BRIDGE or token.text == "(" or token.text.lower() in _BESIDE for token in between)


def _joins(tokens: list[Token], position: int) -> bool:
    """Return whether a token may stand within a group; so may one unknown word, such as a misspelt "and"."""
    token = tokens[position]
    if not token.known and token.text.isalpha():
        return position + 1 < len(tokens) and bool(tokens[position - 1].levels and tokens[position + 1].levels)
    return token.text in ("&", ",", "/", "(", ")", "-") or token.known in (*_JOINS, "to", "till", "through", "down")


def _range_between(words: list[Token], start: str, levels: tuple[str, ...]) -> list[str]:
    """Return `levels`, preceded by those from `start` on where the words between are "to", "till" ..."""
    if any(word.known in ("to", "till", "through") for word in words) and start in LEVELS and levels[0] in LEVELS:
        return list(LEVELS[LEVELS.index(start) : LEVELS.index(levels[0])]) + list(levels)
    return list(levels)


def _describe(tokens: list[Token], first: int, last: int, levels: tuple[str, ...]) -> LevelGroup:
    """Return a group with what the words before it say of it."""
    clause = first
    while clause > 0 and tokens[clause - 1].text not in _CLAUSE_ENDS and tokens[clause - 1].levels is None:
        if tokens[clause - 1].role is Word.BUT:
            break
        clause -= 1
    words = tokens[clause:first]
    content = [token for token in words if token.role not in (*_BRIDGE, Word.MARK, Word.LESSER, Word.MILD, Word.STRONG)]
    content = [token for token in content if token.known not in ("degree", "less", "also")]
    contrasted = clause > 0 and tokens[clause - 1].role is Word.BUT and not any(t.known == "also" for t in words)
    owns = _holds_finding(tokens, last + 1)
    owning = (*EFFECTS, Word.BULGE, Word.OTHER)
    owners = [] if owns and first == clause else [token.role for token in tokens[:first] if token.role in owning]
    focus = any(token.role is Word.FOCUS for token in tokens[max(clause, first - 5) : first])
    return LevelGroup(
        clause,
        first,
        last,
        levels,
        focus=focus,
        bare=not content and clause > 0 and not contrasted and not (_goes_on(tokens, last + 1) or (owns and not focus)),
        lesser=any(token.role is Word.LESSER for token in words),
        of_other=owners[-1:] == [Word.OTHER] or _is_bone(tokens, first, last),
    )


def _holds_finding(tokens: list[Token], start: int) -> bool:
    """Return whether the clause from `start` on has an effect or a finding of its own."""
    for token in tokens[start:]:
        if token.text in _CLAUSE_ENDS or token.role is Word.BUT:
            return False
        if token.role in (*EFFECTS, Word.BULGE):
            return True
    return False


def _goes_on(tokens: list[Token], start: int) -> bool:
    """Return whether a finding that is no stenosis follows the levels: "L4-L5 facet arthropathy"."""
    for token in tokens[start:]:
        if token.role in (*_BRIDGE, Word.MILD, Word.STRONG) or token.known in _JOINS:
            continue
        other = token.role in (Word.OTHER, Word.NORMAL) or token.known == "no"
        return other or token.text.lower().startswith(_FINDINGS)
    return False


def _is_bone(tokens: list[Token], first: int, last: int) -> bool:
    """Return whether the levels are of bone: "narrowed disc space of L5/S1", "end plate changes at L4-L5"."""
    before = [token for token in tokens[max(0, first - 4) : first] if token.role not in _BRIDGE]
    return bool(before) and before[-1].role is Word.BONE
