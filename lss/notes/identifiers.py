"""Blank names, numbers, phones and mail addresses in notes before they leave ingest.

Two sources: identifiers in header and table (`known`), and patterns that look like an identifier. Neither catches a
name without a title that no header holds ("seen by Anna last week"), places, or a description that identifies the
patient: docs/reliability.md warns those who pass notes on. Dates are blanked by `lss.notes.cleaning`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from itertools import pairwise

from lss.notes.lexicon import is_known_word

NAME, NUMBER, PHONE, MAIL = "[name]", "[id]", "[phone]", "[mail]"
"""What stands in their places."""

SHORTEST_ID = 5
"""Letters and digits of a known id that is blanked wherever it stands; "7" may be any number of a note."""

_SHORTEST_NAME = 3
_GENERIC = frozenset(
    """hospital hospitals clinic clinics centre center medical university institute department radiology imaging
    health street road avenue city general national public private group practice unit ward str and the for of von van
    der den bin ibn abu anon anonymous anonymised anonymized patient unknown none null name doctor physician
    professor""".split()
)
"""Words in names and addresses that identify nobody."""

_COMMON = frozenset(
    """low long short young old white black gray grey brown green hall hill day may stone wood field head foot hand arm
    leg bone bones back neck will mark grant post good best rich sharp strong cross page park east west north south end
    stand noble wise ring root branch banks rivers lake glass gold silver star moon rose heart king new fat facet stem
    image view film scout range line lines sign signs plain plane section level sequence weighted sagittal axial coronal
    bright dark free simple single double left right fluid water air gas loss gain force""".split()
)
"""Words that are both names and ordinary words of notes."""

_WORD = re.compile(r"[^\W\d_]+")
_OPEN_WORD = re.compile(r"(?<!\[)\b[^\W\d_]+")
"""Not what is blanked already."""
_CODE = re.compile(r"(?<![\w])[^\W_]*\d[\w]*(?:[./_-]\w+)*")
_MAIL = re.compile(r"[\w.+-]+ ?@ ?[\w-]+(?:\.[\w-]+)+|(?:https?://|www\.)\S+", re.IGNORECASE)
_INTRODUCED_ID = re.compile(
    r"\b((?:patient(?:'s)?|medical record|file|case|accession|record|study|exam(?:ination)?|national|social security"
    r"|insurance|hosp(?:ital)?|visit|chart|folder|reg(?:istration)?|pat|mrn|ssn|nhs|mr|id|ref(?:erence)?)"
    r"(?:[ ]?(?:id|no|nr|num(?:ber)?|code|#))*[.]?[ ]?[:#=]?|(?:id|no|nr|mrn|ssn)[.]?[ ]?[:#=])"
    r"[ ]?(?![ltscd]\d{1,2}\b)(?=[\w/-]{0,12}\d{3}|[\w/-]{2,12}\d)[\w/-]+(?:[ ]\d{3,4}(?!\w|[.,]\d))*",
    re.IGNORECASE,
)
_LONG_NUMBER = re.compile(r"(?<![\w.,])\d{6,}(?![\w]|[.,]\d)")
_CODE_OF_ID = re.compile(r"(?<![\w])[A-Z]{1,8}[-_/]?\d{4,}(?:[-_/]\w+)*(?!\w)", re.IGNORECASE)
_INTRODUCED_PHONE = re.compile(
    r"\b((?:tel(?:e?phone)?|phone|mobile|mob|cell(?:phone)?|fax|call|contact|whatsapp)(?:[ ]?(?:no|nr|number))?[.]?"
    r"[ ]?[:#]?)"
    r"[ ]?[+(]?\d[\d ()/.-]{4,}\d",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![\w./-])(?:(?:\+|00)\d{1,3}[ ()/.-]{0,3}\d[\d ()/.-]{4,}\d"  # +962 79 555 1234
    r"|\(0?\d{2,4}\)[ -]?\d{3,4}[ -]?\d{3,4}"  # (079) 555-1234
    r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,4}"  # 079-5551234
    r"|\d{3}[ -]\d{3}[ -]\d{4})(?![\w])"  # 555-123-4567
)
_INITIALS = r"(?:[A-Z]\. ?)*"
_CAPITAL = r"[A-Z\u00c0-\u00de\u0386-\u03ab\u0410-\u042f][\w'’-]*"
_PEOPLE = rf"{_INITIALS}{_CAPITAL}(?:,? {_INITIALS}{_CAPITAL}){{0,3}}"
_TITLED = re.compile(
    r"\b((?:(?:Dr|DR|Prof|PROF|Mr|MR|Mrs|MRS|Miss|Herr|Frau|Mme|Sr|Sra|Hr|Fr|Ms)\b\.?[ ]?|(?:Doctor|Professor)[ ])+)"
    rf"({_PEOPLE})"
)
_INTRODUCED_NAME = re.compile(
    r"\b((?:(?:patient(?:'s)?|full|family|first|last|given|sur)?[ -]?name"
    r"|(?:referr(?:ing|ed)|report(?:ing|ed)|treating|attending|consulting|read|sign(?:ed|ing)|dictated|typed|verified"
    r"|approved|requested|reviewed|performed)[ ]?(?:physician|doctor|consultant|radiologist|electronically)?(?:[ ]by)?"
    r"|physician|consultant|radiologist|surgeon|technician|operator|neurosurgeon|signed)[ ]?"
    r"(?:[:=]|by[:]?|is|(?<=signed))[ ]?)"
    rf"((?-i:{_PEOPLE}))",
    re.IGNORECASE,
)


def blank_identifiers(note: str, known: Collection[str] = ()) -> str:
    """Return the note with names, ids, phones and mail addresses blanked; idempotent.

    Args:
        note: text in Unicode NFC, lines parted by "\\n".
        known: names, ids and addresses of the patient and of those who treat them, as written in header and table.

    Names that are also words of notes ("Canal", "Low", "Post") are blanked only beside another part of the name.
    """
    note = _MAIL.sub(MAIL, note)
    note = _blank_known(note, known)
    note = _INTRODUCED_PHONE.sub(lambda match: f"{match[1].rstrip()} {PHONE}", note)
    note = _INTRODUCED_ID.sub(lambda match: f"{match[1].rstrip()} {NUMBER}", note)
    note = _PHONE.sub(PHONE, note)
    note = _LONG_NUMBER.sub(NUMBER, note)
    note = _CODE_OF_ID.sub(NUMBER, note)
    note = _TITLED.sub(lambda match: _titled(match, sure=True), note)
    return _once(_INTRODUCED_NAME.sub(lambda match: _titled(match, sure=False), note))


def _titled(match: re.Match[str], sure: bool) -> str:
    """Return a title and `NAME`: behind "Dr" the first word is a name whatever it is, elsewhere where
    no note's word.
    """
    words = list(_WORD.finditer(match[2]))
    first = 0 if not sure else 1
    end = next((word.start() for word in words[first:] if is_known_word(word[0])), len(match[2]))
    if not end:
        return match[0]
    return f"{match[1]}{NAME}{' ' if end < len(match[2]) else ''}{match[2][end:]}"


def _blank_known(note: str, known: Collection[str]) -> str:
    words, codes, runs = _parts(known)
    spellings = _spellings(known)
    if not (words or codes or runs):
        return note
    for run in sorted(runs, key=len, reverse=True):  # of scripts without blanks
        note = note.replace(run, NAME)
    for spelt in sorted(spellings, key=len, reverse=True):
        note = re.sub(rf"(?<!\w){spelt}(?!\w)", NUMBER, note, flags=re.IGNORECASE)
    note = _CODE.sub(lambda match: NUMBER if _plain(match[0]) in codes else match[0], note)
    own = [match for match in _OPEN_WORD.finditer(note) if _fold(match[0]) in words]
    sure = {match.span() for match in own if _is_name(_fold(match[0]))}
    for first, second in pairwise(own):
        if re.fullmatch(r"[ ,.^'’-]{1,3}", note[first.end() : second.start()]):  # two parts of one name
            if sure & {first.span(), second.span()}:
                sure |= {first.span(), second.span()}
    for start, end in sorted(sure, reverse=True):
        note = note[:start] + NAME + note[end:]
    return _once(note)


def _once(note: str) -> str:
    """Return parts of one name blanked once."""
    return re.sub(rf"{re.escape(NAME)}(?:[ ,.^'’-]{{1,3}}{re.escape(NAME)})+", NAME, note)


def _parts(known: Iterable[str]) -> tuple[set[str], set[str], set[str]]:
    """Return words of names, ids, and names in scripts that part no words by blanks."""
    words, codes, runs = set[str](), set[str](), set[str]()
    for value in known:
        for part in re.split(r"[\s^=,;\\]+", unicodedata.normalize("NFC", value)):
            if any(character.isdigit() for character in part) and len(_plain(part)) >= SHORTEST_ID:
                codes.add(_plain(part))
                continue
            for word in _WORD.findall(part):
                if any(_without_blanks(character) for character in word):
                    runs |= {word} if len(word) > 1 else set()
                else:
                    words.add(_fold(word))
        whole = "".join(character for character in value.split("=")[-1] if _without_blanks(character))
        runs |= {whole} if len(whole) > 1 else set()
    return words - _GENERIC, codes, runs


def _spellings(known: Iterable[str]) -> set[str]:
    """Return patterns of ids whose letters and digits are parted otherwise than in header or table, or not at all."""
    parts = (re.findall(r"\d+|[^\W\d_]+", part) for value in known for part in re.split(r"[\s^=,;\\]+", value))
    return {
        r"[ ._/-]?".join(map(re.escape, runs))
        for runs in parts
        if len(runs) > 1 and len("".join(runs)) >= SHORTEST_ID and any(run.isdecimal() for run in runs)
    }


def _is_name(word: str) -> bool:
    return len(word) >= _SHORTEST_NAME and word not in _COMMON and not is_known_word(word)


def _without_blanks(character: str) -> bool:
    """Return whether a letter is of Chinese, Japanese, Korean or Thai."""
    return "\u0e00" <= character <= "\u0e7f" or "\u1100" <= character <= "\u11ff" or "\u3040" <= character <= "\ud7ff"


def _fold(word: str) -> str:
    """Return a word without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFD", word.casefold()) if not unicodedata.combining(c))


def _plain(code: str) -> str:
    return "".join(character for character in code.casefold() if character.isalnum())
