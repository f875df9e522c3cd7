"""Between token ids and the text of a report."""

from __future__ import annotations

import re

from lss.notes.grading import PERCENT

_LEVEL = re.compile(r"\b([tdls])\s?(\d{1,2})\s?([-/])\s?([ls])\s?(\d)\b", re.IGNORECASE)
_CAPITALS = re.compile(r"\b(?:schmorl|tarlov|modic|csf|[tdls]\d{1,2})\b")


def tidy(text: str) -> str:
    """Undo what a tokenizer that splits at punctuation and lowers the case does to a report; idempotent.

    >>> tidy("severe spinal canal stenosis , 31 . 2 % of the region is affected . disc bulge at l4 - l5 .")
    'Severe spinal canal stenosis, 31.2 % of the region is affected. Disc bulge at L4-L5.'
    """
    text = " ".join(text.split())
    text = re.sub(r"(\d)\s?\.\s?(?=\d)", r"\1.", text)
    text = _LEVEL.sub(lambda m: f"{m[1].upper()}{m[2]}{m[3]}{m[4].upper()}{m[5]}", text)
    text = re.sub(r"\s+([,.;:!?)])", r"\1", text)
    text = re.sub(r"(?<=\w)\s?'\s?(?=s\b)", "'", text)
    text = re.sub(r",(?=[A-Za-z])", ", ", text)
    text = re.sub(r"\(\s+", "(", text)
    text = re.sub(r"(?<=\w)\s?-\s(?=\w)|(?<=\w)\s-\s?(?=\w)", "-", text)
    text = _CAPITALS.sub(lambda m: m[0].capitalize() if len(m[0]) > 3 else m[0].upper(), text)
    return re.sub(r"(?:^|(?<=[.!?] ))[a-z]", lambda m: m[0].upper(), text)


def state_area(report: str, area_percent: float) -> str:
    """Return the report with its first share in percent replaced by `area_percent`, one decimal.

    For training: a generator is given the predicted mask, so the number it learns to state is that mask's.

    >>> state_area("Severe stenosis, 31.2 % of the region is affected.", 8.0)
    'Severe stenosis, 8.0 % of the region is affected.'
    """
    match = PERCENT.search(report)
    if match is None:
        return report
    return f"{report[: match.start(1)]}{area_percent:.1f}{report[match.end(1) :]}"
