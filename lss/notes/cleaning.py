"""Notes as they come out of a spreadsheet, made safe for people and tools: no dates, no control characters.

Line breaks are kept: the grading reads headings and findings from them.
"""

from __future__ import annotations

import re
import unicodedata

_LINE_BREAKS = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")

_HYPHENS = re.compile(r"[\u2010-\u2012\u2212\ufe58\ufe63\uff0d]")

_STROKE = r"[./\\\u2044\u2010-\u2015\u2212-]"  # dots, slashes, hyphens, dashes
_BETWEEN = rf"[ ]?{_STROKE}[ ]?"
_GAP = rf"[ ]?[,]?[ ]?{_STROKE}?[ ]?"  # between a month's name and the numbers beside it
_YEAR = r"(?:19|20)\d\d"
_DAY = r"(?:[0-2]?\d|3[01])"
_TH = r"[ ]?(?:st|nd|rd|th)\b"
_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?"
)
_MONTH_BUT_MAY = rf"(?:{_MONTHS})(?![a-z])\.?"
_MONTH = rf"(?:{_MONTHS}|may)(?![a-z])\.?"
# with a year beside it a misspelt month is a month too; without one, "marked" or "decreased" is none
_ANY_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_NO_MEASURE = r"(?!\d)(?![.,]\d)(?![ ]?(?:mm|cm|ml|cc|ms|msec|hz|x|\*|%))"
_AS_NUMBER = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"

_DATE = re.compile(
    rf"""(?<!\w)(?:
        \d{{1,2}}{_BETWEEN}\d{{1,2}}{_BETWEEN}\d{{4}}                              # 04/01/2016, 14/ 3/2016
      | \d{{4}}{_BETWEEN}\d{{1,2}}{_BETWEEN}\d{{1,2}}                              # 2016-01-04
      | (?<!\b[lstdc][ ])\d{{1,2}}({_STROKE})\d{{1,2}}\1\d\d                       # 4.1.16, but not "D 10-11-12"
      | {_DAY}(?:{_TH})?[ ]?(?:of[ ])?{_GAP}{_ANY_MONTH}{_GAP}{_YEAR}              # 4th of January, 2016
      | {_DAY}(?:{_TH})?[ ]?(?:of[ ])?{_GAP}{_MONTH}{_GAP}['’]?\d\d{_NO_MEASURE}   # 12 Mar 16
      | {_ANY_MONTH}{_GAP}{_DAY}(?:{_TH})?{_GAP}{_YEAR}                            # January 4, 2016
      | {_YEAR}{_GAP}{_ANY_MONTH}(?:{_GAP}{_DAY}(?:{_TH})?{_NO_MEASURE})?          # 2015 March 3
      | {_ANY_MONTH}{_GAP}{_YEAR}                                                  # Jan 2016
      | {_DAY}{_TH}[ ]of[ ]{_MONTH}                                                # 15th of May
      | {_DAY}(?:{_TH})?[ ]?(?:of[ ])?{_GAP}{_MONTH_BUT_MAY}                       # 15 March; "1st may" is no date
      | {_MONTH}{_GAP}{_DAY}{_TH}                                                  # March 15th
      | {_MONTH_BUT_MAY}{_GAP}['’]?{_DAY}{_NO_MEASURE}                             # March 15, Mar '16
      | (?:(?<=\bin[ ])|(?<=\bsince[ ])|(?<=\blast[ ])|(?<=\bfrom[ ])){_MONTH}     # since March
      | (?:0?[1-9]|1[0-2]){_BETWEEN}{_YEAR}{_NO_MEASURE}                           # 04/2016, 3.2016
      | {_YEAR}(?:{_BETWEEN}(?:0[1-9]|1[0-2]|{_YEAR}))?{_NO_MEASURE}               # 2016, 2016-04, 2015-2016
      | {_YEAR}{_AS_NUMBER}                                                        # 20160104
      | (?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2]){_YEAR}                            # 04012016
    )(?!\d)""",
    re.IGNORECASE | re.VERBOSE,
)
BLANKED_DATE = "[date]"
"""What stands in place of a date."""


def clean_note(text: str) -> str:
    """Blank dates, unify line breaks, drop control characters and surplus whitespace; idempotent.

    Dates in figures, with a month's name, and years that stand alone are blanked; months without a year in two
    figures ("04/16") are not, since they cannot be told from levels and fractions.

    Every line separator (CR, VT, FF, NEL, U+2028, U+2029) becomes "\\n", because readers disagree on which of
    them end a line. Other control and format characters go. Runs of blanks become one; lines are stripped;
    more than one empty line becomes one. Letters of any script stay (Unicode NFC).
    """
    text = _DATE.sub(BLANKED_DATE, tidy(text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def tidy(text: str) -> str:
    """Return a note's text in NFC with one kind of line break, no control characters and single
    blanks; dates are kept. Signs that look like a hyphen and are none become one: "L4\u2212L5" names a level.
    """
    text = _HYPHENS.sub("-", _LINE_BREAKS.sub("\n", text))
    if not text.replace("\n", "").replace("\t", "").isprintable():  # else there is no such character; ten times as fast
        text = "".join(character for character in text if character == "\n" or not _is_control(character))
    return "\n".join(" ".join(line.split()) for line in unicodedata.normalize("NFC", text).split("\n"))


def _is_control(character: str) -> bool:
    """Return whether a character is control, format, surrogate, private or unassigned; a tab counts as a blank."""
    return character != "\t" and unicodedata.category(character).startswith("C")
