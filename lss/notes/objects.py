"""What an effect acts on, and how strongly: the noun phrases and qualifiers around it."""

from __future__ import annotations

from lss.notes.lexicon import BELOW_SEVERE, BOUNDS, Word
from lss.notes.tokens import BREAK, EFFECTS, REACH, Token

CORE, ROOT, SIDE = "core", "root", "side"
"""Objects: sac, cord or spinal canal; nerve root; exit canal, foramen, lateral recess or CSF space."""

_MODIFIERS = (Word.LINK, Word.SIDE, Word.LUMBAR, Word.EXIT, Word.NERVE, Word.MILD, Word.STRONG, Word.LESSER, Word.PAST,
              Word.ASIDE)  # fmt: skip
_OBJECTS = (Word.SAC, Word.CANAL, Word.FORAMEN, Word.ROOT, Word.CSF)
_RIGHT_STOPS = (
    Word.DENIAL,
    Word.BUT,
    Word.WITH,
    Word.BULGE,
    Word.ABUT,
    Word.NORMAL,
    Word.OTHER,
    Word.FOCUS,
    Word.ADVICE,
)
_BETWEEN_OBJECT_AND_EFFECT = (
    "at",
    "nearly",
    "almost",
    "is",
    "are",
    "was",
    "appears",
    "appeared",
    "still",
    "space",
    "spaces",
)
MAX_GAP = 4
"""Words without a role that may stand between an effect and its object."""


def object_kind(tokens: list[Token], index: int) -> str | None:
    """Return CORE, ROOT or SIDE for the head of an object, else None (also for "nerve" of "nerve root")."""
    role, known = tokens[index].role, tokens[index].known
    following = tokens[index + 1].role if index + 1 < len(tokens) else Word.MARK
    if role is Word.SAC:
        return CORE
    if role is Word.CANAL:
        before = tokens[max(0, index - 3) : index]
        while any(token.text in ("&", ",", BREAK) or token.known in ("and", "or") for token in before):
            before = before[1:]
        if any(token.known == "sacral" for token in before):
            return None
        exit_words = (Word.EXIT, Word.NERVE, Word.ROOT, Word.FORAMINAL)
        lateral = known == "canals" or bool(before and before[-1].known == "lateral")
        return SIDE if lateral or any(token.role in exit_words for token in before) else CORE
    if role in (Word.FORAMEN, Word.CSF):
        return SIDE
    if role is Word.FORAMINAL or known in ("central", "spinal"):
        side = SIDE if role is Word.FORAMINAL else CORE
        return side if _qualifies_effect(tokens, index) else None
    if role is Word.EXIT and known == "neural" and following in EFFECTS:
        return ROOT if following is Word.PRESS else SIDE
    if role is Word.ROOT and following is not Word.CANAL:
        return ROOT
    if role is Word.NERVE and following not in (Word.ROOT, Word.CANAL, Word.EXIT):
        return ROOT
    if role is Word.EXIT and known.startswith("exit") and following in (Word.MARK, Word.WITH, Word.PREPOSITION):
        return SIDE  # "encroaching both exits"
    return None


def _qualifies_effect(tokens: list[Token], index: int) -> bool:
    """Return whether an adjective is of a stenosis: "severe central and moderate foraminal stenosis"."""
    for token in tokens[index + 1 : index + 8]:
        if token.role in (Word.NARROW, Word.STENOSIS):
            return True
        if token.role in (Word.CANAL, Word.FORAMEN, Word.EXIT) and token.known != "neural":
            return False
        if token.role not in (*_MODIFIERS, Word.FORAMINAL) and token.text not in (",", "/", "&", "-"):
            return False
    return False


def objects_right(tokens: list[Token], index: int) -> tuple[int, list[int]]:
    """Return objects after the effect ("compressing the sac and roots"), and the bone that stands
    first there (or 0).
    """
    objects: list[int] = []
    bone = gap = 0
    for position in range(index + 1, min(len(tokens), index + REACH)):
        token = tokens[position]
        if token.text in (BREAK, ":", "|") or token.role in _RIGHT_STOPS or (token.levels and objects):
            break
        if token.role in EFFECTS and (objects or not coordinated(tokens, position)):
            break
        if token.text == "," and not _object_follows(tokens, position + 1, bool(objects)):
            break
        if object_kind(tokens, position) is not None:
            objects.append(position)
            gap = 0
        elif token.role is Word.BONE and not objects and tokens[position - 1].role is not Word.CSF:
            place = any(t.known in ("at", "by", "in") for t in tokens[index + 1 : position])
            bone = bone or (0 if place else position)  # "stenosis at the disc level"
        elif token.role is Word.PLAIN and token.levels is None:
            gap += 1
            if gap > MAX_GAP:
                break
    return bone, objects


def coordinated(tokens: list[Token], position: int) -> bool:
    """Return whether the effect at `position` shares the objects of the one before: "compressing and
    filling the sac".
    """
    return tokens[position - 1].text in ("&", ",", "/") or tokens[position - 1].known in ("and", "or")


def _object_follows(tokens: list[Token], index: int, in_list: bool) -> bool:
    """Return whether after a comma comes another object, or (before the first object) another effect."""
    for token_index in range(index, min(len(tokens), index + REACH)):
        if object_kind(tokens, token_index) is not None:
            return in_list
        if tokens[token_index].role in EFFECTS:
            return not in_list
        if tokens[token_index].role not in _MODIFIERS and tokens[token_index].levels != ():
            return False
    return False


def objects_left(tokens: list[Token], index: int) -> list[int]:
    """Return objects before the effect ("thecal sac or nerve root compression", "the canal is narrowed"), in order."""
    objects: list[int] = []
    for position in range(index - 1, max(-1, index - REACH), -1):
        token = tokens[position]
        if object_kind(tokens, position) is not None:
            objects.append(position)
        elif token.text == ",":
            if not objects or position == 0 or object_kind(tokens, position - 1) is None:
                break
        elif token.text in ("(", ")", "&", "/", "-"):
            continue
        elif token.levels and objects == [] and tokens[position - 1].known == "at":
            continue  # "the canal at L4-L5 is narrowed"
        elif token.known == "at" and not objects and tokens[position + 1].levels:
            continue
        elif token.text in (":", "|") and not objects and object_kind(tokens, position - 1) is not None:
            continue  # "Foramina: moderate narrowing"
        elif token.role not in (*_MODIFIERS, Word.CSF) and token.known != "spaces" and token.known != "space":
            if not token.text.lower().endswith("ly"):
                break
    return objects[::-1]


def is_adjacent(tokens: list[Token], position: int, index: int) -> bool:
    """Return whether only qualifiers and forms of "to be" stand between an object and the effect after it."""
    between = tokens[position + 1 : index]
    qualifiers = (Word.MILD, Word.STRONG, Word.LESSER, Word.PAST, Word.ASIDE)
    return all(
        token.role in qualifiers
        or token.known in _BETWEEN_OBJECT_AND_EFFECT
        or token.levels
        or token.text in (":", "-")
        for token in between
    )


def leads(tokens: list[Token], index: int, right: list[int]) -> bool:
    """Return whether the effect takes the object right after it: "(sac,) narrowing the foramen"."""
    if not right:
        return False
    between = tokens[index + 1 : right[0]]
    return all(
        token.role in _MODIFIERS or token.known in ("of", "upon", "on") or token.levels == () for token in between
    )


def qualifiers_of(tokens: list[Token], position: int, index: int) -> set[Word]:
    """Return qualifiers (`Word.MILD`, `Word.STRONG`) of the effect at `index` that concern the object at `position`.

    The nearest ones count: those between effect and object, else those that close the phrase, else those before it.
    """
    first, last = min(position, index), max(position, index)
    if position < index:  # "significant sac and mild root compression": "mild" is of the roots
        first_inner = max(other for other in range(position, index) if object_kind(tokens, other)) + 1
    else:
        first_inner = index + 1
    inner = {token.role for token in tokens[first_inner:last]} & {Word.MILD, Word.STRONG}
    return inner or trailing(tokens, last) or qualifiers_before(tokens, first)


def qualifiers_before(tokens: list[Token], index: int) -> set[Word]:
    """Return qualifiers in front of the phrase that begins at `index`, with an effect or an object.

    From an object the search passes the other objects of its list ("significant sac and root compression"), from an
    effect the effects it is joined to ("largely compressing and filling"), but neither passes the other kind:
    "largely encroaching on the exit canals and compressing the sac" says nothing strong of the sac.
    """
    same_kind = EFFECTS if tokens[index].role in EFFECTS else (*_OBJECTS, Word.FORAMINAL)
    qualifiers: set[Word] = set()
    named = False
    for position in range(index - 1, max(-1, index - REACH - 1), -1):
        token = tokens[position]
        if token.role in (Word.MILD, Word.STRONG):
            qualifiers.add(token.role)
        elif qualifiers and token.known not in ("to", "and", "or", "moderate", "secondary"):
            break
        elif token.levels and not qualifiers:
            named = True
            continue  # "mild L4-L5 canal stenosis"
        elif token.text == "," and not qualifiers and tokens[position - 1].known in BELOW_SEVERE:
            continue  # "moderate, but not severe, canal stenosis"
        elif token.known in ("at", "in") and not qualifiers and named:
            continue  # "mild at L4-L5 canal stenosis"
        elif token.role not in (*_MODIFIERS, *same_kind) and token.text not in ("&", "(", ")", "/"):
            if token.known not in ("to", "degenerative") and not token.text.lower().endswith("ly"):
                break
    return qualifiers


def trailing(tokens: list[Token], position: int) -> set[Word]:
    """Return a qualifier that closes the phrase: "compressing the sac markedly", "stenosis (mild)",
    "of mild degree".
    """
    after = [
        token
        for token in tokens[position + 1 : position + 9]
        if token.text not in ("(", ")", "-", "of", "in", "a") and token.known not in BOUNDS
    ]
    is_degree = [token.role in (Word.MILD, Word.STRONG) for token in after]
    run = 0
    while any(is_degree[run : run + 1]) or (run and any(is_degree[run + 1 : run + 2]) and after[run].known == "to"):
        run += 1
    if not run:
        return set()
    end = after[run] if run < len(after) else None
    degrees = {token.role for token in after[:run]} & {Word.MILD, Word.STRONG}
    closes = end is None or end.known in ("degree", "form", "severity") or end.role in (Word.MARK, Word.WITH)
    closes = closes or (Word.STRONG not in degrees and end is not None and end.role is Word.PREPOSITION)
    return degrees if closes else set()
