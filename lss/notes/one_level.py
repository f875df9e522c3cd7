"""A statement of a note narrowed to one disc: what a text about one image may take from a note on the whole spine."""

from __future__ import annotations

from dataclasses import replace

from lss.notes.clauses import Statement
from lss.notes.level_names import vertebrae
from lss.notes.lexicon import Word
from lss.notes.placing import LevelGroup, level_groups
from lss.notes.tokens import EFFECTS, Token

_LEVEL_WORDS = ("level", "levels", "leve", "lev")
_SINGULAR = {"bulges": "bulge", "protrusions": "protrusion", "extrusions": "extrusion", "herniations": "herniation"}
_ORGANS = {"renal", "kidney", "kidneys", "ovarian", "ovary", "adnexal", "adnexa", "uterine", "uterus", "fibroid",
           "fibroids", "hepatic", "liver", "gallbladder", "prostate", "prostatic", "testicular"}  # fmt: skip


def shown_elsewhere(statement: Statement, level: str) -> bool:
    """Return whether a statement that names no disc is about what an image at `level` does not show.

    Of findings on the canal: none of the vertebrae named borders the disc ("lesion behind L1 compressing the sac" at
    L4-L5). Of others: one of them does not ("hemangioma of L2" at L4-L5, "spondylolisthesis of L4 over L5" at L3-L4),
    or it is another organ ("small left renal cyst").
    """
    tokens = statement.tokens
    if statement.levels:
        return False
    border = set(level.split("-"))
    named = {name for token in tokens if token.levels == () for name in vertebrae(token.text)} - {"T1", "T2"}
    if any(token.role in (*EFFECTS, Word.BULGE, Word.DENIAL) for token in tokens):
        return bool(named) and not named & border
    return not named <= border or any(token.text.lower() in _ORGANS for token in tokens)


def narrow(statement: Statement, level: str) -> Statement:
    """Return the statement without the other levels that it names beside `level`.

    "Disc bulges at L3-L4 and L4-L5 levels, mainly at L4-L5, compressing the sac" at L3-L4 becomes "Disc bulge at L3-L4
    level, compressing the sac". A level stays where its statement cannot be separated from the rest ("bulge at L3-L4
    and protrusion at L4-L5, both compressing the sac"), and so do those of a statement that does not name `level`.

    Tokens keep their offsets, so that the text between them is the note's; a token that stands for several spans them.
    """
    heading = (level,) if level in statement.heading else statement.heading
    groups = level_groups(statement.tokens)
    before = {*statement.heading, *(name for group in groups for name in group.levels)}
    if level not in before:
        return statement
    tokens = list(statement.tokens)
    for group in reversed(groups):
        if level in group.levels:
            first, last = tokens[group.first], tokens[group.last]
            tokens[group.first : group.last + 1] = [Token(level, Word.PLAIN, "", first.start, last.end, (level,))]
        elif group.bare:
            _cut(tokens, group)
    if {*heading, *(name for token in tokens for name in token.levels or ())} == {level} != before:
        tokens = [_singular(token) for token in tokens]
    return Statement(tokens, heading, statement.elsewhere)


def _cut(tokens: list[Token], group: LevelGroup) -> None:
    """Take out a clause that only says where: ", noticeably at L4-L5 level"."""
    first, last = group.clause, group.last
    while last + 1 < len(tokens) and tokens[last + 1].known in _LEVEL_WORDS:
        last += 1
    if first > 1 and tokens[first - 1].text == ",":
        first -= 1
    tokens[first - 1] = replace(tokens[first - 1], end=tokens[last].end)
    del tokens[first : last + 1]


def _singular(token: Token) -> Token:
    word = _SINGULAR.get(token.known, "level" if token.known == "levels" else "")
    return replace(token, text=word.capitalize() if token.text[0].isupper() else word, known=word) if word else token
