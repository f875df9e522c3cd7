"""Statements about the canal: effects with their objects and strength, denials, findings without effect.

Sources: the project's severity rubric, cited rule by rule; the grade codes of `lss.domain.grades`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lss.domain.grades import worst
from lss.notes.denial import denied_by, denies_degree, questioned
from lss.notes.lexicon import Word
from lss.notes.objects import (
    CORE,
    MAX_GAP,
    ROOT,
    SIDE,
    coordinated,
    is_adjacent,
    leads,
    object_kind,
    objects_left,
    objects_right,
    qualifiers_before,
    qualifiers_of,
    trailing,
)
from lss.notes.pairing import Pair, excepted, exception_at, respective
from lss.notes.tokens import BREAK, EFFECTS, REACH, Token
from lss.notes.values import Value, direct_value, spread_values

WIDE_CANAL_MM = 12.0
"""Sagittal diameter from which on a measured canal is no stenosis; 10 to 12 mm is the usual relative stenosis."""


@dataclass(frozen=True)
class Mention:
    """A statement about the canal: its grade and the tokens it spans, first to last."""

    grade: str
    first: int
    last: int
    kind: str  # "effect", "finding", "denial", "normal"
    levels: tuple[str, ...] | None = None  # its own, where they are stated with its degree; else they are looked for


def mentions(tokens: list[Token]) -> list[Mention]:
    """Return all mentions of a statement, in the order of the text."""
    denied, asked = denied_by(tokens), questioned(tokens)
    asked |= {value.topic for value in _respective_values(tokens)}  # each of its degrees has a level of its own
    candidates = [_mention(tokens, index, denied[index]) for index in range(len(tokens)) if index not in asked]
    candidates += [_of_value(tokens, value) for value in values_by_level(tokens) if value.first not in asked]
    return [mention for mention in candidates if mention is not None]


def values_by_level(tokens: list[Token]) -> list[Value]:
    """Return degrees that have levels of their own, without the ones that follow their noun."""
    taken = {value.first for index in range(len(tokens)) if (value := _value_of(tokens, index))}
    if paired := _respective_values(tokens):
        return paired
    excepted = _excepted_values(tokens)
    taken.update(position for value in excepted for position in range(value.first, value.last + 1))
    spread = [value for value in spread_values(tokens) if not taken & set(range(value.first, value.last + 1))]
    return [*excepted, *spread]


def _respective_values(tokens: list[Token]) -> list[Value]:
    """Return the degrees that "respectively" gives levels of their own, of the sentence's effect."""
    pairs, _ = respective(tokens)
    topic = next((index for index, token in enumerate(tokens) if token.role in EFFECTS), -1)
    return [_paired(tokens, pair, topic, pair.degrees[0]) for pair in pairs] if topic >= 0 else []


def _excepted_values(tokens: list[Token]) -> list[Value]:
    """Return the degrees of the levels that a denial excepts, of the effect it denies."""
    start = exception_at(tokens)
    denied = denied_by(tokens) if start else []
    topics = [index for index in range(start or 0) if tokens[index].role in EFFECTS and denied[index] is not None]
    return [_paired(tokens, pair, topics[-1], int(start or 0)) for pair in excepted(tokens)] if topics else []


def _paired(tokens: list[Token], pair: Pair, topic: int, first: int) -> Value:
    last = max(first, *(index for index, token in enumerate(tokens) if token.levels and index >= first), *pair.degrees)
    return Value(first, last, frozenset(tokens[index].role for index in pair.degrees), topic, pair.levels)


def _value_of(tokens: list[Token], index: int) -> Value | None:
    """Return the degree that follows the effect at `index` and its objects."""
    if tokens[index].role not in EFFECTS:
        return None
    _, right = objects_right(tokens, index)
    last = max([index, *right])
    return direct_value(tokens, last) or (direct_value(tokens, index) if right else None) or _shared(tokens, last)


def _shared(tokens: list[Token], last: int) -> Value | None:
    """Return the denial at the end of a list of titles: "canal stenosis, foraminal stenosis: none"."""
    listed = False
    for index in range(last + 1, min(len(tokens), last + REACH)):
        token = tokens[index]
        if token.text in (":", "-") and listed:
            value = direct_value(tokens, index - 1)
            return value if value is not None and value.is_none else None
        listed |= token.role in EFFECTS
        joint = token.text in (",", "/", "&") or token.known in ("and", "or", "neural", "spinal", "central")
        if not (joint or token.role in EFFECTS or object_kind(tokens, index)):
            return None
    return None


def _of_value(tokens: list[Token], value: Value) -> Mention:
    """Return a degree with levels of its own, as a statement of the effect that was named before."""
    effect = tokens[value.topic]
    right, left = objects_right(tokens, value.topic)[1], objects_left(tokens, value.topic)
    kinds = {object_kind(tokens, position) or CORE for position in left or right} or {CORE}
    if value.is_none:
        return Mention("A", value.first, value.last, "denial", value.levels)
    grade = worst([_grade(effect.role, kind, set(value.roles)) for kind in kinds])
    return Mention(grade or "BC", value.first, value.last, "effect", value.levels)


def _of_label(tokens: list[Token], index: int) -> Mention | None:
    """Read a label with a degree ("Central canal: moderate", "Foramina - severe") as stenosis."""
    kind = object_kind(tokens, index)
    if kind not in (CORE, SIDE) or index + 1 >= len(tokens) or tokens[index + 1].text not in (":", "-", "="):
        return None
    value = direct_value(tokens, index)
    if value is None or value.is_none or not value.roles & {Word.MILD, Word.STRONG}:
        return None
    return Mention(_grade(Word.STENOSIS, kind, set(value.roles)), index, value.last, "effect")


def _mention(tokens: list[Token], index: int, denial: int | None) -> Mention | None:
    """Return what the word at `index` says, if anything; `denial` is the index of the word that denies it."""
    role = tokens[index].role
    if role in EFFECTS:
        return _effect(tokens, index, denial)
    if role is Word.NORMAL:
        return _normal(tokens, index)
    if role is Word.ABUT:  # rubric A: abutting only
        return Mention("A", index, max([index, *objects_right(tokens, index)[1]]), "finding")
    if role is Word.BULGE and denial is None:  # rubric A: a bulge with no effect named
        return Mention("A", index, index, "finding")
    if denial is None:
        return _of_label(tokens, index) or _measured(tokens, index)
    if role is Word.BULGE or _is_disc_lesion(tokens, index):
        return Mention("A", min(denial, index), max(denial, index), "denial")  # rubric A: no herniation
    only_object = not any(token.role in (*EFFECTS, Word.BULGE) for token in tokens[denial : denial + REACH])
    if role is Word.ABNORMALITY or (only_object and object_kind(tokens, index) in (CORE, ROOT)):
        # "No abnormality"; "No significant thecal sac or nerve roots." lost its last word
        return Mention("A", min(denial, index), max(denial, index), "denial")
    return None


def _measured(tokens: list[Token], index: int) -> Mention | None:
    """Read a measured diameter ("diameter of the canal is 13 mm") that is wide enough as an adequate
    canal, of no level.
    """
    near = range(max(0, index - MAX_GAP), min(len(tokens), index + MAX_GAP + 1))
    if not tokens[index].known.startswith(("diameter", "calib", "caliber")):
        return None
    objects = [position for position in near if object_kind(tokens, position) == CORE]
    for position in range(index + 1, min(len(tokens) - 1, index + REACH)):
        if tokens[position].role in EFFECTS or any(token.role in EFFECTS for token in tokens[:index]):
            return None
        if objects and tokens[position + 1].text.lower() == "mm" and tokens[position].text[0].isdigit():
            wide = float(tokens[position].text.replace(",", ".").split("*")[0]) >= WIDE_CANAL_MM
            return Mention("A", min(index, objects[0]), position + 1, "normal") if wide else None
    return None


def _is_disc_lesion(tokens: list[Token], index: int) -> bool:
    """Return whether a disc lesion is meant, as in "no significant disc lesion"."""
    after_disc = index > 0 and tokens[index - 1].known.startswith(("disc", "disk"))
    return after_disc and tokens[index].text.lower() in ("lesion", "lesions", "pathology", "disease")


def _normal(tokens: list[Token], index: int) -> Mention | None:
    """Grade an "adequate spinal canal" with no compression named as A (rubric), without a level."""
    near = range(max(0, index - MAX_GAP), min(len(tokens), index + MAX_GAP + 1))
    for position in near:
        between = tokens[min(position, index) : max(position, index)]
        if any(token.text in (BREAK, ",") for token in between):
            continue
        if object_kind(tokens, position) is not None or tokens[position].known in ("disc", "discs", "disk", "disks"):
            last = max(index, position)
            if position + 1 < len(tokens) and object_kind(tokens, position + 1) is not None:
                last = max(last, position + 1)  # "thecal sac" is two words
            return Mention("A", min(index, position), last, "normal")
        if tokens[position].role is Word.EXAMINATION and tokens[position].known != "spine":
            return Mention("A", min(index, position), max(index, position), "normal")
    return None


def _effect(tokens: list[Token], index: int, denial: int | None) -> Mention | None:
    """Return the effect named at `index` with its objects; None if it is not on the canal or what it holds."""
    token = tokens[index]
    on_bone, right = objects_right(tokens, index)
    left = objects_left(tokens, index)
    if on_bone and (not right or tokens[on_bone].known.startswith("fracture")):
        return None  # rubric: compression fractures, narrow disc spaces are no stenosis
    use_left = bool(left) and (not right or is_adjacent(tokens, left[-1], index)) and not leads(tokens, index, right)
    objects = left if use_left else right
    if denial is not None:
        if denies_degree(tokens, denial, index):
            return None
        first = min([denial, index, *objects])
        return Mention("A", first, max([index, *objects]), "denial") if objects or token.role is not Word.FILL else None
    value = None if qualifiers_before(tokens, min([index, *objects])) else _value_of(tokens, index)
    if value is not None and value.is_none:
        return Mention("A", min([index, *objects]), value.last, "denial")
    if value is None and token.known != "schizas" and any(t.known == "schizas" for t in tokens[index + 1 : index + 4]):
        return None  # "stenosis by Schizas: L3-L4 C": the letters say how much
    aside = value is None and degree_aside(tokens, index)
    if not objects:
        return None if aside and not _degrees_of(tokens, index) else _without_object(tokens, index, value)
    first, last = min(index, objects[0]), max(index, objects[-1])
    grades = []
    for position in objects:
        qualifiers = set(value.roles) if value else qualifiers_of(tokens, position, index)
        if aside and not qualifiers:
            continue
        grades.append(_grade(token.role, str(object_kind(tokens, position)), qualifiers))
    while first > 0 and tokens[first - 1].role in (Word.MILD, Word.STRONG):
        first -= 1
    last = max(last, value.last) if value else last
    grade = worst(grades)  # None: all its degrees are set aside
    return Mention(grade, first, last, "effect") if grade else None


def _degrees_of(tokens: list[Token], index: int) -> set[Word]:
    return trailing(tokens, index) or qualifiers_before(tokens, index)


def degree_aside(tokens: list[Token], index: int) -> list[int]:
    """Return the indices of words set aside (`lss.notes.set_aside`) between the effects before and after this one."""
    first = last = index
    while first > max(0, index - REACH) and tokens[first - 1].role not in EFFECTS and tokens[first - 1].text != BREAK:
        first -= 1
    end = min(len(tokens), index + REACH)
    while last + 1 < end and tokens[last + 1].role not in EFFECTS and tokens[last + 1].text != BREAK:
        last += 1
    return [position for position in range(first, last + 1) if tokens[position].role is Word.ASIDE]


def _without_object(tokens: list[Token], index: int, value: Value | None) -> Mention | None:
    """Return an effect whose object was left out.

    "... compressed at L4-L5 and largely compressed at L5-S1" means the object before; stenosis by itself is of the
    canal; a disc that compresses, compresses the sac.
    """
    qualifiers = set(value.roles) if value else _degrees_of(tokens, index)
    kind = CORE if tokens[index].role is Word.STENOSIS and tokens[index].known != "tight" else None
    if kind is None:
        first = index
        while first > 0 and (
            tokens[first - 1].role in (Word.MILD, Word.STRONG) or tokens[first - 1].known in ("is", "are")
        ):
            first -= 1
        if first > 2 and tokens[first - 1].known == "with":
            kind = object_kind(tokens, first - 2)  # "trefoil canal with mild narrowing"
        elif first > 0 and coordinated(tokens, first):
            before = [object_kind(tokens, position) for position in range(max(0, first - REACH), first)]
            kind = next((object_kind for object_kind in reversed(before) if object_kind), None)
        if kind is None and tokens[index].role is Word.NARROW:
            kind = _kind_before(tokens, index)
    near_vertebra = any(token.levels == () for token in tokens[max(0, index - 2) : index + 4])
    by_disc = (
        any(token.role is Word.BULGE for token in tokens[max(0, index - REACH) : index + REACH]) and not near_vertebra
    )
    if kind is None and by_disc and tokens[index].known.startswith(("compress", "encroach")):
        kind = CORE
    last = value.last if value else index
    return Mention(_grade(tokens[index].role, kind, qualifiers), index, last, "effect") if kind else None


_BEFORE_NARROWING = (Word.MILD, Word.STRONG, Word.MARK, Word.LINK, Word.BUT, Word.NORMAL)


def _kind_before(tokens: list[Token], index: int) -> str | None:
    """Return what the effect named before is on, if only degrees and marks stand between: "no severe canal stenosis;
    mild narrowing only".
    """
    for position in range(index - 1, max(-1, index - REACH), -1):
        token = tokens[position]
        if token.role in EFFECTS:
            kinds = [object_kind(tokens, other) for other in (*objects_left(tokens, position), position)]
            return next((kind for kind in kinds if kind), CORE if token.role is Word.STENOSIS else None)
        if (kind := object_kind(tokens, position)) is not None:
            return kind
        if token.role not in _BEFORE_NARROWING and token.known != "only":
            return None
    return None


def _grade(effect: Word, kind: str, qualifiers: set[Word]) -> str:
    """Grade of an effect on one kind of object under its qualifiers."""
    if kind == SIDE:
        return "BC"  # rubric: foramen, exit canal, recess or CSF space alone, however strong the word
    if effect is Word.STENOSIS:
        mild = Word.MILD in qualifiers and Word.STRONG not in qualifiers  # "moderate to severe" is D
        return "BC" if mild else "D"  # rubric: stated as present, unless mild, moderate or relative
    if effect is Word.FILL and kind == CORE:
        return "BC" if Word.MILD in qualifiers else "D"  # rubric: filling or obliterating the sac or canal
    return "D" if Word.STRONG in qualifiers else "BC"
