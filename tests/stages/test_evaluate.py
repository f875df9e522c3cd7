"""Stage evaluate on models of known quality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn import metrics as sk
from synthetic_results import Evaluated, make, run_evaluate

from lss.calibration.probabilities import Prevalence
from lss.errors import LssError
from lss.evaluation.cases import CASE_SCHEMAS
from lss.evaluation.measures import find
from lss.metrics.bootstrap import NOT_SAMPLED
from lss.reporting.results import Results
from lss.reporting.table_grid import grid_of
from lss.reporting.tables import build_tables
from lss.storage.io import write_json
from lss.storage.schemas import TRUTH

GRADES = ["A", "BC", "D"]


def test_case_tables_have_a_row_per_image_and_model(evaluated: Evaluated) -> None:
    expected = {"classification": 48 * 3, "segmentation": 48 * 3 * 2 * 2, "report": 48 * 3}
    for task, path in evaluated.cases.items():
        table = pq.read_table(path)
        assert table.schema.equals(CASE_SCHEMAS[task])
        assert table.num_rows == expected[task]


def test_accuracy_of_the_head_from_the_case_table(evaluated: Evaluated) -> None:
    cases = pq.read_table(evaluated.cases["classification"]).to_pandas()
    for backbone, rows in cases.groupby("backbone"):
        for source in ("head", "area_paper", "area_calibrated", "text"):
            result = find(evaluated.statistics["measures"], backbone=backbone, source=source, reference="note_grade",
                         metric="accuracy", stratum="all")  # fmt: skip
            assert result is not None
            assert result["value"] == pytest.approx(sk.accuracy_score(rows["grade"], rows[source]), abs=1e-6)
            assert result["low"] <= result["value"] <= result["high"]
            assert (result["n"], result["patients"]) == (48, 12)
        confusion = evaluated.statistics["curves"][f"{backbone}/head"]["confusion"]
        expected = sk.confusion_matrix(rows["grade"], rows["head"], labels=GRADES)
        np.testing.assert_array_equal(np.array(confusion)[:, :3], expected)


def test_mean_dice_from_the_case_table(evaluated: Evaluated) -> None:
    cases = pq.read_table(evaluated.cases["segmentation"]).to_pandas()
    for (backbone, loss, reference), rows in cases.groupby(["backbone", "loss", "reference"]):
        key = {"backbone": backbone, "loss": loss, "source": "mask", "reference": reference, "metric": "dice"}
        for stratum, chosen in {
            "all": rows,
            "non_empty": rows[~rows["empty"].isin(["both", "reference"])],
            "D": rows[rows["grade"] == "D"],
            "L4-L5": rows[rows["level"] == "L4-L5"],
        }.items():
            result = find(evaluated.statistics["measures"], **key, stratum=stratum)
            assert result is not None
            assert result["value"] == pytest.approx(chosen["dice"].mean(), abs=1e-6)
            assert result["n"] == len(chosen)
        pooled = find(evaluated.statistics["measures"], **key, stratum="pooled")
        sums = rows[["tp", "fp", "fn"]].sum()
        assert pooled is not None
        assert pooled["value"] == pytest.approx(2 * sums.tp / (2 * sums.tp + sums.fp + sums.fn), abs=1e-6)


def test_balanced_dice_is_the_mean_of_the_grades_means(evaluated: Evaluated) -> None:
    cases = pq.read_table(evaluated.cases["segmentation"]).to_pandas()
    for (backbone, loss, reference), rows in cases.groupby(["backbone", "loss", "reference"]):
        result = find(evaluated.statistics["measures"], backbone=backbone, loss=loss, source="mask", metric="dice",
                     reference=reference, stratum="balanced")  # fmt: skip
        assert result is not None
        assert result["value"] == pytest.approx(rows.groupby("grade")["dice"].mean().mean(), abs=1e-6)
        assert result["low"] <= result["value"] <= result["high"] and result["n"] == 48


def test_tests_between_models_and_between_grade_sources(evaluated: Evaluated) -> None:
    tests = evaluated.statistics["tests"]
    families = {test["family"] for test in tests}
    assert {"Dice against pseudo_mask, backbones", "Dice against true_mask, losses", "grades by text",
            "ways of grading, smolvlm", "CIDEr-D of the reports, focal"} <= families  # fmt: skip
    cases = pq.read_table(evaluated.cases["report"]).to_pandas().pivot(index="slice_key", columns="backbone")["cider_d"]
    (result,) = [test for test in tests if test["family"].startswith("CIDEr-D")
                and {test["first"], test["second"]} == {"biomedclip", "llava_med"}]  # fmt: skip
    difference = (cases[result["first"]] - cases[result["second"]]).to_numpy()
    assert result["difference"] == pytest.approx(difference.mean(), abs=1e-6)
    assert result["low"] <= result["difference"] <= result["high"]
    assert result["p"] == pytest.approx(stats.wilcoxon(difference, zero_method="pratt", method="asymptotic").pvalue)
    assert result["first_better"] == (difference > 0).sum()
    for test in tests:
        assert 0 < test["p"] <= test["p_holm"] <= 1
        assert 2 / 2**12 <= test["p_patients"] <= test["p_patients_holm"] <= 1


def test_decision_curve_lies_in_its_interval(evaluated: Evaluated) -> None:
    curve = evaluated.statistics["curves"]["biomedclip/head"]["decision"]
    low, model, high = (np.array(curve[name], dtype=float) for name in ("low", "model", "high"))
    known = ~np.isnan(low)  # without spread where all draws say the same, as where nobody is called severe
    assert known.sum() > 50 and (low < high)[known].all()
    assert (low <= model)[known].all() and (model <= high)[known].all()


def test_no_interval_of_the_run_collapses_or_misses_its_value(evaluated: Evaluated) -> None:
    statistics = evaluated.statistics
    rows = [*statistics["measures"], *(test | {"value": test["difference"]} for test in statistics["tests"])]
    assert len(rows) > 1000
    assert {row["interval"] for row in rows} <= {"bca", "shifted", "too few patients", "no spread", ""}
    for row in rows:
        if row["low"] is None:
            assert row["value"] is None or row["interval"] in ("too few patients", "no spread")
        else:
            assert row["patients"] >= 5 and row["low"] < row["high"], row
            assert row["low"] <= row["value"] <= row["high"], row


def test_false_masks_are_the_share_of_empty_references_with_a_mask(evaluated: Evaluated) -> None:
    cases = pq.read_table(evaluated.cases["segmentation"]).to_pandas()
    for (backbone, loss, reference), rows in cases.groupby(["backbone", "loss", "reference"]):
        result = find(evaluated.statistics["measures"], backbone=backbone, loss=loss, source="mask", stratum="empty",
                     reference=reference, metric="false_masks")  # fmt: skip
        normal = rows[rows["tp"] + rows["fn"] == 0]
        assert result is not None and result["n"] == len(normal) > 0
        assert result["value"] == pytest.approx((normal["fp"] > 0).mean(), abs=1e-6)


def test_probabilities_at_another_prevalence() -> None:
    """By hand: a head trained on equal grades, used where A is six times as frequent as D."""
    prevalence = Prevalence(np.array([0.6, 0.3, 0.1]), np.full(3, 1 / 3))
    corrected = prevalence.correct(np.array([[0.2, 0.2, 0.6], [1 / 3, 1 / 3, 1 / 3]]))
    np.testing.assert_allclose(corrected, [[0.5, 0.25, 0.25], [0.6, 0.3, 0.1]])


def test_true_masks_are_cropped_to_the_field_of_view(evaluated: Evaluated) -> None:
    """The synthetic pseudo-masks are the true masks, so they agree to the pixel, empty ones at grade A too."""
    result = find(evaluated.statistics["measures"], source="pseudo_mask", reference="true_mask", metric="dice",
                 stratum="all")  # fmt: skip
    assert result is not None and result["value"] == 1.0


def test_distances_are_in_millimetres_of_the_masks(evaluated: Evaluated) -> None:
    cases = pq.read_table(evaluated.cases["segmentation"]).to_pandas()
    ratio = (cases["hausdorff_mm"] / cases["hausdorff_px"]).dropna()
    np.testing.assert_allclose(ratio, 0.7 * 96 / 64, rtol=1e-6)  # mm per pixel of the crop, resized 96 to 64


def test_counts_of_empty_masks_are_published(evaluated: Evaluated) -> None:
    cases = pq.read_table(evaluated.cases["segmentation"]).to_pandas()
    for row in evaluated.statistics["empty_masks"]:
        if row["source"] == "mask":
            chosen = cases[(cases["backbone"] == row["backbone"]) & (cases["loss"] == row["loss"])]
            counts = chosen[chosen["reference"] == row["reference"]]["empty"].value_counts()
            assert {kind: row[kind] for kind in counts.index} == counts.to_dict()


def test_reports_beat_the_shuffled_control_and_checks_are_made(evaluated: Evaluated) -> None:
    measures = evaluated.statistics["measures"]
    above = find(measures, backbone="biomedclip", source="above_shuffled", metric="cider_d")
    own = find(measures, backbone="biomedclip", source="report", metric="grade_agreement")
    assert above is not None and above["low"] > 0
    cases = pq.read_table(evaluated.cases["report"]).to_pandas()
    first = cases[cases["backbone"] == "biomedclip"]
    assert own is not None
    assert own["value"] == pytest.approx((first["text_grade"] == first["grade"]).mean(), abs=1e-6)
    grades = pq.read_table(evaluated.cases["classification"]).to_pandas()
    heads = grades[grades["backbone"] == "biomedclip"]["head"].to_numpy()
    np.testing.assert_array_equal(first["agrees_with_head"].to_numpy(), first["text_grade"].to_numpy() == heads)
    disagree = first[~first["agrees_with_head"].astype(bool)]
    assert all(len(sentences) for sentences in disagree["disagreements"])
    sources = {row["source"] for row in measures if row["task"] == "report"}
    assert {"report", "shuffled", "most_frequent", "nearest_image", "template", "text"} <= sources


def test_metrics_for_dvc_are_numbers_by_model(evaluated: Evaluated) -> None:
    metrics = evaluated.metrics
    assert set(metrics) == {"classification", "segmentation", "report"}
    assert 0 <= metrics["segmentation"]["smolvlm"]["cross_entropy"]["dice_true_mask"] <= 1
    assert metrics["classification"]["biomedclip"]["head"]["accuracy"] > 0.4


def test_same_bytes_again(evaluated: Evaluated, tmp_path: Path) -> None:
    again = run_evaluate(evaluated.inputs, tmp_path)
    assert again.statistics_path.read_bytes() == evaluated.statistics_path.read_bytes()
    for task, path in again.cases.items():
        assert path.read_bytes() == evaluated.cases[task].read_bytes()


def test_manifests_give_the_caveats(tmp_path: Path) -> None:
    inputs = make(tmp_path / "inputs", patients=3, slices=3)
    facts = {"backbone": "smolvlm", "task": "segmentation", "loss": "pid_tversky", "leak": True,
             "weights": {"source": "tiny"}, "epochs": 5, "epochs_at_bound": 2}  # fmt: skip
    write_json(tmp_path / "train.json", {"stage": "train", "facts": facts, "params": {}})
    write_json(tmp_path / "cohort.json", {"stage": "cohort", "facts": {"caveat": "Paired at random."},
                                          "params": {"name": "folder"}})  # fmt: skip
    statistics = run_evaluate(inputs, tmp_path, [tmp_path / "train.json", tmp_path / "cohort.json"]).statistics
    caveats = " ".join(statistics["caveats"])
    assert "biomedclip, smolvlm, llava_med were fitted on the validation part's pseudo-masks" in caveats
    assert statistics["about"]["cohort_caveat"] == "Paired at random." and "Paired at random." in caveats
    assert "phantom" in caveats and "smolvlm are tiny" in caveats
    assert "Leak: smolvlm/segmentation/pid_tversky" in caveats and "Only 3 patients" in caveats
    (bound,) = [row for row in build_tables(Results(statistics))[6].rows if "bound" in row["metric"]]
    assert (bound["estimate"], bound["n"], bound["interval"]) == (0.4, 5, NOT_SAMPLED)
    lines = [[cell.text for cell in line] for line in grid_of(build_tables(Results(statistics))[6], 3).lines]
    (line,) = [line for line in lines if bound["metric"] in line]
    assert "5" in line and "0.400" in line  # epochs, of no patients


def test_without_truth_no_measure_refers_to_it(tmp_path: Path) -> None:
    inputs = make(tmp_path / "inputs", patients=3, slices=3)
    pq.write_table(TRUTH.empty_table(), inputs.truth)
    statistics = run_evaluate(inputs, tmp_path).statistics
    assert not statistics["about"]["phantom"]
    references = {row["reference"] for row in statistics["measures"] if row["task"] != "agreement"}
    assert references == {"note_grade", "pseudo_mask", "report"}
    assert not any("phantom" in caveat for caveat in statistics["caveats"])


def test_of_several_archives_the_drawn_ones_are_named(tmp_path: Path) -> None:
    inputs = make(tmp_path / "inputs", patients=3, slices=3)
    pq.write_table(TRUTH.empty_table(), inputs.truth)
    parts = {"ours": {"cohort": "folder"}, "drawn": {"cohort": "phantom"}}
    write_json(tmp_path / "cohort.json", {"stage": "cohort", "params": {"name": "several"},
                                          "facts": {"caveat": None, "cohort": "several", "parts": parts}})  # fmt: skip
    statistics = run_evaluate(inputs, tmp_path, [tmp_path / "cohort.json"]).statistics
    about = statistics["about"]
    assert (about["cohort"], about["archives"]) == ("drawn + ours", {"drawn": "phantom", "ours": "folder"})
    assert any(caveat.startswith("Of the cohort's archives drawn: phantom") for caveat in statistics["caveats"])
    assert {row["cohort"] for row in build_tables(Results(statistics))[2].rows} == {"drawn + ours"}


def test_predictions_of_other_slices_are_refused(tmp_path: Path) -> None:
    inputs = make(tmp_path / "inputs", patients=3, slices=3)
    path = inputs.predictions["smolvlm", "report", "focal"]
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(LssError, match=r"report-focal.parquet: holds other slices.*Rerun predict"):
        run_evaluate(inputs, tmp_path)
