"""Table 7 and Figure 10 from a small comparison whose numbers are known."""

from __future__ import annotations

import csv

import pytest

from lss.reporting.ablation_figure import draw_ablation
from lss.reporting.results import Results
from lss.reporting.table_grid import grid_of
from lss.reporting.table_rows import Table
from lss.reporting.table_text import to_csv, to_latex, to_markdown
from lss.reporting.tables.table7_ablation import TABLE

ABOUT = {"repeats": 3, "fusion": "spatial", "loss": "pid_tversky", "images": 40, "patients": 9, "confidence": 0.95,
         "interval": "percentile bootstrap over patients and repeats, 200 draws"}  # fmt: skip
STATISTICS = {"about": {"phantom": True, "weights": {"biomedclip": "tiny"}, "leak": [], "cohort_caveat": None}}
KINDS = [("biomedclip", "spatial", "pid_tversky"), ("biomedclip", "spatial", "tversky"), ("unet", "none", "tversky")]


def measure(kind, metric, stratum, value, sd=0.01):
    names = dict(zip(("backbone", "fusion", "loss"), kind, strict=True))
    return names | {"metric": metric, "stratum": stratum, "value": value, "low": value - 0.1, "high": value + 0.1,
                    "interval": "percentile", "sd": sd, "n": 30, "patients": 9}  # fmt: skip


@pytest.fixture
def comparison():
    measures = []
    for place, kind in enumerate(KINDS):
        measures += [measure(kind, "dice_pseudo", stratum, 0.8 - place / 10) for stratum in ("all", "non_empty")]
        measures.append(measure(kind, "dice_true", "non_empty", 0.6 - place / 10, sd=0.02))
    measures.append(measure(KINDS[0], "attention_ratio", "all", 3.5))
    measures += [measure(kind, "dice_true_difference", "non_empty", -0.1) for kind in KINDS[1:]]
    courses = [
        dict(zip(("backbone", "fusion", "loss"), kind, strict=True))
        | {"column": column, "epoch": epoch, "mean": mean, "low": mean * 0.9, "high": mean * 1.1, "repeats": 3}
        for kind in KINDS
        for column, start in (("beta", 0.7), ("fp", 1e5), ("fn", 2e4))
        for epoch, mean in enumerate((start, start * 0.9), start=1)
        if column != "beta" or kind[2] == "pid_tversky"
    ]
    return {"about": ABOUT, "measures": measures, "courses": courses}


def build_ablation(comparison) -> Table:
    return TABLE.build(7, Results(STATISTICS, comparison))


def test_a_line_per_model_with_interval_difference_and_spread(comparison):
    table = build_ablation(comparison)
    grid = grid_of(table, 3)
    assert [cell.text for cell in grid.headings] == [
        "Model", "System", "Loss", "Dice, pseudo-mask", "Dice, true mask", "Attention by the canal's share",
        "SD of repeats, true mask", "Difference, true mask"]  # fmt: skip
    assert [[cell.text for cell in line] for line in grid.lines] == [
        ["BiomedCLIP", "spatial fusion", "PID-Tversky", "0.800", "0.600", "3.500", "0.020", ""],
        ["BiomedCLIP", "spatial fusion", "Tversky", "0.700", "0.500", "", "0.020", "-0.100"],
        ["U-Net", "no prompts", "Tversky", "0.600", "0.400", "", "0.020", "-0.100"],
    ]
    assert grid.lines[1][7].small == "(-0.200 to 0.000)"
    notes = " ".join(table.notes)
    assert "3 repeats" in notes and "PID-Tversky with spatial fusion" in notes and "patients and repeats" in notes


def test_its_files_are_those_of_the_other_tables(comparison):
    table = build_ablation(comparison)
    rows = list(csv.DictReader(to_csv(table).splitlines()))
    assert len(rows) == 3 + 3 + 3 + 1 + 2
    assert {(row["model"], row["weights"], row["cohort"]) for row in rows} == {
        ("BiomedCLIP", "tiny", "phantom"), ("U-Net", "none", "phantom")}  # fmt: skip
    assert to_markdown(table, 3, ["Research software."]).startswith("# Table 7. Losses, fusions")
    assert "\\label{tab:lss-7}" in to_latex(table, 3, [])


def test_curves_with_bands_over_the_repeats(comparison):
    figure = draw_ablation(comparison)
    rows = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in rows] == [
        "BiomedCLIP, losses with spatial fusion", "U-Net, losses with no prompts"]  # fmt: skip
    beta, false_positives = figure.axes[0], figure.axes[1]
    assert list(beta.lines[0].get_ydata()) == [0.7, pytest.approx(0.63)]
    band = false_positives.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (pytest.approx(0.9e5 * 0.9), pytest.approx(1.1e5))
    legends = [panel.get_legend() for panel in figure.axes if panel.get_legend()]
    assert [[text.get_text() for text in of.get_texts()] for of in legends] == [["PID-Tversky", "Tversky"], ["Tversky"]]
    assert [len(panel.lines) for panel in figure.axes] == [1, 2, 2, 0, 1, 1]  # fixed weights have no course of beta
