"""From a radiologist's note, or a generated report, to a stenosis grade (the project's severity rubric)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from lss.domain.grades import GRADES, LEVELS, worst
from lss.notes.clauses import Statement, statements
from lss.notes.cleaning import clean_note
from lss.notes.effects import mentions, values_by_level
from lss.notes.level_names import OUTSIDE
from lss.notes.placing import level_groups, place
from lss.notes.spelling import write_out

PERCENT = re.compile(r"(\d+(?:\s?[.,]\s?\d+)?)\s*(?:%|per\s?cent\b)", re.IGNORECASE)
"""A share in percent; a tokenizer may have left blanks around its decimal point."""

_SEVERITY = re.compile(
    r"^\W*(?:no significant|mild(?:ly)? to moderate(?:ly)?|severe(?:ly)?) (?:lumbar )?(?:spinal )?canal\b"
    r"|region is affected",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class NoteGrade:
    """What a note says.

    `grade` is a code of `GRADES`, the worst in the note, or None if it says nothing of the lumbar discs,
    sac, canal or roots. `level_grades` holds the discs it names. `evidence` quotes the words that decided.
    """

    grade: str | None
    level_grades: dict[str, str] = field(default_factory=dict)
    evidence: str = ""


@dataclass(frozen=True)
class _Finding:
    grade: str
    levels: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class GradedStatement:
    """One statement of a note with its worst grade (None: it says nothing of the canal) and the levels it is about."""

    statement: Statement
    grade: str | None
    levels: frozenset[str]


def grade_note(text: str | None) -> NoteGrade:
    """Grade a note; any text is accepted, an empty one or None gives the grade None."""
    cleaned = write_out(clean_note(text or ""))
    findings = [finding for statement in statements(cleaned) for finding in _findings(statement, cleaned)]
    level_grades = {}
    for level in LEVELS:
        grade = worst([finding.grade for finding in findings if level in finding.levels])
        if grade:
            level_grades[level] = grade
    grade = worst([finding.grade for finding in findings])
    return NoteGrade(grade, level_grades, _evidence(findings, grade, level_grades))


def grade_statements(text: str) -> list[GradedStatement]:
    """Return statements of a note written out (`lss.notes.spelling.write_out`), each with its grade."""
    graded = []
    for statement in statements(text):
        findings = _findings(statement, text)
        placed = {level for finding in findings for level in finding.levels}
        grade = worst([finding.grade for finding in findings])
        graded.append(GradedStatement(statement, grade, frozenset(placed.union(statement.levels))))
    return graded


@dataclass(frozen=True)
class ReportGrade:
    """Grades stated by a report's severity sentence and by its findings; None where none is stated."""

    sentence: str | None
    findings: str | None

    @property
    def grade(self) -> str | None:
        """The report's grade: the severity sentence is its conclusion and goes first; without one, the findings.

        The findings may be of other levels of the same patient, the sentence is of the image.
        `lss.notes.report_consistency.check_report` lists a disagreement of the two.
        """
        return self.sentence or self.findings


def is_severity_sentence(sentence: str) -> bool:
    """Return whether a sentence is a report's own statement of the severity and the affected area, no radiologist's.

    >>> is_severity_sentence("Severe spinal canal stenosis, 31.2 % of the region is affected.")
    True
    """
    return bool(PERCENT.search(sentence) or _SEVERITY.search(sentence))


@lru_cache(maxsize=2**15)  # the evaluation asks for the same text again and again
def read_report(text: str | None) -> ReportGrade:
    """Return grades stated in a report, by the same rules as notes are graded by; numbers in percent play no part."""
    sentence = None
    findings = []
    for part in re.split(r"[.;\n]+", PERCENT.sub(" \u2030 ", text or "")):
        if sentence is None and ("\u2030" in part or _SEVERITY.search(part)):
            sentence = grade_note(part.replace("\u2030", " ")).grade
            if sentence is not None:
                continue
        findings.append(part)
    return ReportGrade(sentence, grade_note(".\n".join(findings)).grade)


def grade_report(text: str | None) -> str | None:
    """Return the grade a report states (see `ReportGrade.grade`), a code of `lss.domain.grades.GRADES`, or None.

    >>> grade_report("Severe spinal canal stenosis, 31.2 % of the region is affected. L4-L5: disc bulge.")
    'D'
    """
    return read_report(text).grade


def _findings(statement: Statement, text: str) -> list[_Finding]:
    """Return graded mentions of a statement with the lumbar levels they belong to."""
    groups = level_groups(statement.tokens, values_by_level(statement.tokens))
    findings = []
    for mention in mentions(statement.tokens):
        placed = [] if mention.kind == "normal" else place(mention, statement, groups)
        words = text[statement.tokens[mention.first].start : statement.tokens[mention.last].end].replace("\n", " ")
        lumbar = [(level, lesser) for level, lesser in placed if level != OUTSIDE]
        if not lumbar and (placed or statement.elsewhere):
            continue  # rubric: levels above T12-L1 and other regions do not count
        for lesser in (False, True):
            levels = tuple(level for level, is_lesser in lumbar if is_lesser == lesser)
            if levels or not (lesser or lumbar):
                findings.append(_Finding("BC" if lesser and mention.grade == "D" else mention.grade, levels, words))
    return findings


def _evidence(findings: list[_Finding], grade: str | None, level_grades: dict[str, str]) -> str:
    """Return the quotations that carry the note's grade or a level's: "L4-L5 D: largely compressing the thecal sac;
    ...".
    """
    quotes: dict[str, list[str]] = {}
    for finding in sorted(findings, key=lambda finding: -GRADES.index(finding.grade)):
        carried = [level for level in finding.levels if level_grades.get(level) == finding.grade]
        if carried or (finding.grade == grade and not finding.levels):
            quotes.setdefault(" ".join([*carried, finding.grade]), []).append(finding.words)
    lines = []
    for place_and_grade, words in quotes.items():
        longest = [word for word in dict.fromkeys(words) if not any(word != other and word in other for other in words)]
        lines.append(f"{place_and_grade}: {', '.join(longest)}")
    return "; ".join(lines)
