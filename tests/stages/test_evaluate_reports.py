"""Stage evaluate: what it says of generated reports, of their checks, and of how the ways of grading agree."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sk
from synthetic_results import BACKBONES, Evaluated, make, run_evaluate

from lss.domain.grades import GRADES
from lss.evaluation.measures import find
from lss.evaluation.report_checks import evaluate_checks
from lss.evaluation.reports import FINDINGS_METRICS
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.language import METRICS
from lss.metrics.report_baselines import most_frequent_report
from lss.model.severity import Thresholds, grade_by_area
from lss.notes.grading import grade_report
from lss.notes.report_consistency import CONTRADICTIONS
from lss.reporting.names import SOURCES
from lss.reporting.results import Results
from lss.reporting.table_grid import grid_of
from lss.reporting.table_text import remarks
from lss.reporting.tables import build_tables
from lss.storage.io import write_json
from lss.storage.schemas import REPORT

BASELINES = ("shuffled", "most_frequent", "most_frequent_level", "level_grade", "central", "nearest_image",
             "nearest_level", "template")  # fmt: skip


def measured(evaluated: Evaluated, **key: str) -> dict[str, Any]:
    result = find(evaluated.statistics["measures"], **key)
    assert result is not None, key
    return result


def test_a_generator_is_held_against_every_other_system(evaluated: Evaluated) -> None:
    for backbone in BACKBONES:
        for other in BASELINES:
            of_other = backbone if other in ("shuffled", "level_grade", "central", "template") else ""
            for metric in [*METRICS, "grade_agreement"]:
                if other == "shuffled" and metric.startswith("distinct"):
                    continue
                key = {"task": "report", "metric": metric}
                own = measured(evaluated, **key, backbone=backbone, source="report")
                theirs = measured(evaluated, **key, backbone=of_other, source=other)
                above = measured(evaluated, **key, backbone=backbone, source=f"above_{other}")
                assert above["value"] == pytest.approx(own["value"] - theirs["value"], abs=2e-6)
                if above["low"] is None:
                    assert above["interval"] == "no spread"
                    continue
                assert above["low"] <= above["value"] + 1e-6 and above["value"] - 1e-6 <= above["high"]


def test_the_difference_is_of_the_corpus_scores_on_the_same_draws(evaluated: Evaluated) -> None:
    """The grades agree, or do not, on the same drawn patients."""
    cases = pq.read_table(evaluated.cases["report"]).to_pandas()
    first = cases[cases["backbone"] == "biomedclip"].reset_index(drop=True)
    above = measured(evaluated, backbone="biomedclip", source="above_shuffled", metric="bleu_4")
    assert above["low"] > 0
    assert find(evaluated.statistics["measures"], source="above_shuffled", metric="distinct_1") is None

    training = [text for path in evaluated.inputs.shards["train"] for text in pq.read_table(path)["report"].to_pylist()]
    stated = grade_report(most_frequent_report(training))
    right = (first["text_grade"] == first["grade"]).astype(float) - (first["grade"] == stated).astype(float)
    bootstrap = PatientBootstrap(list(first["patient_key"]), 200, 0.95, 3)
    expected = bootstrap.mean(right.to_numpy())
    result = measured(evaluated, backbone="biomedclip", source="above_most_frequent", metric="grade_agreement")
    assert (result["low"], result["high"]) == pytest.approx((expected.low, expected.high), abs=1e-5)


def test_discs_are_the_slices_of_a_patient_s_level_pooled(evaluated: Evaluated) -> None:
    """Grades by the mean of the case table's probabilities; reports beside both tables of level and grade."""
    cases = pq.read_table(evaluated.cases["classification"]).to_pandas().query("backbone == 'biomedclip'")
    chances = ["p_A", "p_BC", "p_D"]
    discs = cases.groupby(["patient_key", "level"], sort=False)
    means = discs[chances].mean().to_numpy()
    true = discs["grade"].agg(lambda grades: max(grades, key=GRADES.index)).map(GRADES.index).to_numpy()
    result = measured(evaluated, task="disc", backbone="biomedclip", source="head", metric="accuracy", stratum="all")
    assert (result["value"], result["n"]) == (pytest.approx((means.argmax(axis=1) == true).mean(), abs=1e-6), len(true))
    for source in ("report", "level_grade", "central", "above_level_grade", "above_central"):
        row = measured(evaluated, task="disc_report", backbone="biomedclip", source=source, metric="finding_score")
        assert row["n"] == len(true)
    shown = {(row["system"], row["stratum"]) for row in build_tables(Results(evaluated.statistics))[13].rows}
    assert {(SOURCES[source], what) for source in ("report", "central") for what in ("images", "discs")} <= shown


def test_agreement_of_the_grade_sources(evaluated: Evaluated) -> None:
    cases = pq.read_table(evaluated.cases["classification"]).to_pandas()
    for backbone, rows in cases.groupby("backbone"):
        for first, second in (("text", "head"), ("text", "area_paper"), ("text", "area_calibrated"),
                              ("head", "area_calibrated")):  # fmt: skip
            key = {"task": "agreement", "backbone": backbone, "source": first, "reference": second}
            share, kappa = (measured(evaluated, **key, metric=metric) for metric in ("agreement", "kappa"))
            assert share["value"] == pytest.approx((rows[first] == rows[second]).mean(), abs=1e-6)
            assert kappa["value"] == pytest.approx(sk.cohen_kappa_score(rows[first], rows[second]), abs=1e-6)
            assert share["low"] <= share["value"] <= share["high"] and share["n"] == 48


def test_shares_of_contradictions_and_origins() -> None:
    kinds = [["grade", "area"], [], ["area"], []]
    origins = ["template", "first", "regenerated", "first"]
    rows = [
        {"backbone": "b", "loss": "focal", "contradictions": result, "origin": origin}
        for result, origin in zip(kinds, origins, strict=True)
    ]
    result = evaluate_checks(rows, PatientBootstrap(list("ppqr"), 100, 0.95, 0))
    shares = {row["metric"]: row["value"] for row in result}
    assert shares == {f"contradicts_{kind}": 0.0 for kind in CONTRADICTIONS} | {
        "contradicts": 0.5, "contradicts_grade": 0.25, "contradicts_area": 0.5, "regenerated": 0.25, "template": 0.25,
    }  # fmt: skip


def test_case_table_tells_contradictions_and_origins(tmp_path: Path) -> None:
    inputs = make(tmp_path / "inputs", patients=3, slices=3)
    path = inputs.predictions["smolvlm", "report", "focal"]
    rows = pq.read_table(path).to_pylist()
    rows[0] |= {"report": "Severe spinal canal stenosis, 77.0 % of the region is affected.", "level": "L4-L5",
                "mask_grade": "D", "area_percent": 5.0}  # fmt: skip
    rows[1] |= {"origin": "template", "attempts": 4, "first_report": "before"}
    pq.write_table(pa.Table.from_pylist(rows, schema=REPORT), path)
    result = run_evaluate(inputs, tmp_path)
    cases = pq.read_table(result.cases["report"]).to_pandas().query("backbone == 'smolvlm'")
    first, second = cases.iloc[0], cases.iloc[1]
    assert list(first["contradictions"]) == ["area"]
    assert first["disagreements"][0] == "The text states 77.0 %, the mask covers 5.0 %."
    assert (second["origin"], second["attempts"], second["first_report"]) == ("template", 4, "before")
    shares = {name: measured(result, backbone="smolvlm", source="report", metric=name)["value"]
              for name in ("contradicts", "template", "regenerated")}  # fmt: skip
    assert shares["template"] == pytest.approx(1 / 9, abs=1e-6) and shares["regenerated"] == 0
    assert shares["contradicts"] == pytest.approx((cases["contradictions"].str.len() > 0).mean(), abs=1e-6)
    assert result.metrics["report"]["smolvlm"]["report"]["contradicts"] == shares["contradicts"]


@pytest.mark.parametrize("used", ["calibrated", "paper"])
def test_thresholds_are_the_report_model_s_own(tmp_path: Path, used: str) -> None:
    inputs = make(tmp_path / "inputs", patients=3, slices=3)
    manifests = []
    for backbone, thresholds in (("biomedclip", [4.0, 9.0]), ("smolvlm", [1.0, 50.0])):
        facts = {"backbone": backbone, "task": "report", "loss": "focal", "leak": False, "weights": {},
                 "area_thresholds": {"paper": [10, 25], "calibrated": thresholds, "used": used,
                                     "fitted_on": "predicted masks of the validation part",
                                     "unreached": ["BC"] if backbone == "smolvlm" else []}}  # fmt: skip
        manifests.append(tmp_path / f"{backbone}.json")
        write_json(manifests[-1], {"stage": "train", "facts": facts, "params": {}})
    result = run_evaluate(inputs, tmp_path, manifests)
    about = result.statistics["about"]["thresholds_percent"]
    assert about["calibrated"]["smolvlm"] == [1.0, 50.0] and about["used"]["smolvlm"] == used
    assert about["fitted_on"]["smolvlm"].startswith("predicted") and about["fitted_on"]["llava_med"].startswith(
        "pseudo"
    )
    caveats = " ".join(result.statistics["caveats"])
    assert "llava_med were fitted on the validation part's pseudo-masks" in caveats
    assert "thresholds of smolvlm leave out B&C" in caveats and "of biomedclip leave out" not in caveats

    cases = pq.read_table(result.cases["classification"]).to_pandas()
    rows = cases[cases["backbone"] == "smolvlm"]
    calibrated = [grade_by_area(area, Thresholds(1.0, 50.0)) for area in rows["area_percent"]]
    own = calibrated if used == "calibrated" else [grade_by_area(area) for area in rows["area_percent"]]
    assert list(rows["area_calibrated"]) == calibrated and list(rows["area_own"]) == own
    same = [len(set(three)) == 1 for three in zip(rows["head"], own, rows["text"], strict=True)]
    assert list(rows["agree"]) == same
    # the template is filled by the same thresholds
    agreement = measured(result, backbone="smolvlm", source="template", metric="grade_agreement")["value"]
    assert agreement == pytest.approx(np.mean(np.array(own) == rows["grade"].to_numpy()), abs=1e-6)


def test_two_report_losses_stand_side_by_side(tmp_path: Path) -> None:
    inputs = make(tmp_path / "inputs", patients=3, slices=3)
    for backbone in BACKBONES:
        path = tmp_path / "inputs" / backbone / "report-nll.parquet"
        shutil.copy(inputs.predictions[backbone, "report", "focal"], path)
        inputs.predictions[backbone, "report", "nll"] = path
    result = run_evaluate(inputs, tmp_path)
    cases = pq.read_table(result.cases["report"]).to_pandas()
    assert cases.groupby(["backbone", "loss"]).size().to_dict() == dict.fromkeys(
        product(BACKBONES, ("focal", "nll")), 9
    )
    built = build_tables(Results(result.statistics))
    for number in (4, 5):
        grid = grid_of(built[number], 3)
        column = [heading.text for heading in grid.headings].index("Loss")
        assert {"focal", "NLL"} <= {line[column].text for line in grid.lines}
    frequent = [row for row in result.statistics["measures"]
                if row["source"] == "most_frequent" and row["stratum"] == "all"]  # fmt: skip
    # grade agreement, five numbers on findings, and text metrics of findings alone; once for images, and no disc
    assert {row["loss"] for row in frequent} == {""} and len(frequent) == len(METRICS) + 6 + len(FINDINGS_METRICS)


def test_caveats_of_texts_name_their_system(tmp_path: Path) -> None:
    inputs = make(tmp_path / "inputs", patients=3, slices=3)
    path = inputs.predictions["llava_med", "report", "focal"]
    rows = pq.read_table(path).to_pylist()
    rows[4]["report"] = "  "
    pq.write_table(pa.Table.from_pylist(rows, schema=REPORT), path)
    statistics = run_evaluate(inputs, tmp_path).statistics
    messages = [caveat for caveat in statistics["caveats"] if "hold no word" in caveat]
    assert messages == ["report/llava_med/focal: 1 of 9 reports hold no word."]


def test_draws_without_a_case_are_counted_and_reported(evaluated: Evaluated, tmp_path: Path) -> None:
    """With three patients, of whom one has grade D, 8 in 27 draws hold none."""
    inputs = make(tmp_path / "inputs", patients=3, slices=3)
    for path in [*inputs.predictions.values(), *inputs.shards["test"]]:
        table = pq.read_table(path)
        rows = table.to_pylist()
        for row in rows:
            if not row["patient_key"].endswith("00") and row["grade"] == "D":
                row["grade"] = "BC"
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    result = run_evaluate(inputs, tmp_path)
    recall = measured(
        result, source="head", metric="recall", stratum="D", backbone="biomedclip", reference="note_grade"
    )
    assert recall["undefined_draws"] == pytest.approx(8 / 27, abs=0.1)
    assert measured(result, source="head", metric="accuracy", stratum="all")["undefined_draws"] == 0
    messages = [
        remark for remark in remarks(build_tables(Results(result.statistics))[1]) if "hold no such case" in remark
    ]
    assert any(remark.startswith("D (") and "Recall" in remark for remark in messages)
    assert not any(remark.startswith("all (") for remark in messages)
