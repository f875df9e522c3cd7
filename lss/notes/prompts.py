"""The bank of grade prompts: the queries of the text channel (method section "text channel").

The paper names only the span, "normal ... severe thecal sac compression"; the wording is ours. A prompt is a finding
with its degree, and the disc level: "severe thecal sac compression by a large disc protrusion, at L4-L5". Each finding
is worded in several ways. Training draws among all but the last of them; test images get the last, which exposes a
network that has learnt strings instead of their meaning.
"""

from __future__ import annotations

from typing import NamedTuple

from lss.domain.grades import GRADES, LEVELS

UNKNOWN_LEVEL = 0
"""Index of the level words of an image whose disc is not known; the levels follow, in the order of LEVELS."""


class Prompt(NamedTuple):
    """One query: the grade it describes (a code of `GRADES`) and its wordings, the last one held out."""

    grade: str
    wordings: tuple[str, ...]


GRADE_PROMPTS: tuple[Prompt, ...] = (
    Prompt("A", (
        "normal lumbar spinal canal with an uncompressed thecal sac",
        "no canal stenosis, the thecal sac is of normal shape",
        "wide spinal canal, thecal sac not compressed",
        "unremarkable canal with a preserved thecal sac",
    )),
    Prompt("A", (
        "mild disc bulge abutting the thecal sac without compression",
        "slight bulge of the disc that touches the thecal sac and does not compress it",
        "small disc bulge, no compression of the thecal sac",
        "minimal disc bulging that leaves the thecal sac uncompressed",
    )),
    Prompt("BC", (
        "mild thecal sac compression by a lumbar disc bulge",
        "disc bulge that mildly compresses the thecal sac",
        "mild indentation of the thecal sac by a bulging disc",
        "thecal sac mildly compressed by bulging of the disc",
    )),
    Prompt("BC", (
        "moderate narrowing of the lumbar spinal canal and the neural foramina",
        "moderate spinal canal stenosis with narrowed foramina",
        "spinal canal and foramina are moderately narrowed",
        "moderate stenosis of canal and neural foramina",
    )),
    Prompt("D", (
        "severe thecal sac compression by a large lumbar disc protrusion",
        "large disc protrusion that severely compresses the thecal sac",
        "marked compression of the thecal sac by a protruded disc",
        "thecal sac severely compressed by a large protrusion of the disc",
    )),
    Prompt("D", (
        "severe lumbar spinal canal stenosis with an obliterated thecal sac",
        "critical stenosis of the spinal canal, the thecal sac is effaced",
        "severely narrowed canal with complete effacement of the thecal sac",
        "severe stenosis of the canal that obliterates the thecal sac",
    )),
)  # fmt: skip
"""From normal to severe, two per grade, each with as many wordings."""

TRAINING_WORDINGS = len(GRADE_PROMPTS[0].wordings) - 1
"""Wordings that training draws among: 0, 1, ... The next index is the held-out one, `TEST_WORDING`."""

TEST_WORDING = TRAINING_WORDINGS

PROMPT_GRADES: tuple[int, ...] = tuple(GRADES.index(prompt.grade) for prompt in GRADE_PROMPTS)
"""Index into GRADES of each prompt."""


_ALL = range(len(GRADE_PROMPTS))
_GRADE_CONTENTS = {
    grade: tuple(PROMPT_GRADES.index(number) + prompt % 2 for prompt in _ALL) for number, grade in enumerate(GRADES)
}  # the first and the second prompt of the grade, over and over

PROMPT_CONTENTS: dict[str, tuple[int, ...]] = {
    **_GRADE_CONTENTS,
    "shuffled": tuple(
        (prompt - 2) % len(GRADE_PROMPTS) for prompt in _ALL
    ),  # each grade takes the words of the one before
    "empty": tuple(len(GRADE_PROMPTS) for _ in _ALL),
    "own": tuple(_ALL),
}
"""Contents of the prompt bank: for each prompt the index of the prompt that gives its words; one past the last: none.

All but `own` are for controls: all of one grade, shuffled between the grades, empty text.
"""


def level_index(level: str | None) -> int:
    """Return the index of a level's words: 0 for an unknown level, then LEVELS in their order.

    >>> level_index(None), level_index(LEVELS[0])
    (0, 1)
    """
    return LEVELS.index(level) + 1 if level in LEVELS else UNKNOWN_LEVEL


def level_words(index: int) -> str:
    """Say how a prompt names its disc.

    >>> level_words(0)
    'at an unknown lumbar level'
    """
    return f"at {LEVELS[index - 1]}" if index else "at an unknown lumbar level"


def prompt_text(prompt: Prompt, wording: int, level: int) -> str:
    """Return the whole text of a prompt, as the text tower reads it; `level` as of `level_index`."""
    return f"{prompt.wordings[wording]}, {level_words(level)}"
