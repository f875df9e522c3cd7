"""Sections of a report without findings: history, indication, comparison, technique."""

from __future__ import annotations

import re

from lss.notes.lexicon import SECTIONS

_TITLE = re.compile(
    rf"(?:^|(?<=[.\n:]))[ \t*#]*({'|'.join(sorted(SECTIONS, key=len, reverse=True))})[ \t]*(?::|[-–](?=\s)|$)",
    re.IGNORECASE | re.MULTILINE,
)
_CONCLUSIONS = ("impression", "conclusion", "opinion", "summary", "diagnosis", "assessment")


def blank_history(text: str) -> str:
    """Return the text with blanks in place of sections without findings; its length and line breaks stay."""
    titles = list(_TITLE.finditer(text))
    for index, title in enumerate(titles):
        if SECTIONS[title[1].lower()]:
            continue
        end = _end(text, title, titles[index + 1] if index + 1 < len(titles) else None)
        text = text[: title.start()] + re.sub(r"[^\n]", " ", text[title.start() : end]) + text[end:]
    return text


def _end(text: str, title: re.Match[str], following: re.Match[str] | None) -> int:
    """Return where a section ends: at the next title, else with its paragraph; on a note's only line
    with its sentence.
    """
    if following is not None and following[1].lower() not in _CONCLUSIONS:
        return following.start()
    limit = following.start() if following is not None else len(text)
    content = re.compile(r"\s*").match(text, title.end())
    start = content.end() if content else title.end()
    line_end = text.find("\n", start)
    if line_end < 0 or line_end > limit:
        stop = re.compile(r"(?<=\w)[.?](?=\s|$)").search(text, start, limit)
        return stop.end() if stop else limit
    if "\n" in text[title.end() : start]:  # the title stands alone on its line
        paragraph = text.find("\n\n", start, limit)
        return paragraph if paragraph >= 0 else line_end
    return line_end
