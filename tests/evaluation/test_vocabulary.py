"""A misspelt name of a measure fails where it is made and where it is asked for, and the nearest one is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lss.errors import LssError
from lss.evaluation.measures import KEY, Key, curve_name, find, key_of, measure
from lss.evaluation.vocabulary import METRICS, REFERENCES, SOURCES, STRATA, TASKS, check_names
from lss.metrics.bootstrap import Estimate
from lss.reporting.model_cards import _RESULTS
from lss.reporting.table_choice import FiledMeasures, models, select
from lss.reporting.tables import table_records

OF_MASKS: Key = {"task": "segmentation", "backbone": "b", "loss": "l", "source": "mask", "reference": "pseudo_mask"}
HALF = Estimate(0.5, 0.4, 0.6, 9, 3, 0.0, "bca")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda rows: find(rows, metric="dise"), "metric 'dise'. Did you mean 'dice'"),
        (lambda rows: find(rows, stratum="non-empty"), "stratum 'non-empty'. Did you mean 'non_empty'"),
        (lambda rows: models(rows, reference="pseudomask"), "reference 'pseudomask'. Did you mean 'pseudo_mask'"),
        (lambda rows: models(rows, task="segmentaton"), "task 'segmentaton'. Did you mean 'segmentation'"),
        (lambda rows: list(select(rows, [OF_MASKS], ("hd95",), ("all",))), "metric 'hd95'. Did you mean 'hd95_"),
        (lambda rows: list(select(rows, [], ("dice",), ("every",))), "stratum 'every'"),
        (lambda rows: curve_name("biomedclip", "haed"), "source 'haed'. Did you mean 'head'"),
        (lambda rows: measure(OF_MASKS, "dise", "all", HALF), "metric 'dise'. Did you mean 'dice'"),
        (
            lambda rows: measure({**OF_MASKS, "source": "maks"}, "dice", "all", HALF),
            "source 'maks'. Did you mean 'mask'",
        ),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest(ask: Callable[[FiledMeasures], Any], message: str) -> None:
    with pytest.raises(LssError) as refused:
        ask(FiledMeasures([measure(OF_MASKS, "dice", "all", HALF)]))
    assert message in str(refused.value) and "lss/evaluation/vocabulary.py" in str(refused.value)


def test_a_right_name_is_found() -> None:
    row = measure(OF_MASKS, "dice", "all", HALF)
    assert find([row], metric="dice", stratum="all") is row and find([row], metric="iou") is None
    assert tuple(row[name] for name in KEY) == key_of(row) and list(row)[: len(KEY)] == list(KEY)
    assert models(FiledMeasures([row]), task="segmentation") == [OF_MASKS]
    assert list(select(FiledMeasures([row, row]), [OF_MASKS], ("iou", "dice"), ("empty", "all"))) == [row]


def test_what_cards_and_short_results_ask_for_can_be_measured() -> None:
    for task, of_task in _RESULTS.items():
        for source, reference, names in of_task:
            for metric, stratum in names:
                check_names(task=task, source=source, reference=reference, metric=metric, stratum=stratum)
    for record in table_records().values():
        for metric in record.main:
            check_names(metric=metric)


def test_the_measures_of_the_last_run_have_these_names(project_root: Path) -> None:
    """Those of results/statistics.json, which git does not hold: without a run there is nothing to look at."""
    path = project_root / "results/statistics.json"
    if not path.is_file():
        pytest.skip("no run was made in this checkout")
    rows = json.loads(path.read_text())["measures"]
    assert rows
    for kind, known in zip(("task", "source", "reference", "metric", "stratum"),
                           (TASKS, SOURCES, REFERENCES, METRICS, STRATA), strict=True):  # fmt: skip
        assert {row[kind] for row in rows} <= set(known)
