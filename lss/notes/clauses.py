"""A note cut into statements: one finding with its effect, and the levels and the region it stands under.

Punctuation is no guide in these notes: an effect often stands on the next line, or after a full stop. So a
sentence without a subject of its own ("Compressing the thecal sac", "With spinal canal stenosis") is joined to
the sentence before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from lss.notes.lexicon import Word
from lss.notes.sections import blank_history
from lss.notes.set_aside import set_aside
from lss.notes.tokens import BREAK, EFFECTS, Token, tokenise
from lss.notes.values import only_values


@dataclass
class Statement:
    """One finding with its effect.

    `tokens` hold a `BREAK` mark where sentences were joined. `heading` holds the levels it stands under,
    `elsewhere` whether that is the heading of another region of the body.
    """

    tokens: list[Token]
    heading: tuple[str, ...]
    elsewhere: bool

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels named in it, else those of its heading."""
        return tuple(level for token in self.tokens for level in token.levels or ()) or self.heading


def statements(text: str) -> list[Statement]:
    """Cut a note (cleaned and written out) into statements; sections without findings are left out.

    Headings become properties of the statements under them. A level heading on a line of its own reaches to the
    next statement that names levels; one at the start of a line reaches to the end of that line.
    """
    statements: list[Statement] = []
    heading: tuple[str, ...] = ()
    own_line = elsewhere = after_heading = False
    for tokens, starts_line in _sentences(tokenise(blank_history(text))):
        region = _region_heading(tokens)
        if region is not None:
            elsewhere, heading, after_heading = region, (), True
            continue
        if starts_line and not own_line:
            heading = ()
        named = tuple(level for token in tokens for level in token.levels or ())
        if named and _is_level_heading(tokens):
            heading, own_line, after_heading = named, True, True
            continue
        before = statements[-1].tokens if statements and not after_heading else None
        if before and _gives_values_of(before, tokens):
            before += [Token(BREAK, Word.MARK, "", before[-1].end, before[-1].end), *tokens]
            continue
        stopped = before is not None and bool(set(".;") & set(text[before[-1].end : tokens[0].start]))
        if before and _is_open(before, tokens, stopped):
            before += tokens
            continue
        if before and _lacks_subject(tokens):
            before += [Token(BREAK, Word.MARK, "", before[-1].end, before[-1].end), *tokens]
            continue
        leading = _leading_levels(tokens)
        statements.append(Statement(tokens, leading or heading, elsewhere))
        if leading or not set(named) <= set(heading):
            heading, own_line = leading, False
        after_heading = False
    for statement in statements:
        statement.tokens = set_aside(statement.tokens)
    return statements


def _sentences(tokens: list[Token]) -> list[tuple[list[Token], bool]]:
    """Return the token lists between line ends, full stops, ";" and "//", and whether each one starts a line.

    A colon ends a region's heading; a level followed by a colon starts a sentence.
    """
    sentences: list[tuple[list[Token], bool]] = []
    current: list[Token] = []
    starts_line = True

    def close(next_starts_line: bool) -> None:
        nonlocal current, starts_line
        if any(token.role is not Word.MARK for token in current):
            sentences.append((current, starts_line))
            starts_line = next_starts_line
        current = []
        starts_line = starts_line or next_starts_line

    for index, token in enumerate(tokens):
        if token.text == "\n":
            close(True)
        elif token.text == ";" or token.text.startswith("//") or _is_full_stop(tokens, index):
            close(False)
        elif token.text == ":" and _region_heading(current) is not None:
            close(False)
        else:
            if _begins_anew(tokens, index):
                close(False)
                continue
            if token.levels and current and _starts_level_heading(tokens, index):
                close(False)
            if current or token.role is not Word.MARK or token.text in ("(", "?"):  # bullets are dropped
                current.append(token)
    close(True)
    return sentences


def _begins_anew(tokens: list[Token], index: int) -> bool:
    """Return whether a run-on sentence goes on to another level here: "and at L4-L5 there is ..."."""
    if tokens[index].known != "and" or index + 3 >= len(tokens) or tokens[index + 1].known != "at":
        return False
    return bool(tokens[index + 2].levels) and tokens[index + 3].known in ("there", "the", "a")


def _is_full_stop(tokens: list[Token], index: int) -> bool:
    """Return whether a stop ends a sentence; one after a single letter or Lt/Rt ("C. spine") is an abbreviation's."""
    if tokens[index].text != ".":
        return False
    before = tokens[index - 1] if index else None
    if before is None or before.end != tokens[index].start:
        return True
    return not ((len(before.text) == 1 and before.text.isalpha()) or before.known in ("lt", "rt"))


def _starts_level_heading(tokens: list[Token], index: int) -> bool:
    """Return whether "L4-L5 level:" or "L3-L4, L4-L5:" begins at `index`, and is no part of the phrase before it."""
    if any(token.levels for token in tokens[max(0, index - 2) : index]):
        return False
    if tokens[index - 1].role is Word.PREPOSITION or tokens[index - 1].text == "(":
        return False  # "Dehydrated disc at L4-L5 level:" is one title
    for token in tokens[index:]:
        if token.text == ":":
            return True
        if token.levels is None and token.text.lower() not in ("level", "levels", "and", "&", ",", "/"):
            return False
    return False


def _region_heading(tokens: list[Token]) -> bool | None:
    """Return whether a heading ("C. SPINE MRI", "LSS and pelvis MRI") is of another region; None for no heading.

    A heading that names the lumbar spine too is lumbar.
    """
    words = [token for token in tokens if token.role is not Word.MARK]
    roles = {token.role for token in words}
    # "C SPINE", "D. spine", "L. SPINE": the letter names the region
    letters = [a.text.upper() for a, b in pairwise(words) if b.known == "spine" and len(a.text) == 1]
    lumbar = Word.LUMBAR in roles or "L" in letters
    other = Word.ELSEWHERE in roles or "C" in letters or "D" in letters
    allowed = (Word.LUMBAR, Word.ELSEWHERE, Word.EXAMINATION, Word.PREPOSITION, Word.SIDE, Word.WITH, Word.LINK)
    plain = [
        t
        for t in words
        if t.role not in allowed and len(t.text) > 1 and t.known not in ("contrast", "without", "sacral")
    ]
    if not (lumbar or other) or plain or any(t.levels is not None for t in words):
        return None
    is_title = Word.EXAMINATION in roles or Word.BONE in roles or len(words) <= 3
    return not lumbar if is_title and not {t.known for t in words} & {"noted", "seen", "is", "are"} else None


def _is_level_heading(tokens: list[Token]) -> bool:
    """Return whether a line only names levels, alone or in a title that ends in a colon, and no finding."""
    if any(token.role in (*EFFECTS, Word.BULGE, Word.ABUT, Word.DENIAL, Word.NORMAL) for token in tokens):
        return False
    if tokens[-1].text == ":":
        return True
    return tokens[0].levels is not None and all(
        token.levels is not None or token.role in (Word.MARK, Word.LINK, Word.SIDE) for token in tokens
    )


def _leading_levels(tokens: list[Token]) -> tuple[str, ...]:
    """Return levels a sentence begins with ("At L4-L5 and L5-S1: ...")."""
    named: list[str] = []
    for token in tokens:
        if token.levels:
            named += token.levels
        elif token.role not in (Word.MARK, Word.LINK, Word.PREPOSITION):
            break
    return tuple(named)


def _is_open(before: list[Token], tokens: list[Token], stopped: bool) -> bool:
    """Return whether a line broke off within a phrase: "nerve / root", "compressing / the sac", "root / compression".

    `stopped` says that a full stop or a semicolon stands between: a degree before it closes its sentence.
    """
    last, first = before[-1], tokens[0]
    if last.text in (",", "&", "(") or last.known in ("and", "or", "the", "both") or first.text in ("&", "("):
        return True
    if last.role in (Word.WITH, Word.PREPOSITION, Word.NERVE, Word.EXIT):
        return True
    if not stopped and (last.role in (Word.MILD, Word.STRONG) or last.known in ("spinal", "central", "is", "are", "a")):
        return True
    return first.role in EFFECTS and last.role in (Word.ROOT, Word.SAC, Word.CANAL)


def _lacks_subject(tokens: list[Token]) -> bool:
    """Return whether a sentence only says more of the one before: "Compressing ...", "With ...", "It
    ...", "at L4-L5".
    """
    words = [token for token in tokens if token.role is not Word.MARK]
    while len(words) > 1 and words[0].role in (Word.STRONG, Word.MILD):
        words = words[1:]
    first = words[0]
    if first.role is Word.WITH or first.known in ("it", "this", "they", "these", "and", "or", "as"):
        return True
    if first.role in (*EFFECTS, Word.ABUT):
        return first.known.endswith("ing")
    finds = any(token.role in (*EFFECTS, Word.BULGE, Word.DENIAL, Word.NORMAL, Word.ABUT) for token in words)
    return first.role is Word.PREPOSITION and len(words) > 1 and not finds


def _gives_values_of(before: list[Token], tokens: list[Token]) -> bool:
    """Return whether a sentence only gives degrees by level of what the one before named: "Mild at L3-L4", "L2-L3:
    none".

    "L5-S1: normal" does so only under a title ("Canal stenosis:"); elsewhere it is about the disc.
    """
    if not only_values(tokens) or not any(token.role in EFFECTS for token in before):
        return False
    titled = any(
        token.text in (":", "-")
        and (
            before[index - 1].role in (*EFFECTS, Word.CANAL)
            or before[index - 1].known in ("grading", "grade", "severity")
        )
        for index, token in enumerate(before)
        if index
    )
    return titled or all(token.role is not Word.NORMAL and token.known != "negative" for token in tokens)
