"""The paper's numbers: all there, and those that contradict each other are known."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lss.reporting.names import BACKBONES
from lss.reporting.paper_values import impossible_in_paper, paper_values

CODES = {name: code for code, name in BACKBONES.items()}
COLUMNS = {"grade_a": "A", "grade_bc": "BC", "grade_d": "D", "macro_average": "macro"}


@pytest.mark.parametrize(
    ("table", "file", "loss", "source"),
    [
        ("table1", "table1_classification.csv", "", "head"),
        ("table3", "table3_segmentation_by_grade.csv", "pid_tversky", "mask"),
        ("table5", "table5_report_implied_severity.csv", "focal", "text"),
    ],
)
def test_tables_by_grade(shared: Path, table: str, file: str, loss: str, source: str) -> None:
    checked = 0
    with (shared / "paper/tables" / file).open() as opened:
        for row in csv.DictReader(opened):
            metric = {"sensitivity": "recall"}.get(row["metric"], row["metric"])
            for column, stratum in COLUMNS.items():
                if column in row:
                    key = (table, CODES[row["model"]], loss, source, metric, stratum)
                    assert paper_values()[key].value == float(row[column])
                    checked += 1
    assert checked >= 27


def test_tables_by_metric(shared: Path) -> None:
    names = {"meteor": "meteor_1_5", "cider": "cider_d"}
    files = {
        "table2": ("table2_segmentation.csv", "mask", "pid_tversky"),
        "table4": ("table4_report_generation.csv", "report", "focal"),
        "table6": ("table6_loss_ablation.csv", "mask", None),
    }
    for table, (file, source, loss) in files.items():
        with (shared / "paper/tables" / file).open() as opened:
            for row in csv.DictReader(opened):
                for column, text in row.items():
                    if column in ("model", "loss") or column.startswith("dice_ci"):
                        continue
                    key = (table, CODES[row["model"]], loss or row["loss"], source, names.get(column, column), "all")
                    assert paper_values()[key].value == float(text)


def test_intervals_of_the_paper() -> None:
    assert paper_values()["table2", "llava_med", "pid_tversky", "mask", "dice", "all"] == (
        0.9624,
        0.951,
        0.973,
        "0.9624",
    )
    assert paper_values()["table1", "smolvlm", "", "head", "accuracy", "all"] == (0.8266, 0.798, 0.851, "0.8266")


def test_ious_that_cannot_be() -> None:
    impossible = {(table, backbone, stratum) for table, backbone, _, _, _, stratum in impossible_in_paper()}
    assert {("table3", "biomedclip", "A"), ("table5", "biomedclip", "A"), ("table5", "smolvlm", "A")} <= impossible
    assert not any(table == "table2" for table, _, _ in impossible)
    reason = impossible_in_paper()["table3", "biomedclip", "pid_tversky", "mask", "iou", "A"]
    assert "0.9056" in reason and "0.951981" in reason
