"""Which words of a statement a denial covers, and which stand in a question or in history."""

from __future__ import annotations

from lss.notes.lexicon import Word
from lss.notes.tokens import BREAK, EFFECTS, REACH, Token

_RESOLVED = (
    "resolved",
    "disappeared",
    "ruled out",
    "been removed",
    "was removed",
    "been resected",
)
_TREATED = ("decompressed", "relieved")
"""What surgery did to the stenosis named before it: "severe stenosis, now decompressed"."""
_UNDER = ("by", "on", "in", "with", "when", "while")
"""What follows where a posture or a drug did it, and only for as long: "relieved by flexion"."""
_SURGERY = ("surgery", "operation", "decompression", "laminectomy", "laminotomy", "fenestration", "discectomy",
            "resection")  # fmt: skip
"""What follows where it has ended: "relieved by surgery"."""

_VALUES = ("none", "no", "nil", "absent", "negative")
_GRADED = ("severe", "severely", "marked", "markedly", "moderate", "moderately", "high grade", "critical", "critically",
           "extreme")  # fmt: skip
_COPULAS = ("is", "are", "was", "were")
_PERFECT = ("been", "has", "have", "which", "that")
_HOW = ("now", "since", "surgically", "well", "fully", "completely", "adequately", "successfully", "subsequently",
        "meanwhile", "satisfactorily", "widely")  # fmt: skip
_OBSERVED = ("seen", "noted", "found", "evident", "present", "identified", "demonstrated", "detected")


def denied_by(tokens: list[Token]) -> list[int | None]:
    """Return for every token the index of the word that denies it, or None.

    Rubric: a denial covers its own clause only. It ends where the sentence ends, at "but" or "with", and at a
    comma unless the list goes on ("no herniation, sac compression or stenosis").
    """
    denied: list[int | None] = [None] * len(tokens)
    for index, token in enumerate(tokens):
        if token.role is not Word.DENIAL and not _is_treated(tokens, index):
            continue
        first, last = _denial_scope(tokens, index)
        for position in range(first, last):
            denied[position] = index
    return denied


def denies_degree(tokens: list[Token], denial: int, index: int) -> bool:
    """Return whether only a degree of the effect at `index` is denied: "no severe stenosis" leaves a milder one open.

    "No significant stenosis" denies it (rubric).
    """
    if denial >= index or tokens[denial].role is not Word.DENIAL:
        return False
    degrees: list[str] = []
    for token in reversed(tokens[denial + 1 : index]):
        if token.role in (Word.MILD, Word.STRONG, Word.ASIDE):
            degrees.append(token.known)
        elif token.role in (*EFFECTS, Word.BULGE) or (degrees and token.text != "," and token.role is not Word.LINK):
            break
    return bool(degrees) and all(degree in _GRADED for degree in degrees)


def questioned(tokens: list[Token]) -> set[int]:
    """Return tokens in questions and history: "?severe stenosis", "rule out ...", "... cannot be excluded"."""
    indices: set[int] = set()
    for index, token in enumerate(tokens):
        before = index > 0 and (
            (token.text == "?" and index + 1 == len(tokens))
            or token.known in ("excluded", "can not be excluded", "not excluded", "suspected clinically")
            or (token.text.lower() in ("questionable", "equivocal", "uncertain") and tokens[index - 1].known == "is")
        )
        asks = token.text == "?" and index + 1 < len(tokens)
        asks = asks and (tokens[index + 1].start == token.end or index == 0 or tokens[index - 1].role is Word.MARK)
        if before and not asks:
            first = index
            while first > 0 and not _bounds_clause(tokens[first - 1]):
                first -= 1
            indices.update(range(first, index))
        elif asks or token.role is Word.QUESTION:
            last = index + 1
            while last < len(tokens) and not _bounds_clause(tokens[last]) and tokens[last].known != "with":
                last += 1
            indices.update(range(index, last))
    return indices


def _denial_scope(tokens: list[Token], index: int) -> tuple[int, int]:
    """Return the range of the tokens that the denial at `index` covers."""
    following = tokens[index + 1].known if index + 1 < len(tokens) else ""
    known = tokens[index].known
    if following in ("only", "contrast") or (known == "free" and following not in ("of", "from")):
        return index, index  # "without contrast", "free disc fragment"
    if known == "no" and following == "and":
        return index, index  # "no at L3-L4 and ...", "at L3-L4 no and at L4-L5 severe stenosis"
    if known == "non":
        return index, min(index + 2, len(tokens))  # "non compressive"
    if known in _RESOLVED and tokens[index - 1].known in ("partially", "partly", "incompletely"):
        return index, index
    if (
        known in _VALUES
        and index
        and (tokens[index - 1].text in (":", "-", "=") or tokens[index - 1].known in _COPULAS)
    ):
        if following == "" or tokens[index + 1].role is Word.PREPOSITION:
            return index, index  # "canal stenosis: none, foraminal stenosis: mild"
    gone = known in (*_RESOLVED, *_TREATED) or (known == "no longer" and following in _OBSERVED)
    postponed = gone or (known in ("not", "never") and following in _OBSERVED)
    if postponed or (known in ("absent", "nil", "none") and index == len(tokens) - 1):
        # "... compression is not seen", "severe stenosis, which is now decompressed": everything since the clause began
        first = _before_comma(tokens, index) if gone else index
        while first > max(0, index - REACH) and not _bounds_clause(tokens[first - 1]):
            if known in _TREATED and tokens[first - 1].known in ("and", "with"):
                break  # "severe stenosis at L3-L4, and L4-L5 is decompressed"
            first -= 1
        return first, index
    last = index + 1
    while last < min(len(tokens), index + REACH):
        token = tokens[last]
        if token.role is Word.CHANGE:
            return index, index  # "no change of the disc bulge" denies no bulge
        own_with = last == index + 1 and known in ("neither", "none", "not")  # "neither with stenosis"
        if token.text == BREAK or token.role in (Word.BUT, Word.NORMAL) or (token.known == "with" and not own_with):
            break
        if token.text == "|" or (token.text == "," and not _list_goes_on(tokens, last + 1)):
            break
        if token.known == "and" and last + 1 < len(tokens) and tokens[last + 1].role in (Word.MILD, Word.STRONG):
            break  # "no fracture and severe stenosis"
        last += 1
    return index, last


def _is_treated(tokens: list[Token], index: int) -> bool:
    """Return whether a participle says that surgery has ended what is named before it.

    "Not", "partially", "to be" and "previously decompressed" do not, nor "the decompressed level", "relieved by rest".
    """
    if tokens[index].known not in _TREATED:
        return False
    after = [token.text.lower() for token in tokens[index + 1 : index + 5]]
    if after and after[0] in _UNDER and not any(word in _SURGERY for word in after):
        return False
    before = _lead(tokens, index)
    if before < 0 or any(token.known in ("not", "never") for token in tokens[max(before, 0) : index]):
        return False
    verb = any(token.known in _COPULAS or token.known in _PERFECT for token in tokens[before + 1 : index])
    token = tokens[before]
    return (
        verb or token.text in (",", "(", "-") or token.role in EFFECTS or bool(token.levels) or token.role is Word.CANAL
    )


def _lead(tokens: list[Token], index: int) -> int:
    """Return the index of the last token before `index` that is neither its verb nor its adverb; -1 for none."""
    before = index - 1
    while before >= 0 and tokens[before].text.lower() in (*_COPULAS, *_PERFECT, *_HOW):
        before -= 1
    return before


def _before_comma(tokens: list[Token], index: int) -> int:
    """Return the index of the comma by which an apposition of `index` is set off, else `index`; an apposition names
    no level of its own.
    """
    before = _lead(tokens, index)
    own_level = any(token.levels for token in tokens[index + 1 : index + 3])
    return before if before > 0 and tokens[before].text == "," and not own_level else index


def _bounds_clause(token: Token) -> bool:
    return token.text in (BREAK, ",", ":") or token.role is Word.BUT


def _list_goes_on(tokens: list[Token], index: int) -> bool:
    """Return whether "or" or "nor" follows before anything that only an affirmed finding has."""
    for token in tokens[index : index + REACH]:
        if token.known in ("or", "nor"):
            return True
        if token.text == BREAK or token.known in ("noted", "seen", "with") or token.levels:
            return False
        if token.role in EFFECTS and token.known.endswith("ing") and token.known != "narrowing":
            return False
    return False
