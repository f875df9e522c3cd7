"""Stage evaluate: score all predictions of the test part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lss.errors import LssError
from lss.evaluation import masks as segmentation
from lss.evaluation import reports as language
from lss.evaluation.cases import CASE_SCHEMAS, TestCases, aligned, decode_mask
from lss.evaluation.comparisons import compare_all
from lss.evaluation.grades import Answers, answers_of_area, answers_of_head, answers_of_text, evaluate_answers
from lss.evaluation.measures import Measure, rounded
from lss.evaluation.summary import caveats, summarise
from lss.grades import GRADES
from lss.io import read_parquet, write_json, write_parquet
from lss.manifest import read_manifest, write_manifest
from lss.metrics.bootstrap import METHOD_NAMES, PatientBootstrap
from lss.metrics.report_baselines import (
    shuffled_partners,
)
from lss.model.severity import PAPER_THRESHOLDS, Thresholds
from lss.params import EvaluateParams
from lss.progress import progress
from lss.schemas import CLASSIFICATION, REPORT, SEGMENTATION
from lss.stages._evaluation_inputs import TrainingPart, baseline_reports, read_cases

Run = tuple[str, str, str]
Rows = list[dict[str, Any]]
_SCHEMAS = {"classification": CLASSIFICATION, "segmentation": SEGMENTATION, "report": REPORT}


def run(
    params: EvaluateParams,
    seed: int,
    *,
    predictions: dict[Run, Path],
    shards: dict[str, list[Path]],
    truth: Path,
    cases: dict[str, Path],
    metrics: Path,
    statistics: Path,
    manifest: Path,
    manifests: Sequence[Path] = (),
) -> None:
    """Score all predictions: per-case tables, measures with intervals, curves, tests.

    Args:
        params: the evaluate section.
        seed: of params.yaml; of the bootstrap and of the shuffled-image control.
        predictions: table per (backbone, task, loss).
        shards: paths per subset; train gives thresholds and baselines, test the references.
        truth: true masks and grades of the phantom; a table without rows for other cohorts.
        cases: gets a table per task, columns of lss.evaluation.cases.
        metrics: gets the few numbers that `dvc metrics` compares, as JSON.
        statistics: gets everything the tables and figures print, as JSON; no times, so equal runs give equal bytes.
        manifest: gets the stage's manifest.
        manifests: of the stages cohort and train, for caveats (weights, leak).

    Raises LssError on missing or foreign files, ImpossibleMetricsError where numbers contradict each other.
    """
    started = datetime.now(UTC)
    tables = {model: read_parquet(path, _SCHEMAS[model[1]]).to_pylist() for model, path in predictions.items()}
    segmenters = [model for model in predictions if model[1] == "segmentation"]
    if not segmenters:
        raise LssError("evaluate: predictions: there is no segmentation model. See train.segmentation.losses.")
    size = decode_mask(tables[segmenters[0]][0]["mask"]["bytes"]).shape
    train = TrainingPart(shards["train"])
    test = read_cases(shards["test"], truth, (size[0], size[1]), train.grade_a_empty)
    tables = {model: aligned(rows, test.keys, str(predictions[model])) for model, rows in tables.items()}
    bootstrap = PatientBootstrap(test.patients, params.bootstrap_draws, params.confidence, seed, params.interval)

    found = _Findings()
    rows = {"segmentation": _segmentation(tables, segmenters, test, bootstrap, found)}
    rows["classification"] = _classification(tables, segmenters, test, bootstrap, train.thresholds, found)
    rows["report"] = _reports(tables, rows["classification"], test, bootstrap, train, shards, seed, found)
    found.measures += language.masks_by_stated_grade(rows["report"], rows["segmentation"], bootstrap)

    about = _about(params, test, train.thresholds, bootstrap, [read_manifest(path) for path in manifests])
    for task, path in cases.items():
        write_parquet(path, rows[task], CASE_SCHEMAS[task])
    write_json(metrics, summarise(found.measures))
    write_json(
        statistics,
        {
            "about": about,
            "caveats": caveats(about) + found.caveats,
            "models": [list(model) for model in predictions],
            "measures": found.measures,
            "curves": found.curves,
            "tests": found.tests,
            "empty_masks": found.empty_masks,
        },
    )
    write_manifest(
        manifest,
        "evaluate",
        inputs=[*predictions.values(), *shards["train"], *shards["test"], truth],
        outputs=[*cases.values(), metrics, statistics],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={"images": len(test), "patients": bootstrap.patients, "measures": len(found.measures)},
    )


class _Findings:
    """What the parts of the evaluation add to."""

    def __init__(self) -> None:
        self.measures: list[Measure] = []
        self.curves: dict[str, dict[str, Any]] = {}  # "backbone/source" -> confusion, ROC, ...
        self.tests: Rows = []
        self.empty_masks: Rows = []
        self.caveats: list[str] = []


def _segmentation(
    tables: dict[Run, Rows], models: list[Run], test: TestCases, bootstrap: PatientBootstrap, found: _Findings
) -> Rows:
    """Every segmentation model against pseudo-masks and true masks, and the pseudo-masks against the true ones."""
    references = {"pseudo_mask": test.pseudo_masks}
    if test.has_truth:
        references["true_mask"] = [mask for mask in test.true_masks if mask is not None]
    systems = [
        (backbone, loss, "mask", [decode_mask(row["mask"]["bytes"]) for row in tables[backbone, task, loss]])
        for backbone, task, loss in models
    ]
    systems.append(("", "", "pseudo_mask", test.pseudo_masks))
    all_rows: Rows = []
    dice = {}
    for backbone, loss, source, predicted in progress(systems, "score masks", unit="model"):
        for name, reference in references.items():
            if name == source:
                continue
            rows = segmentation.score_masks(predicted, reference, test, (backbone, loss, name))
            key = {"task": "segmentation", "backbone": backbone, "loss": loss, "source": source, "reference": name}
            measures, empty = segmentation.evaluate_masks(key, rows, bootstrap)
            found.measures += measures
            found.empty_masks.append(key | empty)
            if source == "mask":
                all_rows += rows
                dice[name, backbone, loss] = np.array([row["dice"] for row in rows])
    losses = list(dict.fromkeys(loss for _, _, loss in models))
    for name in references:
        of = {f"{backbone} {loss}": values for (ref, backbone, loss), values in dice.items() if ref == name}
        first = {f"{backbone} {losses[0]}": of[f"{backbone} {losses[0]}"] for backbone, _, _ in models}
        found.tests += compare_all(f"Dice against {name}, backbones", first)
        pairs = [(f"{b} {losses[0]}", f"{b} {loss}") for b, _, loss in models if loss != losses[0]]
        found.tests += compare_all(f"Dice against {name}, losses", of, pairs)
    return all_rows


def _classification(
    tables: dict[Run, Rows],
    segmenters: list[Run],
    test: TestCases,
    bootstrap: PatientBootstrap,
    thresholds: Thresholds,
    found: _Findings,
) -> Rows:
    """Grades by head, by area under both thresholds, by text, against the notes' grades and the true ones."""
    references = {"note_grade": test.classes}
    if None not in test.true_grades:
        references["true_grade"] = np.array([GRADES.index(grade) for grade in test.true_grades if grade])
    all_rows: Rows = []
    right: dict[str, dict[str, np.ndarray]] = {}
    for backbone in progress(dict.fromkeys(model[0] for model in segmenters), "score grades", unit="model"):
        ways = _ways(tables, backbone, thresholds)
        for source, (loss, answers) in ways.items():
            for name, true in references.items():
                key = {"task": "classification", "backbone": backbone, "loss": loss, "source": source}
                measures, curves = evaluate_answers(key | {"reference": name}, answers, true, bootstrap)
                found.measures += measures
                if name == "note_grade":
                    found.curves[f"{backbone}/{source}"] = curves
                    right.setdefault(source, {})[backbone] = answers.classes == true
        all_rows += _grade_rows(tables, backbone, ways, test)
    for source, columns in right.items():
        found.tests += compare_all(f"grades by {source}", columns)
    return all_rows


def _first(tables: dict[Run, Rows], backbone: str, task: str) -> tuple[str, Rows] | None:
    """Loss and rows of a backbone's first model of a task, or None."""
    return next(((m[2], rows) for m, rows in tables.items() if m[:2] == (backbone, task)), None)


def _ways(tables: dict[Run, Rows], backbone: str, thresholds: Thresholds) -> dict[str, tuple[str, Answers]]:
    """Every way a backbone answers: source to (loss of its model, answers)."""
    ways: dict[str, tuple[str, Answers]] = {}
    if head := _first(tables, backbone, "classification"):
        probabilities = np.array([[row[f"p_{grade}"] for grade in GRADES] for row in head[1]], dtype=np.float64)
        ways["head"] = (head[0], answers_of_head(probabilities))
    if mask := _first(tables, backbone, "segmentation"):
        areas = np.array([row["area_percent"] for row in mask[1]], dtype=np.float64)
        ways["area_paper"] = (mask[0], answers_of_area(areas, PAPER_THRESHOLDS))
        ways["area_calibrated"] = (mask[0], answers_of_area(areas, thresholds))
    if text := _first(tables, backbone, "report"):
        ways["text"] = (text[0], answers_of_text([language.grade_report(row["report"]) for row in text[1]]))
    return ways


def _grade_rows(tables: dict[Run, Rows], backbone: str, ways: dict[str, tuple[str, Answers]], test: TestCases) -> Rows:
    """Rows of the classification case table of one backbone."""
    head = _first(tables, backbone, "classification")
    mask = _first(tables, backbone, "segmentation")
    rows = []
    for index in range(len(test)):
        said = {source: answers.grades[index] for source, (_, answers) in ways.items()}
        spoken = [said[source] for source in ("head", "area_calibrated", "text") if source in said]
        rows.append(
            test.identity(index, backbone, head[0] if head else "")
            | {f"p_{grade}": head[1][index][f"p_{grade}"] if head else None for grade in GRADES}
            | {"area_percent": mask[1][index]["area_percent"] if mask else None}
            | {source: said.get(source) for source in ("head", "area_paper", "area_calibrated", "text")}
            | {"agree": len(set(spoken)) == 1}
        )
    return rows


def _reports(
    tables: dict[Run, Rows],
    grade_rows: Rows,
    test: TestCases,
    bootstrap: PatientBootstrap,
    train: TrainingPart,
    shards: dict[str, list[Path]],
    seed: int,
    found: _Findings,
) -> Rows:
    """Text metrics of the generators, of baselines and of the shuffled-image control; checks of each report."""
    by_backbone: dict[str, Rows] = {}
    for row in grade_rows:
        by_backbone.setdefault(row["backbone"], []).append(row)
    generators = any(model[1] == "report" for model in tables)
    baselines = baseline_reports(by_backbone, test, train, shards) if generators else {}
    try:
        partner = shuffled_partners(test.patients, seed)
    except ValueError as error:
        found.caveats.append(f"No shuffled-image control: {error}.")
        partner = None
    all_rows: Rows = []
    for loss in dict.fromkeys(model[2] for model in tables if model[1] == "report"):
        of_loss = {model[0]: rows for model, rows in tables.items() if model[1:] == ("report", loss)}
        generated = {backbone: [row["report"] for row in rows] for backbone, rows in of_loss.items()}
        systems = language.Systems(generated, baselines, partner)
        measures, scores, text_caveats = language.evaluate_reports(systems, loss, test, bootstrap)
        found.measures += measures
        found.caveats += text_caveats
        for backbone, rows in of_loss.items():
            areas = [row["area_percent"] for row in rows]
            grades = by_backbone[backbone]
            checks = language.check_reports(
                generated[backbone], areas, [g["area_calibrated"] for g in grades], [g["head"] for g in grades], test
            )
            all_rows += language.case_rows(backbone, loss, test, generated[backbone], areas, scores[backbone], checks)
        baselines = {}  # once is enough
    return all_rows


def _about(
    params: EvaluateParams,
    test: TestCases,
    thresholds: Thresholds,
    bootstrap: PatientBootstrap,
    manifests: list[dict[str, Any]],
) -> dict[str, Any]:
    """What was evaluated on what, by which conventions."""
    trained = [entry["facts"] for entry in manifests if entry["stage"] == "train"]
    return {
        "cohort": next((entry["params"]["name"] for entry in manifests if entry["stage"] == "cohort"), None),
        "phantom": test.has_truth,
        "images": len(test),
        "patients": bootstrap.patients,
        "images_by_grade": dict(sorted(Counter(test.grades).items())),
        "images_by_level": dict(sorted(Counter(level or "unknown" for level in test.levels).items())),
        "empty_references": sum(not mask.any() for mask in test.pseudo_masks),
        "interval": f"{METHOD_NAMES[params.interval]} over patients, {params.bootstrap_draws} draws",
        "confidence": params.confidence,
        "thresholds_percent": {
            "paper": list(PAPER_THRESHOLDS),
            "calibrated": [rounded(threshold) for threshold in thresholds],
        },
        "weights": {fact["backbone"]: fact["weights"].get("source") for fact in trained},
        "leak": sorted("/".join((f["backbone"], f["task"], f["loss"])) for f in trained if f["leak"]),
    }
