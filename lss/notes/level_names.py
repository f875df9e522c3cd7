"""Disc levels as radiologists type them: "L4-L5", "L4/5", "L4-l5", "L5/S 1", "D12/L1", "L3-L4-L5"."""

from __future__ import annotations

import re

from lss.domain.grades import LEVELS

_VERTEBRAE = ["T12", "L1", "L2", "L3", "L4", "L5", "S1"]
OUTSIDE = "outside"
"""Stands for a level above T12-L1 or below S1-S2: what is found there does not count."""
TRANSITIONAL = "the transitional level"
"""Stands for L5-L6, L6-S1 and S1-S2: a finding there counts for the whole note."""

_SEPARATOR = r"\s?[-/\\–—_]\s?"
_VERTEBRA = r"(?:th|[tdcls])\s?\d{1,2}|s[il](?![a-z])|ls(?=[-/])"
LEVEL = re.compile(
    rf"(?<![a-z0-9])(?:l[1-5](?:l[1-5]|s1)|l(?:12|23|34|45)"
    rf"|(?:{_VERTEBRA})(?:(?:{_SEPARATOR})(?:{_VERTEBRA}|\d{{1,2}}(?!\d)))*(?:[-/](?=[a-z]))?)(?![0-9])",
    re.IGNORECASE,
)
"""One vertebra or several in a row. A dangling "L5/" before a letter is a level whose second half was lost."""


def read_level(text: str) -> tuple[str, ...]:
    """Return disc levels meant by one match of `LEVEL`, cranial first; `OUTSIDE` for discs that are not lumbar.

    A chain of vertebrae names every disc from its first to its last ("L3-L4-L5", "L4/S1"). A single lumbar
    vertebra names no disc: (). A single cervical or thoracic vertebra above T12 is `OUTSIDE`.

    >>> read_level("L4/5"), read_level("D12-L1"), read_level("L3-L5"), read_level("C5/C6"), read_level("L4")
    (('L4-L5',), ('T12-L1',), ('L3-L4', 'L4-L5'), ('outside',), ())
    """
    names = vertebrae(text)
    if set(names) <= {"T1", "T2"}:
        return ()  # the weighting of the images
    known = [_VERTEBRAE.index(name) for name in names if name in _VERTEBRAE]
    if len(names) > 1 and len(known) > 1 and max(known) > min(known):
        return LEVELS[min(known) : max(known)]
    if len(known) == 1 and len(names) == 1 and text[-1] in "-/":
        return LEVELS[known[0] : known[0] + 1]
    if len(names) > 1 and ("L6" in names or names == ["S1", "S2"]):
        return (TRANSITIONAL,)
    if len(names) > 1 and len(known) < len(names):
        return (OUTSIDE,)
    return (OUTSIDE,) if not known and names and names[0][0] in "CT" else ()


def vertebrae(text: str) -> list[str]:
    """Return names of the vertebrae in a match of `LEVEL`; a bare number takes the letter before it.

    >>> vertebrae("D12/L1"), vertebrae("L4/5"), vertebrae("S2")
    (['T12', 'L1'], ['L4', 'L5'], ['S2'])
    """
    compact = re.sub(r"\s", "", text.upper()).replace("TH", "T")
    compact = re.sub(r"S[IL](?!\d)", "S1", compact)
    compact = re.sub(r"LS(?=[-/])", "L5", compact)
    if joined := re.fullmatch(r"L(\d)(\d)", compact):
        compact = f"L{joined[1]}-L{joined[2]}"
    names: list[str] = []
    for letter, number in re.findall(r"([TDCLS]?)(\d{1,2})", compact):
        region = letter or (names[-1][0] if names else "L")
        if not letter and region == "L" and number == "1" and names[-1] == "L5":
            region = "S"  # "L5-1"
        if not letter and region == "L" and number == "1" and names[-1] == "L6":
            region = "S"
        if not letter and region == "T" and int(number) == 1:
            region = "L"  # "T12-1"
        names.append(("T" if region == "D" else region) + number)
    return names
