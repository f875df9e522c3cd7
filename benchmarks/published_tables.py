"""Writes the tables of docs/explanations.md from the rows in docs/data, which the benchmarks wrote.

    python benchmarks/published_tables.py

`explanations.csv` and `explanations.json` are `benchmarks/explanations.py`'s, `counterfactual.csv` and
`counterfactual_discs.csv` are `benchmarks/counterfactual.py`'s. A test (`tests/docs/test_published_tables.py`) holds
the page to them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from lss.explanations import scoreboard
from lss.storage.io import read_json, write_text

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _counterfactual_tables import other_discs
from _counterfactual_tables import table as counterfactual_table

ROOT = Path(__file__).resolve().parent.parent

PAGE = ROOT / "docs/explanations.md"
DATA = ROOT / "docs/data"
RECORD = DATA / "explanations.json"


def judged() -> list[scoreboard.Judged]:
    """The scoreboard over the published rows."""
    table = pd.read_csv(DATA / "explanations.csv")
    return scoreboard.judge([{str(key): value for key, value in row.items()} for row in table.to_dict("records")])


def explanations() -> list[str]:
    """The scoreboard's tables, what they were made from, and the verdict."""
    record = read_json(RECORD)
    marks = [f"{record[f'accuracy_{name}_marks']:.0%}" for name in ("with", "without")]
    made = (
        f"{record['images']} slices of {record['patients']} test patients ({record['cohort']}), "
        f"model {record['model']}, trained at commit {record['commit']}; measured on {record['day']}. "
        f"Trained on marks, the network names the mark's grade on {marks[0]} of the images with marks and on "
        f"{marks[1]} of those without."
    )
    return [made, "", *scoreboard.table(judged()), "", f"**{scoreboard.verdict(record, record['model'])}**"]


def counterfactual() -> list[str]:
    """The counterfactual's table, and what became of the other discs."""
    rows = pd.read_csv(DATA / "counterfactual.csv")
    discs = pd.read_csv(DATA / "counterfactual_discs.csv")
    return [*counterfactual_table(rows), "", other_discs(discs)]


TABLES = {"explanations": explanations, "counterfactual": counterfactual}


def filled(page: str) -> str:
    """The page with every table between its marks written anew."""
    for name, table in TABLES.items():
        marks = f"<!-- {name}: benchmarks/published_tables.py -->", "<!-- end -->"
        pattern = re.compile(re.escape(marks[0]) + ".*?" + re.escape(marks[1]), re.DOTALL)
        text = "\n".join([marks[0], "", *table(), "", marks[1]])
        page, count = pattern.subn(text.replace("\\", r"\\"), page)
        if count != 1:
            raise SystemExit(f"{PAGE}: has {count} places for the table {name}, needs one")
    return page


if __name__ == "__main__":
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8")))
