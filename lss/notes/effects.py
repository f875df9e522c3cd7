"""What one statement says of the canal: effects with their objects and strength, denials, findings without effect.

Sources: the project's severity rubric, cited rule by rule; the grade codes of `lss.grades`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lss.grades import worst
from lss.notes.clauses import BREAK, EFFECTS, REACH, Token
from lss.notes.denial import denied_by
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


@dataclass(frozen=True)
class Mention:
    """Something said of the canal: its grade and the tokens it spans, first to last."""

    grade: str
    first: int
    last: int
    kind: str  # "effect", "finding", "denial", "normal"


def mentions(tokens: list[Token]) -> list[Mention]:
    """All mentions of a statement, in the order of the text."""
    denied = denied_by(tokens)
    found = (_mention(tokens, index, denied[index]) for index in range(len(tokens)))
    return [mention for mention in found if mention is not None]


def _mention(tokens: list[Token], index: int, denial: int | None) -> Mention | None:
    """What the word at `index` says, if anything; `denial` is the index of the word that denies it."""
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
        return None
    if role is Word.BULGE or _is_disc_lesion(tokens, index):
        return Mention("A", min(denial, index), max(denial, index), "denial")  # rubric A: no herniation
    alone = not any(token.role in (*EFFECTS, Word.BULGE) for token in tokens[denial : denial + REACH])
    if role is Word.ABNORMALITY or (alone and object_kind(tokens, index) in (CORE, ROOT)):
        # "No abnormality"; "No significant thecal sac or nerve roots." lost its last word
        return Mention("A", min(denial, index), max(denial, index), "denial")
    return None


def _is_disc_lesion(tokens: list[Token], index: int) -> bool:
    """ "No significant disc lesion"."""
    after_disc = index > 0 and tokens[index - 1].known.startswith(("disc", "disk"))
    return after_disc and tokens[index].text.lower() in ("lesion", "lesions", "pathology", "disease")


def _normal(tokens: list[Token], index: int) -> Mention | None:
    """Rubric A: "adequate spinal canal" with no compression named; says nothing of a single level."""
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
    """The effect named at `index` with its objects; None if it is not on the canal or what it holds."""
    token = tokens[index]
    on_bone, right = objects_right(tokens, index)
    left = objects_left(tokens, index)
    if on_bone and (not right or tokens[on_bone].known.startswith("fracture")):
        return None  # rubric: compression fractures, narrow disc spaces are no stenosis
    use_left = bool(left) and (not right or is_adjacent(tokens, left[-1], index)) and not leads(tokens, index, right)
    objects = left if use_left else right
    if denial is not None:
        first = min([denial, index, *objects])
        return Mention("A", first, max([index, *objects]), "denial") if objects or token.role is not Word.FILL else None
    if not objects:
        return _without_object(tokens, index)
    first, last = min(index, objects[0]), max(index, objects[-1])
    grades = []
    for position in objects:
        qualifiers = qualifiers_of(tokens, position, index)
        grades.append(_grade(token.role, str(object_kind(tokens, position)), qualifiers))
    while first > 0 and tokens[first - 1].role in (Word.MILD, Word.STRONG):
        first -= 1
    grade = worst(grades)
    return Mention(grade, first, last, "effect") if grade else None


def _without_object(tokens: list[Token], index: int) -> Mention | None:
    """An effect whose object was left out.

    "... compressed at L4-L5 and largely compressed at L5-S1" means the object before; stenosis by itself is of the
    canal; a disc that compresses, compresses the sac.
    """
    qualifiers = trailing(tokens, index) or qualifiers_before(tokens, index)
    kind = CORE if tokens[index].role is Word.STENOSIS else None
    if kind is None:
        first = index
        while first > 0 and tokens[first - 1].role in (Word.MILD, Word.STRONG):
            first -= 1
        if first > 0 and coordinated(tokens, first):
            before = [object_kind(tokens, position) for position in range(max(0, first - REACH), first)]
            kind = next((object_kind for object_kind in reversed(before) if object_kind), None)
    near_vertebra = any(token.levels == () for token in tokens[max(0, index - 2) : index + 4])
    by_disc = (
        any(token.role is Word.BULGE for token in tokens[max(0, index - REACH) : index + REACH]) and not near_vertebra
    )
    if kind is None and by_disc and tokens[index].known.startswith(("compress", "encroach")):
        kind = CORE
    return Mention(_grade(tokens[index].role, kind, qualifiers), index, index, "effect") if kind else None


def _grade(effect: Word, kind: str, qualifiers: set[Word]) -> str:
    """Grade of an effect on one kind of object under its qualifiers."""
    if kind == SIDE:
        return "BC"  # rubric: foramen, exit canal, recess or CSF space alone, however strong the word
    if effect is Word.STENOSIS:
        return "BC" if Word.MILD in qualifiers else "D"  # rubric: stated as present, unless mild or relative
    if effect is Word.FILL and kind == CORE:
        return "BC" if Word.MILD in qualifiers else "D"  # rubric: filling or obliterating the sac or canal
    return "D" if Word.STRONG in qualifiers else "BC"
