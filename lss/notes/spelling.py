"""Abbreviations and levels of other hospitals written out, so that the grammar meets one spelling of each.

"mod-sev CCS" becomes "moderate-severe central canal stenosis", "L2/3, 3/4 and 4/5" "L2/3, L3/4 and L4/5", "L IV - L V"
"L4 - L5", "fourth lumbar disc" "L4-L5 disc", "L3 to S1" "L3-S1". Numbers of a list ("2)") become line breaks.
"""

from __future__ import annotations

import re

_ABBREVIATIONS = {
    "ccs": "central canal stenosis", "scs": "spinal canal stenosis", "lscs": "lumbar spinal canal stenosis",
    "nfn": "neural foraminal narrowing", "nfs": "neural foraminal stenosis", "lrs": "lateral recess stenosis",
    "lrn": "lateral recess narrowing", "lfh": "ligamentum flavum hypertrophy", "db": "disc bulge",
    "bdb": "broad-based disc bulge", "ddb": "diffuse disc bulge", "doc": "disc osteophyte complex",
    "hnp": "disc herniation", "nrc": "nerve root compression", "sten": "stenosis",
    "mod": "moderate", "sev": "severe", "sig": "significant",
    "min": "minimal",
    "b/l": "bilateral", "bilat": "bilateral", "w/o": "without", "w/": "with", "neg": "negative", "h/o": "history of",
    "r/o": "rule out", "s/p": "status post", "p/o": "postoperative",
}  # fmt: skip
_ABBREVIATION = re.compile(
    r"(?<![\w/])("
    + "|".join(sorted(map(re.escape, _ABBREVIATIONS), key=len, reverse=True))
    + r")(?![\w/])(?:\.(?!\s*$))?",
    re.IGNORECASE | re.MULTILINE,
)
_ORDINALS = {
    "first": 1,
    "1st": 1,
    "second": 2,
    "2nd": 2,
    "third": 3,
    "3rd": 3,
    "fourth": 4,
    "4th": 4,
    "fifth": 5,
    "5th": 5,
}
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)}) lumbar (?=(?:intervertebral )?dis[ck])", re.IGNORECASE)
_TO = r"\s(?:down to|to|through|thru|till|until)\s"
_ROMAN = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5"}
_ROMAN_LEVEL = re.compile(r"\bL\s?(III|II|IV|I|V)(\s?[-/–]\s?)(?:L\s?(III|II|IV|I|V)|(S)\s?[I1])(?!\w)", re.IGNORECASE)
_VERTEBRA_RANGE = re.compile(
    r"(?<![\w/-])((?:[TD]h?\s?1[0-2]|L\s?[1-6]))" + _TO + r"(L\s?[1-6]|S\s?[1I]|[2-5])(?![\w/-]|\s?[-/]\s?[LS\d])",
    re.IGNORECASE,
)
_LEVEL_RANGE = re.compile(
    r"(?<![\w/-])([TD]h?\s?1[0-2]|L\s?\d)\s?[-/–]\s?[LS]?\s?\d"
    + _TO
    + r"(?:L\s?)?\d\s?[-/–]\s?([LS]\s?\d|[2-6])(?!\d)",
    re.IGNORECASE,
)
_SPACED_LEVEL = re.compile(r"(?<![\w/-])L\s?([1-5]) (L\s?([2-5])|S1)(?![\w/-])", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween (L\s?[1-5]) and (L\s?[2-5]|S\s?1)\b(?!\s?[-/])", re.IGNORECASE)
_BARE_LEVEL = re.compile(
    r"((?:[LTD]h?\s?\d{1,2}\s?[-/–]\s?[LS]?\s?\d)"
    r"(?:\s?,\s?(?:and |& ?)?|\s(?:and|to|through)\s|\s?&\s?))(?=([1-5])([-/–])([1-6])(?![\d.]| ?mm))",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(
    r"^[ ]*\(?(?:\d{1,2}|[a-h])[.)][ ]+|(?<=[.;,\w])[ ]+\(?(?:\d{1,2}|[a-h])\)[ ]+|(?<=[.:])[ ]+\d[.][ ]+(?=[A-Za-z])"
    r"|^\(\d{1,2}\)[ ]*",
    re.IGNORECASE | re.MULTILINE,
)
_UN = re.compile(
    r"\b(non|un)(?:(?<=n)\s?[-–]\s?|(?=\w))(?=severe|critical|compress|steno|effac|narrow|displac|imping|deform|constrict|indent)",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?<=[a-z])n['’]t\b", re.IGNORECASE)
# "atL4/L5", "L5-S1levels" and "Ltside" are two words each
_JOINED = re.compile(
    r"(?<=[a-z]{2})(?=[LDTS]\d{1,2}\s?[-/])|(?<=[LS]\d)(?=level)|(?<=\b[lr]t)(?=sided?\b)", re.IGNORECASE
)


def write_out(note: str) -> str:
    """Return the cleaned note with words apart, abbreviations written out and levels spelt in Arabic figures;
    idempotent.

    Offsets of tokens are those of this text.
    """
    note = _JOINED.sub(" ", note)
    note = _UN.sub(_apart, note)
    note = _NOT.sub(" not", re.sub(r"\bcannot\b", "can not", note, flags=re.IGNORECASE))
    note = re.sub(r"\s*(?:[-=]+>|→)\s*", " causing ", note)
    note = _LIST_NUMBER.sub(_without_number, note)
    note = _ABBREVIATION.sub(lambda match: _ABBREVIATIONS[match[1].lower()], note)
    note = _ORDINAL.sub(_ordinal, note)
    note = _ROMAN_LEVEL.sub(_arabic, note)
    note = _SPACED_LEVEL.sub(_hyphenated, note)
    note = _BETWEEN.sub(r"at \1-\2", note)
    note = _VERTEBRA_RANGE.sub(r"\1-\2", note)
    note = _LEVEL_RANGE.sub(r"\1-\2", note)
    while (completed := _BARE_LEVEL.sub(_complete, note)) != note:
        note = completed
    return note


def _apart(match: re.Match[str]) -> str:
    """Return "non-stenotic" as two words, "uncompressed" and "non-severe" as denied ones."""
    degree = match.string[match.end() :].lower().startswith(("severe", "critical"))
    return "not " if degree or match[1].lower() == "un" else "non "


def _without_number(match: re.Match[str]) -> str:
    """Return what stands in place of a list's number; the end of a bracket ("(grade 3)") is none."""
    line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    if "(" not in match[0] and line.count("(") > line.count(")"):
        return match[0]
    return "\n" if line else ""


def _ordinal(match: re.Match[str]) -> str:
    number = _ORDINALS[match[1].lower()]
    return f"L{number}-{'S1' if number == 5 else f'L{number + 1}'} "


def _arabic(match: re.Match[str]) -> str:
    lower = "S1" if match[4] else "L" + _ROMAN[match[3].upper()]
    return f"L{_ROMAN[match[1].upper()]}{match[2]}{lower}"


def _hyphenated(match: re.Match[str]) -> str:
    """Return two vertebrae in a row without a mark ("L4 L5") are the disc between them."""
    upper, lower = int(match[1]), int(match[3] or 6)
    return f"L{upper}-{match[2]}" if lower == upper + 1 else match[0]


def _complete(match: re.Match[str]) -> str:
    """Return the level before a bare number pair, with the letter that the pair lacks."""
    return f"{match[1]}L"
