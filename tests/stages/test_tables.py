"""Stage tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from synthetic_results import SEED, Evaluated

from lss.evaluation.measures import find
from lss.params import TableParams
from lss.reporting.tables import COLUMNS, build_tables
from lss.stages import tables


@pytest.fixture(scope="module")
def written(evaluated: Evaluated) -> dict[int, Path]:
    tables.run(TableParams(digits=4), SEED, statistics=evaluated.statistics_path, outputs=evaluated.tables,
               manifest=evaluated.folder / "results/manifests/tables.json")  # fmt: skip
    return evaluated.tables


def rows_of(stem: Path) -> list[dict[str, str]]:
    with Path(f"{stem}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_table_has_its_models_and_columns(written: dict[int, Path]) -> None:
    for number, stem in written.items():
        rows = rows_of(stem)
        assert tuple(rows[0]) == COLUMNS
        assert {"BiomedCLIP", "SmolVLM", "LLaVA-Med"} <= {row["model"] for row in rows}
        assert {row["cohort"] for row in rows} == {"phantom"}, number
        for row in rows:
            assert row["estimate"] == "" or row["ci_low"] == "" or float(row["ci_low"]) <= float(row["ci_high"])


def test_values_are_those_of_the_statistics_with_the_paper_s_beside(
    written: dict[int, Path], evaluated: Evaluated
) -> None:
    measured = find(evaluated.statistics["measures"], backbone="llava_med", source="head", reference="note_grade",
                    metric="recall", stratum="D")  # fmt: skip
    chosen = [row for row in rows_of(written[1])
              if (row["model"], row["metric"], row["stratum"]) == ("LLaVA-Med", "Recall", "D")]  # fmt: skip
    assert measured is not None
    assert len(chosen) == 1
    assert float(chosen[0]["estimate"]) == measured["value"]
    assert chosen[0]["paper_value"] == "0.9425"


@pytest.mark.parametrize(("number", "count"), [(1, 9 * 4 + 3 + 4), (2, 15), (3, 27), (4, 39), (5, 45 + 7), (6, 30)])
def test_every_number_of_the_paper_s_table_has_a_place(written: dict[int, Path], number: int, count: int) -> None:
    """AUCs quoted in the text count with tables 1 (4) and 5 (7); accuracy once per model."""
    assert sum(row["paper_value"] != "" for row in rows_of(written[number])) == count


def test_impossible_numbers_of_the_paper_are_marked(written: dict[int, Path]) -> None:
    marked = [row for row in rows_of(written[3]) if row["note"]]
    assert ("BiomedCLIP", "IoU", "A", "0.9056") in [
        (row["model"], row["metric"], row["stratum"], row["paper_value"]) for row in marked
    ]
    assert "BiomedCLIP, IoU, A: the paper's value cannot be" in Path(f"{written[3]}.md").read_text()


def test_the_paper_s_numbers_stand_beside_the_first_reference_only(written: dict[int, Path]) -> None:
    assert {row["reference"] for row in rows_of(written[2]) if row["paper_value"]} == {"pseudo-mask"}


def test_markdown_and_latex(written: dict[int, Path]) -> None:
    text = Path(f"{written[6]}.md").read_text()
    assert text.startswith("# Table 6. Losses compared") and "paper 0.7411" in text and "PID-Tversky" in text
    assert "Research software, not a medical device" in text
    latex = Path(f"{written[1]}.tex").read_text()
    assert latex.count(r"\begin{tabular}") == 1 and r"B\&C" in latex and "95\\% interval" in latex


def test_a_model_that_was_not_run_has_no_rows(evaluated: Evaluated) -> None:
    statistics = evaluated.statistics
    statistics["measures"] = [row for row in statistics["measures"] if row["task"] != "report"]
    built = build_tables(statistics)
    assert built[4].rows == [] and built[4].grid() == ([], [])
    assert built[1].rows
