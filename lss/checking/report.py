"""The result of a check as text for a terminal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lss.checking.cohort import Checked
from lss.checking.problems import Problem, Weight
from lss.cohorts.settings import CohortParams

_MEANING = {
    Weight.STOPS: "must be mended",
    Weight.LEFT_OUT: "cannot be used as it is",
    Weight.LOOK: "doubtful, or without plane, weighting, level or grade",
    Weight.AS_IT_SHOULD: "as it should be",
}


def print_checked(checked: Checked, cohort: CohortParams) -> None:
    """Print what the cohort holds and one row per kind of problem, with a first example.

    Args:
        checked: what to print.
        cohort: settings of params.yaml; where others are needed for these files, they are printed too.
    """
    console = Console(highlight=False)
    console.print(Text(summary(checked)))
    for weight in Weight:
        kinds = _by_kind(problem for problem in checked.problems if problem.weight is weight)
        if not kinds:
            continue
        title = f"{weight.value.capitalize()}: {_MEANING[weight]}"
        table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
        table.add_column("problem", ratio=2)
        table.add_column("count", justify="right")
        table.add_column("the first", ratio=4, overflow="fold")
        table.add_column("mended by", ratio=3, overflow="fold")
        for of_kind in kinds:
            first = of_kind[0]
            example = ": ".join(filter(None, (PurePosixPath(first.file).name, first.detail)))
            table.add_row(*map(Text, (first.kind, str(len(of_kind)), example, first.mend or first.remedy)))
        console.print(table)
    if checked.is_clean:
        console.print("Nothing is to be mended.")
    elsewhere = checked.cohort.root not in {cohort.root, *(archive.root for archive in cohort.archives.values())}
    if elsewhere or (not cohort.labels and checked.cohort.folder != cohort.folder):
        settings = yaml.safe_dump({"cohort": _settings(checked.cohort, cohort)}, sort_keys=False, allow_unicode=True)
        lacks = checked.cohort.name == "folder" and checked.cohort.folder.table is None
        also = ", and the table and its columns once it can be read (see above)" if lacks else ""
        console.print(Text(f"To run on these files set in params.yaml{also}:\n{settings.rstrip()}"), soft_wrap=True)


def _settings(used: CohortParams, own: CohortParams) -> dict[str, Any]:
    """Return the settings of the section `cohort` by which the files were read, where params.yaml has others."""
    read, stated = (cohort.model_dump(mode="json", include={"name", "root", "folder"}) for cohort in (used, own))
    columns = {name: value for name, value in read.pop("folder").items() if value != stated["folder"][name]}
    return read | ({"folder": columns} if used.name == "folder" and columns else {})


def _by_kind(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Return problems of one kind that one setting or table mends together, in the order of their first."""
    kinds: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        kinds[problem.kind, problem.mend.split(", row ")[0]].append(problem)
    return list(kinds.values())


def summary(checked: Checked) -> str:
    """Return what the cohort holds, in one or two sentences."""
    rows = checked.rows
    counts = [(len({row[key] for row in rows}), *words) for key, *words in _KEYS]
    held = ", ".join(f"{count} {one if count == 1 else more}" for count, one, more in counts)
    kinds = Counter(f"{row['plane']} {row['weighting']}" for row in rows)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    used = sum(row["reason"] is None for row in rows)
    archives = checked.cohort.archives.values()
    read = "; ".join(f"{archive.root}, read as '{archive.name}'" for archive in archives)
    text = f"{read}: {held}"
    return f"{text} ({listed}); {used} would be worked on." if rows else f"{text}."


_KEYS = (
    ("patient_key", "patient", "patients"),
    ("study_key", "study", "studies"),
    ("series_key", "series", "series"),
    ("slice_key", "slice", "slices"),
)
