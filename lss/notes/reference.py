"""Reference reports: the severity sentence with the affected area, then the radiologist's findings (method section 4).

`RULES_VERSION` names the cleaning rules; it goes up with every change of what a reference text looks like:
1. Headings ("LSS MRI", "L4-L5 level:") and other regions of the body are dropped.
2. Only statements of the image's own level, and those that name none, are kept: the text is about that image.
3. A statement without a level that is graded worse than the image is dropped: it is about another place.
4. Advice ("contrast study is advised") that finds nothing is dropped, and so is what an image at this level does not
   show: other organs, vertebrae that do not border the disc.
5. Of several levels named together only the image's own is kept ("bulges at L3-L4 and L4-L5": "bulge at L4-L5"), where
   the statement can be read without the others.
6. A note that says nothing of the image's disc, nor of the canal anywhere, leaves an image of grade A without a
   finding. The text says that instead of saying nothing: "No disc lesion is noted at L4-L5."
7. Lt and Rt become left and right, "&" becomes "and", levels are spelt as "L4-L5", misspelt words of the lexicon
   are corrected, words in capitals are written small.
"""

from __future__ import annotations

import re

from lss.domain.grades import GRADES, LEVELS
from lss.notes.clauses import Statement
from lss.notes.cleaning import clean_note
from lss.notes.grading import grade_statements
from lss.notes.lexicon import Word
from lss.notes.one_level import narrow, shown_elsewhere
from lss.notes.spelling import write_out
from lss.notes.tokens import EFFECTS, Token

RULES_VERSION = 2

SEVERITY_TEMPLATES: dict[str, str] = {
    "A": "No significant spinal canal stenosis, {area:.1f} % of the region is affected.",
    "BC": "Mild to moderate spinal canal compression, {area:.1f} % of the region is affected.",
    "D": "Severe spinal canal stenosis, {area:.1f} % of the region is affected.",
}
"""Severity sentence per grade; `area` is in percent."""

NOTHING_NOTED = "No disc lesion is noted at {level}."

_ALWAYS_CORRECTED = (*EFFECTS, Word.SAC, Word.CANAL, Word.FORAMEN, Word.NERVE, Word.BULGE, Word.ABUT, Word.STRONG)
_ACRONYMS = (Word.EXAMINATION, Word.LUMBAR, Word.CSF, Word.ELSEWHERE)
_SIDE_NAMES = {"lt": "left", "rt": "right"}


def severity_sentence(grade: str, area_percent: float) -> str:
    """Return the sentence that states a grade (code of `lss.domain.grades.GRADES`) and the affected area in percent."""
    return SEVERITY_TEMPLATES[grade].format(area=area_percent)


def reference_report(grade: str, area_percent: float, note: str | None, level: str | None) -> str:
    """Return the reference text of one image.

    Args:
        grade: of the image, a code of `lss.domain.grades.GRADES`.
        area_percent: affected area, the share of the target region that its mask covers, in percent (eq. 10).
        note: the radiologist's note of the patient, or None.
        level: the image's disc level, or None if unknown: then all statements are kept.
    """
    return " ".join([severity_sentence(grade, area_percent), *findings_of_level(note, level, grade)])


def findings_of_level(note: str | None, level: str | None, grade: str) -> list[str]:
    """Return sentences of a note that are about an image at `level` of grade `grade`, cleaned by the rules above."""
    text = write_out(clean_note(note or ""))
    sentences = []
    silent = bool(text)  # nothing kept says anything of a disc or the canal
    for graded in grade_statements(text):
        statement, levels = graded.statement, graded.levels
        if statement.elsewhere or (levels and not levels & set(LEVELS)) or _only_advises(statement):
            continue
        if level is not None and levels and level not in levels:
            continue
        if not levels and level is not None and graded.grade and GRADES.index(graded.grade) > GRADES.index(grade):
            continue
        if level is not None:
            if shown_elsewhere(statement, level):
                continue
            statement = narrow(statement, level)
        sentences.append(_sentence(statement, text))
        silent &= graded.grade is None
    if silent and level is not None and grade == "A":
        sentences.append(NOTHING_NOTED.format(level=level))
    return list(dict.fromkeys(sentence for sentence in sentences if sentence))


def _only_advises(statement: Statement) -> bool:
    roles = {token.role for token in statement.tokens}
    return Word.ADVICE in roles and not roles & {*EFFECTS, Word.BULGE, Word.ABUT, Word.NORMAL}


def _sentence(statement: Statement, text: str) -> str:
    """Return a statement as one sentence: words corrected, levels spelt alike, capital letter first, full stop last."""
    tokens = statement.tokens
    pieces = []
    for index, token in enumerate(tokens):
        following = tokens[index + 1].start if index + 1 < len(tokens) else token.end
        word = _spelling(token)
        if index > 0 and "\n" in text[tokens[index - 1].end : token.start] and word[1:].islower():
            word = word.lower()  # the sentence goes on
        pieces.append(word + text[token.end : following])
    sentence = re.sub(r"\s*&+\s*", " and ", "".join(pieces))
    sentence = re.sub(r"\b(left|right)\.", r"\1", sentence, flags=re.IGNORECASE)  # the stop of "Lt."
    sentence = re.sub(r"^N\.?B\b\W*", "", " ".join(sentence.split()))
    sentence = re.sub(r"\s*([,;])(?!\d)\s*", r"\1 ", sentence)
    sentence = re.sub(r"\s+([.:)])", r"\1", sentence).strip(" .,;:-?*")
    if not sentence:
        return ""
    if set(statement.heading) - {level for token in tokens for level in token.levels or ()}:
        sentence = f"{', '.join(statement.heading)}: {sentence}"
    return sentence[0].upper() + sentence[1:] + "."


def _spelling(token: Token) -> str:
    """Return a token's word as it should be spelt."""
    if token.levels:
        return token.text if not set(token.levels) <= set(LEVELS) else ", ".join(token.levels)
    if token.known in _SIDE_NAMES:
        return _SIDE_NAMES[token.known]
    word = token.text.lower()
    if not token.known or token.role in _ACRONYMS:
        return word if token.text.isupper() and len(word) > 3 else token.text
    inflected = word.startswith(token.known) or token.known.startswith(word)  # "muscles" is no misspelt "muscle"
    if token.role in _ALWAYS_CORRECTED or not inflected:
        word = token.known
    return word.capitalize() if token.text[0].isupper() and not token.text.isupper() else word
