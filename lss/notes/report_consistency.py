"""Whether a report says what its mask, its image and its classification head say.

What counts as a contradiction is defined once, by `ReportCheck.contradicts`: the marks a reader sees, the published
shares, `predict.on_contradiction` and the choice of the best epoch all go by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lss.domain.grades import GRADE_LABELS
from lss.notes.clauses import statements
from lss.notes.cleaning import clean_note
from lss.notes.grading import PERCENT, ReportGrade, read_report
from lss.notes.level_names import OUTSIDE, vertebrae
from lss.notes.lexicon import Word
from lss.notes.spelling import write_out
from lss.notes.tokens import EFFECTS, tokenise

ROUNDING = 0.05
"""Percentage points: areas are stated with one decimal. So an empty mask has to be stated as 0.0 %."""

AREA_TOLERANCE = 0.05
"""Share of the mask's area by which the stated one may differ beyond its rounding: 3.0 % may be 2.8 to 3.2."""

CONTRADICTIONS = ("no_grade", "findings", "grade", "area", "level", "side", "number")
"""Kinds of contradictions, in the order in which a reader sees them:

- no_grade: the text states none, so that there is nothing to compare
- findings: its severity sentence and its findings state different grades
- grade: its grade is not the one that the mask's area stands for, by the model's own thresholds
- area: its first share in percent is not the mask's area
- level: it names another disc than the image's, even if beside the image's own. A text is about its image; reference
  reports are narrowed to one level for the same reason (`lss.notes.one_level`)
- side: its findings are on one side only, and the mask clearly lies on the other
- number: millimetres, centimetres or a further share in percent, which nothing measured
"""

_LENGTH = re.compile(r"\d+(?:\s?[.,]\s?\d+)?\s*(?:mm|cm|(?:milli|centi)met(?:er|re)s?)\b", re.IGNORECASE)
_SIDES = {"left": "left", "lt": "left", "right": "right", "rt": "right"}


@dataclass(frozen=True)
class ReportCheck:
    """What a report states, compared with its sources.

    Attributes:
        text_grade: grade it states, or None.
        agrees_with_mask, agrees_with_head: of that grade; None where there is nothing to compare.
        area_stated: percent, or None.
        contradictions: kind (of `CONTRADICTIONS`) to a sentence for the reader.
        disagreements: those sentences, and one on the classifier if it says another grade.
    """

    text_grade: str | None
    agrees_with_mask: bool | None
    agrees_with_head: bool | None
    area_stated: float | None
    contradictions: dict[str, str]
    disagreements: list[str]

    @property
    def contradicts(self) -> bool:
        """Whether the report contradicts itself or what it was written from, in any of the `CONTRADICTIONS`.

        The classifier is another model, and the report is not written from it: its disagreement is shown to the reader
        but does not count here.
        """
        return bool(self.contradictions)


def check_report(
    report: str,
    *,
    area_percent: float,
    mask_grade: str | None,
    level: str | None,
    mask_side: str | None = None,
    head_grade: str | None = None,
) -> ReportCheck:
    """Compare a report's statements with their sources.

    Args:
        report: generated or reference text.
        area_percent: affected area, the share of the target region that the mask covers, in percent.
        mask_grade: grade by the mask's area, a code of `lss.domain.grades.GRADES`; None leaves it out.
        level: disc level of the image, or None if unknown.
        mask_side: the patient's side on which the mask lies (`lss.model.severity.lateral_side`), or None.
        head_grade: grade by the classification head, or None.
    """
    read = read_report(report)
    messages = {
        "no_grade": "The text states no grade." if read.grade is None else None,
        "findings": _findings(read),
        "grade": _other_grade(read.grade, mask_grade, "mask's area"),
        "area": _area(report, area_percent),
        "level": _level(stated_levels(report), level),
        "side": _side(stated_sides(report), mask_side),
        "number": _number(report, area_percent),
    }
    contradictions = {kind: sentence for kind, sentence in messages.items() if sentence}
    of_head = _other_grade(read.grade, head_grade, "classifier")
    return ReportCheck(
        text_grade=read.grade,
        agrees_with_mask=_same(read.grade, mask_grade),
        agrees_with_head=_same(read.grade, head_grade),
        area_stated=stated_area(report),
        contradictions=contradictions,
        disagreements=[*contradictions.values(), *([of_head] if of_head else [])],
    )


def stated_area(report: str) -> float | None:
    """Return the first share in percent that a report states, or None."""
    return next(iter(_percentages(report)), None)


def stated_levels(report: str) -> list[str]:
    """Return disc levels a report names, each once, in the order of the text.

    `OUTSIDE` stands for those that are not lumbar; two vertebrae with no disc between them are given as written: a
    generator may write "L5-L5".
    """
    named: list[str] = []
    for token in tokenise(write_out(clean_note(report))):
        named += [token.text] if token.levels == () and len(vertebrae(token.text)) > 1 else token.levels or ()
    return list(dict.fromkeys(named))


def stated_sides(report: str) -> set[str]:
    """Return the patient's sides ("left", "right") named in statements on a disc or on what it presses on."""
    on_disc = [
        statement.tokens
        for statement in statements(write_out(clean_note(report)))
        if any(token.role in (*EFFECTS, Word.BULGE, Word.ABUT) for token in statement.tokens)
    ]
    return {_SIDES[token.known] for tokens in on_disc for token in tokens if token.known in _SIDES}


def area_matches(stated: float, area_percent: float) -> bool:
    """Return whether a stated area is the mask's (both in percent), up to `ROUNDING` and `AREA_TOLERANCE`.

    >>> area_matches(0.0, 0.04), area_matches(0.1, 0.0), area_matches(2.8, 3.0), area_matches(2.7, 3.0)
    (True, False, True, False)
    """
    return abs(stated - area_percent) <= ROUNDING + AREA_TOLERANCE * area_percent + 1e-6


def _percentages(report: str) -> list[float]:
    return [float("".join(match[1].split()).replace(",", ".")) for match in PERCENT.finditer(report)]


def _findings(read: ReportGrade) -> str | None:
    if not read.sentence or not read.findings or read.sentence == read.findings:
        return None
    return f"The severity sentence says {GRADE_LABELS[read.sentence]}, the findings say {GRADE_LABELS[read.findings]}."


def _other_grade(stated: str | None, grade: str | None, source: str) -> str | None:
    if stated is None or grade is None or stated == grade:
        return None
    return f"The text says {GRADE_LABELS[stated]}, the {source} says {GRADE_LABELS[grade]}."


def _area(report: str, area_percent: float) -> str | None:
    stated = stated_area(report)
    if stated is None or area_matches(stated, area_percent):
        return None
    return f"The text states {stated:.1f} %, the mask covers {area_percent:.1f} %."


def _level(named: list[str], level: str | None) -> str | None:
    others = ["a level outside the lumbar spine" if name == OUTSIDE else name for name in named if name != level]
    if level is None or not others:
        return None
    about = "also names" if level in named else "is about"
    return f"The text {about} {', '.join(others)}, the image lies at {level}."


def _side(named: set[str], mask_side: str | None) -> str | None:
    if mask_side is None or len(named) != 1 or named == {mask_side}:
        return None
    return f"The text speaks of the {named.pop()} side, the mask lies on the patient's {mask_side}."


def _number(report: str, area_percent: float) -> str | None:
    lengths = [" ".join(match[0].split()) for match in _LENGTH.finditer(report)]
    shares = [f"{share:g} %" for share in _percentages(report)[1:] if not area_matches(share, area_percent)]
    unsupported = list(dict.fromkeys(lengths + shares))
    return f"The text states {', '.join(unsupported)}, which nothing measured." if unsupported else None


def _same(grade: str | None, other: str | None) -> bool | None:
    return None if grade is None or other is None else grade == other
