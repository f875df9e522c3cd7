"""Stage tables."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from synthetic_results import SEED, Evaluated

from lss.evaluation.measures import find
from lss.reporting.cards import escape_markdown
from lss.reporting.results import Results
from lss.reporting.settings import TableParams
from lss.reporting.table_grid import grid_of
from lss.reporting.table_rows import COLUMNS, TEST_COLUMNS
from lss.reporting.table_text import escape
from lss.reporting.tables import build_tables
from lss.stages import tables
from lss.storage.io import write_json

CAVEAT = 'Notes & images were paired at random: 100 % of {them}, by \\hand_1 ~ <once> ^ #2 $ | "so".'

ABLATION, TESTS, FOLDS, EXTERNALS = 7, 10, 15, 16


@pytest.fixture(scope="module")
def written(evaluated: Evaluated) -> dict[int, Path]:
    tables.run(TableParams(digits=4), SEED, statistics=evaluated.statistics_path, ablation=evaluated.ablation,
               outputs=evaluated.tables, manifest=evaluated.folder / "results/manifests/tables.json")  # fmt: skip
    return evaluated.tables


def rows_of(stem: Path) -> list[dict[str, str]]:
    with Path(f"{stem}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def with_caveat(evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The tables of a user's cohort with a caveat full of special characters."""
    folder = tmp_path_factory.mktemp("caveat")
    statistics = evaluated.statistics
    statistics["about"]["cohort_caveat"] = CAVEAT
    statistics["caveats"].append(CAVEAT)
    write_json(folder / "statistics.json", statistics)
    outputs = {number: folder / stem.name for number, stem in evaluated.tables.items()}
    tables.run(TableParams(digits=4), SEED, statistics=folder / "statistics.json", ablation=evaluated.ablation,
               outputs=outputs, manifest=folder / "manifest.json")  # fmt: skip
    return outputs


def test_every_table_has_its_models_and_columns(written: dict[int, Path]) -> None:
    for number, stem in written.items():
        rows = rows_of(stem)
        if number in (TESTS, ABLATION, FOLDS, EXTERNALS):
            continue
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


@pytest.mark.parametrize(
    ("number", "count"), [(1, 9 * 4 + 3 + 4), (2, 15), (3, 27), (4, 39), (5, 45 + 7), (6, 30), (8, 5)]
)
def test_every_number_of_the_paper_s_table_has_a_place(written: dict[int, Path], number: int, count: int) -> None:
    """AUCs quoted in the text count with tables 1 (4) and 5 (7), Figure 3's with 8; accuracy once per model."""
    assert sum(row["paper_value"] != "" for row in rows_of(written[number])) == count


def test_impossible_numbers_of_the_paper_are_marked(written: dict[int, Path]) -> None:
    marked = [row for row in rows_of(written[3]) if row["note"]]
    assert ("BiomedCLIP", "IoU", "A", "0.9056") in [
        (row["model"], row["metric"], row["stratum"], row["paper_value"]) for row in marked
    ]
    assert "BiomedCLIP, IoU, A: the paper's value cannot be" in Path(f"{written[3]}.md").read_text()


def test_the_paper_s_numbers_stand_beside_the_first_reference_only(written: dict[int, Path]) -> None:
    assert {row["reference"] for row in rows_of(written[2]) if row["paper_value"]} == {"pseudo-mask"}


@pytest.mark.parametrize("number", [1, 2, 6])
def test_the_paper_s_averages_stand_beside_the_balanced_rows(written: dict[int, Path], number: int) -> None:
    averages = [
        row for row in rows_of(written[number]) if row["paper_value"] and row["stratum"] not in ("A", "B&C", "D")
    ]
    assert averages and {row["stratum"] for row in averages} == {"balanced"}


def test_the_paper_s_table_2_is_the_mean_of_its_table_3(written: dict[int, Path]) -> None:
    """Which is why it is compared with our mean over the grades."""
    for model in ("BiomedCLIP", "SmolVLM", "LLaVA-Med"):
        by_grade = [float(row["paper_value"]) for row in rows_of(written[3])
                    if (row["model"], row["metric"]) == (model, "Dice")]  # fmt: skip
        (whole,) = [float(row["paper_value"]) for row in rows_of(written[2])
                    if (row["model"], row["metric"]) == (model, "Dice") and row["paper_value"]]  # fmt: skip
        assert whole == pytest.approx(sum(by_grade) / 3, abs=1e-4)


def test_levels_and_areas_have_tables(written: dict[int, Path]) -> None:
    assert {"L3-L4", "L4-L5", "L5-S1"} <= {row["stratum"] for row in rows_of(written[9])}
    area = rows_of(written[8])
    assert len({row["system"] for row in area}) == 2
    (auc,) = [row for row in area if row["paper_value"] == "0.784"]
    assert (auc["model"], auc["stratum"], auc["system"]) == ("LLaVA-Med", "B&C", "mask area, the paper's thresholds")


def test_tests_are_a_table_too(written: dict[int, Path], evaluated: Evaluated) -> None:
    rows = rows_of(written[TESTS])
    assert tuple(rows[0]) == TEST_COLUMNS and len(rows) == len(evaluated.statistics["tests"])
    for row, test in zip(rows, evaluated.statistics["tests"], strict=True):
        assert [float(row[name]) for name in ("p", "p_holm", "p_patients", "difference")] == [
            test[name] for name in ("p", "p_holm", "p_patients", "difference")]  # fmt: skip
    assert "p, by patient" in Path(f"{written[TESTS]}.md").read_text()


def test_n_and_the_paper_s_value_have_columns_of_their_own(written: dict[int, Path]) -> None:
    lines = Path(f"{written[6]}.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    headings = cells[0]
    assert headings[:4] == ["Loss", "Images", "Metric", "n, patients"]
    (line,) = [line for line in cells if line[:3] == ["cross-entropy", "balanced", "Dice"]]
    assert line[headings.index("BiomedCLIP, paper")] == "0.7411" and line[3] == "48 (12)"
    assert re.fullmatch(r"0\.\d{4} \(0\.\d{3}–0\.\d{3}\)", line[headings.index("BiomedCLIP")])
    assert "Research software, not a medical device" in "\n".join(lines)


def test_a_user_s_caveat_reaches_every_file(with_caveat: dict[int, Path]) -> None:
    for stem in with_caveat.values():
        assert all(row["caveat"] == CAVEAT for row in rows_of(stem))
        assert escape_markdown(CAVEAT) in Path(f"{stem}.md").read_text()
        assert escape(CAVEAT) in Path(f"{stem}.tex").read_text()


def test_every_special_character_is_escaped() -> None:
    assert escape("50 % of A&B_c #1 $x {y} ~ ^ \\") == (
        r"50 \% of A\&B\_c \#1 \$x \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}")  # fmt: skip


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex on the PATH")
def test_latex_compiles_and_fits_on_a4(with_caveat: dict[int, Path], tmp_path: Path) -> None:
    inputs = "\n".join(rf"\input{{{stem}.tex}}" for stem in with_caveat.values())
    (tmp_path / "all.tex").write_text(
        "\\documentclass[a4paper]{article}\n\\usepackage[margin=2cm]{geometry}\n"
        f"\\usepackage{{array,booktabs,longtable,textcomp}}\n\\begin{{document}}\n{inputs}\n\\end{{document}}\n"
    )
    for _ in range(2):  # longtable learns its widths in the first pass
        made = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=tmp_path,
                              capture_output=True, text=True)  # fmt: skip
        assert made.returncode == 0, made.stdout[-2000:]
    assert "Overfull" not in made.stdout


def test_latex_environments_and_columns_are_balanced(with_caveat: dict[int, Path]) -> None:
    """Also where there is no TeX."""
    for stem in with_caveat.values():
        text = Path(f"{stem}.tex").read_text()
        for name in ("longtable", "tabular"):
            assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}")
        plain = re.sub(r"\\[{}]", "", text)
        assert plain.count("{") == plain.count("}")
        lines = [line for line in text.splitlines() if re.search(r"(?<!\\)&", line)]
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in lines}) == (1 if rows_of(stem) else 0)


def test_two_numbers_never_share_a_cell(evaluated: Evaluated) -> None:
    built = build_tables(Results(evaluated.statistics))
    built[3].rows.append(built[3].rows[0])
    with pytest.raises(ValueError, match="table 3: two rows"):
        grid_of(built[3], 3)


def test_a_model_that_was_not_run_has_no_rows(evaluated: Evaluated) -> None:
    statistics = evaluated.statistics
    statistics["measures"] = [row for row in statistics["measures"] if row["task"] != "report"]
    built = build_tables(Results(statistics))
    assert built[4].rows == [] and grid_of(built[4], 3).lines == []
    assert built[1].rows


def test_without_an_ablation_its_table_says_how_to_run_it(written: dict[int, Path]) -> None:
    assert rows_of(written[ABLATION]) == []
    for suffix in ("md", "tex"):
        assert "lss preset ablation" in Path(f"{written[ABLATION]}.{suffix}").read_text()


def test_attention_stands_by_grade_in_table_3(written: dict[int, Path]) -> None:
    """The synthetic attention is even: its share is the canal's, whatever the grade."""
    rows = [row for row in rows_of(written[3]) if row["reference"] == "true canal"]
    assert len(rows) == 3 * 3 * 4
    for row in rows:
        if row["metric"].endswith("by the canal's share"):
            assert float(row["estimate"]) == pytest.approx(1, abs=1e-3)
