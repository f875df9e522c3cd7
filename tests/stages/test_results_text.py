"""The Markdown page of a run's main numbers, from a synthetic run whose cases are known."""

from __future__ import annotations

import re

import numpy as np
import pyarrow.parquet as pq
from synthetic_results import Evaluated

from lss.reporting.results_text import results_text
from lss.reporting.tables import table_records


def test_the_page_opens_with_the_best_masks_and_shows_the_main_rows(evaluated: Evaluated) -> None:
    text = results_text(evaluated.statistics, {"measures": []}, [])
    dice: dict[tuple[str, str], list[float]] = {}
    for row in pq.read_table(evaluated.cases["segmentation"]).to_pylist():
        if row["reference"] == "pseudo_mask":
            dice.setdefault((row["backbone"], row["loss"]), []).append(row["dice"])
    best = max(float(np.mean(values)) for values in dice.values())
    assert f"masks reach a Dice of {best:.2f} on all slices" in text
    assert "Research software, not a medical device" in text
    table = text.split("## Table 2. ")[1].split("\n## ")[0]
    assert re.search(r"\| pseudo-mask +\| all +\| Dice +\|", table) and "Recall" not in table
    assert all(
        f"## Table {number}. " in text for number, record in table_records().items() if record.main and number != 12
    )  # 12: no prompts were exchanged


def test_an_ablation_that_was_not_run_is_left_out(evaluated: Evaluated) -> None:
    assert "Table 7" not in results_text(evaluated.statistics, {"measures": []}, [])


def test_no_fact_stands_twice(evaluated: Evaluated) -> None:
    head = results_text(evaluated.statistics, {"measures": []}, []).split("\n## ")[0]
    facts = re.findall(r"^- ([\w ]+):", head, flags=re.M)
    assert "Cohort" in facts and len(facts) == len(set(facts))
