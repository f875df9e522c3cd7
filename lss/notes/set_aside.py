"""Degrees that are not the present one, set aside before a statement is read.

Four kinds: degrees of an earlier time ("previously severe, now mild", "improved from severe to moderate", "severe in
2019"), degrees another one is set against ("moderate rather than severe"), degrees of a scale that is not named
("grade 2 stenosis"), and two degrees between which a note leaves the choice ("mild or severe", "Schizas A/B"). An
effect with no other degree says nothing of today's grade (`lss.notes.doubt` names it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from lss.notes.lexicon import CHANGES, Word
from lss.notes.pairing import respective
from lss.notes.tokens import BREAK, EFFECTS, REACH, Token

_DEGREES = (Word.MILD, Word.STRONG)
_EARLIER = re.compile(
    r"\b(?:(?:on|in|at|by|from) )?(?:(?:the|an|a|this|his|her) )?(?:prior|previous|earlier|preceding|last|old|outside)"
    r" (?:(?:lumbar|spine|mri|mr|ct) )*(?:study|exam|examination|mri|mr|ct|scan|imaging|report|film|films|one|year)\b"
    r"|\b(?:preoperatively|before(?= (?:the )?(?:surgery|operation|decompression|laminectomy)\b|$))"
    r"|\b\w+ (?:years?|months?) ago\b"
)
"""What places a clause in the past, in lower-case words with single blanks."""
_DATE = re.compile(r"\bin (?:[a-z]+ )?(?:(?:19|20)\d\d\b|\[ date \])")
"""What does so where the note also tells of another time; by itself it may be the examination's own date."""
_COMPARES = re.compile(
    r"\b(?:as|unchanged|stable|similar|same|since|compared|comparison|than|persist\w*|again|remain\w*|still|change|new)\b"
)
"""What only compares with it: "severe as before", "unchanged from the previous study"."""
_PRIOR = ("to", "with", "the", "a", "prior", "previous", "earlier", "last", "study", "exam", "examination", "mri",
          "scan", "one", "surgery", "[", "date", "]")  # fmt: skip
_NOW = ("now", "today", "currently", "presently")
_CALLED = ("as", "reported", "graded", "rated", "described", "classified", "called", "was", "were", "been", "a", "an")
_PARTS = (*_DEGREES, Word.WITH, Word.BULGE, Word.OTHER)
"""Roles that part a change from the degree it leads to."""
_SET_AGAINST = ("rather than", "instead of", "as opposed to")
_FIGURE = re.compile(r"\d|[iv]{1,3}|[a-d]", re.IGNORECASE)
_OF_NOUN = (Word.SIDE, Word.LUMBAR, Word.CANAL, Word.FORAMINAL, Word.FORAMEN, Word.EXIT, Word.SAC, Word.LINK)


def set_aside(tokens: list[Token]) -> list[Token]:
    """Return the tokens of a statement, those degrees that do not hold today with the role `Word.ASIDE`."""
    aside = {*_called_earlier(tokens), *_in_the_past(tokens), *_changed(tokens), *_set_against(tokens)}
    aside.update(_unnamed_scale(tokens))
    aside.update(_undecided(tokens))
    aside.update(respective(tokens)[1])
    aside.update(_not_severe(tokens))
    tokens = [replace(token, role=Word.ASIDE) if index in aside else token for index, token in enumerate(tokens)]
    compared = set(_compared(tokens))
    return [replace(token, role=Word.LINK) if index in compared else token for index, token in enumerate(tokens)]


def _compared(tokens: list[Token]) -> Iterable[int]:
    """Find "since the prior study", "compared to 2019": they may stand between a stenosis and its degree."""
    for index, token in enumerate(tokens):
        if token.text.lower() not in ("since", "compared"):
            continue
        last = index + 1
        while last < len(tokens) and tokens[last].text.lower() in _PRIOR:
            last += 1
        if last > index + 1:
            yield from (place for place in range(index, last) if tokens[place].role is not Word.ASIDE)


def _is_degree(token: Token) -> bool:
    return token.role in _DEGREES


def _changes(token: Token) -> bool:
    return token.text.lower().startswith(CHANGES)


def _bounds(token: Token) -> bool:
    """Return whether a clause about one time ends here."""
    marks = (",", "(", ")", ":", ";", BREAK)
    return token.text in marks or token.role is Word.BUT or token.known in _NOW or _changes(token)


def _degrees_from(tokens: list[Token], start: int) -> list[int]:
    """Return the degrees that stand in a row from `start` on ("mild to moderate"); [] where another word does."""
    found: list[int] = []
    for index in range(start, len(tokens)):
        if _is_degree(tokens[index]):
            found.append(index)
        elif not found or not (tokens[index].known in ("to", "or", "and") or tokens[index].text in ("-", "–", "/")):
            break
    return found


def _called_earlier(tokens: list[Token]) -> Iterable[int]:
    """Find what "previously" goes with: "previously (reported as) severe", "previously compressing the root"."""
    for index, token in enumerate(tokens):
        if token.role is not Word.PAST:
            continue
        start = index + 1
        while start < len(tokens) and tokens[start].known in _CALLED:
            start += 1
        yield from _degrees_from(tokens, start)
        if start < len(tokens) and tokens[start].role in EFFECTS and not tokens[start].known.startswith("steno"):
            yield start


def _in_the_past(tokens: list[Token]) -> Iterable[int]:
    """Find the degrees of a clause that is placed in the past, and the words that place it there."""
    two_times = any(token.known in _NOW or _changes(token) for token in tokens)
    first = 0
    for last in range(len(tokens) + 1):
        if last < len(tokens) and not (_bounds(tokens[last]) or tokens[last].known == "and"):
            continue
        clause = tokens[first:last]
        words = " ".join(token.text.lower() for token in clause)
        was = any(token.known in ("was", "were", "had") for token in clause)
        spans = [match.span() for match in _EARLIER.finditer(words)]
        if was or two_times:
            spans += [match.span() for match in _DATE.finditer(words)]
        past = (was and any(token.text.lower() == "when" for token in clause)) or (
            spans and not _COMPARES.search(words)
        )
        if past and any(map(_is_degree, clause)):
            start = 0
            for place, token in enumerate(clause):
                if _is_degree(token) or any(begin <= start < end for begin, end in spans):
                    yield first + place
                start += len(token.text) + 1
        first = last + 1


def _changed(tokens: list[Token]) -> Iterable[int]:
    """Find what a change left behind: "severe ... has improved to mild", "from mild to severe", "was mild, now ..."."""
    for index, token in enumerate(tokens):
        if token.known in _NOW:
            if _states_degree(tokens, index + 1):
                yield from _left_behind(tokens, index, only_past=True)
        elif _changes(token):
            start = index + 1
            while start < len(tokens) and tokens[start].known not in ("from", "to", "into", "and"):
                if tokens[start].text in (",", BREAK) or tokens[start].role in _PARTS:
                    break
                start += 1
            if start < len(tokens) and tokens[start].known == "from":
                left = _first_degree(tokens, start + 1)
                yield from (start, *left) if left else ()
                start = left[0] + 1 if left else start
            becomes = token.text.lower().startswith(("becom", "became"))
            known = tokens[start].known if start < len(tokens) else ""
            is_now = known == "and" and start + 1 < len(tokens) and tokens[start + 1].known in ("is", "are", *_NOW)
            if (becomes or is_now or known in ("to", "into")) and _states_degree(
                tokens, start if becomes else start + 1
            ):
                yield from _left_behind(tokens, index, only_past=False)


def _first_degree(tokens: list[Token], start: int) -> list[int]:
    """Return the index of the degree after "from", over "a" and "the"."""
    while start < len(tokens) and tokens[start].known in ("a", "the", "being"):
        start += 1
    return [start] if start < len(tokens) and _is_degree(tokens[start]) else []


def _states_degree(tokens: list[Token], start: int) -> bool:
    """Return whether a degree, or that there is nothing, comes next."""
    while start < len(tokens) and (tokens[start].role is Word.LINK or tokens[start].known == "only"):
        start += 1
    return start < len(tokens) and (_is_degree(tokens[start]) or tokens[start].role in (Word.DENIAL, Word.NORMAL))


def _left_behind(tokens: list[Token], index: int, only_past: bool) -> list[int]:
    """Return the degrees of the clause before `index`, to the clause of another level; with `only_past` none, unless
    a word of the past stands there.
    """
    found: list[int] = []
    named, past = False, not only_past
    for position in range(index - 1, max(-1, index - REACH), -1):
        token = tokens[position]
        if token.text == BREAK or (token.text == "," and named and found == []):
            break
        named |= bool(token.levels)
        past |= token.role is Word.PAST or token.known in ("was", "were")
        if _is_degree(token):
            found.append(position)
    return found if past else []


def _set_against(tokens: list[Token]) -> Iterable[int]:
    """Find degrees after "rather than"."""
    for index, token in enumerate(tokens):
        if token.known in _SET_AGAINST:
            degrees = _degrees_from(tokens, index + 1)
            yield from ([index, *degrees] if degrees else [])


def _not_severe(tokens: list[Token]) -> Iterable[int]:
    """Find "not severe" where no stenosis is presupposed: "there is not severe stenosis"."""
    for index, token in enumerate(tokens):
        if token.known in ("not severe", "no longer severe") and (index == 0 or _known(tokens, index - 2) == "there"):
            yield index


def _known(tokens: list[Token], index: int) -> str:
    return tokens[index].known if index >= 0 else ""


def _unnamed_scale(tokens: list[Token]) -> Iterable[int]:
    """Find figures and letters of a scale on a stenosis, unless it is Schizas': "grade 2/3 stenosis"."""
    for index, token in enumerate(tokens):
        is_grade = token.text.lower() in ("grade", "graded", "type", "class") and index + 1 < len(tokens)
        first = index + 1 if is_grade else index
        if not is_grade and not (token.text.isdigit() and _slash_figure(tokens, index)):
            continue
        if not _FIGURE.fullmatch(tokens[first].text) or tokens[first].known.startswith("schizas"):
            continue
        last = first + 2 if _slash_figure(tokens, first) else first
        if _of_stenosis(tokens, range(last + 1, len(tokens))) or _of_stenosis(tokens, range(index - 1, -1, -1)):
            yield from range(index, last + 1)


def _slash_figure(tokens: list[Token], index: int) -> bool:
    """Return whether "/3" or "-3" follows."""
    pair = tokens[index + 1 : index + 3]
    return len(pair) == 2 and pair[0].text in ("/", "-", "–") and bool(_FIGURE.fullmatch(pair[1].text))


def _of_stenosis(tokens: list[Token], positions: range) -> bool:
    """Return whether a stenosis comes first in that direction, but for its own noun phrase."""
    for position in positions:
        token = tokens[position]
        if token.role in (Word.STENOSIS, Word.NARROW):
            return True
        own = token.role in (*_OF_NOUN, *_DEGREES, Word.PREPOSITION) or token.levels or token.text in (":", "(", ")")
        if not own and not (positions.step < 0 and token.text == ","):
            return False
    return False


def _undecided(tokens: list[Token]) -> Iterable[int]:
    """Find two degrees of unlike grades with "or" between them, or two letters of Schizas' with "/"."""
    for index in range(1, len(tokens) - 1):
        before, joint, after = tokens[index - 1 : index + 2]
        letters = before.known.startswith("schizas ") and after.known.startswith("schizas ")
        if before.role is after.role or not (letters or (_is_degree(before) and _is_degree(after))):
            continue
        if any(token.role in (Word.FORAMINAL, Word.FORAMEN) for token in tokens[index + 2 : index + 5]):
            continue  # rubric: B&C either way
        if joint.text.lower() in (("/", "-", "–", "to") if letters else ("or",)):
            yield from (index - 1, index + 1)
