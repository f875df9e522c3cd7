"""What the default run promises, read from its results: needs `make` (or `snakemake all`) before, as CI does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lss.metrics.bootstrap import FEWEST_PATIENTS, METHOD_NAMES, NO_INTERVAL
from lss.project.params import load_params


@pytest.fixture(scope="module")
def statistics(project_root: Path) -> dict[str, Any]:
    path = project_root / "results/statistics.json"
    if load_params(project_root / "params.yaml").preset != "phantom":
        pytest.skip("params.yaml does not hold the embedded default")
    if not path.is_file():
        pytest.skip("no results yet: run `make` before")
    return json.loads(path.read_text())


def measure(statistics: dict[str, Any], **wanted: str) -> dict[str, Any]:
    (result,) = [row for row in statistics["measures"] if all(row[key] == value for key, value in wanted.items())]
    return result


@pytest.mark.parametrize("backbone", ["biomedclip", "smolvlm", "llava_med"])
def test_segmentation_reaches_the_pseudo_masks(statistics: dict[str, Any], backbone: str) -> None:
    of_model = {"task": "segmentation", "backbone": backbone, "loss": "pid_tversky", "metric": "dice"}
    assert measure(statistics, **of_model, reference="pseudo_mask", stratum="non_empty", source="mask")["value"] >= 0.75
    assert measure(statistics, **of_model, reference="true_mask", stratum="non_empty", source="mask")["n"] > 0


@pytest.mark.parametrize("backbone", ["biomedclip", "smolvlm", "llava_med"])
def test_classification_is_above_chance_beyond_its_interval(statistics: dict[str, Any], backbone: str) -> None:
    """Chance: always saying the most frequent grade; at balanced prevalence, one in three."""
    counts = statistics["about"]["images_by_grade"]
    of_head = {"task": "classification", "backbone": backbone, "source": "head", "metric": "accuracy"}
    for stratum, chance in (("all", max(counts.values()) / sum(counts.values())), ("balanced", 1 / 3)):
        assert measure(statistics, **of_head, reference="note_grade", stratum=stratum)["low"] > chance


@pytest.mark.parametrize("backbone", ["biomedclip", "smolvlm", "llava_med"])
def test_reports_depend_on_their_image(statistics: dict[str, Any], backbone: str) -> None:
    of_report = {"task": "report", "backbone": backbone, "metric": "grade_agreement", "stratum": "all"}
    written = measure(statistics, **of_report, source="report")
    shuffled = measure(statistics, **of_report, source="shuffled")
    assert written["value"] >= 0.8 and written["low"] > shuffled["high"]


@pytest.mark.parametrize("backbone", ["biomedclip", "smolvlm", "llava_med"])
@pytest.mark.parametrize("metric", ["cider_d", "grade_agreement"])
def test_generators_beat_one_report_for_all(statistics: dict[str, Any], backbone: str, metric: str) -> None:
    """Paired on the same patients, beyond the interval. The filled template they do not beat in CIDEr-D.

    CPUs round differently, and nine patients' notes are few: of the shuffled control in CIDEr-D only the sign is asked,
    its grades are told apart above.
    """
    of_report = {"task": "report", "backbone": backbone, "metric": metric, "stratum": "all"}
    assert measure(statistics, **of_report, source="above_most_frequent")["low"] > 0
    assert measure(statistics, **of_report, source="above_shuffled")["value"] > 0


@pytest.mark.parametrize("backbone", ["biomedclip", "smolvlm", "llava_med"])
def test_area_thresholds_are_those_of_the_report_model(
    statistics: dict[str, Any], project_root: Path, backbone: str
) -> None:
    facts = json.loads((project_root / f"results/manifests/train/{backbone}-report-focal.json").read_text())["facts"]
    about = statistics["about"]["thresholds_percent"]
    assert about["calibrated"][backbone] == pytest.approx(facts["area_thresholds"]["calibrated"], abs=1e-6)
    assert about["fitted_on"][backbone] == "predicted masks of the validation part"
    assert facts["reports_cut"] == {"train": 0, "val": 0}


def test_tables_name_the_phantom_and_the_weights(statistics: dict[str, Any]) -> None:
    assert statistics["about"]["phantom"]
    assert set(statistics["about"]["weights"].values()) == {"tiny"}
    assert any("phantom" in caveat for caveat in statistics["caveats"])


def test_no_interval_is_of_width_zero_or_beside_its_value(statistics: dict[str, Any]) -> None:
    """Of all measures and paired tests; where none is given, words say why."""
    rows = statistics["measures"] + [row | {"value": row["difference"]} for row in statistics["tests"]]
    given = [row for row in rows if row["low"] is not None or row["high"] is not None]
    assert given and all(row["interval"] in METHOD_NAMES and row["patients"] >= FEWEST_PATIENTS for row in given)
    assert [row for row in given if not row["low"] <= row["value"] <= row["high"] or row["low"] == row["high"]] == []
    missing = [row for row in rows if row["low"] is None and row["value"] is not None]
    assert [row for row in missing if row["interval"] not in NO_INTERVAL] == []
