"""What happens to a report that contradicts its sources: kept, regenerated, or replaced by the template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Origin = Literal["first", "regenerated", "template"]
OnContradiction = Literal["keep", "regenerate", "template"]


@dataclass(frozen=True)
class Written:
    """A report and how it came about.

    Attributes:
        report: the text that counts.
        origin: `first` (as the generator wrote it at once), `regenerated`, or `template` (the severity sentence alone).
        attempts: texts that the generator wrote for it, the first included.
        first_report: what it wrote at first, where that was replaced; else None.
    """

    report: str
    origin: Origin
    attempts: int
    first_report: str | None


def settle(
    first: list[str],
    *,
    on_contradiction: OnContradiction,
    attempts: int,
    contradicts: Callable[[int, str], bool],
    rewrite: Callable[[list[int], int], list[str]],
    template: Callable[[int], str],
) -> list[Written]:
    """Keep reports, or replace those that contradict their sources.

    Args:
        first: what the generator wrote.
        on_contradiction: `keep` keeps all; `template` replaces those that contradict by the template; `regenerate` has
            them written anew, and takes the template for those that still contradict after all `attempts`.
        attempts: how often a report is written anew, at most.
        contradicts: whether a text for the report of this number contradicts (`ReportCheck.contradicts`).
        rewrite: from numbers of reports and the number of the attempt (from 1) to a new text for each.
        template: from the number of a report to the text that cannot contradict.
    """
    settled = [Written(report, "first", 1, None) for report in first]
    if on_contradiction == "keep":
        return settled
    left = [row for row, report in enumerate(first) if contradicts(row, report)]
    tries = attempts if on_contradiction == "regenerate" else 0
    for attempt in range(1, tries + 1):
        if not left:
            break
        texts = dict(zip(left, rewrite(left, attempt), strict=True))
        left = [row for row, text in texts.items() if contradicts(row, text)]
        for row in texts.keys() - set(left):
            settled[row] = Written(texts[row], "regenerated", 1 + attempt, first[row])
    for row in left:
        settled[row] = Written(template(row), "template", 1 + tries, first[row])
    return settled
