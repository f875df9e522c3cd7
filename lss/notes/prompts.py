"""The bank of grade prompts: the queries of the text channel (method section "text channel").

The paper names only the span, "normal ... severe thecal sac compression"; the wording is ours. The whole bank is
asked of every image, so that no prompt gives an image's grade away.
"""

from __future__ import annotations

from typing import NamedTuple


class Prompt(NamedTuple):
    """One query: the grade it describes (a code of `lss.grades.GRADES`) and its text."""

    grade: str
    text: str


GRADE_PROMPTS: tuple[Prompt, ...] = (
    Prompt("A", "normal lumbar spinal canal with an uncompressed thecal sac"),
    Prompt("A", "mild disc bulge abutting the thecal sac without compression"),
    Prompt("BC", "mild thecal sac compression by a lumbar disc bulge"),
    Prompt("BC", "moderate narrowing of the lumbar spinal canal and the neural foramina"),
    Prompt("D", "severe thecal sac compression by a large lumbar disc protrusion"),
    Prompt("D", "severe lumbar spinal canal stenosis with an obliterated thecal sac"),
)
"""From normal to severe, two per grade."""
