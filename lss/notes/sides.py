"""Left and right in a text: the patient's, the image's, or none.

Reports name the patient's sides. A network sees an image's: which of them is the patient's left depends on how the
slice was stored (`lss.imaging.geometry.edge_letters`), and the pixels do not show it. So texts are translated where
they go into a network and where they come out of it.
"""

from __future__ import annotations

import re

AS_SEEN = "RL"
"""Edges of an image looked at from the feet, as radiologists do: on its left is the patient's right."""

MIRRORED = "LR"

_SIDES = {"left": "right", "right": "left", "lt": "rt", "rt": "lt", "l": "r", "r": "l"}
_SIDE = r"(?:left|right|lt|rt)"
_SWAPPED = re.compile(rf"\b({_SIDE})(?=\b|sided?\b|wards?\b)|\b([lr])(?=\s*[<>]\s*[lr]\b)|(?<=[<>])(\s*)([lr])\b", re.I)

_ONE = (
    rf"(?:\b(?:left|right|(?:lt|rt)\b\.?)(?:[- ]hand)?(?:[- ]?sided?\b|wards?\b|(?!\w))|\b{_SIDE}(?:sided?|wards?)\b)"
)
_AT = r"(?:(?:on|to|towards?|at|in|along|off|from)\s+)?(?:the\s+|its\s+)?"
_MORE = r"(?:more|most|worse|greater|larger|wider|less|smaller)"
_MARKED = r"(?:\s+(?:so|marked|pronounced|severe|prominent))?"
_COMPARISON = re.compile(
    rf"[,(]?\s*(?:\band\s+)?(?:{_MORE}{_MARKED}\s+)?(?:{_AT}{_ONE}|\b[lr])\s*(?:[<>]|(?:(?:is|are)\s+)?(?:{_MORE}{_MARKED}\s+)?than\b)"
    rf"\s*(?:{_AT}{_ONE}|[lr]\b)\s*\)?",
    re.I,
)
_BOTH = re.compile(rf"{_ONE}\s*(?:and|or|as well as|&|/|,|\+)\s*(?:the\s+)?{_ONE}", re.I)
_GOES_ON = r"(?=\s*(?:[.,;:)]|$|\b(?:and|with|without|at|of|in|is|are|was|causing|compressing|abutting|indenting)\b))"
_PLACE = re.compile(
    rf"[,(]?\s*(?:\b(?:and\s+)?(?:{_MORE}{_MARKED}|mostly|mainly|predominantly|especially|particularly|slightly)\s+)?"
    rf"\b(?:on|to|towards?|at|in|along|off|from)\s+(?:the\s+|its\s+)?{_ONE}{_GOES_ON}\s*\)?",
    re.I,
)
_EMPTY = re.compile(r"(?:(?<=[.;] )|^)(?:the|and|a|an|is|,|\s)*[.;](?:\s|$)", re.I)
"""A sentence of nothing but the side."""


def swap_sides(text: str) -> str:
    """Exchange left and right, Lt and Rt, and L and R where they are compared; the case of the word stays.

    >>> swap_sides("Left foraminal narrowing, Rt. root abutted; facets L>R.")
    'Right foraminal narrowing, Lt. root abutted; facets R>L.'
    """

    def other(match: re.Match[str]) -> str:
        original = match[1] or match[2] or match[4]
        word = _SIDES[original.lower()]
        return (match[3] or "") + (
            word.upper() if original.isupper() else word.capitalize() if original[0].isupper() else word
        )

    return _SWAPPED.sub(other, text)


def without_sides(text: str) -> str:
    """Return the text with left and right taken out; what is on both sides is called bilateral.

    >>> without_sides("Bulge to the left at L4-L5. Left and right recesses are narrow, right more than left.")
    'Bulge at L4-L5. Bilateral recesses are narrow.'
    """
    text = _BOTH.sub("bilateral", _COMPARISON.sub(" ", text))
    text = re.sub(_ONE, " ", _PLACE.sub(" ", text), flags=re.I)
    text = " ".join(re.sub(r"\(\s*\)", " ", text).split())
    text = re.sub(r"(?<=\()\s+|\s+(?=[.,;:)])|(?<=\w)-(?=\s)", "", _EMPTY.sub("", text))
    text = re.sub(r",(?=[.;:])|(?<=[.;:,]),", "", text)
    return re.sub(r"(?:^|(?<=\. ))[a-z]", lambda match: match[0].upper(), text).strip(" ,")


def translate_sides(text: str, sides: str | None) -> str:
    """Return a text of the patient's sides as one of the image's, or the other way round: it is the same exchange.

    Args:
        text: a report.
        sides: the patient's at the left and right edge of the image: "RL" leaves the text, "LR" (a slice stored
            mirrored) exchanges left and right; any other (a sagittal slice, no header) removes the sides.
    """
    if sides == AS_SEEN:
        return text
    return swap_sides(text) if sides == MIRRORED else without_sides(text)
